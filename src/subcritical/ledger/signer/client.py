"""The supervisor's side: starts the signer process and asks it, one request at a time."""

from __future__ import annotations

import base64
import contextlib
import errno
import os
import select
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self

import msgspec

from subcritical.errors import InputError, LedgerError
from subcritical.ledger.files import OsFiles
from subcritical.ledger.tlog import VerifierKey, parse_verifier_key

_TIMEOUT_S = 40.0
_LINE_BYTES_MAX = 64 << 10


class Signer(Protocol):
    """What can sign checkpoints. Errors are `LedgerError`."""

    def key(self, origin: str) -> VerifierKey:
        """The public key of a log."""
        ...

    def last(self, origin: str) -> tuple[int, bytes]:
        """Size and root signed last; 0 and the empty root for a log never seen."""
        ...

    def sign(self, origin: str, size: int, root: bytes, proof: Sequence[bytes]) -> bytes:
        """The signed note of a checkpoint that continues the last one, shown by `proof`."""
        ...


class AuditSigner(Signer, Protocol):
    """A signer that signs what auditors get, too: lists of files and statements."""

    def sign_manifest(self, origin: str, digest: str) -> bytes:
        """A note that says: this list of files is of a bundle of this log."""
        ...

    def sign_statement(self, origin: str, payload: bytes) -> bytes:
        """The bare signature over an in-toto statement, as DSSE encodes it."""
        ...


def default_home() -> Path:
    """Where key and state lie: `$XDG_STATE_HOME/subcritical`, else `~/.local/state/subcritical`.

    Raises:
        InputError: There is no home directory.
    """
    given = os.environ.get("XDG_STATE_HOME", "")
    if given.startswith("/"):
        return Path(given) / "subcritical"
    try:
        return Path.home() / ".local/state/subcritical"
    except RuntimeError as error:
        raise InputError("no home directory for the log key: set XDG_STATE_HOME to a folder of your own") from error


def make_home() -> Path:
    """The folder of key and state, made if need be.

    Raises:
        InputError: It cannot be made, or not be written.
    """
    home = default_home()
    try:
        OsFiles().make_directory(home)
        if not os.access(home, os.W_OK | os.X_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    except OSError as error:
        raise InputError(
            f"no folder for the log key, {home}: {error.strerror or error}; set XDG_STATE_HOME to a folder of your own"
        ) from error
    return home


class SignerProcess:
    """A signer in a process of its own. Thread-safe; use as a context manager."""

    def __init__(self, home: Path | None = None, command: Sequence[str] = ()) -> None:
        """Start it.

        Args:
            home: Folder of key and state.
            command: Public key (verifier key text) and program of an external signer; empty for a key file.

        Raises:
            LedgerError: It does not start.
        """
        argv = [sys.executable, "-I", "-m", "subcritical.ledger.signer", str(home or make_home()), *command]
        self._lock = threading.Lock()
        try:
            self._process = subprocess.Popen(
                argv,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env={"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8"},
                cwd="/",
            )
        except OSError as error:
            raise LedgerError(f"the signer does not start: {error}") from error

    def key(self, origin: str) -> VerifierKey:
        """The public key of a log."""
        return parse_verifier_key(str(self._ask({"do": "key", "origin": origin})["key"]).encode())

    def last(self, origin: str) -> tuple[int, bytes]:
        """Size and root signed last; 0 and the empty root for a log never seen."""
        answer = self._ask({"do": "last", "origin": origin})
        return int(answer["size"]), bytes.fromhex(answer["root"])

    def sign(self, origin: str, size: int, root: bytes, proof: Sequence[bytes]) -> bytes:
        """The signed note of a checkpoint that continues the last one, shown by `proof`."""
        request = {"do": "sign", "origin": origin, "size": size, "root": root.hex(), "proof": [h.hex() for h in proof]}
        return str(self._ask(request)["note"]).encode()

    def sign_manifest(self, origin: str, digest: str) -> bytes:
        """A note over the SHA-256 (hex) of a bundle's list of files."""
        return str(self._ask({"do": "manifest", "origin": origin, "root": digest})["note"]).encode()

    def sign_statement(self, origin: str, payload: bytes) -> bytes:
        """The bare signature of a log's key over an in-toto statement, as DSSE encodes it."""
        request = {"do": "statement", "origin": origin, "payload": payload.decode()}
        return base64.b64decode(self._ask(request)["signature"])

    def rotate(self, origin: str) -> tuple[VerifierKey, bytes]:
        """Use a new key for this log and all new ones: that key, and a note that says so, signed by the old one."""
        answer = self._ask({"do": "rotate", "origin": origin})
        return parse_verifier_key(str(answer["key"]).encode()), str(answer["statement"]).encode()

    def close(self) -> None:
        """End it; harmless when repeated."""
        with self._lock:
            if self._process.stdin is not None and not self._process.stdin.closed:
                with contextlib.suppress(BrokenPipeError):  # it was killed with a request still unread
                    self._process.stdin.close()
            try:
                self._process.wait(5)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait(5)
            for stream in (self._process.stdout, self._process.stderr):
                if stream is not None:
                    stream.close()

    def __enter__(self) -> Self:
        """Use as a context manager."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close."""
        self.close()

    def _ask(self, request: dict[str, Any]) -> dict[str, Any]:
        with self._lock:
            stdin, stdout = self._process.stdin, self._process.stdout
            assert stdin is not None  # noqa: S101 - both were asked for
            assert stdout is not None  # noqa: S101
            try:
                stdin.write(msgspec.json.encode(request) + b"\n")
                stdin.flush()
                if not select.select([stdout], [], [], _TIMEOUT_S)[0]:
                    raise LedgerError(f"the signer gives no answer for {_TIMEOUT_S:g} s")
                line = stdout.readline(_LINE_BYTES_MAX)
            except (OSError, ValueError) as error:
                raise LedgerError(f"the signer is gone: {error}{self._said()}") from error
            if not line.endswith(b"\n"):
                raise LedgerError(f"the signer ended{self._said()}")
        answer: dict[str, Any] = msgspec.json.decode(line)
        if "refused" in answer:
            raise LedgerError(f"the signer refuses: {answer['refused']}")
        return answer

    def _said(self) -> str:
        """What a dead signer wrote."""
        try:
            self._process.wait(1)
        except subprocess.TimeoutExpired:
            return ""
        said = self._process.stderr.read(2000) if self._process.stderr and not self._process.stderr.closed else b""
        return ": " + said.decode("utf-8", "backslashreplace").strip() if said else ""
