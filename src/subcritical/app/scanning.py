"""`scan`: the detectors on what people have on disk."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import Any

import msgspec

import subcritical
from subcritical.app.placing import Places
from subcritical.app.rules import find_rules
from subcritical.canonical import record_digest
from subcritical.detectors import Detector, first_looks, load_detectors
from subcritical.detectors.folder_rules import FolderRules
from subcritical.errors import InputError, SourceError, SubcriticalError
from subcritical.ingest import Broken, Classify, Place, Seen, Source, by_patterns, find, readers
from subcritical.loop.doctor import examine
from subcritical.measures.saturation import BestSoFar
from subcritical.pipeline.detection import CRASHED, Detection
from subcritical.report import render_junit, render_markdown, render_sarif, render_scan_page
from subcritical.schema import Artifact, Event, Finding, Score, Severity, visible

_LIVE_ONLY = ("blind",)
"""What watches for silence, heartbeats and held-out slots of a run of ours: a log from elsewhere has none of them."""
OUTPUTS = ("json", "jsonl", "sarif", "junit", "md", "html")
"""Formats for other programs and pages; `table` is for a terminal."""
_FILES_MAX = 300
"""Python files of a tree above which the doctor is not asked what each file is: that would take minutes."""
_BATCH = 512
_BROKEN_KEPT = 100
_ID_HEX = 16
_SYSTEMS_MAX, _SERIES_MAX = 4096, 64
_LOST_SHARE_MAX = 0.01
_ROLES = {
    "evaluator": Artifact.EVALUATOR,
    "harness": Artifact.EVALUATOR,
    "guard": Artifact.MONITOR,
    "result": Artifact.LOG,
    "instructions": Artifact.PROMPT,
    "settings": Artifact.HYPERPARAMETER,
    "data": Artifact.DATA_SELECTION,
}
"""What the doctor's roles are as artifacts; everything else is code."""


class SourceRead(msgspec.Struct, frozen=True, kw_only=True):
    """One source: what was read of it, and the first records that could not be."""

    path: str
    format: str
    events: int
    broken: int
    first_broken: tuple[Broken, ...] = ()


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """A finding with the places of its evidence, and whose it is.

    `id` names it across scans of the same paths: it is made of what is said and of the places, as the caller named
    them.
    """

    id: str = ""
    finding: Finding
    system: str
    source: str
    places: tuple[Place, ...]


class Blind(msgspec.Struct, frozen=True, kw_only=True):
    """What was not judged: by a detector that crashed, or because it could not be read."""

    what: str
    why: str


class Scan(msgspec.Struct, frozen=True, kw_only=True):
    """The whole answer."""

    sources: tuple[SourceRead, ...]
    findings: tuple[Found, ...]
    blind: tuple[Blind, ...]
    detectors: int

    @property
    def events(self) -> int:
        """Events of all sources."""
        return sum(source.events for source in self.sources)

    @property
    def is_blind(self) -> bool:
        """Whether nothing was read, or more than one record in a hundred was lost."""
        broken = sum(source.broken for source in self.sources)
        return not self.events or broken > _LOST_SHARE_MAX * (self.events + broken)

    def worst(self, *, silenced: frozenset[str] = frozenset()) -> int:
        """Rank of the worst finding that is not silenced, -1 where there is none."""
        counted = (found for found in self.findings if found.id not in silenced)
        return max((found.finding.severity.rank for found in counted), default=-1)


def scan(
    paths: Sequence[Path],
    *,
    input_format: str | None = None,
    artifacts: Sequence[tuple[str, Artifact]] = (),
    trailers: Sequence[str] = (),
    rules: Path | None = None,
    in_full: bool = False,
    progress: Callable[[str, int], None] = lambda _source, _events: None,
) -> Scan:
    """Read everything at and below `paths` and run every installed detector on it, each source by itself.

    Args:
        paths: Files or directories.
        input_format: Read only this format.
        artifacts: What a path of a history is, by pattern; the rest is worked out from what uses it.
        trailers: Commit trailers that explain a change.
        rules: A folder of content rules besides those that come with the package.
        in_full: Show every event to every detector. Otherwise a detector is spared what a first look shows not to
            matter to it, where there are thousands of events and hyperscan is installed.
        progress: Called with the source's path and the events read of it so far: 0 as it begins.

    Raises:
        InputError: A path is missing, there is no such format, or the folder holds no rules.
        ConfigError: A rule is wrong.
        BlindError: No detector is installed.
    """
    detectors = load_detectors({name: {"enabled": False} for name in _LIVE_ONLY})
    if rules is not None:
        own: Any = FolderRules([rule for file in find_rules(rules) for rule in file.rules])
        detectors.append(own)
    reads: list[SourceRead] = []
    findings: list[Found] = []
    blind: list[Blind] = []
    for root in paths:
        every = readers(by_patterns(artifacts, _by_use(root, blind.append)), trailers)
        before = len(reads) + len(blind)
        with nullcontext() if in_full else first_looks():
            for source in find([root], every, only=input_format):
                if isinstance(source, Broken):
                    blind.append(Blind(what=source.place.path, why=source.why))
                    continue
                judged = _Judged(source, detectors)
                judged.run(progress)
                reads.append(judged.read())
                findings += judged.found
                blind += judged.blind
        if len(reads) + len(blind) == before:
            formats = ", ".join(sorted({reader.name for reader in every}))
            why = f"nothing here was recognised; name a file with --input-format ({formats})"
            blind.append(Blind(what=str(root), why=why))
    return Scan(sources=tuple(reads), findings=tuple(_named(findings)), blind=tuple(blind), detectors=len(detectors))


