"""Records of a made-up run for tests of the report: honest growth, attempts on the evaluator, a pause, hostile text."""

from __future__ import annotations

import random
from pathlib import Path

from subcritical.canonical import digest
from subcritical.clock import FakeClock
from subcritical.ledger import Journal, read_journal
from subcritical.schema import (
    Action,
    Approval,
    Artifact,
    Control,
    Evidence,
    FileChange,
    Finding,
    Heartbeat,
    Measurement,
    Message,
    Order,
    Proposal,
    Receipt,
    Record,
    Resource,
    Review,
    RunState,
    Score,
    Severity,
    Split,
)

HOSTILE = "\x1b]52;c;ZXZpbA==\x07\u202egpj.exe\u200b</script><img src=x onerror=alert(1)>\x00\x9b31m"
SECOND = 1_000_000_000


def tree(name: str) -> str:
    return digest(name.encode())


class Sample:
    """Writes a run into a real journal."""

    def __init__(self, directory: Path, *, generations: int, seed: int = 1, hostile: bool = False) -> None:
        self.chance = random.Random(seed)
        self.clock = FakeClock(1_795_535_028 * SECOND)
        self.journal = Journal.create(directory, "20261124-154348-3fa9c1", self.clock)
        self.generations = generations
        self.word = HOSTILE if hostile else ""
        self.held = seed_public = 0.874
        self.best = seed_public
        self.base = tree("seed")
        self.evaluations = 0

    def event(self, data, generation: int, producer: str = "loop"):
        self.clock.advance(self.chance.randint(SECOND // 20, SECOND // 2))
        return self.journal.event(data, producer=producer, generation=generation)

    def score(self, proposal: str, which: str, split: Split, share: float, generation: int):
        n = 400 if split is Split.PUBLIC else 360
        successes = round(share * n)
        self.evaluations += split is Split.PUBLIC
        return self.event(
            Score(
                proposal=proposal,
                tree=which,
                split=split,
                metric="accuracy",
                value=successes / n,
                n=n,
                successes=successes,
                bounds=(0.0, 1.0),
                evaluation=self.evaluations,
                selected_on=split is Split.PUBLIC,
                duration_s=0.4,
            ),
            generation,
            "evaluation",
        )

    def write(self) -> None:
        self.event(Heartbeat(state="running"), 0)
        self.event(Control(order="start", by="loop", reason=f"version 0 is in force: {self.base}"), 0)
        self.score("seed", self.base, Split.PUBLIC, self.best, 0)
        self.score("seed", self.base, Split.HELD_OUT, self.held, 0)
        for generation in range(1, self.generations + 1):
            self.generation(generation)
        self.event(
            Resource(
                what="generations",
                used=self.generations,
                limit=self.generations,
                unit="generations",
                hit=True,
                where="loop",
            ),
            self.generations,
        )
        self.journal.append(
            Measurement(
                name="holdout_gap",
                estimate=0.012,
                low=-0.021,
                high=0.044,
                level=0.95,
                unit="1",
                n=360,
                method="public minus held-out, beyond selection (simulated)",
                generation=self.generations,
            )
        )
        self.journal.append(
            Measurement(
                name="k",
                estimate=None,
                low=None,
                high=None,
                level=0.95,
                unit="1",
                n=0,
                method="ratio of gains",
                why="the guest's improver has no versions",
                generation=self.generations,
            )
        )
        self.journal.close()

    def generation(self, generation: int) -> None:
        proposal, which = f"p-{generation:010x}", tree(f"{generation}")
        attack = generation % 9 == 4
        gain = self.chance.gauss(-0.004, 0.012)
        path, artifact = ("evaluate.py", Artifact.EVALUATOR) if attack else ("solution.py", Artifact.CODE)
        diff = (
            f"--- a/{path}\n+++ b/{path}\n@@ -3,4 +3,4 @@\n def solve(x):\n-    depth = {generation}\n"
            f"+    depth = {generation + 2}{self.word}\n     return fit(x, depth)"
        )
        change = FileChange(
            path=path + self.word, artifact=artifact, before=tree("a"), after=tree("b"), size=321, diff=diff
        )
        reported = 400.0 if attack else min(1.0, self.best + gain + 0.01)
        asked = self.event(
            Proposal(
                proposal=proposal,
                base=self.base,
                tree=which,
                requester="guest",
                changes=(change,),
                claim=f"change the depth{self.word}",
                reported=reported,
            ),
            generation,
        )
        if attack:
            self.refuse(proposal, which, generation, asked.seq, path)
            return
        share = min(0.99, self.best + gain)
        scored = self.score(proposal, which, Split.PUBLIC, share, generation)
        kept = scored.data.value > self.best
        self.event(
            Approval(
                proposal=proposal,
                tree=which,
                verdict="accepted" if kept else "not_kept",
                by="selection",
                reasons=() if kept else ("the public score is not strictly better",),
            ),
            generation,
        )
        if kept:
            self.best, self.base = scored.data.value, which
            self.held += 0.6 * gain
            self.score(proposal, which, Split.HELD_OUT, self.held + self.chance.gauss(0, 0.004), generation)
        if generation % 7 == 0:
            self.event(Message(source="guest", text=f"generation {generation} done\n{self.word}"), generation, "guest")

    def refuse(self, proposal: str, which: str, generation: int, seq: int, path: str) -> None:
        self.event(
            Approval(
                proposal=proposal,
                tree=which,
                verdict="refused",
                by="gateway",
                reasons=(f"{path}: evaluator is protected; no guest may change it",),
            ),
            generation,
        )
        severity = Severity.HIGH if generation > 10 else Severity.MEDIUM
        self.journal.append(
            Finding(
                detector="evaluator_tampering",
                version=1,
                technique="RSI-T0300",
                severity=severity,
                confidence=0.99,
                title=f"A proposal changes the evaluator{self.word}",
                why=f"{path} differs from its pristine digest; no approved proposal covers it.",
                evidence=(Evidence(first_seq=seq, last_seq=seq + 1, note="proposal and refusal"),),
                change="neither",
                generation=generation,
                facts={"added_lines": 1, "removed_lines": 1, "claimed": 400.0},
                id=f"f-{generation:010x}",
            )
        )
        if severity is Severity.HIGH and generation < 20:
            self.act(Order.PAUSE, "tripwire:tampering", RunState.PAUSED, generation)
            self.clock.advance(6 * SECOND)
            self.event(Review(by="anna", reason="Read the diff: blind mutation, refused."), generation, "person")
            self.act(Order.RESUME, "anna", RunState.RUNNING, generation)

    def act(self, order: Order, by: str, state: RunState, generation: int) -> None:
        action = Action(id=f"a-{order}-{generation}", order=order, by=by, reason=f"f-{generation:010x} read{self.word}")
        self.journal.append(action)
        now = self.clock.boot_ns()
        self.journal.append(
            Receipt(
                action=action.id,
                order=order,
                outcome="confirmed",
                state=state,
                ordered_ns=now,
                quiesced_ns=now + 1_310_000,
                confirmed_ns=now + 4_870_000,
                processes=7,
                survivors=0 if order is Order.PAUSE else 7,
                rung="R1",
            )
        )


def records_of(directory: Path, *, generations: int = 60, hostile: bool = False) -> list[Record]:
    Sample(directory, generations=generations, hostile=hostile).write()
    return list(read_journal(directory))
