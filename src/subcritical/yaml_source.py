"""YAML with places: plain data, and for each value the line it came from.

Only safe scalars, lists and mappings. Duplicate keys, anchors, tags and files over 1 MiB are
refused: a loop file is read by people, and those are how two readers see different files.
"""

from __future__ import annotations

import difflib
import re
from pathlib import Path
from typing import Annotated, Any, TypeVar

import msgspec
import yaml

from subcritical.errors import ConfigError

_MAX_BYTES = 1 << 20
_MAX_DEPTH = 32
_UNITS_S = {"ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_UNITS_BYTES = {"B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "TiB": 1 << 40}
_DURATION = r"^([0-9]+(?:\.[0-9]+)?) ?(ms|s|m|h|d)$"
_SIZE = r"^([0-9]+(?:\.[0-9]+)?) ?(B|KiB|MiB|GiB|TiB)$"

Key = tuple[str | int, ...]
T = TypeVar("T")


Duration = Annotated[str, msgspec.Meta(pattern=_DURATION, description="a duration such as 250ms, 30s, 10m, 1d")]
Size = Annotated[str, msgspec.Meta(pattern=_SIZE, description="a size such as 64KiB, 256MiB, 1GiB")]


def seconds(duration: str) -> float:
    """Seconds of a validated `Duration`."""
    match = re.match(_DURATION, duration)
    if match is None:
        raise ConfigError(f"expected a duration such as 30s, 10m or 1d, got `{duration}`")
    return float(match.group(1)) * _UNITS_S[match.group(2)]


def size_bytes(size: str) -> int:
    """Bytes of a validated `Size`."""
    match = re.match(_SIZE, size)
    if match is None:
        raise ConfigError(f"expected a size such as 64KiB, 256MiB or 1GiB, got `{size}`")
    return int(float(match.group(1)) * _UNITS_BYTES[match.group(2)])


class Source:
    """A parsed file: its data, and the line of every key and value.

    Attributes:
        path: The file, as the caller named it.
        data: Plain dicts, lists and scalars.
    """

    def __init__(self, path: Path, text: str) -> None:
        """Parse `text`; see `read` for files.

        Raises:
            ConfigError: Not YAML, or YAML that is refused here.
        """
        self.path = path
        self._lines: dict[Key, int] = {}
        try:
            self._refuse_anchors(text)
            node = yaml.compose(text, Loader=yaml.SafeLoader)
        except yaml.YAMLError as error:
            mark: Any = getattr(error, "problem_mark", None)
            problem = getattr(error, "problem", None) or "not readable as YAML"
            raise ConfigError(str(problem), path=str(path), line=mark.line + 1 if mark else None) from error
        except RecursionError as error:
            raise ConfigError("nested too deeply", path=str(path)) from error
        if node is None:
            raise ConfigError("the file is empty; `subcritical config schema` shows what belongs in it", path=str(path))
        self.data = self._build(node, ())

    def line(self, key: Key) -> int | None:
        """1-based line of the value at `key`, or of its nearest parent."""
        while key and key not in self._lines:
            key = key[:-1]
        return self._lines.get(key)

    def error(self, message: str, key: Key = ()) -> ConfigError:
        """A `ConfigError` that points at `key`."""
        return ConfigError(message, path=str(self.path), line=self.line(key))

    def convert(self, kind: type[T]) -> T:
        """Validate the data into a record.

        Raises:
            ConfigError: An unknown key (with the nearest known name), a wrong type or a bad value.
        """
        try:
            return msgspec.convert(self.data, kind)
        except msgspec.ValidationError as error:
            raise self._explain(error, kind) from error

    def _refuse_anchors(self, text: str) -> None:
        for event in yaml.parse(text, Loader=yaml.SafeLoader):
            if getattr(event, "anchor", None) is not None:
                line = event.start_mark.line + 1 if event.start_mark else None
                raise ConfigError("anchors and aliases are not allowed; write it out", path=str(self.path), line=line)

    def _build(self, node: yaml.Node, key: Key) -> Any:
        if len(key) > _MAX_DEPTH:
            raise self.error("nested too deeply", key)
        line = node.start_mark.line + 1
        self._lines[key] = line
        if isinstance(node, yaml.ScalarNode):
            return self._scalar(node, line)
        if isinstance(node, yaml.SequenceNode):
            return [self._build(item, (*key, index)) for index, item in enumerate(node.value)]
        result: dict[str, Any] = {}
        for name_node, value_node in node.value:
            line = name_node.start_mark.line + 1
            if not isinstance(name_node, yaml.ScalarNode):
                raise ConfigError("a key must be plain text", path=str(self.path), line=line)
            name = name_node.value
            if name in result:
                raise ConfigError(f"key `{name}` is given twice", path=str(self.path), line=line)
            result[name] = self._build(value_node, (*key, name))
        return result

    def _scalar(self, node: yaml.ScalarNode, line: int) -> Any:
        if node.tag not in {f"tag:yaml.org,2002:{kind}" for kind in ("str", "int", "float", "bool", "null")}:
            raise ConfigError(f"a value of kind {node.tag} is not allowed", path=str(self.path), line=line)
        try:
            return yaml.SafeLoader("").construct_object(node)
        except (ValueError, yaml.YAMLError) as error:
            raise ConfigError(f"unreadable value {node.value!r}", path=str(self.path), line=line) from error

    def _wanted(self, text: str, kind: type, key: Key) -> str:
        """What a wrong value should have been, in the words of the loop file."""
        info = _info_at(kind, key)
        got = f"got `{_value_at(self.data, key)}`"
        if isinstance(info, msgspec.inspect.EnumType):
            return f"expected one of {', '.join(str(member.value) for member in info.cls)}; {got}"
        if isinstance(info, msgspec.inspect.LiteralType):
            return f"expected one of {', '.join(map(str, info.values))}; {got}"
        for pattern, wanted in (
            (_DURATION, "a duration such as 30s, 10m or 1d"),
            (_SIZE, "a size such as 64KiB or 1GiB"),
        ):
            if getattr(info, "pattern", None) == pattern:
                return f"expected {wanted}; {got}"
        return text[:1].lower() + text[1:]

    def _explain(self, error: msgspec.ValidationError, kind: type) -> ConfigError:
        text, _, where = str(error).partition(" - at `$")
        key = _parse_path(where.rstrip("`"))
        unknown = re.search(r"unknown field `([^`]*)`", text)
        if unknown is None:
            name = _dotted(key)
            return self.error(f"{name + ': ' if name else ''}{self._wanted(text, kind, key)}", key)
        name = unknown.group(1)
        known = _fields_at(kind, key)
        near = difflib.get_close_matches(name, known, n=1)
        hint = f"did you mean `{near[0]}`?" if near else f"known keys: {', '.join(known)}"
        where = f" in `{_dotted(key)}`" if key else ""
        return self.error(f"unknown key `{name}`{where}; {hint}", (*key, name))


