"""What a policy still asks for, before one changed file may be part of an applied proposal."""

from __future__ import annotations

from typing import Literal

from subcritical.canonical import digest
from subcritical.gateway.ballot_box import Tally
from subcritical.policy.cedar import ChangeRequest, change_policy, changes, decide_change
from subcritical.schema import Artifact

Mode = Literal["enforce", "warn", "monitor"]

_OVERRIDE_S = 3600


class Quorum:
    """A policy of changes, and who could vote.

    Args:
        policy: Cedar text; the shipped policy by default.
        mode: `enforce`, or only record what would have been refused (`monitor`), or say it, too (`warn`). Protected and
            unlisted artifacts are refused in every mode: that is not the policy's to decide.
        owners: Owners of enrolled keys, in lower case, without the owner of the system.

    Raises:
        InputError: The policy does not fit its schema.
    """

    def __init__(
        self, policy: str | None = None, *, mode: Mode = "enforce", owners: frozenset[str] = frozenset()
    ) -> None:
        """Check the policy."""
        self._policy = policy or change_policy()
        changes(self._policy)
        self.digest = digest(self._policy.encode())
        self.mode = mode
        self._owners = owners

    def missing(
        self,
        artifact: Artifact,
        least: int,
        tally: Tally,
        *,
        by_person: bool = False,
        tightens: bool = False,
        quarantined: bool = False,
    ) -> str:
        """What `tally` lacks for a change of `artifact`, or nothing.

        Args:
            by_person: A person asks for it, not the system.
            quarantined: Its path is in quarantine.
            tightens: It is known to make limits stricter, and nothing else.
            artifact: Its class.
            least: Approvals that the loop file asks for, whatever the policy says.
            tally: Votes that hold.
        """
        approvals = len(tally.approving)
        answer = decide_change(
            ChangeRequest(
                by="Person" if by_person or tally.overriding else "Agent",
                artifact=artifact,
                quarantined=quarantined,
                approvals=approvals,
                effect="tightens" if tightens else "unknown",
                requester_approved=bool(tally.overriding) and tally.overriding in tally.approving,
                override_s=tally.override_s,
            ),
            self._policy,
        )
        if answer.allowed and approvals >= least:
            return ""
        if quarantined:
            return f"{artifact} is in quarantine; people lift that first"
        asks = f"the loop file asks for {least}" if answer.allowed else "the policy asks for more"
        return f"{artifact} needs approvals: {asks}, there are {approvals}"

    def reachable(self, artifact: Artifact, least: int) -> bool:
        """Whether the owners of enrolled keys could open it at all: all of them, or one overriding and the rest."""
        first, *rest = sorted(self._owners) or [""]
        together = Tally(approving=self._owners)
        overridden = Tally(approving=frozenset(rest), overriding=first, override_s=_OVERRIDE_S if first else 0)
        return any(not self.missing(artifact, least, tally) for tally in (together, overridden))
