"""What a monitor knows from one round to the next, and what it gathers within one."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Literal, NamedTuple

import msgspec

from subcritical.errors import LedgerError
from subcritical.ledger.files import OsFiles, store
from subcritical.ledger.monitor._entry_checks import MonitorFinding
from subcritical.ledger.tlog import Checkpoint, TlogError, Tree, parse_checkpoint, parse_note

FINDINGS_MAX = 1000
PENDING_MAX = 16
_BYTES_MAX = 64 << 20
EVIDENCE = "evidence"
_NAME = "state.json"
OURS = frozenset({_NAME, f"{_NAME}.new", EVIDENCE})
"""Names in a monitor's home, beside its lock."""


class Claim(NamedTuple):
    """A checkpoint that a trusted key has signed: where it was found, and how it came there."""

    where: str
    kind: Literal["current", "given", "seen", "pending"]
    checkpoint: Checkpoint
    note: bytes

    @property
    def tree(self) -> tuple[int, bytes]:
        """Size and root: two claims with the same are one."""
        return self.checkpoint.size, self.checkpoint.root


class State(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What survives: the latest consistent note of each directory, and notes that could not be compared yet."""

    format: int = 1
    origin: str = ""
    seen: dict[str, str] = {}
    pending: tuple[str, ...] = ()

    def claims(self) -> list[Claim]:
        """All notes in it.

        Raises:
            FormatError: One is not a signed checkpoint.
        """
        seen = [remembered(note, "seen", f"seen before in {place}") for place, note in self.seen.items()]
        return [*seen, *(remembered(note, "pending", "seen before, never published") for note in self.pending)]


def remembered(note: str, kind: Literal["seen", "pending"], where: str) -> Claim:
    """A claim out of the state: its signature was checked when it was stored."""
    data = note.encode()
    return Claim(where, kind, parse_checkpoint(parse_note(data).text), data)


def load_state(home: Path) -> State:
    """The state in a monitor's home; an empty one if there is none yet.

    Raises:
        LedgerError: It is unreadable. To begin anew without a word would hide every rollback.
    """
    path = home / _NAME
    try:
        with OsFiles().reader(path) as stream:
            state = msgspec.json.decode(stream.read(_BYTES_MAX), type=State)
        state.claims()
    except FileNotFoundError:
        return State()
    except (OSError, msgspec.MsgspecError, UnicodeError, TlogError) as error:
        raise LedgerError(
            f"monitor state {path}: unreadable ({error}); restore it, or remove it and lose what was seen before"
        ) from error
    if state.format != 1:
        raise LedgerError(f"monitor state {path}: format {state.format} is of a later version")
    return state


def save_state(home: Path, state: State) -> None:
    """Store the state durably.

    Raises:
        LedgerError: It cannot be stored.
    """
    try:
        store(OsFiles(), home / _NAME, msgspec.json.encode(state) + b"\n")
    except OSError as error:
        raise LedgerError(f"monitor state {home / _NAME}: {error.strerror or error}") from error


class Gathered:
    """What one round has so far: findings, claims to compare, and trees that their checkpoint's root confirms."""

    def __init__(self, state: State) -> None:
        """Nothing yet, but what was known before."""
        self.before = state
        self.origin = state.origin
        self.findings: list[MonitorFinding] = []
        self.claims: list[Claim] = state.claims()
        self.trees: list[tuple[Tree, Claim]] = []
        self.convicted: set[tuple[int, bytes]] = set()
        self._left_out = 0

    def add(self, findings: Iterable[MonitorFinding]) -> None:
        """Take findings, up to a bound: a hostile log could make millions."""
        for finding in findings:
            if len(self.findings) < FINDINGS_MAX:
                self.findings.append(finding)
            else:
                self._left_out += 1

    def find(self, what: str, first_entry: int | None, detail: str) -> None:
        """Take one."""
        self.add([MonitorFinding(what, first_entry, detail)])

    def all_findings(self) -> list[MonitorFinding]:
        """Those kept, and how many were not."""
        if not self._left_out:
            return self.findings
        return [*self.findings, MonitorFinding("more", None, f"{self._left_out} more findings are left out")]

    def largest(self) -> tuple[Tree, Claim] | None:
        """The largest tree that was confirmed."""
        return max(self.trees, key=lambda pair: pair[0].size, default=None)
