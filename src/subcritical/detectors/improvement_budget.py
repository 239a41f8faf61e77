"""More improvement since the last recorded review than people allowed for."""

from __future__ import annotations

from typing import ClassVar

import msgspec

from subcritical.detectors._score import seen_of
from subcritical.detectors._stream import PerRun, worth_saying
from subcritical.detectors.protocol import DetectorSettings
from subcritical.schema import Approval, Event, Finding, Review, Score, Severity, Split
from subcritical.stats import TrendSettings, TrendState, trend_start, trend_step

SERIES_MAX = 8
_SMOOTH = TrendSettings(slope_sd=0.05, level_drift=1e-3, slope_drift=1e-6)


class ImprovementBudgetSettings(DetectorSettings, frozen=True, kw_only=True):
    """What may happen between two recorded reviews: held-out gain in logits, accepted self-changes, or both."""

    gain: float | None = None
    changes: int | None = None


class Level(msgspec.Struct):
    """One metric: its smoothed level now and at the last review."""

    trend: TrendState
    tree: str
    at_review: float


class BudgetState(msgspec.Struct):
    """Per run: levels by metric, changes since the last review, and how often an overdraft was due to be said."""

    levels: dict[str, Level] = {}
    changes: int = 0
    since: int = 0
    overdrawn: int = 0
    events: int = 0


class ImprovementBudget(PerRun[BudgetState, ImprovementBudgetSettings]):
    """Counts accepted changes and the smoothed held-out gain since the last recorded review.

    Meant for `throttle`: the loop goes on at the pace of its reviews instead of being stopped.
    """

    id = "improvement_budget"
    techniques = ("RSI-T0900",)
    docs = "detectors/improvement_budget.md"
    Settings: ClassVar[type[ImprovementBudgetSettings]] = ImprovementBudgetSettings

    def new(self) -> BudgetState:
        """Nothing spent."""
        return BudgetState()

    def starved(self, state: BudgetState) -> str:
        """Nothing that a budget could be spent on. Without a budget nobody asked."""
        asked = self.settings.gain is not None or self.settings.changes is not None
        return "no accepted change and no held-out count was seen" if asked and not state.events else ""

    def observe(self, state: BudgetState, event: Event) -> list[Finding]:
        """Advance by one event."""
        data = event.data
        state.since = state.since or event.seq
        if isinstance(data, Review):
            for level in state.levels.values():
                level.at_review = level.trend.level
            state.changes = state.overdrawn = 0
            state.since = event.seq
            return []
        if isinstance(data, Approval) and data.verdict == "accepted":
            state.changes += 1
        elif not (isinstance(data, Score) and data.split is Split.HELD_OUT and self._scored(state, event, data)):
            return []
        state.events += 1
        return self._judge(state, event)

    def _scored(self, state: BudgetState, event: Event, data: Score) -> bool:
        """Whether a usable score of a new version came in."""
        seen = seen_of(event, data)
        if seen is None or seen.n is None or seen.successes is None:
            return False
        k = float(seen.successes if seen.direction == "up" else seen.n - seen.successes)
        level = state.levels.get(seen.metric)
        if level is None:
            if len(state.levels) >= SERIES_MAX:
                return False
            trend = trend_start(k, seen.n, _SMOOTH)
            state.levels[seen.metric] = Level(trend, data.tree[:200], trend.level)
            return True
        if level.tree == data.tree:
            return False
        level.trend, level.tree = trend_step(level.trend, k, seen.n, _SMOOTH).state, data.tree[:200]
        return True

    def _judge(self, state: BudgetState, event: Event) -> list[Finding]:
        gain = max((level.trend.level - level.at_review for level in state.levels.values()), default=0.0)
        over = []
        if self.settings.gain is not None and gain > self.settings.gain:
            over.append(f"held-out gain {gain:.3f} logits, {self.settings.gain:g} allowed")
        if self.settings.changes is not None and state.changes > self.settings.changes:
            over.append(f"{state.changes} accepted changes, {self.settings.changes} allowed")
        if not over:
            return []
        state.overdrawn += 1
        if not worth_saying(state.overdrawn):
            return []
        return [
            self.finding(
                event,
                Severity.HIGH,
                "The improvement budget is used up",
                f"Since the last recorded review: {'; '.join(over)}. A recorded review opens the next budget.",
                confidence=1.0,
                technique="RSI-T0900",
                since=state.since,
                facts={"gain": gain, "changes": state.changes},
            )
        ]
