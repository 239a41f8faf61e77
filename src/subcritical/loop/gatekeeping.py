"""What the loop file says about its gateway: rules of paths, people who vote, the policy."""

from __future__ import annotations

from subcritical.errors import InputError
from subcritical.gateway import PathRule, Principals, Quorum, parse_principals
from subcritical.loop.loopfile import Loop
from subcritical.loop.small_files import read_text


def path_rules(loop: Loop) -> list[PathRule]:
    """What each path is, first match wins."""
    return [PathRule(rule.path, rule.artifact, rule.approvals) for rule in loop.settings.artifacts]


def principals_of(loop: Loop) -> Principals:
    """Whose votes count.

    Raises:
        InputError: With file and line.
    """
    name = loop.settings.oversight.principals
    return Principals() if name is None else parse_principals(read_text(loop.resolve(name)), name)


def policy_text(loop: Loop) -> str | None:
    """The policy of the loop file's choice; None for the shipped one.

    Raises:
        InputError: It cannot be read.
    """
    name = loop.settings.policy.file
    return None if name is None else read_text(loop.resolve(name))


def quorum_of(loop: Loop, principals: Principals) -> Quorum:
    """The policy of the loop file, and everybody but the system's owner.

    Raises:
        InputError: The policy cannot be read, or does not fit its schema.
    """
    oversight = loop.settings.oversight
    owners = principals.owners - {(oversight.owner or "").casefold()}
    if oversight.resume_by > max(1, len(owners)):
        wanted = f"{oversight.resume_by} people must resume a run and {len(owners)} could"
        raise InputError(f"{loop.path}: oversight: {wanted}; enrol more")
    return Quorum(policy_text(loop), mode=loop.settings.policy.mode, owners=owners)


def said_at_the_start(quorum: Quorum, principals: Principals) -> str:
    """One line for the record: the policy in force, and who can vote."""
    people = ", ".join(f"{one.name} ({one.owner})" for one in principals.enrolled) or "nobody"
    return f"policy of changes {quorum.digest}, mode {quorum.mode}; votes count of: {people}"[:4000]
