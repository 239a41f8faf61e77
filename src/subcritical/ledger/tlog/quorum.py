"""Whose signatures make a checkpoint believable: logs, witnesses, groups of them, and one quorum.

A log that satisfies `quorum none` is only self-consistent: its operator can rebuild it as another one, and nobody
would see. `Satisfied.quorum` is None then, and whoever reports a result has to say so.
"""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from subcritical.errors import InputError
from subcritical.ledger.tlog._schemes import KeyType
from subcritical.ledger.tlog.checkpoints import Checkpoint, parse_checkpoint
from subcritical.ledger.tlog.errors import FormatError, QuorumError
from subcritical.ledger.tlog.hashing import EMPTY_ROOT
from subcritical.ledger.tlog.notes import OpenedNote, VerifierKey, by_id, open_note

NO_QUORUM = "none"
LOGS_MAX = 128
WITNESSES_MAX = 128
GROUPS_MAX = 128
"""Each at least the 32 that tlog-policy asks for."""
_LOG_KINDS = (KeyType.LOG_ED25519, KeyType.COSIGNER_ML_DSA_44)
_WITNESS_KINDS = (KeyType.COSIGNER_ED25519, KeyType.COSIGNER_ML_DSA_44)


class PolicyLog(msgspec.Struct, frozen=True):
    """A trusted log. Its key's name is its origin line; the URL may be empty and is not used here."""

    key: VerifierKey
    url: str = ""


class PolicyWitness(msgspec.Struct, frozen=True):
    """A trusted witness. `name` has a meaning only within the policy."""

    name: str
    key: VerifierKey
    url: str = ""


class PolicyGroup(msgspec.Struct, frozen=True):
    """Counts as a witness when at least `threshold` of its `members` (witnesses or earlier groups) do."""

    name: str
    threshold: int
    members: tuple[str, ...]


class Satisfied(NamedTuple):
    """A checkpoint that a policy accepts, and why.

    `log` is the name of the key that signed as the log. `witnesses` are the policy's names of all witnesses whose
    cosignatures were checked and counted, in policy order, and `times` what each states in Unix seconds. `quorum` is
    the name of the quorum, or None where the policy asks for none: then nobody outside vouches for the checkpoint.
    """

    checkpoint: Checkpoint
    log: str
    witnesses: tuple[str, ...]
    times: tuple[int, ...]
    quorum: str | None


class Policy(msgspec.Struct, frozen=True):
    """A trust policy. `quorum` is the name of a witness or group, or None for `quorum none`.

    Making one that breaks a rule of the format raises `FormatError`: each name defined once and before its use, in at
    most one group; no key twice, not even as log and as witness; 1 <= threshold <= members.
    Source: tlog-policy.
    """

    logs: tuple[PolicyLog, ...]
    witnesses: tuple[PolicyWitness, ...]
    groups: tuple[PolicyGroup, ...]
    quorum: str | None

    def __post_init__(self) -> None:
        """Refuse a policy that breaks a rule."""
        _check_counts(self)
        _check_keys(self)
        _check_names(self)

    def check(self, note: bytes) -> Satisfied:
        """Accept a signed checkpoint, or say what it lacks.

        A cosignature with time 0 is valid, but not counted: it does not say that its witness saw nothing larger.

        Args:
            note: A signed checkpoint, at most 256 KiB.

        Raises:
            FormatError: Not a signed checkpoint.
            SignatureError: No key of the policy has signed it, or a signature of one is false.
            QuorumError: No log of this origin has signed it, or witnesses are missing; the message names them.

        Not protected: how old the checkpoint is. Compare `times` and the last size you saw.
        """
        opened = open_note(note, [*(log.key for log in self.logs), *(witness.key for witness in self.witnesses)])
        checkpoint = parse_checkpoint(opened.text)
        if checkpoint.size == 0 and checkpoint.root != EMPTY_ROOT:
            raise FormatError("checkpoint: size 0 with another root than the empty tree's")
        log = self._log(opened, checkpoint.origin)
        times = {verified.key: verified.time for verified in opened.verified if verified.time}
        counted = [witness for witness in self.witnesses if witness.key in times]
        self._require({witness.name for witness in counted})
        return Satisfied(
            checkpoint=checkpoint,
            log=log.name,
            witnesses=tuple(witness.name for witness in counted),
            times=tuple(times[witness.key] or 0 for witness in counted),
            quorum=self.quorum,
        )

    def _log(self, opened: OpenedNote, origin: str) -> VerifierKey:
        signers = {verified.key for verified in opened.verified}
        for log in self.logs:
            # Without the comparison of names, any log of the policy could speak for any other.
            if log.key in signers and log.key.name == origin:
                return log.key
        trusted = ", ".join(repr(log.key.name) for log in self.logs) or "none"
        raise QuorumError(f"checkpoint of {origin!r}: not signed by a trusted log of this name (trusted: {trusted})")

    def _require(self, present: set[str]) -> None:
        """Add to `present` the groups that it makes up, and refuse if the quorum is not among them."""
        for group in self.groups:
            if sum(member in present for member in group.members) >= group.threshold:
                present.add(group.name)
        if self.quorum is not None and self.quorum not in present:
            raise QuorumError(f"quorum {self.quorum!r} is missing: {self._missing(self.quorum, present)}")

    def _missing(self, quorum: str, present: set[str]) -> str:
        wanted, lines = {quorum}, []
        # A group names only what stands before it, so from the last to the first each is asked for before its turn.
        for group in reversed(self.groups):
            if group.name in wanted and group.name not in present:
                absent = [member for member in group.members if member not in present]
                wanted.update(absent)
                has = len(group.members) - len(absent)
                named = ", ".join(repr(member) for member in absent)
                lines.append(f"group {group.name!r} needs {group.threshold} and has {has}, without {named}")
        lines += [f"witness {w.name!r} has not cosigned" for w in self.witnesses if w.name == quorum]
        return "; ".join(lines)