def _value_at(data: Any, key: Key) -> Any:
    for part in key:
        try:
            data = data[part]
        except (KeyError, IndexError, TypeError):
            return None
    return data


def read(path: Path) -> Source:
    """Read a YAML file.

    Raises:
        ConfigError: Missing, unreadable, too large, not UTF-8, or not acceptable YAML.
    """
    try:
        with path.open("rb") as file:
            data = file.read(_MAX_BYTES + 1)
    except FileNotFoundError as error:
        raise ConfigError("no such file; check the path", path=str(path)) from error
    except OSError as error:
        raise ConfigError(f"cannot be read: {error.strerror}", path=str(path)) from error
    if len(data) > _MAX_BYTES:
        raise ConfigError("larger than 1 MiB: not a loop file", path=str(path))
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ConfigError(f"not UTF-8 at byte {error.start}", path=str(path)) from error
    return Source(path, text)


def _parse_path(text: str) -> Key:
    parts: list[str | int] = []
    for name, index in re.findall(r"\.([^.\[]+)|\[(\d+|\.\.\.)\]", text):
        if name:
            parts.append(name)
        elif index.isdigit():
            parts.append(int(index))
    return tuple(parts)


def _dotted(key: Key) -> str:
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in key).lstrip(".")


def _info_at(kind: Any, key: Key) -> Any:
    """What type the value at `key` below the record type `kind` should have."""
    info: Any = msgspec.inspect.type_info(kind)
    for part in key:
        info = _step(info, part)
    return _plain(info)


def _fields_at(kind: Any, key: Key) -> list[str]:
    info = _info_at(kind, key)
    if isinstance(info, msgspec.inspect.UnionType):
        info = next((t for t in info.types if isinstance(t, msgspec.inspect.StructType)), info)
    return [field.encode_name for field in info.fields] if isinstance(info, msgspec.inspect.StructType) else []


def _step(info: Any, part: str | int) -> Any:
    info = _plain(info)
    if isinstance(info, msgspec.inspect.UnionType):
        info = next((t for t in info.types if isinstance(t, msgspec.inspect.StructType)), info)
    if isinstance(info, msgspec.inspect.StructType):
        return next((field.type for field in info.fields if field.encode_name == part), info)
    return getattr(info, "item_type", getattr(info, "value_type", info))


def _plain(info: Any) -> Any:
    """Strip annotations, and `None` from an optional type."""
    while isinstance(info, msgspec.inspect.Metadata):
        info = info.type
    if isinstance(info, msgspec.inspect.UnionType):
        real = [t for t in info.types if not isinstance(t, msgspec.inspect.NoneType)]
        if len(real) == 1:
            return _plain(real[0])
    return info
