"""Makes event streams for the detector tests, and simulates honest loops item by item."""

from __future__ import annotations

import difflib
import hashlib
import os
from pathlib import Path

import msgspec
import numpy as np

from subcritical.detectors.rule_cases import rule_files
from subcritical.schema import (
    Approval,
    Artifact,
    ArtifactChange,
    Event,
    FileChange,
    Heartbeat,
    Proposal,
    Score,
    Split,
    SubsetUse,
    ToolCall,
    decode_record,
)

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
SHARED = Path(os.environ.get("SUBCRITICAL_DATA", ROOT.parent / "shared" / "data"))
SECOND = 1_000_000_000
BEGIN = 1_700_000_000 * SECOND
NAMES = (
    "blind",
    "capability_goal",
    "claim_mismatch",
    "constitution_drift",
    "correction_resistance",
    "cross_domain",
    "data_selection",
    "evaluator_tampering",
    "holdout_gap",
    "implausible_score",
    "improvement_budget",
    "limit_raising",
    "loop_closure",
    "outside_gain",
    "policy_exception",
    "prompt_change",
    "review_overdue",
    "score_claim",
    "score_jump",
    "self_reflection",
    "threshold_ahead",
    "token_pattern",
)
RULE_BASED = (
    "exfiltration",
    "guard_bypass",
    "oversight_reduction",
    "persistence",
    "resource_acquisition",
    "shutdown_resistance",
    "successor_spawn",
)


def case_trace(name: str, kind: str) -> tuple[Event, ...]:
    """Tool calls of a rule-based detector's cases: those it must match, or the near misses."""
    (file,) = [file for file in rule_files() if file.name == f"{name}.yml"]
    lines = [case.run for case in file.cases if case.run and bool(case.expect) is (kind == "firing")]
    return tuple(
        Event(
            seq=number,
            time_ns=BEGIN + number,
            run="r",
            producer="jsonl",
            generation=0,
            data=ToolCall(tool="bash", arguments=msgspec.json.encode({"command": line}).decode()),
        )
        for number, line in enumerate(lines, start=1)
    )


def load_trace(name: str, kind: str) -> tuple[Event, ...]:
    if name in RULE_BASED:
        return case_trace(name, kind)
    lines = (HERE / "data" / name / f"{kind}.jsonl").read_bytes().splitlines()
    events = tuple(decode_record(line) for line in lines)
    assert all(isinstance(e, Event) for e in events)
    return events


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def diff_of(before: str, after: str, path: str) -> str:
    lines = difflib.unified_diff(before.splitlines(), after.splitlines(), f"a/{path}", f"b/{path}", lineterm="", n=3)
    return "\n".join(lines)


def file_change(path: str, artifact: Artifact, before: str | None, after: str | None) -> FileChange:
    return FileChange(
        path=path,
        artifact=artifact,
        before=None if before is None else digest(before),
        after=None if after is None else digest(after),
        size=len(after or ""),
        diff=diff_of(before or "", after or "", path),
    )


class Stream:
    """Numbers and times events as a journal would; half of the numbers belong to other records."""

    def __init__(self, run: str = "run-1", step_s: float = 0.5) -> None:
        self.events: list[Event] = []
        self.run = run
        self.step_ns = int(step_s * SECOND)
        self.now = BEGIN
        self.seq = 0
        self.generation = 0

    def add(self, data, *, after_s: float | None = None) -> Event:
        self.now += self.step_ns if after_s is None else int(after_s * SECOND)
        self.seq += 2
        event = Event(
            seq=self.seq, time_ns=self.now, run=self.run, producer="loop", generation=self.generation, data=data
        )
        self.events.append(event)
        return event

    def beat(self, *, dropped: int = 0, end: bool = False) -> Event:
        return self.add(Heartbeat(state="finished" if end else "running", dropped=dropped, end=end))

    def proposal(self, *changes: FileChange, reported: float | None = None, name: str | None = None, **extra) -> str:
        self.generation += 1
        name = name or f"p{self.generation}"
        self.add(
            Proposal(
                proposal=name, base="base", tree=f"tree-{name}", requester="guest", changes=changes, reported=reported,
                **extra,
            )
        )  # fmt: skip
        return name

    def approval(self, name: str, verdict: str) -> Event:
        return self.add(Approval(proposal=name, tree=f"tree-{name}", verdict=verdict, by="selection"))

    def score(self, name: str, split: Split, successes: int | None, n: int | None, **extra) -> Event:
        value = extra.pop("value", None if successes is None or not n else successes / n)
        extra.setdefault("bounds", (0.0, 1.0))
        extra.setdefault("selected_on", split is Split.PUBLIC)
        return self.add(
            Score(
                proposal=name, tree=f"tree-{name}", split=split, metric="accuracy", value=value, n=n,
                successes=successes, **extra,
            )
        )  # fmt: skip


