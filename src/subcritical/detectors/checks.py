"""Public conformance suite: what every detector must do, ours or anybody's.

Use it in the tests of a detector:

    problems = check_detector(MyDetector, CheckTraces(firing=events, quiet=events))
    assert problems == []
"""

from __future__ import annotations

import pickle
import random
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from subcritical.detectors.protocol import Detector
from subcritical.schema import (
    Approval,
    Artifact,
    ArtifactChange,
    Event,
    FileChange,
    Finding,
    Heartbeat,
    Message,
    Proposal,
    Score,
    Severity,
    Split,
    SubsetUse,
    encode_record,
)

STATE_BYTES_MAX = 512 * 1024
LONG_RUN = 3000
HOSTILE = (
    "\x1b[2J\x1b]0;owned\x07",
    "\u202egnp.exe",
    "\ud800 lone surrogate",
    "../../../etc/passwd\x00",
    "{{7*7}}${7*7}<script>",
    "a" * 100_000,
    "@@ -1,9999999 +1,9999999 @@\n" + "-x\n+y\n" * 500,
    "@@ -1 +1 @@\n-" + "(" * 5000 + "\n+" + ")" * 5000,
    "@@ -1,2 +1 @@\n-timeout = 5\n x = 1\n",
    "@@ -1 +1,2 @@\n x = 1\n+seed = 5\n",
    '"""' * 1000,
    "seed = " + "9" * 5000,
    "@@ -" + "9" * 5000 + " +1 @@\n-x = 1\n+x = 2\n",
)


class CheckTraces(msgspec.Struct, frozen=True, kw_only=True):
    """Two real traces: one that must produce a finding above `info`, one that must not."""

    firing: tuple[Event, ...]
    quiet: tuple[Event, ...]


Make = Callable[[], Detector]


def _run(
    detector: Detector, events: Sequence[Event], sizes: Sequence[int] = ()
) -> tuple[list[Finding], dict[bytes, Any]]:
    """Findings and states, with events cut into batches of the given sizes (the rest in one)."""
    states: dict[bytes, Any] = {}
    findings: list[Finding] = []
    start = 0
    for size in sizes:
        findings += detector.batch(states, events[start : start + size])
        start += size
    findings += detector.batch(states, events[start:])
    return findings, states


def _bytes(findings: Sequence[Finding]) -> list[bytes]:
    return [encode_record(finding) for finding in findings]


def _declares(make: Make) -> list[str]:
    detector = make()
    problems = []
    if not isinstance(detector, Detector) or not callable(detector.key):
        return ["it lacks a part of the Detector protocol"]
    if not detector.id.isidentifier():
        problems.append(f"id {detector.id!r} is no identifier")
    if detector.version < 1:
        problems.append("versions count from 1")
    if detector.maturity not in ("stable", "trial", "sandbox"):
        problems.append(f"unknown maturity {detector.maturity!r}")
    if not detector.docs.endswith(".md"):
        problems.append("docs names no page")
    return problems


def _same_input_same_output(make: Make, traces: CheckTraces) -> list[str]:
    for name, events in (("firing", traces.firing), ("quiet", traces.quiet)):
        if _bytes(_run(make(), events)[0]) != _bytes(_run(make(), events)[0]):
            return [f"two runs over the {name} trace differ"]
    return []


def _batching(make: Make, traces: CheckTraces) -> list[str]:
    rng = random.Random(7)  # noqa: S311  # cuts of a test, no secret
    for events in (traces.firing, traces.quiet):
        whole = _bytes(_run(make(), events)[0])
        sizes = [[1] * len(events), [rng.randint(0, 5) for _ in range(len(events))]]
        if any(_bytes(_run(make(), events, cut)[0]) != whole for cut in sizes):
            return ["findings depend on how events are cut into batches"]
    return []


def _state_travels(make: Make, traces: CheckTraces) -> list[str]:
    """Cut in the middle, move the state by MessagePack and by pickle into a new instance, go on."""
    problems = []
    events = traces.firing
    middle = len(events) // 2
    whole = _bytes(_run(make(), events)[0])
    for name in ("MessagePack", "pickle"):
        head, states = _run(make(), events[:middle])
        if name == "pickle":
            # Our own bytes, made one line above: nothing from outside is ever unpickled.
            moved = {key: pickle.loads(pickle.dumps(state)) for key, state in states.items()}  # noqa: S301
        else:
            moved = {
                key: msgspec.msgpack.decode(msgspec.msgpack.encode(state), type=type(state))
                for key, state in states.items()
            }
        tail = make().batch(moved, events[middle:])
        if _bytes([*head, *tail]) != whole:
            problems.append(f"a state moved by {name} goes on differently")
    return problems


def _streams_apart(make: Make, traces: CheckTraces) -> list[str]:
    """A second run mixed in must not change what is said about the first."""
    alone = _bytes(_run(make(), traces.firing)[0])
    detector = make()
    states: dict[bytes, Any] = {}
    findings: list[Finding] = []
    for index, event in enumerate(traces.firing):
        findings += detector.batch(states, [event])
        if index < len(traces.quiet):
            detector.batch(states, [msgspec.structs.replace(traces.quiet[index], run="another-run")])
    return [] if _bytes(findings) == alone else ["another run's events change the findings"]


