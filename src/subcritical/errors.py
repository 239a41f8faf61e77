"""One error tree. A message says what went wrong, where, and what to do next.

SubcriticalError
├── InputError         the caller passed something unusable
│   └── ConfigError    a loop or settings file is wrong (names file and line)
├── SourceError        something outside gave us bytes we cannot use
├── BlindError         we cannot see what we promised to watch
├── ContainmentError   we could not contain, pause or kill
├── GatewayError       a self-modification was refused by the door itself
└── LedgerError        recorded history is broken
"""

from __future__ import annotations


class SubcriticalError(Exception):
    """Base of all our errors. `exit_code` is the process exit code of the command line."""

    exit_code = 3


class InputError(SubcriticalError):
    """The caller passed something unusable."""

    exit_code = 2


class ConfigError(InputError):
    """A file of ours is wrong.

    Attributes:
        path: The file, as the caller named it.
        line: 1-based line, or None where the whole file is meant.
    """

    def __init__(self, message: str, *, path: str = "", line: int | None = None) -> None:
        """Put the place in front of the message."""
        where = f"{path}:{line}: " if path and line else f"{path}: " if path else ""
        super().__init__(f"{where}{message}")
        self.path = path
        self.line = line


class SourceError(SubcriticalError):
    """Something outside gave us bytes we cannot use."""

    exit_code = 2


class BlindError(SubcriticalError):
    """We cannot see what we promised to watch."""

    exit_code = 4


class ContainmentError(SubcriticalError):
    """We could not contain, pause or kill."""

    exit_code = 6


class GatewayError(SubcriticalError):
    """The gateway refused: the base moved, a latch is down, or the bytes are not the approved ones."""

    exit_code = 3


class QuarantineError(GatewayError):
    """What a change is about is in quarantine: nothing changes it until people lift that."""


class LedgerError(SubcriticalError):
    """Recorded history is broken.

    Attributes:
        seq: First entry that cannot be trusted, or None where it is unknown.
    """

    exit_code = 7

    def __init__(self, message: str, *, seq: int | None = None) -> None:
        """Say what broke and from which entry on."""
        super().__init__(message)
        self.seq = seq
