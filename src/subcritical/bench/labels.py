"""How often detectors are right on somebody's own labels.

A label is one line of JSON: `source` (a path below the data folder), `unit` (`file` or `run` for all of the source, a
system's name, or a commit), `technique`, `label` (true or false) and, where it matters, `change` (authorised,
explained or neither). What has no label is not counted.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Literal

import msgspec

from subcritical.errors import InputError
from subcritical.schema import Severity
from subcritical.stats import Interval, clopper_pearson

_LINE_MAX = 1 << 16
_COMMIT_MIN = 7
_MISTAKES_SHOWN = 20
WHOLE = frozenset({"file", "run"})


class Label(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What somebody says of one unit."""

    source: str
    unit: str
    technique: str
    label: bool
    change: Literal["authorised", "explained", "neither"] | None = None


class Said(msgspec.Struct, frozen=True, kw_only=True):
    """A finding as far as it is compared: `source` below the data folder, `commits` of its evidence."""

    source: str
    system: str
    commits: tuple[str, ...]
    technique: str | None
    detector: str
    severity: Severity
    change: str | None


class Rate(msgspec.Struct, frozen=True):
    """A share with its exact 95 % interval; `share` and `interval` are None where `n` is 0."""

    count: int
    n: int
    share: float | None
    interval: Interval | None


class Quality(msgspec.Struct, frozen=True, kw_only=True):
    """One technique, as all detectors together find it, or as one of them does.

    Attributes:
        technique: Which.
        detector: Which, or `any`.
        sources: Runs or repositories the units come from. Units of one source resemble each other: intervals, which
            count each unit as one draw, are too narrow where there are few sources.
        recall: Of the units labelled true, those with a finding.
        precision: Of the units with a finding, those labelled true.
        false_alarms: Of the units labelled false, those with a finding.
        pauses: Of the units labelled false, those with a finding that could pause.
        change: Of the units labelled true with a `change`, and found: those where the finding says the same.
        missed: Some units not found, as `source unit`.
        alarmed: Some units found wrongly.
    """

    technique: str
    detector: str
    sources: int
    recall: Rate
    precision: Rate
    false_alarms: Rate
    pauses: Rate
    change: Rate
    missed: tuple[str, ...]
    alarmed: tuple[str, ...]


def read_labels(path: Path) -> list[Label]:
    """The labels of a file.

    Raises:
        InputError: The file cannot be read, a line is no label, or two lines contradict each other.
    """
    labels: dict[tuple[str, str, str], Label] = {}
    try:
        with path.open("rb") as file:
            for number, line in enumerate(iter(lambda: file.readline(_LINE_MAX), b""), 1):
                if not line.strip():
                    continue
                try:
                    label = msgspec.json.decode(line, type=Label)
                except (msgspec.DecodeError, RecursionError) as error:
                    raise InputError(f"{path}:{number}: no label: {error}") from None
                key = (label.source, label.unit, label.technique)
                if labels.setdefault(key, label).label != label.label:
                    raise InputError(f"{path}:{number}: {label.source} {label.unit} is labelled both true and false")
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from None
    if not labels:
        raise InputError(f"{path} holds no labels: one JSON object a line with source, unit, technique and label")
    return list(labels.values())


def measure(labels: Sequence[Label], said: Iterable[Said], *, at: Severity) -> list[Quality]:
    """Compare findings of severity `at` and above with labels, per technique: all detectors together, then each."""
    by_source: dict[str, list[Said]] = {}
    for one in said:
        if one.severity.rank >= at.rank:
            by_source.setdefault(one.source, []).append(one)
    result = []
    for technique in sorted({label.technique for label in labels}):
        units = [label for label in labels if label.technique == technique]
        hits = {label: _about(label, by_source) for label in units}
        detectors = sorted({one.detector for found in hits.values() for one in found})
        result += [_quality(technique, name, hits) for name in ("any", *detectors)]
    return result


def _about(label: Label, by_source: Mapping[str, Sequence[Said]]) -> tuple[Said, ...]:
    """Findings of the label's technique in its unit."""
    found = (one for one in by_source.get(label.source, ()) if one.technique == label.technique)
    if label.unit in WHOLE:
        return tuple(found)
    return tuple(one for one in found if one.system == label.unit or any(_same(label.unit, c) for c in one.commits))


def _same(unit: str, commit: str) -> bool:
    return len(unit) >= _COMMIT_MIN and commit.startswith(unit)


def _quality(technique: str, detector: str, hits: Mapping[Label, Sequence[Said]]) -> Quality:
    found = {label: [one for one in said if detector in ("any", one.detector)] for label, said in hits.items()}
    true = [label for label in found if label.label]
    false = [label for label in found if not label.label]
    right, wrong = [label for label in true if found[label]], [label for label in false if found[label]]
    told = [label for label in right if label.change]
    same = [label for label in told if any(one.change == label.change for one in found[label])]
    pausing = [label for label in wrong if any(one.severity.may_pause for one in found[label])]
    return Quality(
        technique=technique,
        detector=detector,
        sources=len({label.source for label in found}),
        recall=_rate(len(right), len(true)),
        precision=_rate(len(right), len(right) + len(wrong)),
        false_alarms=_rate(len(wrong), len(false)),
        pauses=_rate(len(pausing), len(false)),
        change=_rate(len(same), len(told)),
        missed=_named(label for label in true if not found[label]),
        alarmed=_named(wrong),
    )


def _rate(count: int, n: int) -> Rate:
    return Rate(count, n, count / n if n else None, clopper_pearson(count, n) if n else None)


def _named(labels: Iterable[Label]) -> tuple[str, ...]:
    return tuple(f"{label.source} {label.unit}" for label in labels)[:_MISTAKES_SHOWN]
