"""A proposal that needs approvals is put before people, and waits for them with its guest frozen."""

from __future__ import annotations

from collections.abc import Callable

from subcritical.clock import Clock
from subcritical.gateway import BallotBox, Gateway, Reviewed, Tally
from subcritical.loop.evaluation.pair import Watch
from subcritical.loop.guest import Guest

_POLL_S = 0.1
_NANOSECONDS = 1_000_000_000


class People:
    """Asks, waits, and has the decision taken by exactly the votes it was counted by.

    Args:
        gateway: Says what a proposal still lacks.
        box: Where votes come in; None where nobody is enrolled.
        epoch: How often the guest has been started, part of every vote.
        watch: Waits while people hold the run, raises when it must not go on.
        clock: Waiting time; frozen time is not part of it.
        within_s: How long to wait for a quorum, in seconds.
        told: Called with one line when a proposal begins to wait.
    """

    def __init__(
        self,
        gateway: Gateway,
        box: BallotBox | None,
        *,
        epoch: Callable[[], int],
        watch: Watch,
        clock: Clock,
        within_s: float,
        told: Callable[[str], None],
    ) -> None:
        """Bind the parts."""
        self._gateway = gateway
        self._box = box
        self._epoch = epoch
        self._watch = watch
        self._clock = clock
        self._within_ns = int(within_s * _NANOSECONDS)
        self._told = told
        self.waited_ns = 0
        """Time spent on waiting for people; the guest could do nothing in it, so no limit is charged."""

    def settle(self, guest: Guest, reviewed: Reviewed, accept: Callable[[], str | None]) -> tuple[Tally, str]:
        """Have a proposal accepted, by people where it has demands; the votes, and why not, if not.

        Args:
            guest: Who asked.
            reviewed: What it asked for; not refused.
            accept: Records the acceptance and returns nothing, or returns why it cannot be for good; None: not now.
        """
        if not reviewed.demands:
            return Tally(), self._until_accepted(accept)
        if self._box is None:
            return Tally(), "; ".join(reviewed.demands)
        self._box.ask(
            proposal=reviewed.proposal.proposal,
            base=reviewed.base,
            tree=reviewed.tree,
            epoch=self._epoch(),
            demands=reviewed.demands,
        )
        guest.hold()
        try:
            self._told(f"proposal {reviewed.proposal.proposal} waits for people")
            return self._wait(self._box, reviewed, accept)
        finally:
            self._box.close()
            guest.release()

    def _wait(self, box: BallotBox, reviewed: Reviewed, accept: Callable[[], str | None]) -> tuple[Tally, str]:
        alarmed = False
        began_ns, paused_ns, before_ns = self._clock.boot_ns(), self._watch.paused_ns(), self.waited_ns
        while True:
            with box.counted() as tally:
                lacks = self._gateway.missing(reviewed, tally)
                if tally.rejecting:
                    return tally, f"rejected by {'; '.join(tally.rejecting)}"
                answer = accept() if not lacks else None
            if tally.overriding and not alarmed:
                self._told(f"OVERRIDE of proposal {reviewed.proposal.proposal} by {tally.overriding}")
                alarmed = True
            if answer is not None:
                return tally, answer
            self._watch.check()
            paused = self._watch.paused_ns() - paused_ns
            self.waited_ns = before_ns + self._clock.boot_ns() - began_ns - paused
            if self.waited_ns - before_ns >= self._within_ns:
                return tally, f"no quorum within {self._within_ns / _NANOSECONDS:g} s: {'; '.join(lacks)}"
            box.wait(_POLL_S)

    def _until_accepted(self, accept: Callable[[], str | None]) -> str:
        while (answer := accept()) is None:
            self._watch.check()
        return answer
