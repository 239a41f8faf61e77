"""Votes of people about one proposal.

A vote names the exact bytes (tree and base), the policy that asks, the run, its epoch and a time to live, so it fits no
other change, no other run, no later start and no later day.
"""

from __future__ import annotations

from typing import ClassVar, Literal

from subcritical.gateway.signing import DAY_S, Signed

Verdict = Literal["approve", "reject", "override"]

LIFETIME_MAX_S: dict[Verdict, int] = {"approve": 7 * DAY_S, "reject": 7 * DAY_S, "override": DAY_S}
"""Longest time to live of a vote, in seconds."""


class Vote(Signed, frozen=True, kw_only=True):
    """What a person signs about a proposal. Digests are `sha256:` and 64 hex digits."""

    kind: ClassVar[str] = "vote"

    verdict: Verdict
    proposal: str
    base: str
    tree: str
    policy: str
    epoch: int
