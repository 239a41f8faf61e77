"""Inspect logs: `.eval` archives (deflate and zstd members) and `.json` documents, format versions 2 and up."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from subcritical.errors import SourceError
from subcritical.ingest._bounded import (
    DOCUMENT_MAX,
    cut,
    decode,
    document,
    mapping,
    number,
    open_regular,
    sequence,
    whole,
    without,
)
from subcritical.ingest._chat import chat_events
from subcritical.ingest._times import time_ns
from subcritical.ingest.records import Broken, FileReader, Place, Seen
from subcritical.schema import EventData, Message, ModelCall, Score, Split, ToolCall, ToolResult

if sys.version_info >= (3, 14):
    import zipfile
else:
    from backports.zstd import zipfile  # the standard library before 3.14 cannot read zstd members

_MEMBERS_MAX = 1_000_000
_ATTACHED = "attachment://"
_SILENT = frozenset({"state", "store", "span_begin", "span_end", "step", "sample_init", "subtask"})
"""Events about the log's own bookkeeping: they are counted, and carry no text of the system."""

Sample = dict[str, Any]


class InspectLogs(FileReader):
    """One event for each of a sample's events; for a log older than those, one for each message and block."""

    name = "inspect"

    def claims(self, path: Path, head: bytes) -> bool:
        """An archive by its ending and signature, a document by its fields."""
        if path.suffix == ".eval":
            return head.startswith(b"PK")
        return path.suffix == ".json" and b'"eval"' in head and b'"status"' in head and b'"version"' in head

    def read(self, path: Path) -> Iterator[Seen | Broken]:
        """Sample by sample."""
        if path.suffix == ".eval":
            yield from _archive(path)
            return
        log = mapping(decode(document(path)))
        for at, sample in enumerate(sequence(log.get("samples"))):
            yield from _sample(sample, Place(path=str(path), part=f"samples[{at}]"))


def _archive(path: Path) -> Iterator[Seen | Broken]:
    with open_regular(path) as file:
        try:
            archive = zipfile.ZipFile(file)
        except (zipfile.BadZipFile, OSError, ValueError, RuntimeError) as error:
            raise SourceError(f"is not an archive that can be read: {error}") from None
        names = [name for name in archive.namelist() if name.startswith("samples/") and name.endswith(".json")]
        for name in names[:_MEMBERS_MAX]:
            place = Place(path=str(path), part=name)
            try:
                sample = decode(_member(archive, name))
            except SourceError as error:
                yield Broken(place=place, why=str(error))
                continue
            yield from _sample(sample, place)
        if len(names) > _MEMBERS_MAX:
            yield Broken(place=Place(path=str(path)), why=f"only the first {_MEMBERS_MAX} samples were read")


def _member(archive: Any, name: str) -> bytes:
    """A member's bytes, decompressed up to a limit whatever its header claims."""
    try:
        with archive.open(name) as member:
            data: bytes = member.read(DOCUMENT_MAX + 1)
    except Exception as error:  # noqa: BLE001 - a decompressor of hostile bytes may raise nearly anything
        raise SourceError(f"cannot be unpacked: {type(error).__name__}: {error}") from None
    if len(data) > DOCUMENT_MAX:
        raise SourceError(f"unpacks to more than {DOCUMENT_MAX >> 20} MiB")
    return data


def _sample(sample: object, place: Place) -> Iterator[Seen | Broken]:
    if not isinstance(sample, dict):
        yield Broken(place=place, why="a sample that is not an object")
        return
    system = f"{cut(sample.get('id'))} epoch {cut(sample.get('epoch'))}"
    resolve = _Attachments(sample)
    events = sequence(sample.get("events"))
    if not events:
        for at, message in enumerate(sequence(sample.get("messages"))):
            here = _within(place, f"messages[{at}]")
            if isinstance(message, dict):
                for data in chat_events(resolve.of(message)):
                    yield Seen(data=data, place=here, system=system)
            else:
                yield Broken(place=here, why="a message that is not an object")
        return
    for at, event in enumerate(events):
        here = _within(place, f"events[{at}]")
        if not isinstance(event, dict):
            yield Broken(place=here, why="an event that is not an object")
            continue
        extra = without(event, "input", "output", "arguments", "result", "call", "view", "timestamp", "events")
        for data in _data(resolve.of(event)):
            yield Seen(data=data, place=here, time_ns=time_ns(event.get("timestamp")), system=system, extra=extra)


def _within(place: Place, part: str) -> Place:
    return Place(path=place.path, part=f"{place.part}#{part}")


class _Attachments:
    """Long texts of a sample are kept once and named where they occur."""

    def __init__(self, sample: Sample) -> None:
        self._pool = mapping(sample.get("attachments"))

    def of(self, value: Any, depth: int = 6) -> Any:
        """`value` with names of attachments replaced by their texts, down to the depth where texts stand."""
        if isinstance(value, str):
            return self._pool.get(value[len(_ATTACHED) :], value) if value.startswith(_ATTACHED) else value
        if not self._pool or not depth:
            return value
        if isinstance(value, dict):
            return {name: self.of(item, depth - 1) for name, item in value.items()}
        if isinstance(value, list):
            return [self.of(item, depth - 1) for item in value]
        return value


def _data(event: Sample) -> Iterator[EventData]:
    kind = cut(event.get("event"))
    if kind == "model":
        yield _model(event)
    elif kind == "tool":
        call, error = cut(event.get("id")), event.get("error")
        yield ToolCall(tool=cut(event.get("function")), arguments=cut(event.get("arguments")), call=call)
        failed = cut(error.get("message")) if isinstance(error, dict) else cut(error)
        yield ToolResult(tool=cut(event.get("function")), text=cut(event.get("result")), call=call, error=failed)
    elif kind == "score":
        yield _score(event)
    elif kind in _SILENT:
        yield Message(source=kind, text="")
    else:
        yield Message(source=kind or "unknown", text=cut(without(event, "event", "timestamp", "uuid", "span_id")))


def _model(event: Sample) -> ModelCall:
    output = mapping(event.get("output"))
    first = next((mapping(choice) for choice in sequence(output.get("choices"))), {})
    message = mapping(first.get("message"))
    said = next(chat_events({**message, "role": "assistant"}), None) if message else None
    usage = mapping(output.get("usage"))
    return ModelCall(
        model=cut(output.get("model") or event.get("model")),
        text=said.text if isinstance(said, ModelCall) else cut(output.get("completion")),
        reasoning=said.reasoning if isinstance(said, ModelCall) else "",
        input_tokens=whole(usage.get("input_tokens")),
        output_tokens=whole(usage.get("output_tokens")),
        stop=cut(first.get("stop_reason")),
        error=cut(output.get("error") or event.get("error")),
    )


def _score(event: Sample) -> Score:
    told = mapping(event.get("score"))
    value = told.get("value")
    graded = number(value) if isinstance(value, int | float) else {"C": 1.0, "I": 0.0, "P": 0.5}.get(cut(value))
    return Score(
        proposal="",
        tree="",
        split=Split.PUBLIC,
        metric="score",
        value=graded,
        status="ok" if graded is not None else "invalid",
        detail=cut(told.get("explanation")),
    )
