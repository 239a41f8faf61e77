"""Gains in one domain that follow gains in another more closely than chance allows."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from itertools import pairwise
from typing import Any, ClassVar

import msgspec
import numpy as np
from numpy.typing import NDArray

from subcritical.detectors._stream import PerRun, reads, remember
from subcritical.detectors.protocol import DetectorSettings, Maturity
from subcritical.schema import Event, Finding, Score, Severity, Split

Floats = NDArray[np.float64]
_DOMAINS_MAX = 6
_POINTS_MAX = 384
_BLOCK = 8
_ORDER = 3
"""Gains before one that its own course is read from."""
_LOOKS = (24, 48, 96, 192, 384)
"""Numbers of versions at which it looks; each spends an equal part of `alpha`."""


class CrossDomainSettings(DetectorSettings, frozen=True, kw_only=True):
    """`alpha`: false alarms of a whole run, in (0, 0.5). `lag_max`: by how many versions one may follow another."""

    alpha: float = 0.05
    lag_max: int = 2
    orders: int = 499


class DomainState(msgspec.Struct):
    """Per run: scores by domain and version, in order of versions, and how many looks were taken."""

    scores: dict[str, dict[str, float]] = {}
    versions: dict[str, int] = {}
    looks: int = 0
    seen: int = 0


class CrossDomain(PerRun[DomainState, CrossDomainSettings]):
    """A test of the greatest lagged association of surprises over all pairs of domains and lags.

    A domain is a metric: systems scored on text, code, images or planning report one each. A surprise is what is left
    of a gain after the domain's own course is taken off it: a quadratic trend of gains and its dependence on the three
    gains before (an autoregression, Yule 1927), so that two domains which merely both improve, or fall back after a
    lucky score, are none. The association is a correlation without its single largest product, so that one coincidence
    of two jumps is none either. The reference is the same maximum after each domain's surprises were put into random
    order within blocks of eight steps, which keeps where a domain moves much and where little; it holds the rate over
    all pairs and lags together (Westfall and Young 1993). Curves of a best score so far, flat but for records, are not
    covered: give it each version's own score.
    """

    id = "cross_domain"
    maturity: ClassVar[Maturity] = "trial"
    techniques = ("RSI-T0902",)
    docs = "detectors/cross_domain.md"
    kinds = reads(Score)
    Settings: ClassVar[Any] = CrossDomainSettings

    def new(self) -> DomainState:
        """No scores."""
        return DomainState()

    def starved(self, state: DomainState) -> str:
        """Two domains with enough versions are needed."""
        complete = len(_complete(state)) if len(state.scores) > 1 else 0
        if complete >= _LOOKS[0]:
            return ""
        have = f"{len(state.scores)} domains, {complete} versions scored on all of them"
        return f"{have}: at least 2 and {_LOOKS[0]} are needed"

    def observe(self, state: DomainState, event: Event) -> list[Finding]:
        """Take a trusted score in; look when enough versions are complete."""
        data = event.data
        if not isinstance(data, Score) or data.value is None or data.split is Split.REPORTED:
            return []
        known = state.scores.get(data.metric)
        if known is None:
            if len(state.scores) >= _DOMAINS_MAX:
                return []
            known = state.scores[data.metric] = {}
        sign = 1.0 if data.direction == "up" else -1.0
        remember(known, data.tree, sign * data.value, _POINTS_MAX)
        if data.tree not in state.versions:
            remember(state.versions, data.tree, state.seen, _POINTS_MAX)
            state.seen += 1
        if len(state.scores) < 2 or state.looks >= len(_LOOKS):  # noqa: PLR2004 - a pair
            return []
        complete = _complete(state)
        if len(complete) < _LOOKS[state.looks]:
            return []
        state.looks += 1
        return self._look(state, event, complete)

    def _look(self, state: DomainState, event: Event, versions: Sequence[str]) -> list[Finding]:
        names = sorted(state.scores)
        surprises = np.array([surprise([state.scores[name][version] for version in versions]) for name in names])
        seed = zlib.crc32(f"{event.run}:{len(versions)}".encode())
        found = strongest(surprises, lag_max=self.settings.lag_max)
        p = p_value(surprises, found[0], settings=self.settings, seed=seed)
        if p > self.settings.alpha / len(_LOOKS):
            return []
        correlation, leader, follower, lag = found
        return [
            self.finding(
                event,
                Severity.MEDIUM,
                "Gains in one domain follow gains in another",
                f"Gains of {names[follower]} follow those of {names[leader]} by {lag} versions: association "
                f"{correlation:.2f} over {len(versions)} versions, p = {p:.4f} over all pairs and lags.",
                confidence=1 - p,
                technique="RSI-T0902",
                facts={"leader": names[leader], "follower": names[follower], "lag": lag, "r": round(correlation, 3),
                       "p": round(p, 4), "versions": len(versions), "pairs": len(names) * (len(names) - 1)},
            )
        ]  # fmt: skip


def _complete(state: DomainState) -> list[str]:
    """Versions that every domain has a score of, in the order in which they came."""
    domains = list(state.scores.values())
    return [version for version in state.versions if all(version in scores for scores in domains)]


def surprise(levels: Sequence[float]) -> Floats:
    """What is left of each gain after the domain's own course, in units of its spread; zeros where nothing varies."""
    gains = np.diff(np.asarray(levels, dtype=np.float64))
    time = np.linspace(-1.0, 1.0, len(gains))
    trend = np.vander(time, 3)
    rest = gains - trend @ np.linalg.lstsq(trend, gains, rcond=None)[0]
    before = np.column_stack([rest[_ORDER - lag : len(rest) - lag] for lag in range(1, _ORDER + 1)])
    now = rest[_ORDER:]
    left: Floats = now - before @ np.linalg.lstsq(before, now, rcond=None)[0]
    spread = left.std()
    return left / spread if spread > 0 else np.zeros_like(left)


