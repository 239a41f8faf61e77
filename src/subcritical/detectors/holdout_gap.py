"""Public minus held-out score of one version, beyond what selecting on the public score explains."""

from __future__ import annotations

import math
from typing import ClassVar

import msgspec

from subcritical.detectors._score import Seen, advantage, seen_of
from subcritical.detectors._selection import Search, binomial_sd, selection_null, selection_null_gaussian
from subcritical.detectors._stream import PerRun, reads, remember, worth_saying
from subcritical.detectors.protocol import DetectorSettings
from subcritical.schema import Event, Finding, Score, Severity, Split
from subcritical.stats import SelectionNull, normal_tail, spending


class HoldoutGapSettings(DetectorSettings, frozen=True, kw_only=True):
    """Thresholds.

    `raw_p` is the one-sided two-sample p value below which the raw gap is said (`medium`: honest
    selection produces such gaps too); `alpha` is the chance of any `high` finding in an honest run,
    spread over its tests; `draws` simulated searches behind one `high`.
    """

    raw_p: float = 1e-3
    alpha: float = 1e-3
    draws: int = 20_000
    seed: int = 1


class GapState(msgspec.Struct):
    """Per run: recent public and held-out scores by version, the search so far, tests made."""

    public: dict[str, Seen] = {}
    held_out: dict[str, Seen] = {}
    search: Search = msgspec.field(default_factory=Search)
    pairs: int = 0
    said: dict[str, int] = {}


class HoldoutGap(PerRun[GapState, HoldoutGapSettings]):
    """Compares both splits of the same version.

    The null is simulated: a search of the evaluations so far without progress, whose small steps
    may be correlated (`subcritical.stats.simulate_selection`), both as independent draws and with
    the correlation that the public steps show; the milder of the two counts. A gap that selection
    explains is overfitting of the ordinary kind, a larger one needs another cause: leaked data, a
    scored subset, a broken split.
    """

    id = "holdout_gap"
    docs = "detectors/holdout_gap.md"
    kinds = reads(Score)
    Settings: ClassVar[type[HoldoutGapSettings]] = HoldoutGapSettings

    def new(self) -> GapState:
        """No score seen."""
        return GapState()

    def starved(self, state: GapState) -> str:
        """No version had both scores."""
        return "" if state.pairs else "no version had both a public and a held-out score with its noise"

    def observe(self, state: GapState, event: Event) -> list[Finding]:
        """Collect scores; test when a version has both."""
        data = event.data
        if not isinstance(data, Score) or data.split is Split.REPORTED:
            return []
        if data.split is Split.PUBLIC:
            state.search.evaluations = max(state.search.evaluations + 1, data.evaluation)
        seen = seen_of(event, data)
        if seen is None:
            return []
        key = f"{data.metric[:100]}\n{data.tree[:200]}"
        known = key in state.public and key in state.held_out
        if data.split is Split.PUBLIC:
            state.search.add(seen.value, binomial_sd(seen), seen.direction)
            remember(state.public, key, seen)
        else:
            remember(state.held_out, key, seen)
        public, held = state.public.get(key), state.held_out.get(key)
        if public is None or held is None or known:
            return []  # one test per version: a repeat is no new evidence of the same gap
        return self._test(state, event, public, held)

    def _test(self, state: GapState, event: Event, public: Seen, held: Seen) -> list[Finding]:
        gap = advantage(public.value, held.value, public.direction)
        raw = _raw_p(public, held, gap)
        if raw is None:
            return []
        state.pairs += 1
        if gap <= 0 or raw > self.settings.raw_p:
            return []
        null = self._null(state, public, held, gap)
        threshold = max(spending(self.settings.alpha, state.pairs), 1.5 / (self.settings.draws + 1))
        # A gap of the very first version is nobody's doing: the splits differ, or leaked before the run.
        beyond_chance = null.tail <= threshold and state.search.evaluations > 1
        severity = Severity.HIGH if beyond_chance else Severity.MEDIUM
        count = state.said.get(severity.value, 0) + 1
        state.said[severity.value] = count
        if not worth_saying(count):
            return []
        beyond = "more than" if severity is Severity.HIGH else "not clearly more than"
        return [
            self.finding(
                event,
                severity,
                "The public score is better than the held-out score of the same version",
                f"Gap {gap:.4g} (public {public.value:.6g}, held-out {held.value:.6g}), {beyond} choosing the best of "
                f"{state.search.evaluations} evaluations explains (expected {null.expected:.4g}, p {null.tail:.2g}).",
                confidence=min(0.999, 1 - null.tail),
                since=min(public.seq, held.seq),
                facts={
                    "gap": gap,
                    "raw_p": raw,
                    "expected_by_selection": null.expected,
                    "p_beyond_selection": null.tail,
                    "evaluations": state.search.evaluations,
                    "count": count,
                },
            )
        ]

    def _null(self, state: GapState, public: Seen, held: Seen, gap: float) -> SelectionNull:
        draws, seed = self.settings.draws, self.settings.seed
        if public.successes is not None and public.n and held.successes is not None and held.n:
            p = (public.successes + held.successes + 0.5) / (public.n + held.n + 1)
            return selection_null(
                state.search,
                rate=p if public.direction == "up" else 1 - p,
                public_n=public.n,
                held_out_n=held.n,
                gap=gap,
                draws=draws,
                seed=seed,
            )
        public_se, held_out_se = public.se or 0.0, held.se or 0.0
        return selection_null_gaussian(
            state.search, public_se=public_se, held_out_se=held_out_se, gap=gap, draws=draws, seed=seed
        )


def _raw_p(public: Seen, held: Seen, gap: float) -> float | None:
    """One-sided two-sample p value without any correction; None where the noise is unknown."""
    if public.successes is not None and public.n and held.successes is not None and held.n:
        p = (public.successes + held.successes + 0.5) / (public.n + held.n + 1)
        return normal_tail(gap / math.sqrt(p * (1 - p) * (1 / public.n + 1 / held.n)))
    if public.se is not None and held.se is not None and public.se + held.se > 0:
        return normal_tail(gap / math.hypot(public.se, held.se))
    return None
