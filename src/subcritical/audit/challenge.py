"""The detectors on an auditor's own labelled cases: how often they find, how often they cry wolf, with intervals.

    CASES/labels.json   {"cases":[{"file":"a.jsonl","attack":true,"detectors":["evaluator_tampering"]}, ...]}
    CASES/a.jsonl       events of one run as a journal records them, one JSON object a line

Each case starts with fresh detectors. A detector is right on an attack that names it if it says something of at least
medium severity; on a case that is no attack that is a false alarm. What this does not show: cases that nobody wrote.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from subcritical.audit.detector_list import list_detectors
from subcritical.audit.statements import SCORECARD, make_statement
from subcritical.detectors import load_detectors
from subcritical.errors import InputError, SourceError
from subcritical.pipeline.detection import CRASHED, Detection
from subcritical.schema import Event, Finding, Severity, decode_record, visible
from subcritical.stats import clopper_pearson

LABELS = "labels.json"
ANY = "any detector"
LEVEL = 0.95
_CASE_BYTES_MAX = 256 << 20
_BATCH = 256


class Label(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One case. `detectors`: who should see it; empty means that anybody may."""

    file: str
    attack: bool
    detectors: tuple[str, ...] = ()


class Labels(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The file `labels.json`."""

    cases: tuple[Label, ...]


class Rate(msgspec.Struct, frozen=True, kw_only=True):
    """`of` cases, in `found` of them a finding of at least medium severity, in `pausing` one that may pause.

    `low` and `high` bound the rate of `found` at 95 % (Clopper and Pearson 1934), `pausing_low` and `pausing_high` that
    of `pausing`.
    """

    of: int
    found: int
    low: float
    high: float
    pausing: int
    pausing_low: float
    pausing_high: float


class Score(msgspec.Struct, frozen=True, kw_only=True):
    """A detector on attacks that name it, and on cases that are no attack."""

    attacks: Rate
    benign: Rate


class Scorecard(msgspec.Struct, frozen=True, kw_only=True):
    """What came of a challenge. `crashed`: case and detector; a crash is never a find."""

    cases: int
    scores: Mapping[str, Score]
    crashed: tuple[str, ...]
    digests: Mapping[str, str]
    """SHA-256 (hex) of each file that was read."""


def challenge(directory: Path) -> Scorecard:
    """Run all installed detectors, as they are set by default, on labelled cases.

    Raises:
        InputError: There are no cases.
        SourceError: A file is not what it should be: which one, which line.
    """
    digests: dict[str, str] = {}
    labels = _labels(_read(directory, LABELS, digests), directory)
    known = {detector.id for detector in load_detectors({})}
    unknown = {name for label in labels for name in label.detectors} - known
    if unknown:
        names = ", ".join(sorted(known))
        raise SourceError(f"{directory / LABELS}: no detector is called {', '.join(sorted(unknown))}; known: {names}")
    counts = {name: _Counts() for name in (*sorted(known), ANY)}
    crashed: list[str] = []
    for label in labels:
        findings = _judge(_events(_read(directory, label.file, digests), directory / label.file))
        crashed += [f"{label.file}: {finding.detector}" for finding in findings if finding.title == CRASHED]
        said = [finding for finding in findings if finding.title != CRASHED]
        for name, count in counts.items():
            if label.attack and label.detectors and name not in (*label.detectors, ANY):
                continue
            count.add([f for f in said if name in (f.detector, ANY)], attack=label.attack)
    scores = {name: count.score() for name, count in counts.items()}
    return Scorecard(cases=len(labels), scores=scores, crashed=tuple(crashed), digests=digests)


def scorecard_statement(card: Scorecard) -> bytes:
    """The scorecard as an in-toto statement about the files of the cases."""
    predicate: dict[str, Any] = {
        "cases": card.cases,
        "level": LEVEL,
        "method": "Clopper-Pearson",
        "scores": msgspec.to_builtins(card.scores),
        "crashed": list(card.crashed),
        "detectors": msgspec.to_builtins(list_detectors({})),
    }
    return make_statement(SCORECARD, card.digests, predicate)


class _Counts:
    def __init__(self) -> None:
        self._of = {True: 0, False: 0}
        self._found = {True: 0, False: 0}
        self._pausing = {True: 0, False: 0}

    def add(self, findings: list[Finding], *, attack: bool) -> None:
        self._of[attack] += 1
        self._found[attack] += any(finding.severity.rank >= Severity.MEDIUM.rank for finding in findings)
        self._pausing[attack] += any(finding.severity.may_pause for finding in findings)

    def score(self) -> Score:
        return Score(attacks=self._rate(attack=True), benign=self._rate(attack=False))

    def _rate(self, *, attack: bool) -> Rate:
        of, found, pausing = self._of[attack], self._found[attack], self._pausing[attack]
        low, high = _interval(found, of)
        pausing_low, pausing_high = _interval(pausing, of)
        return Rate(
            of=of,
            found=found,
            low=low,
            high=high,
            pausing=pausing,
            pausing_low=pausing_low,
            pausing_high=pausing_high,
        )


def _interval(successes: int, of: int) -> tuple[float, float]:
    if not of:
        return 0.0, 1.0  # nothing was tried, so nothing is known
    interval = clopper_pearson(successes, of, level=LEVEL)
    return interval.low or 0.0, 1.0 if interval.high is None else interval.high


def _judge(events: list[Event]) -> list[Finding]:
    detection = Detection(load_detectors({}))
    return [finding for at in range(0, len(events), _BATCH) for finding in detection.run(events[at : at + _BATCH])]


def _read(directory: Path, name: str, digests: dict[str, str]) -> bytes:
    path = directory / name
    if Path(name).name != name or path.is_symlink() or not path.is_file():
        what = f"{path}: no such file beside {LABELS}" if name != LABELS else f"{directory} holds no {LABELS}"
        raise InputError(f"{visible(what)}; `subcritical audit challenge --help` says what belongs there")
    if path.stat().st_size > _CASE_BYTES_MAX:
        raise SourceError(f"{path}: more than {_CASE_BYTES_MAX >> 20} MiB")
    data = path.read_bytes()
    digests[name] = hashlib.sha256(data).hexdigest()
    return data


def _labels(data: bytes, directory: Path) -> tuple[Label, ...]:
    try:
        labels = msgspec.json.decode(data, type=Labels).cases
    except msgspec.MsgspecError as error:
        raise SourceError(f"{directory / LABELS}: {error}") from error
    files = [label.file for label in labels]
    if not labels or len(set(files)) != len(files):
        raise SourceError(f"{directory / LABELS}: name each case once, and at least one")
    return labels


def _events(data: bytes, path: Path) -> list[Event]:
    events: list[Event] = []
    for number, line in enumerate(data.splitlines(), 1):
        try:
            record = decode_record(line)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise SourceError(f"{path}:{number}: not a record of a journal ({error})") from error
        if isinstance(record, Event):  # what was found or done in the recorded run is not evidence here
            events.append(msgspec.structs.replace(record, run=path.stem))
    if not events:
        raise SourceError(f"{path}: no event in it")
    return events
