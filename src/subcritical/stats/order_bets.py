"""Whether values that come one by one tend to become smaller: bets on their ranks, which may be read at any time."""

from __future__ import annotations

from bisect import bisect_right, insort
from collections.abc import Sequence

import msgspec

_EXPONENTS = (0.15, 0.4, 1.0)
_MOVED = 0.03
_REMEMBERED = 256
_CAPITAL_MAX = 1e9


class OrderBets(msgspec.Struct):
    """What has been won so far by betting that each value is small among those before it.

    As long as the values are exchangeable, the capital reaches c with chance at most 1/c, however long one looks and
    whenever: the rank of a value among those before it is uniform and tells nothing about later ranks. Equal values
    count against the bet. The reciprocal of the capital is a p value that may be read after each value.

    Attributes:
        capital: What each bettor has; together 1 at the start.
        values: The values since the last fresh start, in ascending order. After 256 they are forgotten, so that the
            state stays small; ranks within blocks are uniform as well.

    Source: conformal test martingales with betting functions e u^(e-1), Vovk, Nouretdinov and Gammerman 2003 (ICML),
    on ranks without random ties; capital that moves between bettors, so that a late change is found, after Vovk 2021
    (Statistical Science 36:595), *simple jumper*.
    """

    capital: list[float] = msgspec.field(default_factory=lambda: [1 / len(_EXPONENTS)] * len(_EXPONENTS))
    values: list[float] = []

    def see(self, value: float) -> None:
        """Settle the bets on one more value."""
        if len(self.values) >= _REMEMBERED:
            self.values.clear()
        rank, of = bisect_right(self.values, value) + 1, len(self.values) + 1
        insort(self.values, value)
        self.capital = _settled(self.capital, rank, of)

    @property
    def p(self) -> float:
        """Chance, at most, of as much capital or more at any time if the values are exchangeable."""
        return min(1.0, 1.0 / max(sum(self.capital), 1e-300))


def _settled(capital: Sequence[float], rank: int, of: int) -> list[float]:
    """Capital after a rank (1: the smallest) of `of`. Each factor is 1 on average over the ranks."""
    pool = sum(capital) * _MOVED / len(capital)
    held = [
        (pool + (1 - _MOVED) * one) * of * ((rank / of) ** exponent - ((rank - 1) / of) ** exponent)
        for one, exponent in zip(capital, _EXPONENTS, strict=True)
    ]
    total = sum(held)
    # Throwing some away keeps the promise, and a loop that was once fast does not stay proven for ever.
    return held if total <= _CAPITAL_MAX else [one * _CAPITAL_MAX / total for one in held]
