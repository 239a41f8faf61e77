"""The policy of changes: what it says of one change, and what is proved of all."""

from __future__ import annotations

from pathlib import Path

from subcritical.loop.small_files import read_text
from subcritical.policy.cedar import Answer, ChangeRequest, Invariant, change_policy, decide_change, prove_changes


def policy_of(path: Path | None) -> str:
    """The text of a policy file, or the shipped policy.

    Raises:
        InputError: The file cannot be read.
    """
    return change_policy() if path is None else read_text(path)


def explain(request: ChangeRequest, policy: Path | None) -> Answer:
    """Whether a change would be let through, and by which rules.

    Raises:
        InputError: The policy cannot be read or does not fit its schema.
    """
    return decide_change(request, policy_of(policy))


def prove(policy: Path | None, against: Path | None) -> tuple[Invariant, ...]:
    """Prove the claims about a policy; with an earlier one, also that the new is not looser.

    Raises:
        InputError: A policy cannot be read or does not fit its schema, or the solvers are not installed.
    """
    return prove_changes(policy_of(policy), against=None if against is None else read_text(against))
