"""OpenEvolve: a directory of program records, single best-program records, and evolution traces."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from subcritical.errors import SourceError
from subcritical.ingest._bounded import cut, decode, document, mapping, number, whole, without
from subcritical.ingest._json_lines import Record, first_record, read_lines
from subcritical.ingest._times import time_ns
from subcritical.ingest.records import Broken, FileReader, Place, Seen
from subcritical.schema import Artifact, EventData, FileChange, Message, Proposal, Score, Split

_PRIMARY = "combined_score"
_RECORD = (b'"code"', b'"parent_id"', b'"metrics"')
_HEAD = 1 << 20
_TRIED_FILES = 3


class OpenEvolvePrograms:
    """A directory whose JSON files are program records (`programs/`): one run, in order of `timestamp`.

    `iteration_found` starts again at 0 when a run is resumed, so it is not what orders them. A missing parent
    is not an error: only survivors are stored.
    """

    name = "openevolve"
    directories = True

    def claims(self, path: Path, head: bytes) -> bool:  # noqa: ARG002
        """By one of its first files."""
        names = sorted(name for name in path.glob("*.json"))[: _TRIED_FILES + 1]
        return any(_is_record(name) for name in names)

    def consumes(self, path: Path) -> bool:
        """Every JSON file in it."""
        return path.suffix == ".json"

    def read(self, path: Path) -> Iterator[Seen | Broken]:
        """A proposal and a score for each program, and the system message of the run where it changes.

        Read twice, so that one program at a time is in memory. A program without prompts, as one that a run is started
        from has none, was made under the message of the next one that has.
        """
        order: list[tuple[float, Path, str]] = []
        for file in sorted(path.glob("*.json")):
            try:
                record = _program(file)
            except SourceError as error:
                yield Broken(place=Place(path=str(file)), why=str(error))
                continue
            stamp = number(record.get("timestamp"))
            order.append((math.inf if stamp is None else stamp, file, _system_message(record)))
        order.sort(key=lambda entry: entry[0])
        last = ""
        for (_, file, _), message in zip(order, _in_force([message for _, _, message in order]), strict=True):
            record, place = _program(file), Place(path=str(file))
            if message and message != last:
                yield _wrapped(Message(source="system", text=message), {"timestamp": record.get("timestamp")}, place)
                last = message
            yield from _seen(record, place)


class OpenEvolveBest(FileReader):
    """`best_program_info.json`: the score of one program."""

    name = "openevolve"

    def claims(self, path: Path, head: bytes) -> bool:
        """By its name and fields."""
        return path.name == "best_program_info.json" and b'"metrics"' in head

    def read(self, path: Path) -> Iterator[Seen | Broken]:
        """One score."""
        record = decode(document(path))
        if not isinstance(record, dict):
            raise SourceError("is not a JSON object")
        yield _wrapped(_score(record, cut(record.get("id"))), record, Place(path=str(path)))


class OpenEvolveTrace(FileReader):
    """`evolution_trace.jsonl`: parent, child and both their metrics, one step a line."""

    name = "openevolve_trace"

    def claims(self, path: Path, head: bytes) -> bool:
        """By the first line."""
        record = first_record(path, head)
        return "child_id" in record and "child_metrics" in record

    def read(self, path: Path) -> Iterator[Seen | Broken]:
        """A proposal and a score for each step."""
        return read_lines(path, _step)


def _is_record(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD)
    except OSError:
        return False
    return all(word in head for word in _RECORD)


def _system_message(record: Record) -> str:
    """What its prompts say as `system`; they are stored by the name of their template."""
    prompts = mapping(record.get("prompts")).values()
    return next((cut(one["system"]) for one in prompts if isinstance(one, dict) and one.get("system")), "")


def _in_force(messages: list[str]) -> list[str]:
    found, following = list[str](), ""
    for message in reversed(messages):
        following = message or following
        found.append(following)
    return found[::-1]


def _program(path: Path) -> Record:
    record = decode(document(path))
    if not isinstance(record, dict) or not isinstance(record.get("code"), str):
        raise SourceError("not a program record: no text in `code`")
    return record


def _seen(record: Record, place: Place) -> Iterator[Seen]:
    name = cut(record.get("id"))
    code = record["code"].encode("utf-8", "replace")
    change = FileChange(
        path=f"program.{cut(record.get('language')) or 'txt'}",
        artifact=Artifact.CODE,
        after=f"sha256:{hashlib.sha256(code).hexdigest()}",
        size=len(code),
    )
    claim = cut(record.get("changes_description")) or cut(mapping(record.get("metadata")).get("changes"))
    yield _wrapped(_proposal(record, name, change, claim), record, place)
    yield _wrapped(_score(record, name), record, place)


def _proposal(record: Record, name: str, change: FileChange, claim: str) -> Proposal:
    return Proposal(
        proposal=name,
        base=cut(record.get("parent_id")),
        tree=name,
        requester="openevolve",
        changes=(change,),
        claim=claim,
    )


def _wrapped(data: EventData, record: Record, place: Place) -> Seen:
    return Seen(
        data=data,
        place=place,
        time_ns=time_ns(record.get("timestamp")),
        generation=whole(record.get("generation")) or 0,
        extra=without(record, "code", "metrics", "embedding", "timestamp"),
    )


def _score(record: Mapping[str, Any], name: str) -> Score:
    metric, value = primary(mapping(record.get("metrics")))
    return Score(
        proposal=name,
        tree=name,
        split=Split.PUBLIC,
        metric=metric,
        value=value,
        selected_on=True,
        status="ok" if value is not None else "invalid",
    )


def primary(metrics: Mapping[str, Any]) -> tuple[str, float | None]:
    """The number that selection reads: `combined_score`, else the mean of the numbers, as OpenEvolve does.

    Values mix truth values, whole numbers and fractions; one that is not finite makes the whole unmeasured.
    """
    if _PRIMARY in metrics:
        return _PRIMARY, number(metrics[_PRIMARY])
    numbers = [number(value) for value in metrics.values() if isinstance(value, int | float)]
    finite = [value for value in numbers if value is not None]
    if not numbers:
        return _PRIMARY, None
    return "mean of metrics", sum(finite) / len(finite) if len(finite) == len(numbers) else None


def _step(record: Record, place: Place) -> Iterator[Seen]:
    name = cut(record.get("child_id"))
    change = FileChange(path="program", artifact=Artifact.CODE, diff=cut(record.get("code_diff")))
    bare = without(record, "parent_code", "child_code", "prompt", "llm_response", "code_diff")
    yield _wrapped(_proposal(record, name, change, cut(record.get("llm_response"))), bare, place)
    yield _wrapped(_score({"metrics": record.get("child_metrics")}, name), bare, place)