def strongest(surprises: Floats, *, lag_max: int) -> tuple[float, int, int, int]:
    """The greatest association of a domain's surprises with another's earlier ones: value, leader, follower and lag.

    Args:
        surprises: One row for each domain, one column for each step.
        lag_max: Lags from 1 to this are tried.
    """
    best = (-2.0, 0, 0, 0)
    for lag in range(1, lag_max + 1):
        table = _lagged(surprises, lag)
        leader, follower = np.unravel_index(int(np.argmax(table)), table.shape)
        if table[leader, follower] > best[0]:
            best = (float(table[leader, follower]), int(leader), int(follower), lag)
    return best


def _lagged(surprises: Floats, lag: int) -> Floats:
    """Association of every row with every other row `lag` steps later, over the last two axes; -2 with itself."""
    early, late = surprises[..., :-lag], surprises[..., lag:]
    a = early - early.mean(axis=-1, keepdims=True)
    b = late - late.mean(axis=-1, keepdims=True)
    products = a[..., :, None, :] * b[..., None, :, :]
    trimmed: Floats = products.sum(axis=-1) - products.max(axis=-1)
    scale = np.sqrt((a**2).sum(axis=-1)[..., :, None] * (b**2).sum(axis=-1)[..., None, :])
    table: Floats = np.divide(trimmed, scale, out=np.zeros_like(trimmed), where=scale > 0)
    rows = np.arange(table.shape[-1])
    table[..., rows, rows] = -2.0
    return table


def p_value(surprises: Floats, observed: float, *, settings: CrossDomainSettings, seed: int) -> float:
    """Share of random orders whose strongest association is at least the observed one, the observed one included."""
    random = np.random.default_rng(seed)
    orders = np.repeat(surprises[None], settings.orders, axis=0)
    steps = surprises.shape[-1]
    first = int(random.integers(_BLOCK // 2, _BLOCK + 1))
    for begin, end in pairwise([0, *range(first, steps, _BLOCK), steps]):
        orders[..., begin:end] = random.permuted(orders[..., begin:end], axis=-1)
    greatest = np.max([_lagged(orders, lag).max(axis=(-2, -1)) for lag in range(1, settings.lag_max + 1)], axis=0)
    return float((1 + np.count_nonzero(greatest >= observed)) / (1 + settings.orders))
