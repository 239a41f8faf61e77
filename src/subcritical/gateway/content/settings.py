"""What a file of settings, or any other text, says about limits: both sides parsed, never run."""

from __future__ import annotations

import configparser
import json
import re
import tomllib
from collections import Counter
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any

import yaml

from subcritical.gateway.content.names import Names, folded, words_of

CHARS_MAX = 200_000
_ITEMS_MAX = 4000
_CHARS_IN_ALL = 400_000
_LINE_MAX = 5000
_NUMBER_CHARS = 200
_DEPTH_MAX = 50
_PLAIN_NUMBER = re.compile(r"\W*(?:export\s+|const\s+|let\s+|var\s+)?(\w+)\W*[:=]\s*(\d+(?:\.\d+)?)\s*[;,]?\s*")
_REFERENCE = re.compile(r"(?:[$%][{(]*|\{\{ *)(?:\w+[.:/])*(\w+)")
"""`$NAME`, `${NAME}`, `$(NAME)`, `%(name)s`, `{{ name }}`."""
_QUOTING = str.maketrans("", "", "\"'\\`^")

Item = tuple[str, str]
"""Where a value lies (keys and places, folded), and the value."""


def items_of(data: bytes, path: str) -> tuple[Item, ...] | None:
    """Every value of a file, with its place; of a text that is no file of settings, its lines.

    Returns:
        None where it cannot be read as what its name says, or is longer than `CHARS_MAX`.
    """
    return _items(data, path.rsplit(".", 1)[-1].casefold() if "." in path.rsplit("/", 1)[-1] else "")


@lru_cache(maxsize=64)
def _items(data: bytes, ending: str) -> tuple[Item, ...] | None:
    if len(data) > CHARS_MAX:
        return None
    try:
        text = data.decode("utf-8")
        parse = _PARSERS.get(ending)
        lines = text.splitlines()
        if ending == "toml" and max(map(len, lines), default=0) > _LINE_MAX:
            return None  # a key of many parts takes its reader time that grows with their square
        items = tuple(_flat(parse(text), "", 0)) if parse else tuple(("", line.strip()) for line in lines)
    except Exception:  # noqa: BLE001 - hostile text finds ways to break readers; unread is the strictest class
        return None
    return items if len(items) <= _ITEMS_MAX and sum(len(p) + len(v) for p, v in items) <= _CHARS_IN_ALL else None


def _flat(value: Any, place: str, depth: int) -> Iterator[Item]:
    if depth > _DEPTH_MAX:
        raise ValueError("nested too deep")
    if isinstance(value, _Pairs):
        for key, inner in value:
            yield from _flat(inner, f"{place}/{folded(str(key))}", depth + 1)
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            yield from _flat(inner, f"{place}/{number}", depth + 1)
    else:
        yield place, str(value)


class _Pairs(list[tuple[Any, Any]]):
    """A mapping with every key it was written with: of two equal ones readers take one or the other."""


def _json(text: str) -> Any:
    return json.loads(text, object_pairs_hook=_Pairs)


def _json_lines(text: str) -> list[Any]:
    return [_json(line) for line in text.splitlines() if line.strip()]


def _pairs(value: Any) -> Any:
    if isinstance(value, dict):
        return _Pairs((key, _pairs(inner)) for key, inner in value.items())
    return [_pairs(inner) for inner in value] if isinstance(value, list) else value


def _yaml(text: str) -> Any:
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    return [_built(document) for document in yaml.compose_all(text, loader) if document is not None]


def _built(root: yaml.Node) -> Any:
    """Plain data with every pair; an alias stands for what it names, up to a bounded number of values."""
    left = _ITEMS_MAX

    def build(node: yaml.Node, depth: int) -> Any:
        nonlocal left
        left -= 1
        if left < 0 or depth > _DEPTH_MAX:
            raise ValueError("too many values, or nested too deep")
        if isinstance(node, yaml.MappingNode):
            return _Pairs((_scalar(key), build(value, depth + 1)) for key, value in node.value)
        if isinstance(node, yaml.SequenceNode):
            return [build(value, depth + 1) for value in node.value]
        return str(node.value)

    return build(root, 0)


def _scalar(node: yaml.Node) -> str:
    if not isinstance(node, yaml.ScalarNode):
        raise ValueError("a key that is no text")  # noqa: TRY004 - of the file, not of our code
    return str(node.value)


def _ini(text: str) -> Any:
    parser = configparser.RawConfigParser(strict=False, interpolation=None, allow_no_value=True, default_section="")
    parser.read_string(text)
    return _pairs({name: dict(parser.items(name)) for name in parser.sections()})


_PARSERS: dict[str, Callable[[str], Any]] = {
    "json": _json,
    "ipynb": _json,
    "jsonl": _json_lines,
    "yaml": _yaml,
    "yml": _yaml,
    "toml": lambda text: _pairs(tomllib.loads(text)),
    "ini": _ini,
    "cfg": _ini,
}


def is_settings(path: str) -> bool:
    """Whether a file is parsed into keys and values."""
    return path.rsplit(".", 1)[-1].casefold() in _PARSERS


def deciding(items: tuple[Item, ...], names: Names) -> Counter[Item]:
    """The items that name a limit, in the keys that lead to them or in their text, and those that these refer to.

    Where a value is the name of a limit, what lies beside it counts, too (`name: TIMEOUT, value: 60`).
    """
    by_word: dict[str, list[Item]] = {}
    beside: dict[str, list[Item]] = {}
    for item in items:
        place, value = item
        for word in words_of(place) | words_of(value.translate(_QUOTING)):
            by_word.setdefault(word, []).append(item)
        beside.setdefault(place.rpartition("/")[0] or place, []).append(item)
    found: set[Item] = set()
    new, seen = set(names), set()
    while new:
        word = new.pop()
        seen.add(word)
        for item in by_word.get(word, ()):
            if item in found:
                continue
            place, value = item
            siblings = beside[place.rpartition("/")[0] or place] if place and folded(value) == word else ()
            found |= {item, *siblings}
            new |= {folded(reference) for reference in _REFERENCE.findall(value)} - seen
    return Counter(item for item in items if item in found)


def only_lowers(before: Counter[Item], after: Counter[Item]) -> bool:
    """Whether every item that differs is the same plain number, made smaller."""
    gone, come = before - after, after - before
    lowered = 0
    for item in come:
        name, number = _number(item)
        old = [_number(other) for other in gone]
        if number is None or not any(key == name and value is not None and 0 < number < value for key, value in old):
            return False
        lowered += 1
    return lowered == len(gone) and sum(gone.values()) == sum(come.values())


def _number(item: Item) -> tuple[str, float | None]:
    place, value = item
    if len(value) > _NUMBER_CHARS:
        return "", None
    if place:
        text = value if re.fullmatch(r"\d+(?:\.\d+)?", value) else None
        return place, float(text) if text else None
    plain = _PLAIN_NUMBER.fullmatch(value)
    return (folded(plain[1]), float(plain[2])) if plain else ("", None)
