"""Content rules in the Sigma format, as predicates on the fields of one record.

The part of the specification (SigmaHQ, version 2) that a rule about one record needs: selections as maps or lists of
maps, the modifiers `contains`, `startswith`, `endswith`, `re`, `all`, `cased` and `exists`, wildcards, and conditions
with `and`, `or`, `not`, parentheses, `1 of` and `all of`. A rule that uses anything else is refused, never half
understood. Plain values are compared without regard to case, as the specification says.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from fnmatch import fnmatchcase
from typing import Any, Generic, NamedTuple, TypeVar

import msgspec

from subcritical.errors import ConfigError
from subcritical.schema import Severity

Fields = Mapping[str, str]
Test = Callable[[Fields], bool]
ValueT = TypeVar("ValueT")
LEVELS = {
    "informational": Severity.INFO,
    "low": Severity.LOW,
    "medium": Severity.MEDIUM,
    "high": Severity.HIGH,
    "critical": Severity.CRITICAL,
}
_MODIFIERS = frozenset({"contains", "startswith", "endswith", "re", "all", "cased", "exists"})
_TOKEN = re.compile(r"\(|\)|[^\s()]+")
_TECHNIQUE = re.compile(r"rsi\.(t\d{4})$", re.IGNORECASE)


class Rule(msgspec.Struct, frozen=True):
    """One rule, ready to be asked.

    Attributes:
        id: Its `id`.
        title: What it says.
        why: Its `description`, one line.
        level: Severity where nothing explains the act.
        technique: From its tag `rsi.tNNNN`.
        detector: From its tag `detector.NAME`.
        authorised_by: What an operator's text must say for the act to count as asked for; None where nothing does.
        test: Whether a record matches.
    """

    id: str
    title: str
    why: str
    level: Severity
    technique: str
    detector: str
    authorised_by: re.Pattern[str] | None
    test: Test


def compile_rule(source: Mapping[str, Any], *, where: str, fixed: tuple[str, bool] | None = None) -> Rule:
    """Make a rule out of its parsed YAML.

    Args:
        source: The mapping.
        where: File, for messages.
        fixed: A clause, `selection` or `selection.field`, that always or never holds: to try whether it matters.

    Raises:
        ConfigError: Something is missing, or is no part of what is understood here.
    """
    try:
        tags = [str(tag) for tag in source.get("tags") or ()]
        technique = next(match[1].upper() for tag in tags if (match := _TECHNIQUE.match(tag)))
        detector = next(tag.removeprefix("detector.") for tag in tags if tag.startswith("detector."))
        detection = dict(source["detection"])
        condition = str(detection.pop("condition"))
        selections = {name: _selection(name, part, fixed) for name, part in detection.items()}
        asked = source.get("authorised_by")
        return Rule(
            id=str(source["id"]),
            title=str(source["title"]),
            why=" ".join(str(source["description"]).split()),
            level=LEVELS[str(source["level"])],
            technique=f"RSI-{technique}",
            detector=detector,
            authorised_by=re.compile(asked, re.IGNORECASE) if asked else None,
            test=parse_condition(condition, selections, TESTS),
        )
    except StopIteration:
        raise ConfigError("tags must name a technique (rsi.tNNNN) and a detector (detector.NAME)", path=where) from None
    except KeyError as error:
        raise ConfigError(f"the rule lacks {error}, or gives a value that is not known for it", path=where) from None
    except (ValueError, TypeError, AttributeError, re.error) as error:
        raise ConfigError(f"not a rule: {error}", path=where) from None


def clauses(source: Mapping[str, Any]) -> list[str]:
    """Names of everything in a rule that must matter."""
    found = []
    for name, part in source["detection"].items():
        if name != "condition":
            maps = part if isinstance(part, list) else [part]
            fields = {field for one in maps if isinstance(one, dict) for field in one}
            found += [f"{name}.{field}" for field in sorted(fields)] if len(fields) > 1 else [name]
    return found


def _selection(name: str, part: Any, fixed: tuple[str, bool] | None) -> Test:
    """A map is all of its fields, a list of maps any of them."""
    clause, holds = fixed or ("", False)
    if clause == name:
        return lambda _: holds
    maps = part if isinstance(part, list) else [part]
    tests = [
        _all([(lambda _: holds) if clause == f"{name}.{key}" else _field(key, value) for key, value in one.items()])
        for one in maps
    ]
    return tests[0] if len(tests) == 1 else _any(tests)


def _field(key: str, value: Any) -> Test:
    field, *modifiers = key.split("|")
    unknown = set(modifiers) - _MODIFIERS
    if unknown:
        raise ValueError(f"unknown modifier {min(unknown)!r} of {field!r}")
    if "exists" in modifiers:
        return lambda fields: bool(fields.get(field)) is bool(value)
    values = value if isinstance(value, list) else [value]
    tests = [_value(field, str(one), modifiers) for one in values]
    return _all(tests) if "all" in modifiers else _any(tests)


def _value(field: str, value: str, modifiers: list[str]) -> Test:
    if "re" in modifiers:
        pattern = re.compile(value)
        return lambda fields: pattern.search(fields.get(field, "")) is not None
    fold: Callable[[str], str] = str if "cased" in modifiers else str.lower
    wanted = fold(value)
    if "contains" in modifiers:
        return lambda fields: wanted in fold(fields.get(field, ""))
    if "startswith" in modifiers:
        return lambda fields: fold(fields.get(field, "")).startswith(wanted)
    if "endswith" in modifiers:
        return lambda fields: fold(fields.get(field, "")).endswith(wanted)
    if "*" in wanted or "?" in wanted:
        return lambda fields: fnmatchcase(fold(fields.get(field, "")), wanted)
    return lambda fields: fold(fields.get(field, "")) == wanted


def _all(tests: list[Test]) -> Test:
    return lambda fields: all(test(fields) for test in tests)


def _any(tests: list[Test]) -> Test:
    return lambda fields: any(test(fields) for test in tests)


def _not(test: Test) -> Test:
    return lambda fields: not test(fields)


class Algebra(NamedTuple, Generic[ValueT]):
    """What the words of a condition make of what its selections are."""

    any: Callable[[list[ValueT]], ValueT]
    all: Callable[[list[ValueT]], ValueT]
    negated: Callable[[ValueT], ValueT]


TESTS: Algebra[Test] = Algebra(_any, _all, _not)


def parse_condition(text: str, selections: Mapping[str, ValueT], algebra: Algebra[ValueT]) -> ValueT:
    """What a condition makes of its selections.

    Raises:
        ValueError: It is no condition on these selections.
    """
    return _Condition(text, selections, algebra).parse()


class _Condition(Generic[ValueT]):
    """A condition by recursive descent: `or` below `and` below `not`."""

    def __init__(self, text: str, selections: Mapping[str, ValueT], algebra: Algebra[ValueT]) -> None:
        self._text = text
        self._tokens: list[str] = _TOKEN.findall(text)
        self._selections = selections
        self._algebra = algebra

    def parse(self) -> ValueT:
        test = self._or()
        if self._tokens:
            raise ValueError(f"condition {self._text!r} goes on with {self._tokens[0]!r}")
        return test

    def _next(self) -> str:
        if not self._tokens:
            raise ValueError(f"condition {self._text!r} ends too early")
        return self._tokens.pop(0)

    def _is(self, word: str) -> bool:
        return bool(self._tokens) and self._tokens[0].lower() == word

    def _or(self) -> ValueT:
        tests = [self._and()]
        while self._is("or"):
            self._next()
            tests.append(self._and())
        return tests[0] if len(tests) == 1 else self._algebra.any(tests)

    def _and(self) -> ValueT:
        tests = [self._not()]
        while self._is("and"):
            self._next()
            tests.append(self._not())
        return tests[0] if len(tests) == 1 else self._algebra.all(tests)

    def _not(self) -> ValueT:
        if self._is("not"):
            self._next()
            return self._algebra.negated(self._not())
        word = self._next()
        if word == "(":
            test = self._or()
            if self._next() != ")":
                raise ValueError(f"condition {self._text!r} lacks a closing parenthesis")
            return test
        if word.lower() in {"1", "all"} and self._is("of"):
            self._next()
            return (self._algebra.any if word == "1" else self._algebra.all)(self._named(self._next()))
        return self._named(word, exact=True)[0]

    def _named(self, pattern: str, *, exact: bool = False) -> list[ValueT]:
        names = [name for name in self._selections if name == pattern or (not exact and fnmatchcase(name, pattern))]
        if pattern == "them":
            names = list(self._selections)
        if not names:
            raise ValueError(f"condition {self._text!r} names {pattern!r}, which is no selection")
        return [self._selections[name] for name in names]
