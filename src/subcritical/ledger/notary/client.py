"""The supervisor's side: starts the notary, hears what it says, and learns at once when it fails."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec

from subcritical.errors import LedgerError
from subcritical.ledger.notary.said import Said
from subcritical.ledger.signer.client import make_home

_START_S = 60.0
_END_S = 120.0
_LINE_BYTES_MAX = 64 << 10


class Notary:
    """A notary in a process of its own. Thread-safe."""

    def __init__(self, journal: Path, published: Path, home: Path | None = None) -> None:
        """Start it; the journal may be begun later.

        Args:
            journal: Directory of the run's journal.
            published: Folder for the published log.
            home: Folder of the signer's key and state.

        Raises:
            InputError: There is no folder for the key, and none can be made.
            LedgerError: It does not start.
        """
        places = [str(path.absolute()) for path in (journal, published, home or make_home())]
        self._changed = threading.Condition()
        self._said = Said()
        self._failed = ""
        self._on_failure: Callable[[str], None] | None = None
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-m", "subcritical.ledger.notary", *places],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env={"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8"},
                cwd="/",
                start_new_session=True,  # an interrupt from the terminal must not end it before the run's END
            )
        except OSError as error:
            raise LedgerError(f"the notary does not start: {error}") from error
        self._listener = threading.Thread(target=self._listen, name="subcritical-notary", daemon=True)
        self._listener.start()

    @property
    def pid(self) -> int:
        """Its process."""
        return self._process.pid

    def wait_until_checked(self) -> None:
        """Return when the log that the journal gives was found to continue what was signed before.

        Raises:
            LedgerError: It does not, or there is no answer within 60 s.
        """
        with self._changed:
            answered = self._changed.wait_for(lambda: self._said.origin or self._failed, _START_S)
            if self._failed or not answered:
                raise LedgerError(self._failed or f"the notary gives no answer for {_START_S:g} s")

    @contextlib.contextmanager
    def watched(self, on_failure: Callable[[str], None]) -> Iterator[None]:
        """Within this, `on_failure` is told once, from another thread or this one, that nothing is signed any more."""
        with self._changed:
            self._on_failure = on_failure
            failed = self._failed
        if failed:
            on_failure(failed)
        try:
            yield
        finally:
            with self._changed:
                self._on_failure = None

    def close(self) -> Said:
        """Let it sign, publish and prove the rest, and end. What became of the log; harmless when repeated."""
        if self._process.stdin is not None:
            with contextlib.suppress(OSError):
                self._process.stdin.close()
        self._listener.join(_END_S)
        if self._listener.is_alive():
            self._process.kill()
            self._listener.join(_END_S)
        self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()
        with self._changed:
            if self._said.last and not self._failed:
                return self._said
            return msgspec.structs.replace(self._said, refused=self._failed or "the notary took too long", last=True)

    def _listen(self) -> None:
        stdout = self._process.stdout
        assert stdout is not None  # noqa: S101 - it was asked for
        try:
            while not self._said.last and (line := stdout.readline(_LINE_BYTES_MAX)):
                self._hear(msgspec.json.decode(line, type=Said))
            if not self._said.last:
                self._fail("the notary ended; nothing after that is signed")
        except (OSError, ValueError, msgspec.MsgspecError) as error:
            self._fail(f"the notary says nothing that can be read: {error}")

    def _hear(self, said: Said) -> None:
        if said.refused:
            self._fail(said.refused)
            return
        with self._changed:
            self._said = said
            self._changed.notify_all()

    def _fail(self, why: str) -> None:
        with self._changed:
            self._failed = why
            self._said = msgspec.structs.replace(self._said, last=True)
            tell = self._on_failure
            self._changed.notify_all()
        if tell is not None:
            tell(why)