def _named(findings: Sequence[Found]) -> Iterator[Found]:
    """Give each its id; what says the same of the same place is numbered."""
    times: Counter[str] = Counter()
    for found in findings:
        finding = found.finding
        said = [finding.detector, finding.technique, finding.title, finding.why, str(finding.severity), found.system]
        places = [place_data(place) for place in found.places]
        name = record_digest([*said, places]).removeprefix("sha256:")[:_ID_HEX]
        times[name] += 1
        yield msgspec.structs.replace(found, id=name if times[name] == 1 else f"{name}-{times[name]}")


def _by_use(root: Path, tell: Callable[[Blind], None]) -> Classify:
    """What the doctor says a path of a directory is, by what uses it; asked only if a history comes up."""

    @lru_cache(maxsize=1)
    def roles() -> dict[str, Artifact]:
        if not root.is_dir():
            return {}
        try:
            if len(list(islice(root.rglob("*.py"), _FILES_MAX + 1))) > _FILES_MAX:
                raise InputError(f"more than {_FILES_MAX} Python files")
            return {role.path: _ROLES.get(role.role, Artifact.CODE) for role in examine(root).roles}
        except SubcriticalError as error:
            why = f"which file judges was not worked out ({error}); name it with --artifact PATTERN=evaluator"
            tell(Blind(what=str(root), why=why))
            return {}

    return lambda path: roles().get(path, Artifact.CODE)


class _Judged:
    """One source under the detectors."""

    def __init__(self, source: Source, detectors: Sequence[Detector]) -> None:
        self._source = source
        self._detection = Detection(detectors, forgets=True)
        self._places = Places(str(source.path))
        self._scores: dict[str, dict[str, BestSoFar]] = {}
        self._broken: list[Broken] = []
        self._lost = 0
        self.found: list[Found] = []
        self.blind: list[Blind] = []

    def run(self, progress: Callable[[str, int], None]) -> None:
        """Read it to its end, or to where it cannot be read on."""
        progress(str(self._source.path), 0)
        batch: list[Event] = []
        for event in self._events():
            batch.append(event)
            if len(batch) >= _BATCH:
                self._judge(batch)
                batch = []
                progress(str(self._source.path), len(self._places))
        self._judge(batch)
        self._end()
        progress(str(self._source.path), len(self._places))

    def _end(self) -> None:
        """Say which systems' scores could show no improvement, and how much of the systems' histories was dropped."""
        if self._detection.forgotten:
            why = f"the histories of {self._detection.forgotten} systems were dropped to bound memory; split the source"
            self.blind.append(Blind(what=str(self._source.path), why=why))
        for run, series in self._scores.items():
            why = max(series.values(), key=lambda one: one.n).unmeasurable()
            if why:
                self.blind.append(Blind(what="improvement", why=f"{visible(run, 300)}: {why}"))

    def read(self) -> SourceRead:
        """What was read of it."""
        return SourceRead(
            path=str(self._source.path),
            format=self._source.reader.name,
            events=len(self._places),
            broken=self._lost,
            first_broken=tuple(self._broken),
        )

    def _events(self) -> Iterator[Event]:
        try:
            for item in self._source.reader.read(self._source.path):
                if isinstance(item, Broken):
                    self._lose(item)
                else:
                    yield self._event(item)
        except SourceError as error:
            self._lose(Broken(place=Place(path=str(self._source.path)), why=str(error)))
        except Exception as error:  # noqa: BLE001 - a reader that crashes on hostile bytes must not end the scan
            why = f"the reader crashed: {type(error).__name__}: {visible(str(error), 300)}"
            self._lose(Broken(place=Place(path=str(self._source.path)), why=why))
            self.blind.append(Blind(what=str(self._source.path), why=why))

    def _lose(self, broken: Broken) -> None:
        self._lost += 1
        if len(self._broken) < _BROKEN_KEPT:
            self._broken.append(broken)

    def _event(self, seen: Seen) -> Event:
        seq = self._places.add(seen)
        run = seen.system or str(self._source.path)
        if isinstance(seen.data, Score):
            self._score(run, seen.data)
        return Event(
            seq=seq,
            time_ns=seen.time_ns,
            run=run,
            producer=self._source.reader.name,
            generation=seen.generation,
            data=seen.data,
        )

    def _score(self, run: str, score: Score) -> None:
        room = run in self._scores or len(self._scores) < _SYSTEMS_MAX
        if score.value is None or score.status != "ok" or not room:
            return
        series = self._scores.setdefault(run, {})
        key = f"{score.split.value} {score.metric}"
        if key in series or len(series) < _SERIES_MAX:
            series.setdefault(key, BestSoFar(score.direction, score.bounds)).add(score.value)

    def _judge(self, batch: list[Event]) -> None:
        for finding in self._detection.run(batch):
            if finding.title == CRASHED:
                self.blind.append(Blind(what=finding.detector, why=finding.why))
            ends = sorted({seq for range_ in finding.evidence for seq in (range_.first_seq, range_.last_seq)})
            places = tuple(place for seq in ends if (place := self._places.place(seq)) is not None)
            system = next((name for seq in ends if (name := self._places.system(seq))), str(self._source.path))
            self.found.append(Found(finding=finding, system=system, source=str(self._source.path), places=places))


