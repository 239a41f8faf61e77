"""The ballot box: one open proposal at a time, every vote recorded before it counts, one vote an owner."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator

import msgspec

from subcritical.clock import Clock
from subcritical.errors import InputError
from subcritical.gateway.principals import Principals
from subcritical.gateway.signing import open_signed
from subcritical.gateway.votes import LIFETIME_MAX_S, Vote
from subcritical.schema import Ballot

_NANOSECONDS = 1_000_000_000


class Tally(msgspec.Struct, frozen=True, kw_only=True):
    """Votes that hold now.

    Attributes:
        proposal, base, tree: What they are about.
        approving: Owners who approve.
        rejecting: Owners who reject; one is enough.
        overriding: The owner who takes the change on himself, and so is its requester; never among `approving`.
        override_s: Seconds that the override still has.
    """

    proposal: str = ""
    base: str = ""
    tree: str = ""
    approving: frozenset[str] = frozenset()
    rejecting: tuple[str, ...] = ()
    overriding: str = ""
    override_s: int = 0


class BallotBox:
    """Takes votes from any thread while a proposal is open.

    Args:
        principals: Whose votes count.
        run: Name of the run; part of every vote.
        policy: Digest of the policy that asks.
        clock: Wall time decides what has expired.
        record: Writes a ballot durably, or raises; only then it counts.
        system_owner: Owner of the system, whose approval of it does not count; empty where nobody is named.
    """

    def __init__(
        self,
        principals: Principals,
        *,
        run: str,
        policy: str,
        clock: Clock,
        record: Callable[[Ballot], object],
        system_owner: str = "",
    ) -> None:
        """An empty box that takes nothing yet."""
        self._principals = principals
        self._run = run
        self._policy = policy
        self._clock = clock
        self._record = record
        self._system_owner = system_owner.casefold()
        self._changed = threading.Condition(threading.RLock())
        self._open: Ballot | None = None
        self._votes: dict[str, Vote] = {}
        self._asked: set[str] = set()

    def ask(self, *, proposal: str, base: str, tree: str, epoch: int, demands: tuple[str, ...]) -> None:
        """Open a proposal for votes.

        Raises:
            InputError: It was asked about before; an id is used once.
        """
        with self._changed:
            if proposal in self._asked:
                raise InputError(f"proposal {proposal} was asked about before; its votes are spent")
            opened = Ballot(
                proposal=proposal,
                base=base,
                tree=tree,
                step="open",
                by="gateway",
                policy=self._policy,
                epoch=epoch,
                demands=demands,
            )
            self._record(opened)
            self._asked.add(proposal)
            self._open, self._votes = opened, {}

    def close(self) -> None:
        """Take no more votes and forget those there are. Harmless when repeated."""
        with self._changed:
            self._open, self._votes = None, {}

    def cast(self, signed: str) -> str:
        """Check, record and count a vote; what became of it, for whoever cast it.

        Raises:
            InputError: It does not count, with the reason; nothing was recorded.
        """
        vote, principal = open_signed(signed, self._principals, Vote)
        owner = principal.owner.casefold()
        with self._changed:
            asked = self._fitting(vote)
            vote.check(run=self._run, now=self._now(), most_s=LIFETIME_MAX_S[vote.verdict])
            if vote.verdict == "override" and not vote.reason.strip():
                raise InputError("an override needs a reason")
            if vote.verdict != "reject" and owner == self._system_owner:
                raise InputError(f"{principal.owner} owns the system: its changes are approved by others")
            # Else an older approval of the same owner, cast once more by anybody, would take the rejection away.
            if any(earlier.verdict == "reject" for earlier in self._votes.values()):
                raise InputError(f"proposal {vote.proposal} was rejected; that is final")
            if self._votes.get(owner) == vote:
                return f"{principal.owner} has voted so already: {vote.verdict}"
            self._record(
                msgspec.structs.replace(
                    asked,
                    step=vote.verdict,
                    by=principal.owner,
                    expires=vote.expires,
                    reason=vote.reason,
                    signed=signed,
                    demands=(),
                )
            )
            self._votes[owner] = vote
            self._changed.notify_all()
        return f"{vote.verdict} by {principal.owner} ({principal.name}) counted for {vote.proposal}"

    @contextlib.contextmanager
    def counted(self) -> Iterator[Tally]:
        """The tally, while nobody can vote: what is decided inside is decided by exactly these votes."""
        with self._changed:
            yield self._tally()

    def wait(self, timeout_s: float) -> None:
        """Return when a vote comes, or after a time."""
        with self._changed:
            self._changed.wait(timeout_s)

    def _fitting(self, vote: Vote) -> Ballot:
        asked = self._open
        if asked is None or vote.proposal != asked.proposal:
            raise InputError(f"proposal {vote.proposal} is not open: `subcritical proposals list` shows what is")
        for what, said, is_so in (
            ("base", vote.base, asked.base),
            ("tree", vote.tree, asked.tree),
            ("policy", vote.policy, asked.policy),
            ("epoch", vote.epoch, asked.epoch),
        ):
            if said != is_so:
                raise InputError(f"the vote is about another {what} ({said}, not {is_so}); look again and sign anew")
        return asked

    def _tally(self) -> Tally:
        if self._open is None:
            return Tally()
        now = self._now()
        held = {owner: vote for owner, vote in self._votes.items() if vote.expires > now or vote.verdict == "reject"}
        by = {verdict: [o for o, v in held.items() if v.verdict == verdict] for verdict in LIFETIME_MAX_S}
        overriding = by["override"][0] if by["override"] else ""
        return Tally(
            proposal=self._open.proposal,
            base=self._open.base,
            tree=self._open.tree,
            approving=frozenset(by["approve"]),
            rejecting=tuple(f"{owner}: {held[owner].reason or 'no reason given'}" for owner in by["reject"]),
            overriding=overriding,
            override_s=held[overriding].expires - now if overriding else 0,
        )

    def _now(self) -> int:
        return self._clock.wall_ns() // _NANOSECONDS
