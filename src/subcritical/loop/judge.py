"""Trusted scores of a version: the public one that selection uses, the held-out one nobody below sees."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Literal

from subcritical.clock import Clock
from subcritical.gateway import Guard
from subcritical.loop.evaluation import Outcome, Pair, PairPool, Plan
from subcritical.loop.evaluation.pair import Watch
from subcritical.sandbox import Containment
from subcritical.schema import Message, Score, Split

_SLOT_MARGIN_S = 0.4
_SLOT_FACTOR = 2.0
_CLEANUP_S = 0.25
_PUBLIC_DEPTH = 2
_SEED_BITS = 31

Files = Mapping[str, bytes]


class Judge:
    """Evaluates versions on the public and, where there is one, on the held-out split.

    Args:
        containment: Everything it starts lives in it.
        public: Plan for the public split.
        held_out: Plan for the held-out split, or None.
        evaluator: The pristine evaluator's files.
        guard: Without `pristine_evaluator`, each version is judged by its own copy of the evaluator.
        repeats: Evaluations per score.
        seed: Seeds the repeats' seeds; None takes them from the operating system.
    """

    def __init__(
        self,
        containment: Containment,
        *,
        public: Plan,
        held_out: Plan | None,
        evaluator: Files,
        guard: Guard,
        repeats: int,
        clock: Clock,
        seed: int | None = None,
    ) -> None:
        """Bind the parts; nothing is started before `start`."""
        self._containment = containment
        self._plans = {"public": public, "held_out": held_out}
        self._clock = clock
        self._repeats = repeats
        self._random: random.Random = random.SystemRandom() if seed is None else random.Random(seed)  # noqa: S311 - studies repeat
        self._evaluator = evaluator
        self._pristine = guard.pristine_evaluator
        self._held_out_share = 1.0
        self._pools: dict[str, PairPool] = {}
        self.evaluations: dict[Split, int] = {Split.PUBLIC: 0, Split.HELD_OUT: 0}

    def start(self) -> None:
        """Start warming pairs."""
        for split, plan in self._plans.items():
            if plan is not None and split not in self._pools:
                self._pools[split] = self._pool(split, plan)

    def _pool(self, split: str, plan: Plan) -> PairPool:
        def make(number: int) -> Pair:
            return Pair(self._containment, plan, number=number, split=split, clock=self._clock)

        pristine = self._pristine or split == "held_out"
        depth = _PUBLIC_DEPTH if split == "public" else 1
        evaluator = self._evaluator if pristine else None
        return PairPool(make, evaluator=evaluator, depth=depth, paused_ns=self._containment.paused_ns)

    @property
    def has_held_out(self) -> bool:
        """Whether there is a held-out split."""
        return self._plans["held_out"] is not None

    def public(self, files: Files, evaluator: Files, watch: Watch) -> Outcome:
        """Score a version on the public split.

        Args:
            files: The version's approved bytes.
            evaluator: The evaluator's files in that version; used only without `pristine_evaluator`.
            watch: Raises when the run is stopped.
        """
        pair = self._pools["public"].take(watch)
        try:
            if not self._pristine:
                pair.load(evaluator)
            outcome = pair.evaluate(files, seeds=self._seeds(), watch=watch)
        finally:
            self._pools["public"].retire(pair)
        self.evaluations[Split.PUBLIC] += 1
        return outcome

    def calibrate(self, files: Files, watch: Watch, public: Outcome) -> Outcome:
        """Score the seed on the held-out split before any guest runs, to learn how long a slot must be."""
        outcome = self._held_out(files, watch, timeout_s=None)
        self.after_slot()
        if public.duration_s > 0:
            self._held_out_share = max(1.0, outcome.duration_s / public.duration_s)
        return outcome

    def slot_s(self, public: Outcome) -> float:
        """Length of the held-out slot, in seconds: a function of public information alone."""
        return _SLOT_FACTOR * self._held_out_share * public.duration_s + _SLOT_MARGIN_S

    def settle(self, watch: Watch) -> None:
        """Wait until no sandbox is being started: in a held-out slot nothing else runs that it could slow down."""
        for pool in self._pools.values():
            pool.settle(watch)

    def held_out(self, files: Files, watch: Watch, slot_s: float) -> Outcome:
        """Score an accepted version on the held-out split within its slot. The guest must be frozen."""
        return self._held_out(files, watch, timeout_s=slot_s - _CLEANUP_S)

    def after_slot(self) -> None:
        """Warm the next held-out pair; only now, so that what it costs does not depend on what happened in the slot."""
        self._pools["held_out"].refill()

    def close(self) -> None:
        """Kill every pair."""
        for pool in self._pools.values():
            pool.close()
        self._pools.clear()

    def _held_out(self, files: Files, watch: Watch, timeout_s: float | None) -> Outcome:
        pair = self._pools["held_out"].take(watch, refill=False)
        try:
            outcome = pair.evaluate(files, seeds=self._seeds(), watch=watch, timeout_s=timeout_s)
        finally:
            pair.close()
        self.evaluations[Split.HELD_OUT] += 1
        return outcome

    def _seeds(self) -> list[int]:
        return [self._random.getrandbits(_SEED_BITS) for _ in range(self._repeats)]

    def record(
        self, outcome: Outcome, *, split: Literal[Split.PUBLIC, Split.HELD_OUT], proposal: str, tree: str
    ) -> tuple[Score | Message, ...]:
        """The events that say what an evaluation gave."""
        scored = outcome.scored
        plan = self._plans[split]
        primary = (plan.rules.primary if plan else None) or "score"
        score = Score(
            proposal=proposal,
            tree=tree,
            split=split,
            metric=scored.metric if scored else primary,
            value=scored.value if scored else None,
            direction=scored.direction if scored else (plan.rules.direction if plan else None) or "up",
            n=scored.n if scored else None,
            successes=scored.successes if scored else None,
            se=scored.se if scored else None,
            bounds=scored.bounds if scored else (None, None),
            evaluation=self.evaluations[split],
            repeats=scored.repeats if scored else 0,
            fresh=scored.fresh if scored else False,
            deterministic=scored.deterministic if scored else False,
            selected_on=split is Split.PUBLIC,
            status=outcome.status,
            detail=outcome.detail,
            duration_s=outcome.duration_s,
        )
        if not outcome.output:
            return (score,)
        return (score, Message(source=f"evaluation/{split}", text=outcome.output))
