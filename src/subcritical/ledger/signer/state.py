"""What was signed last for each log, and the rule that nothing inconsistent with it is ever signed.

The state lies beside the key, not beside the log: whoever rolls a run's directory back does not roll this back.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec

from subcritical.errors import LedgerError
from subcritical.ledger.files import FileLayer, OsFiles, store, wait_for_lock
from subcritical.ledger.tlog import (
    EMPTY_ROOT,
    Checkpoint,
    Note,
    Signature,
    format_checkpoint,
    format_note,
    verify_consistency,
)

_BYTES_MAX = 64 << 10


class Signed(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The last checkpoint that was signed for a log; `root` is hex.

    `key` is the id (hex) of the key that a log keeps until it is rotated, so that whoever pinned it is never surprised
    by a rotation for another log; empty for a log without one.
    """

    origin: str
    size: int
    root: str
    key: str = ""


class SigningState:
    """The last signed checkpoint of every log, in a directory of its owner's alone. Safe for several processes."""

    def __init__(self, directory: Path, files: FileLayer | None = None) -> None:
        """Use `directory`, which is made if need be, on the file system unless a test says otherwise.

        Raises:
            LedgerError: It cannot be made.
        """
        self._directory = directory
        self._files = files or OsFiles()
        try:
            self._files.make_directory(directory)
        except OSError as error:
            raise LedgerError(f"signer state {directory}: {error.strerror or error}") from error

    def last(self, origin: str) -> Signed:
        """What was signed last; size 0 for a log never seen.

        Raises:
            LedgerError: The record of it is unreadable: nothing may be signed then.
        """
        path = self._path(origin)
        try:
            with self._files.reader(path) as stream:
                signed = msgspec.json.decode(stream.read(_BYTES_MAX), type=Signed)
        except FileNotFoundError:
            return Signed(origin=origin, size=0, root=EMPTY_ROOT.hex())
        except (OSError, msgspec.MsgspecError) as error:
            raise LedgerError(f"signer state {path}: unreadable ({error}); nothing is signed for {origin}") from error
        if signed.origin != origin:
            raise LedgerError(f"signer state {path}: it is of {signed.origin}; nothing is signed for {origin}")
        return signed

    def use(self, origin: str, key_id: str) -> None:
        """Keep to another key from now on.

        Raises:
            LedgerError: That could not be stored.
        """
        with self._locked(origin):
            self._store(msgspec.structs.replace(self.last(origin), key=key_id))

    def sign(self, checkpoint: Checkpoint, proof: list[bytes], make: Callable[[bytes], Signature]) -> bytes:
        """Sign a checkpoint that continues the last one, and remember it before the signature leaves.

        Args:
            checkpoint: What to sign; its origin chooses the log.
            proof: Consistency of the last signed size with it.
            make: Makes the signature over the checkpoint's body.

        Returns:
            The signed note.

        Raises:
            LedgerError: It is smaller than what was signed, or not a continuation of it (`ProofError`), or the state
                could not be stored.
        """
        with self._locked(checkpoint.origin):
            return self._sign(checkpoint, proof, make)

    @contextlib.contextmanager
    def _locked(self, origin: str) -> Iterator[None]:
        try:
            lock = wait_for_lock(self._files, self._path(origin).with_suffix(".lock"))
        except BlockingIOError as error:
            raise LedgerError(f"another signer holds on to {origin}; end it and ask again") from error
        try:
            yield
        finally:
            lock.release()

    def _sign(self, checkpoint: Checkpoint, proof: list[bytes], make: Callable[[bytes], Signature]) -> bytes:
        last = self.last(checkpoint.origin)
        if checkpoint.size < last.size:
            raise LedgerError(
                f"{checkpoint.origin}: size {last.size} was signed before, so size {checkpoint.size} is not signed; "
                "the journal was rolled back or shortened"
            )
        verify_consistency(last.size, bytes.fromhex(last.root), checkpoint.size, checkpoint.root, proof)
        body = format_checkpoint(checkpoint)
        signature = make(body)
        note = format_note(Note(text=body, signatures=(signature,)))
        root = checkpoint.root.hex()
        signed = Signed(origin=checkpoint.origin, size=checkpoint.size, root=root, key=signature.key_id.hex())
        if signed != last:
            self._store(signed)
        return note

    def _store(self, signed: Signed) -> None:
        try:
            store(self._files, self._path(signed.origin), msgspec.json.encode(signed) + b"\n")
        except OSError as error:
            raise LedgerError(f"signer state of {signed.origin}: {error}; nothing is signed") from error

    def _path(self, origin: str) -> Path:
        return self._directory / (hashlib.sha256(origin.encode()).hexdigest() + ".json")