def _fires_and_rests(make: Make, traces: CheckTraces) -> list[str]:
    problems = []
    firing = [f for f in _run(make(), traces.firing)[0] if f.severity.rank > Severity.INFO.rank]
    if not firing:
        problems.append("the firing trace produces no finding above info")
    loud = [f.title for f in _run(make(), traces.quiet)[0] if f.severity.rank > Severity.INFO.rank]
    if loud:
        problems.append(f"the quiet trace produces findings: {loud[:3]}")
    seqs = {event.seq for event in traces.firing}
    for finding in firing:
        if not finding.evidence or any(e.first_seq not in seqs or e.last_seq not in seqs for e in finding.evidence):
            problems.append(f"evidence of {finding.title!r} names events that are not in the trace")
        if not 0.0 <= finding.confidence <= 1.0:
            problems.append(f"confidence {finding.confidence} is not in [0, 1]")
    return problems


def _says_blind(make: Make) -> list[str]:
    end = Event(
        seq=1, time_ns=1, run="empty", producer="check", generation=0, data=Heartbeat(state="finished", end=True)
    )
    findings = make().batch({}, [end])
    blind = [f for f in findings if f.facts.get("blind") is True]
    if not blind:
        return ["a run that ends without any input is not called blind (a finding with facts['blind'])"]
    if any(f.severity.may_pause for f in blind):
        return ["being starved at the end of a run must not pause it"]
    return []


def long_run(events: int, *, hostile: bool) -> list[Event]:
    """A long run of made-up events, every version new; texts hostile where asked. Seeded."""
    rng = random.Random(11)  # noqa: S311
    made: list[Any] = []
    for index in range(events // 4):
        text = HOSTILE[(index + index // len(HOSTILE)) % len(HOSTILE)] if hostile else f"name-{index}"
        made.extend(_generation(index, text, rng))
    return [
        Event(seq=seq, time_ns=seq * 10**9, run="long", producer="check", generation=seq // 4, data=data)
        for seq, data in enumerate(made, start=1)
    ]


def _generation(index: int, text: str, rng: random.Random) -> list[Any]:
    tree = f"tree-{index}"
    artifact = list(Artifact)[index % len(Artifact)]
    change = FileChange(path=text[:5000], artifact=artifact, before=f"b{index}", after=f"a{index}", diff=text)
    successes = rng.randint(0, 300)
    score = Score(
        proposal=f"{text[:2000]}{index}",
        tree=tree,
        split=rng.choice(list(Split)),
        metric=f"{text[:300]}{index % 50}",
        value=rng.choice([successes / 300, float("nan"), float("inf"), -1e308, None]),
        n=rng.choice([300, None, 0, -5, 2**70]),
        successes=rng.choice([successes, None, -1, 10**30]),
        se=rng.choice([None, 0.0, float("nan"), 0.01]),
        bounds=(0.0, 1.0),
        evaluation=index,
        fresh=rng.random() < 0.5,  # noqa: PLR2004
        repeats=rng.randint(0, 2),
    )
    subset = SubsetUse(
        subset=text[:300], weight=rng.choice([0.5, float("nan"), -1.0]), reference=0.1, overlap=rng.random()
    )
    return [
        Proposal(
            proposal=f"{text[:2000]}{index}",
            base="base",
            tree=tree,
            requester=text[:300],
            changes=(change,),
            claim=text,
        ),
        score,
        Approval(proposal=f"{text[:2000]}{index}", tree=tree, verdict="accepted", by=text[:300]),
        ArtifactChange(artifact=artifact, path=text[:5000], after=f"a{index}", diff=text, subsets=(subset,))
        if index % 3
        else Message(source="guest", text=text),
    ]


def _survives(make: Make) -> list[str]:
    try:
        findings = make().batch({}, long_run(400, hostile=True))
    except Exception as error:  # noqa: BLE001  # any crash is the answer sought
        return [f"hostile events crash it: {type(error).__name__}: {str(error)[:200]!r}"]
    for finding in findings:
        try:
            text = encode_record(finding).decode()
        except (UnicodeError, msgspec.EncodeError):
            return ["a finding about hostile text cannot be written down"]
        if "\x1b" in finding.title + finding.why or "\u202e" in finding.title + finding.why:
            return ["a finding repeats control characters of hostile text"]
        if len(text) > 64 * 1024:
            return ["a finding repeats hostile text without a limit"]
    return []


def _bounded(make: Make) -> list[str]:
    """The state after a long run is small, and hardly larger than after half of it."""
    detector = make()
    states: dict[bytes, Any] = {}
    events = long_run(LONG_RUN, hostile=False)
    detector.batch(states, events)
    size = sum(len(msgspec.msgpack.encode(state)) for state in states.values())
    return [] if size <= STATE_BYTES_MAX else [f"the state grew to {size} bytes over {len(events)} events"]


def check_detector(make: Make, traces: CheckTraces) -> list[str]:
    """Check one detector against the contract.

    Args:
        make: Makes a new instance with its default settings (usually the class).
        traces: A firing and a quiet trace, at least two events each.

    Returns:
        Problems in words, empty where the contract is kept.
    """
    problems = _declares(make)
    if problems:
        return problems
    if min(len(traces.firing), len(traces.quiet)) < 2:  # noqa: PLR2004
        return ["each trace needs at least two events"]
    for check in (_same_input_same_output, _batching, _state_travels, _streams_apart, _fires_and_rests):
        problems += check(make, traces)
    for lone in (_says_blind, _survives, _bounded):
        problems += lone(make)
    return problems
