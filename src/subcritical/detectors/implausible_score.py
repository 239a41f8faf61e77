"""Scores that cannot be true, and scores that cannot measure anything."""

from __future__ import annotations

import math
from typing import ClassVar

import msgspec

from subcritical.detectors._stream import PerRun, reads, remember, shown, worth_saying
from subcritical.detectors.protocol import DetectorSettings
from subcritical.schema import Event, Finding, Proposal, Score, Severity, Split

SERIES_MAX = 8
SHARE_TOLERANCE = 0.005
FEWER_ITEMS = 0.9
ITEMS_MAX = 10**12


class ImplausibleScoreSettings(DetectorSettings, frozen=True, kw_only=True):
    """Thresholds.

    `ceilings` names, per metric, a value that cannot honestly be beaten (a proven or published
    best, a physical bound): reaching it asks for re-validation (`medium`). `saturated` scores in a
    row at the better bound, or `flat` equal scores of different versions in a row, mean that the
    metric cannot show progress any more (`low`).
    """

    ceilings: dict[str, float] = msgspec.field(default_factory=dict)
    saturated: int = 10
    flat: int = 30
    edge: float = 0.002


class Run(msgspec.Struct):
    """Streaks of one series."""

    saturated: int = 0
    flat: int = 0
    last: float | None = None
    tree: str = ""
    items: int = 0
    said_saturated: bool = False
    said_flat: bool = False


class ImplausibleState(msgspec.Struct):
    """Per run: bounds learnt from trusted scores, streaks per series, findings said."""

    bounds: dict[str, tuple[float | None, float | None]] = {}
    streaks: dict[str, Run] = {}
    scores: int = 0
    said: dict[str, int] = {}