def as_data(result: Scan) -> dict[str, Any]:
    """The answer as plain data."""
    return {
        "sources": [
            {"path": source.path, "format": source.format, "events": source.events, "broken": source.broken}
            for source in result.sources
        ],
        "findings": [finding_data(found) for found in result.findings],
        "blind": msgspec.to_builtins(result.blind),
        "broken": [
            {**place_data(broken.place), "why": broken.why}
            for source in result.sources
            for broken in source.first_broken
        ],
    }


def finding_data(found: Found) -> dict[str, Any]:
    """One finding as plain data."""
    finding = found.finding
    return {
        "id": found.id,
        "technique": finding.technique,
        "detector": finding.detector,
        "severity": str(finding.severity),
        "confidence": finding.confidence,
        "system": found.system,
        "source": found.source,
        "change": finding.change,
        "title": finding.title,
        "why": finding.why,
        "facts": dict(finding.facts),
        "evidence": [place_data(place) for place in found.places],
    }


def place_data(place: Place) -> dict[str, Any]:
    """A place as plain data: its path, and what is known of where in it."""
    data: dict[str, Any] = {"path": place.path}
    if place.line is not None:
        data["line"] = place.line
    if place.first_byte is not None and place.last_byte is not None:
        data["bytes"] = [place.first_byte, place.last_byte]
    if place.commit:
        data["commit"] = place.commit
    if place.part:
        data["part"] = place.part
    return data


def render(result: Scan, output: str, fail_on: Severity) -> str:
    """The answer in one of `OUTPUTS`."""
    data, line = as_data(result), summary(result)
    if output == "json":
        return msgspec.json.format(msgspec.json.encode(data), indent=2).decode()
    if output == "jsonl":
        return "\n".join(msgspec.json.encode(finding).decode() for finding in data["findings"])
    if output == "sarif":
        return render_sarif(data, version=subcritical.__version__, summary=line)
    if output == "junit":
        return render_junit(data, fail_on=fail_on, summary=line)
    if output == "md":
        return render_markdown(data, summary=line)
    return render_scan_page(data, summary=line)


def summary(result: Scan, *, silenced: frozenset[str] = frozenset()) -> str:
    """The line that is always printed."""
    found, blind = len(result.findings), len(result.blind)
    quiet = f" ({len(silenced)} silenced)" if silenced else ""
    return f"{found} findings{quiet} in {result.events} events, {result.detectors} detectors, {blind} blind"


def fails(result: Scan, fail_on: Severity, *, silenced: frozenset[str] = frozenset()) -> int:
    """The exit code: 4 for blind, 1 for findings at or above `fail_on` that are not silenced, else 0."""
    if result.is_blind:
        return 4
    return int(result.worst(silenced=silenced) >= fail_on.rank)
