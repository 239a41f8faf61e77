"""Orders that take several people: what lets a system do more than it may, and the review that opens its next cycle.

To hold takes one person and no key. Each signature names the order, the run and the latest order of the run: after
anything else was ordered, it is about the past and does not count.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import ClassVar

import msgspec

from subcritical.canonical import record_digest
from subcritical.clock import Clock
from subcritical.errors import InputError
from subcritical.gateway import Principals
from subcritical.gateway.signing import DAY_S, Signed, open_signed
from subcritical.pipeline.orders import loosens
from subcritical.schema import Ballot, Order
from subcritical.tripwires import Latch

REVIEW = "review"
_NANOSECONDS = 1_000_000_000


class OrderVote(Signed, frozen=True, kw_only=True):
    """What a person signs to order it. `mark` is the run's latest order at that time."""

    kind: ClassVar[str] = "order"

    order: str
    argument: str
    findings: tuple[str, ...]
    mark: str

    @property
    def asked(self) -> tuple[str, str, frozenset[str]]:
        """What several people must agree on."""
        return self.order, self.argument, frozenset(self.findings)


class Admitted(msgspec.Struct, frozen=True, kw_only=True):
    """Who orders it, why, and by which mark; or what is still missing."""

    by: str = ""
    reason: str = ""
    mark: str = ""
    told: str = ""


class Several:
    """Counts owners for each order that loosens.

    Args:
        principals: Whose signatures count.
        needed: Distinct owners for an order that loosens; a review takes one.
        run: Name of the run.
        latch: What holds the run now.
        clock: Wall time decides what has expired.
        record: Writes a ballot durably; only then it counts.
        system_owner: Owner of the system, whose signature does not count.
        forward: Whether going to a version goes forward: to one that was gone back from.
    """

    def __init__(
        self,
        principals: Principals,
        *,
        needed: int,
        run: str,
        latch: Callable[[], Latch],
        clock: Clock,
        record: Callable[[Ballot], object],
        system_owner: str = "",
        forward: Callable[[str], bool] = lambda _: False,
    ) -> None:
        """Nobody has ordered anything yet."""
        self._principals = principals
        self._needed = needed
        self._run = run
        self._latch = latch
        self._clock = clock
        self._record = record
        self._system_owner = system_owner.casefold()
        self._forward = forward
        self._lock = threading.Lock()
        self._votes: dict[str, tuple[str, OrderVote]] = {}

    def takes(self, order: str, argument: str) -> bool:
        """Whether an order takes several people, or a signature: what loosens, and the review. Going back takes one."""
        if order == Order.ROLL_BACK:
            return self._forward(argument)
        return order == REVIEW or (order in set(Order) and loosens(Order(order), argument, self._latch()))

    def admit(self, order: str, argument: str, findings: tuple[str, ...], signed: str) -> Admitted:
        """Count one person's order.

        Raises:
            InputError: It is not signed, or does not count, with the reason; nothing was recorded.
        """
        if not signed:
            raise InputError(f"`{order}` takes the signature of somebody enrolled here: give --key")
        vote, principal = open_signed(signed, self._principals, OrderVote)
        owner = principal.owner.casefold()
        with self._lock:
            self._check(vote, owner, (order, argument, frozenset(findings)))
            latch, now = self._latch(), self._now()
            self._record(
                Ballot(
                    proposal=f"{order} after {vote.mark or 'the start'}",
                    base="",
                    tree=record_digest(vote),
                    step="approve",
                    by=principal.owner,
                    policy="",
                    epoch=latch.epoch,
                    expires=vote.expires,
                    reason=vote.reason,
                    signed=signed,
                )
            )
            self._votes[owner] = (principal.owner, vote)
            agreeing = [
                (name, one)
                for name, one in self._votes.values()
                if one.asked == vote.asked and one.mark == latch.mark and one.expires > now
            ]
            needed = 1 if order == REVIEW else self._needed
            names = " and ".join(name for name, _ in agreeing)
            if len(agreeing) < needed:
                return Admitted(
                    told=f"{order} by {names}: {len(agreeing)} of {needed} people; another must order the same"
                )
            self._votes.clear()
            reason = "; ".join(f"{name}: {one.reason or 'no reason given'}" for name, one in agreeing)
            return Admitted(by=names, reason=reason, mark=latch.mark)

    def _check(self, vote: OrderVote, owner: str, asked: tuple[str, str, frozenset[str]]) -> None:
        vote.check(run=self._run, now=self._now(), most_s=DAY_S)
        for wrong, why in (
            (vote.asked != asked, "what is signed is another order than this one"),
            (vote.mark != self._latch().mark, "something was ordered since you looked; look again and sign anew"),
            (owner == self._system_owner, "the owner of the system does not set it free; others do"),
        ):
            if wrong:
                raise InputError(why)

    def _now(self) -> int:
        return self._clock.wall_ns() // _NANOSECONDS