class ImplausibleScore(PerRun[ImplausibleState, ImplausibleScoreSettings]):
    """Judges single scores against their declared bounds, their own counts and declared ceilings."""

    id = "implausible_score"
    docs = "detectors/implausible_score.md"
    kinds = reads(Proposal, Score)
    Settings: ClassVar[type[ImplausibleScoreSettings]] = ImplausibleScoreSettings

    def new(self) -> ImplausibleState:
        """No score seen."""
        return ImplausibleState()

    def starved(self, state: ImplausibleState) -> str:
        """No score came by."""
        return "" if state.scores else "no score was seen"

    def observe(self, state: ImplausibleState, event: Event) -> list[Finding]:
        """Look at each score and claim."""
        data = event.data
        if isinstance(data, Proposal):
            return self._claim(state, event, data)
        if not isinstance(data, Score):
            return []
        state.scores += 1
        metric = data.metric[:100]
        if data.split is not Split.REPORTED and any(b is not None for b in data.bounds):
            remember(state.bounds, metric, data.bounds, SERIES_MAX)
        findings = self._single(state, event, data)
        if not findings and data.status == "ok" and data.value is not None and data.split is not Split.REPORTED:
            findings = self._streak(state, event, data)
        return findings

    def _claim(self, state: ImplausibleState, event: Event, data: Proposal) -> list[Finding]:
        value = data.reported
        if value is None:
            return []
        if not math.isfinite(value):
            return self._say(state, event, severity=Severity.MEDIUM, kind="claim", why=f"the reported score is {value}")
        # A claim names no metric: it is judged only where the run has one.
        if len(state.bounds) == 1 and _outside(value, next(iter(state.bounds.values()))):
            why = f"the reported score {value:g} is out of bounds"
            return self._say(state, event, severity=Severity.MEDIUM, kind="claim", why=why, value=value)
        return []

    def _single(self, state: ImplausibleState, event: Event, data: Score) -> list[Finding]:
        if data.status == "invalid":
            # The evaluator refused it, which is its job; a mutated program that divides by zero does this.
            why = f"refused: {shown(data.detail)}"
            return self._say(state, event, severity=Severity.LOW, kind="refused", why=why)
        if data.value is None or data.status != "ok":
            return []
        trusted = data.split is not Split.REPORTED
        bounds = data.bounds if trusted else state.bounds.get(data.metric[:100], data.bounds)
        kind, why = _impossible(data, data.value, bounds)
        if kind:
            # A trusted score that cannot be true means that the evaluator, or what guards it, is broken.
            severity = Severity.HIGH if trusted else Severity.MEDIUM
            return self._say(state, event, severity=severity, kind=kind, why=why, value=data.value)
        ceiling = self.settings.ceilings.get(data.metric)
        if ceiling is not None and (data.value > ceiling if data.direction == "up" else data.value < ceiling):
            why = f"{data.value:.8g} beats {ceiling:.8g}, declared not to be beatable: validate it again, independently"
            kind = "beats a declared ceiling"
            return self._say(state, event, severity=Severity.MEDIUM, kind=kind, why=why, value=data.value)
        return []

    def _streak(self, state: ImplausibleState, event: Event, data: Score) -> list[Finding]:
        key = f"{data.split.value} {data.metric[:100]}"
        run = state.streaks.get(key)
        if run is None:
            run = Run()
            remember(state.streaks, key, run, SERIES_MAX)
        findings = self._items(state, event, data, run)
        value = float(data.value or 0.0)
        best = data.bounds[1] if data.direction == "up" else data.bounds[0]
        width = _width(data.bounds)
        run.saturated = run.saturated + 1 if best is not None and abs(best - value) <= self.settings.edge * width else 0
        if run.last is None or value != run.last:
            run.flat = 1
        elif data.tree != run.tree:
            run.flat += 1
        run.last, run.tree = value, data.tree
        if run.saturated >= self.settings.saturated and not run.said_saturated:
            run.said_saturated = True
            findings.append(
                self._cannot(event, "saturated", f"the last {run.saturated} scores lie at the bound {best}")
            )
        if run.flat >= self.settings.flat and not run.said_flat:
            run.said_flat = True
            findings.append(self._cannot(event, "flat", f"the last {run.flat} versions all scored {value:g}"))
        return findings

    def _items(self, state: ImplausibleState, event: Event, data: Score, run: Run) -> list[Finding]:
        """The same split has the same items: fewer mean that something chose which of them count."""
        if data.n is None or data.fresh or data.n > ITEMS_MAX:
            return []
        run.items = max(run.items, data.n)
        if data.n >= FEWER_ITEMS * run.items:
            return []
        why = f"the score rests on {data.n} items, an earlier one on the same split rested on {run.items}"
        return self._say(state, event, severity=Severity.MEDIUM, kind="fewer items", why=why, value=data.value)

    def _cannot(self, event: Event, kind: str, why: str) -> Finding:
        return self.finding(
            event,
            Severity.LOW,
            f"Cannot measure improvement: the score is {kind}",
            f"{why}. Neither 'no improvement' nor 'safe' follows.",
            confidence=0.9,
            facts={"kind": kind, "cannot_measure": True},
        )

    def _say(
        self,
        state: ImplausibleState,
        event: Event,
        *,
        severity: Severity,
        kind: str,
        why: str,
        value: float | None = None,
    ) -> list[Finding]:
        count = state.said.get(kind, 0) + 1
        state.said[kind] = count
        if not worth_saying(count):
            return []
        return [
            self.finding(
                event,
                severity,
                f"Implausible score: {kind}",
                why,
                confidence=0.99 if severity is Severity.HIGH else 0.6,
                facts={
                    "value": value if value is not None and math.isfinite(value) else None,
                    "kind": kind,
                    "count": count,
                },
            )
        ]


def _outside(value: float, bounds: tuple[float | None, float | None]) -> bool:
    low, high = bounds
    slack = 1e-9 * max(1.0, abs(value))
    return (low is not None and value < low - slack) or (high is not None and value > high + slack)


def _impossible(data: Score, value: float, bounds: tuple[float | None, float | None]) -> tuple[str, str]:
    """Kind and reason where a score cannot be true, else two empty texts."""
    if not math.isfinite(value):
        return "not finite", f"the score is {value}"
    if _outside(value, bounds):
        return "out of bounds", f"{value:g} lies outside {bounds}"
    why = _contradiction(data, value)
    return ("contradicts its counts", why) if why else ("", "")


def _width(bounds: tuple[float | None, float | None]) -> float:
    low, high = bounds
    return high - low if low is not None and high is not None and high > low else 1.0


def _contradiction(data: Score, value: float) -> str:
    """Counts that no evaluation can produce, or that do not give the value they come with."""
    n, successes = data.n, data.successes
    if n is not None and n <= 0:
        return f"n is {n}"
    if data.se is not None and not (math.isfinite(data.se) and data.se >= 0):
        return f"the standard error is {data.se}"
    if n is None or successes is None:
        return ""
    if not 0 <= successes <= n:
        return f"{successes} successes of {n}"
    # Only where the value claims to be a share: the metric may be something else than successes/n.
    share = successes / n
    if data.bounds == (0.0, 1.0) and min(abs(value - share), abs(value - 1 + share)) > SHARE_TOLERANCE:
        return f"the value {value:g} does not follow from {successes} of {n}"
    return ""
