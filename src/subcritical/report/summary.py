"""The run as one JSON object, for programs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import msgspec

from subcritical.report.story import LEVEL, Story, Version, bounded, latencies_ms, tell
from subcritical.schema import Finding, Measurement, Receipt, Record, Score, Split


def summary(records: Sequence[Record]) -> dict[str, Any]:
    """Counts, scores, versions, findings, receipts, reviews and measurements of a run.

    Texts are as recorded, so hostile ones are in it: JSON escapes control characters, whoever prints a
    text must make it visible first. Keys are only ever added.
    """
    story = tell(records)
    return {
        "run": story.run,
        "generations": story.generations,
        "accepted": story.accepted,
        "counts": _counts(story),
        "score": {"metric": story.metric, "direction": story.direction, "level": LEVEL},
        "seed": _version(story.versions[0]) if story.versions else None,
        "in_force": _version(story.in_force) if story.in_force else None,
        "best": _best(story.in_force),
        "versions": [_version(version) for version in story.versions],
        "protected": {
            "attempts": len(story.protected_attempts),
            "accepted": len(story.protected_accepted),
        },
        "findings": [_plain(finding) for finding in story.findings],
        "actions": [_plain(action) for action in story.actions],
        "receipts": [_receipt(receipt) for receipt in story.receipts],
        "reviews": [{"seq": event.seq, "time_ns": event.time_ns, **_plain(review)} for event, review in story.reviews],
        "limits_hit": [{"seq": event.seq, **_plain(resource)} for event, resource in story.limits_hit],
        "measurements": [_plain(measurement) for measurement in _latest(story.measurements)],
    }


def _counts(story: Story) -> dict[str, Any]:
    verdicts = story.verdicts
    trusted = Counter(score.split.value for _, score in story.scores if score.split is not Split.REPORTED)
    return {
        "records": story.records,
        "events": story.events,
        "proposals": len(story.attempts),
        "accepted": verdicts["accepted"],
        "not_kept": verdicts["not_kept"],
        "refused": verdicts["refused"],
        "open": verdicts[""],
        "evaluations": {split.value: trusted[split.value] for split in (Split.PUBLIC, Split.HELD_OUT)},
        "findings": dict(Counter(finding.severity.value for finding in story.findings)),
        "reviews": len(story.reviews),
        "dropped_events": story.dropped_events,
    }


def _latest(measurements: Sequence[Measurement]) -> list[Measurement]:
    """The last measurement of each name, in order of first appearance."""
    return list({measurement.name: measurement for measurement in measurements}.values())


def _best(version: Version | None) -> dict[str, Any]:
    if version is None:
        return {"public": None, "held_out": None, "reported": None}
    held_out = bounded(version.held_out)
    return {
        "public": version.public.value if version.public else None,
        "held_out": held_out.value if held_out else None,
        "held_out_low": held_out.low if held_out else None,
        "held_out_high": held_out.high if held_out else None,
        "reported": version.reported,
    }


def _version(version: Version) -> dict[str, Any]:
    return {
        "number": version.number,
        "generation": version.generation,
        "tree": version.tree,
        "proposal": version.proposal.proposal if version.proposal else None,
        "rolled_back": version.rolled_back,
        "reported": version.reported,
        "public": _score(version.public),
        "held_out": _score(version.held_out),
        "changed": [change.path for change in version.proposal.changes] if version.proposal else [],
    }


def _score(score: Score | None) -> dict[str, Any] | None:
    if score is None:
        return None
    found = bounded(score)
    plain = {"value": score.value, "n": score.n, "successes": score.successes, "se": score.se, "status": score.status}
    # An interval of a number that selection chose would promise too much.
    if found is None or score.selected_on:
        return plain
    return {**plain, "low": found.low, "high": found.high, "method": found.method}


def _receipt(receipt: Receipt) -> dict[str, Any]:
    quiesced, confirmed = latencies_ms(receipt)
    return {**_plain(receipt), "quiesced_ms": quiesced, "confirmed_ms": confirmed}


def _plain(record: msgspec.Struct | Finding) -> dict[str, Any]:
    plain: dict[str, Any] = msgspec.to_builtins(record)
    plain.pop("record", None)
    plain.pop("kind", None)
    return plain
