"""Compares what a detector finds with its need to what it finds where every event is looked at in full."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from detector_events import HERE, NAMES, ROOT, RULE_BASED, load_trace

from subcritical.bench.pairs import events_of, read_pairs
from subcritical.detectors import first_looks
from subcritical.schema import Event, encode_record


def differences(detector_class: type[Any], events: Sequence[Event]) -> list[str]:
    """Findings that only one of the two makes, over events of any number of runs."""
    with_need, without = detector_class(), detector_class()
    without._number = None
    with first_looks(after=0):
        found, every = ([encode_record(one) for one in made.batch({}, events)] for made in (with_need, without))
    lost = [f"lost {one.decode()}" for one in every if one not in found]
    return lost + [f"new {one.decode()}" for one in found if one not in every]


def streams(*detectors: str) -> Iterator[list[Event]]:
    """Runs that the tests have: both sides of all pairs of these detectors, the traces and the cases of rules."""
    for file in sorted((ROOT / "tests" / "quality" / "pairs").glob("*.jsonl")):
        if file.stem.partition(".")[2] in detectors:
            for pair in read_pairs(file):
                yield list(events_of(pair.positive, pair.id))
                yield list(events_of(pair.near_miss, pair.id))
    for name in (*NAMES, *RULE_BASED):
        for kind in ("firing", "quiet"):
            if name in RULE_BASED or (HERE / "data" / name / f"{kind}.jsonl").exists():
                yield list(load_trace(name, kind))
