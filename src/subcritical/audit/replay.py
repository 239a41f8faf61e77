"""Run the detectors again on recorded events and compare finding by finding.

A finding that the journal lacks, has in addition, or has in another form is a difference. It says nothing about
whether the events themselves are all there: that is what log, numbering and witnesses are for.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Literal

import msgspec

from subcritical.audit.detector_list import DetectorList, load_listed
from subcritical.canonical import canonical_json
from subcritical.pipeline.detection import CRASHED, Detection
from subcritical.schema import Erased, Event, Finding, Record

_BATCH = 256


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """One finding that is not the same on both sides, with the range of events it is about."""

    what: Literal["missing", "added", "changed", "other version"]
    detector: str
    title: str
    first_seq: int
    last_seq: int


class Replay(msgspec.Struct, frozen=True, kw_only=True):
    """What came of it. `erased` events cannot be judged again: differences that touch them are not counted."""

    events: int
    recorded: int
    replayed: int
    erased: int
    differences: tuple[Difference, ...]
    not_judged: tuple[str, ...] = ()
    """Findings of the pipeline itself (a crash) and differences that erased events explain: said, not counted."""


def replay_journal(records: Sequence[Record], listed: DetectorList) -> Replay:
    """Judge the events again.

    Args:
        records: All records of a journal, in order.
        listed: The detectors and settings that judged them the first time.

    Raises:
        ConfigError: A detector is not installed here.
    """
    events = [record for record in records if isinstance(record, Event)]
    recorded = [record for record in records if isinstance(record, Finding)]
    erased = [record.seq for record in records if isinstance(record, Erased)]
    detectors = load_listed(listed)
    versions = {judged.id: judged.version for judged in listed.detectors}
    moved = [d for d in detectors if versions[d.id] != d.version]
    detection = Detection([d for d in detectors if d not in moved])
    again = [finding for at in range(0, len(events), _BATCH) for finding in detection.run(events[at : at + _BATCH])]
    differences = [
        Difference(what="other version", detector=d.id, title=f"recorded {versions[d.id]}, here {d.version}",
                   first_seq=0, last_seq=0)
        for d in moved
    ]  # fmt: skip
    judged = {d.id for d in detectors if d not in moved}
    outside = [f for f in recorded if f.detector not in judged or f.title == CRASHED]
    found = _compare([f for f in recorded if f not in outside], again)
    explained = [d for d in found if any(seq <= d.last_seq for seq in erased)]
    return Replay(
        events=len(events),
        recorded=len(recorded),
        replayed=len(again),
        erased=len(erased),
        differences=(*differences, *(d for d in found if d not in explained)),
        not_judged=(
            *(f"{f.detector}: {f.title}" for f in outside),
            *(
                f"{d.what} after an erased event: {d.detector}, records {d.first_seq} to {d.last_seq}"
                for d in explained
            ),
        ),
    )


def _compare(recorded: Sequence[Finding], again: Sequence[Finding]) -> list[Difference]:
    missing, added = _beyond(again, recorded), _beyond(recorded, again)
    places = {_place(f) for f in missing} & {_place(f) for f in added}
    differences = [_difference("changed" if _place(f) in places else "missing", f) for f in missing]
    return differences + [_difference("added", f) for f in added if _place(f) not in places]


def _beyond(findings: Sequence[Finding], others: Sequence[Finding]) -> list[Finding]:
    """Those of `findings` that `others` do not have, or not as often."""
    left = Counter(map(_content, findings)) - Counter(map(_content, others))
    beyond = []
    for finding in findings:
        content = _content(finding)
        if left[content] > 0:
            left[content] -= 1
            beyond.append(finding)
    return beyond


def _content(finding: Finding) -> bytes:
    """What the detector said, without what the pipeline filled in."""
    return canonical_json(msgspec.structs.replace(finding, id="", seq=0, time_ns=0, run=""))


def _place(finding: Finding) -> tuple[object, ...]:
    return finding.detector, tuple((e.first_seq, e.last_seq) for e in finding.evidence)


def _difference(what: Literal["missing", "added", "changed"], finding: Finding) -> Difference:
    spans = finding.evidence
    return Difference(
        what=what,
        detector=finding.detector,
        title=finding.title,
        first_seq=min((e.first_seq for e in spans), default=0),
        last_seq=max((e.last_seq for e in spans), default=0),
    )
