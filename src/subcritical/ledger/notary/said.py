"""What a notary tells the supervisor, one JSON object a line."""

from __future__ import annotations

import msgspec


class Said(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One line, and, as the last of them, what became of the log.

    Attributes:
        size: Entries of the log that are signed; root (hex) is theirs.
        published: The signed log is written to its folder.
        refused: Why nothing is signed any more; empty while all is well.
        last: Nothing follows.
    """

    origin: str = ""
    size: int = 0
    root: str = ""
    published: bool = False
    refused: str = ""
    last: bool = False