def _check_counts(policy: Policy) -> None:
    for count, most, what in (
        (len(policy.logs), LOGS_MAX, "logs"),
        (len(policy.witnesses), WITNESSES_MAX, "witnesses"),
        (len(policy.groups), GROUPS_MAX, "groups"),
    ):
        if count > most:
            raise FormatError(f"policy: {count} {what}, at most {most} are accepted")


def _check_keys(policy: Policy) -> None:
    for log in policy.logs:
        if log.key.kind not in _LOG_KINDS:
            raise FormatError(f"policy: log {log.key.name!r} has a key of type {log.key.kind.name}, a witness's")
    for witness in policy.witnesses:
        if witness.key.kind not in _WITNESS_KINDS:
            raise FormatError(f"policy: witness {witness.name!r} has a key of type {witness.key.kind.name}, a log's")
    keys = [*(log.key for log in policy.logs), *(witness.key for witness in policy.witnesses)]
    owners: dict[bytes, str] = {}
    for key in keys:
        if key.public in owners:
            raise FormatError(f"policy: {key.name!r} and {owners[key.public]!r} are one key, which would count twice")
        owners[key.public] = key.name
    try:
        by_id(keys)
    except InputError as error:
        raise FormatError(f"policy: {error}") from None


def _check_names(policy: Policy) -> None:
    defined = {NO_QUORUM}
    for witness in policy.witnesses:
        _define(witness.name, defined)
    joined: set[str] = set()
    for group in policy.groups:
        for member in group.members:
            if member == NO_QUORUM or member not in defined:
                raise FormatError(f"policy: group {group.name!r} names {member!r}, which nothing before it defines")
            if member in joined:
                raise FormatError(f"policy: {member!r} is in a second group, {group.name!r}, and would count twice")
            joined.add(member)
        if type(group.threshold) is not int or not 1 <= group.threshold <= len(group.members):
            raise FormatError(f"policy: group {group.name!r} asks for {group.threshold!r} of {len(group.members)}")
        _define(group.name, defined)
    if policy.quorum is not None and (policy.quorum == NO_QUORUM or policy.quorum not in defined):
        raise FormatError(f"policy: quorum {policy.quorum!r} is not defined")


def _define(name: str, defined: set[str]) -> None:
    if name in defined:
        raise FormatError(f"policy: {name!r} is defined twice, or is the reserved {NO_QUORUM!r}")
    defined.add(name)
