"""A witness: cosigns a log's checkpoint only if it continues the one it cosigned before (C2SP tlog-witness).

HOME/
├── lock                 held while a witness runs: two on one home would forget what the other signed
├── cosigner-keys.json   name and two seeds, for their owner alone
├── seen/<hash>.json     latest checkpoint of one log, under the hash of its origin
└── evidence/            two checkpoints of one size that a log signed

The order is everything: compare, store durably, then sign, all under the origin's lock. A crash between two of these
leaves at most a checkpoint that is remembered and was never signed, which costs nothing.

Not protected: whoever can write the home (the same user, root, a restored backup) can make the witness forget, and it
will then sign another history. The clock is believed. Whoever reaches the port can make it work, bounded, for nothing.
"""

from __future__ import annotations

import contextlib
import hashlib
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple, Self

import msgspec

from subcritical.clock import Clock
from subcritical.errors import LedgerError, SubcriticalError
from subcritical.ledger._own_folder import claim
from subcritical.ledger.files import FileLayer, OsFiles, store
from subcritical.ledger.monitor.split_view import keep_split_view
from subcritical.ledger.tlog import (
    AddCheckpoint,
    FormatError,
    VerifierKey,
    WitnessState,
    decide,
    malformed,
    parse_add_checkpoint,
    parse_checkpoint,
    parse_note,
)
from subcritical.ledger.tlog.witness_protocol import OK, TEXT_TYPE, UNPROCESSABLE
from subcritical.ledger.witness._home import EVIDENCE, OURS, SEEN, cosigners

FAILED = 500
_FAILED_BODY = b"the witness cannot be sure of its own record, so nothing is signed\n"
_BYTES_MAX = 2 << 20
_NANOSECONDS = 1_000_000_000


class Answer(NamedTuple):
    """What goes to the client, and what the witness writes into its own log (hostile text: show it escaped)."""

    status: int
    body: bytes
    content_type: str
    reason: str