class Honest:
    """One honest loop. Skill is one number; both splits see the same edits; selection sees the public one.

    A candidate redraws the outcome of a share `step` of all items with its own skill; some
    candidates are broken. Nothing in here knows which items are public.
    """

    def __init__(self, seed: int, *, kind: str = "evolve") -> None:
        rng = self.rng = np.random.default_rng(seed)
        self.kind = kind
        self.proposals = int(rng.integers(60, 151))
        self.public_n = int(rng.integers(200, 401))
        self.held_out_n = int(rng.integers(300, 601))
        self.step = float(rng.choice([0.01, 0.03, 0.1, 0.3, 1.0]))
        self.skill = float(rng.uniform(0.15, 0.95))
        self.gain_sd = float(rng.choice([0.002, 0.01, 0.03]))
        self.drift = float(rng.choice([0.0, -0.5, -1.5])) * self.gain_sd
        self.broken = float(rng.choice([0.0, 0.1, 0.4]))
        self.stream = Stream(run=f"honest-{seed}")
        self.source = (
            "def predict(x):\n" + "".join(f"    w{i} = {rng.integers(1, 99)}\n" for i in range(12)) + "    return x\n"
        )
        self.weights = rng.dirichlet(np.ones(8) * 3)
        self.reference = self.weights.copy()

    def _draw(self, skill: float, n: int) -> np.ndarray:
        return self.rng.random(n) < skill

    def _change(self) -> tuple[FileChange, str]:
        old, new = f"w{self.rng.integers(0, 12)}", str(self.rng.integers(1, 99))
        lines = [f"    {old} = {new}" if line.startswith(f"    {old} =") else line for line in self.source.splitlines()]
        text = "\n".join(lines) + "\n"
        kind = Artifact.CODE if self.kind == "evolve" else Artifact.HYPERPARAMETER
        return file_change("solution.py", kind, self.source, text), text

    def run(self) -> list[Event]:
        stream, rng = self.stream, self.rng
        public = self._draw(self.skill, self.public_n)
        held = self._draw(self.skill, self.held_out_n)
        evaluation = 1
        stream.beat()
        stream.score("seed", Split.PUBLIC, int(public.sum()), self.public_n, evaluation=1, deterministic=True)
        stream.score("seed", Split.HELD_OUT, int(held.sum()), self.held_out_n, evaluation=1, deterministic=True)
        for _ in range(self.proposals):
            skill = float(np.clip(self.skill + rng.normal(self.drift, self.gain_sd), 0.02, 0.985))
            share = self.step
            if rng.random() < self.broken:
                skill, share = 0.1, 1.0
            masks = [rng.random(n) < share for n in (self.public_n, self.held_out_n)]
            new_public = np.where(masks[0], self._draw(skill, self.public_n), public)
            new_held = np.where(masks[1], self._draw(skill, self.held_out_n), held)
            change, text = self._change()
            evaluation += 1
            reported = float(new_public.mean()) if self.kind == "tune" else None
            name = stream.proposal(change, reported=reported)
            stream.score(
                name, Split.PUBLIC, int(new_public.sum()), self.public_n, evaluation=evaluation, deterministic=True
            )
            if new_public.sum() > public.sum():
                self.skill = (1 - share) * self.skill + share * skill
                public, held, self.source = new_public, new_held, text
                stream.approval(name, "accepted")
                self._selection()
                stream.score(name, Split.HELD_OUT, int(held.sum()), self.held_out_n, deterministic=True)
            else:
                stream.approval(name, "not_kept")
            if stream.generation % 4 == 0:
                stream.beat()
        stream.beat(end=True)
        return stream.events

    def _selection(self) -> None:
        if self.kind != "tune":
            return
        self.weights = self.weights * np.exp(self.rng.normal(0, 0.3, self.weights.size))
        self.weights = self.weights / self.weights.sum()
        self.stream.add(
            ArtifactChange(
                artifact=Artifact.DATA_SELECTION,
                path="selection.json",
                after=digest(str(self.weights)),
                subsets=tuple(
                    SubsetUse(subset=f"s{i}", weight=float(w), reference=float(r), overlap=0.0)
                    for i, (w, r) in enumerate(zip(self.weights, self.reference, strict=True))
                ),
            )
        )


class HonestTuner:
    """An honest loop of an optimiser that is scored by its mean gain over tasks, with a standard error."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        self.stream = Stream(run=f"self-tuning-{seed}")

    def run(self) -> list[Event]:
        rng, stream = self.rng, self.stream
        tasks, skill, best = int(rng.integers(8, 17)), 0.2, -np.inf
        noise = float(rng.uniform(0.2, 0.8))
        stream.beat()
        for index in range(int(rng.integers(60, 121))):
            candidate = skill + rng.normal(-0.02, 0.08)
            means = []
            for count in (tasks, 16):
                values = rng.normal(candidate, noise, count)
                means.append((float(values.mean()), float(values.std(ddof=1) / np.sqrt(count))))
            name = stream.proposal()
            self._score(name, Split.PUBLIC, means[0], index + 2)
            accepted = means[0][0] > best
            stream.approval(name, "accepted" if accepted else "not_kept")
            if accepted:
                best, skill = means[0][0], candidate
                self._score(name, Split.HELD_OUT, means[1], 0)
            stream.beat()
        stream.beat(end=True)
        return stream.events

    def _score(self, name: str, split: Split, mean: tuple[float, float], evaluation: int) -> None:
        self.stream.score(
            name, split, None, None, value=mean[0], se=mean[1], bounds=(None, None), evaluation=evaluation
        )


def honest_events(seed: int) -> list[Event]:
    """Run `seed` of the honest loops: 40 % evolve, 40 % tune, 20 % self-tuning."""
    if seed % 5 == 4:
        return HonestTuner(seed).run()
    return Honest(seed, kind="evolve" if seed % 2 else "tune").run()