class Seen(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Latest checkpoint cosigned, as the note that was submitted: it says size and root, and is evidence."""

    format: int
    origin: str
    note: str

    def __post_init__(self) -> None:
        """Refuse a record of a later version, and a note that is no checkpoint of the origin."""
        if self.format != 1:
            raise FormatError(f"format {self.format} is of a later version")
        checkpoint = parse_checkpoint(parse_note(self.note.encode()).text)
        if checkpoint.origin != self.origin:
            raise FormatError(f"a checkpoint of {checkpoint.origin!r} is recorded for {self.origin!r}")

    def check_origin(self, origin: str) -> None:
        """Refuse the record of another log: files can be renamed."""
        if self.origin != origin:
            raise FormatError(f"it is of {self.origin!r}")

    @property
    def state(self) -> WitnessState:
        """Size and root."""
        checkpoint = parse_checkpoint(parse_note(self.note.encode()).text)
        return WitnessState(checkpoint.size, checkpoint.root)


class Witness:
    """One witness over its home. Answers from any thread; a context manager that lets the home go at its end."""

    def __init__(
        self,
        home: Path,
        logs: Sequence[VerifierKey],
        clock: Clock,
        *,
        name: str | None = None,
        files: FileLayer | None = None,
    ) -> None:
        """Open the home, or make it with two new keys.

        Args:
            home: A folder for this witness alone.
            logs: Keys of the logs it answers for; the name of a key is the origin. A log may have several.
            clock: Time of cosignatures.
            name: Name of a new witness's keys: 1 to 255 bytes, no space and no `+`, best a domain and a path. By
                default a random one. For a home that has keys it must be theirs.
            files: Where records are kept, unless a test says otherwise: the file system.

        Raises:
            InputError: The name cannot be one or is not the home's, or another process uses the home, or the folder
                holds something else.
            LedgerError: Keys or folder cannot be read or made, or others may read the keys.
        """
        self._home = home
        self._clock = clock
        self._files = files or OsFiles()
        self._logs: dict[str, list[VerifierKey]] = {}
        for key in logs:
            self._logs.setdefault(key.name, []).append(key)
        self._locks = {origin: threading.Lock() for origin in self._logs}
        self._closed = False
        with contextlib.ExitStack() as undo:
            self._claimed = claim(home, OURS, "witness home")
            undo.callback(self._claimed.release)
            try:
                self._cosigners = cosigners(home, name)
                self._files.make_directory(home / SEEN)
            except OSError as error:
                raise LedgerError(f"witness home {home}: {error.strerror or error}") from error
            undo.pop_all()

    @property
    def verifier_keys(self) -> tuple[VerifierKey, ...]:
        """The Ed25519 and the ML-DSA-44 key. A policy that counts them as two witnesses counts this one twice."""
        return tuple(cosigner.verifier_key for cosigner in self._cosigners)

    def add_checkpoint(self, body: bytes) -> Answer:
        """Answer one request; never raises for what it says. The answer may leave: what it states is on disk.

        Args:
            body: At most 260 KiB.
        """
        try:
            request = parse_add_checkpoint(body)
        except FormatError as error:
            refused = malformed(error)
            return Answer(refused.status, refused.body, refused.content_type, refused.reason)
        origin = request.checkpoint.origin
        # Only trusted origins have a lock, so strangers cannot make this table grow.
        with self._locks.get(origin, contextlib.nullcontext()):
            try:
                return self._answer(request, origin)
            except (SubcriticalError, OSError) as error:
                return Answer(FAILED, _FAILED_BODY, TEXT_TYPE, f"{origin}: nothing is signed: {error}")

    def close(self) -> None:
        """Let the home go once the answers under way are made; later ones sign nothing."""
        self._closed = True
        for lock in self._locks.values():
            with lock:
                pass
        self._claimed.release()

    def __enter__(self) -> Self:
        """Use as a context manager."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close."""
        self.close()

    def _answer(self, request: AddCheckpoint, origin: str) -> Answer:
        if self._closed:
            raise LedgerError("the witness is closed")
        seen = self._recorded(origin) if origin in self._logs else None
        decision = decide(request, self._logs, seen.state if seen else None)
        reason = f"{origin} size {request.checkpoint.size}: {decision.reason}"
        if decision.state is None:
            if decision.status == UNPROCESSABLE and seen:
                reason += self._keep_evidence(request, seen)
            return Answer(decision.status, decision.body, decision.content_type, reason)
        # Stored even where nothing changed: if the last attempt failed after its rename, only a new sync makes it last.
        self._store(Seen(format=1, origin=origin, note=request.note.decode()))
        # Signed within the lock: outside, a smaller tree could get a later time than a larger one.
        return Answer(OK, self._sign(request), TEXT_TYPE, reason)

    def _store(self, seen: Seen) -> None:
        """Replace the record, durably, before anything is signed."""
        store(self._files, self._path(seen.origin), msgspec.json.encode(seen) + b"\n")

    def _sign(self, request: AddCheckpoint) -> bytes:
        text = parse_note(request.note).text
        now_s = self._clock.wall_ns() // _NANOSECONDS
        return b"".join(cosigner.sign(text, now_s).line for cosigner in self._cosigners)

    def _recorded(self, origin: str) -> Seen | None:
        """What is on disk, read anew each time.

        Raises:
            LedgerError: It is there and cannot be understood: unknown is not the same as nothing.
        """
        path = self._path(origin)
        try:
            with self._files.reader(path) as stream:
                seen = msgspec.json.decode(stream.read(_BYTES_MAX), type=Seen)
            seen.check_origin(origin)
        except FileNotFoundError:
            return None
        except (OSError, msgspec.MsgspecError, UnicodeError, LedgerError) as error:
            raise LedgerError(
                f"record {path} is unreadable ({error}); an older copy would let a second history through, so either "
                "write the newest checkpoint that was cosigned into it, or make a new home with new keys"
            ) from error
        return seen

    def _keep_evidence(self, request: AddCheckpoint, seen: Seen) -> str:
        """Keep two checkpoints of one size. A false proof alone is none: anybody can send one with a true note."""
        checkpoint = request.checkpoint
        if checkpoint.size != seen.state.size or checkpoint.root == seen.state.root:
            return ""
        try:
            place = keep_split_view(self._home / EVIDENCE, seen.note.encode(), request.note)
        except OSError as error:
            return f"; SPLIT VIEW, but the evidence could not be kept: {error}"
        return f"; SPLIT VIEW: this log signed two trees of one size, evidence in {place or self._home / EVIDENCE}"

    def _path(self, origin: str) -> Path:
        return self._home / SEEN / (hashlib.sha256(origin.encode()).hexdigest() + ".json")
