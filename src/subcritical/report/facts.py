"""What a report says that no record holds: how the run ended, what contained it, where its journal lies."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import msgspec

from subcritical.ledger import JournalCheck


class SignedLog(msgspec.Struct, frozen=True, kw_only=True):
    """The Merkle log of a run as it was signed at the end.

    Attributes:
        origin: Name of the log.
        size: Entries that are signed; root (hex) is theirs.
        not_signed: Why the end of the record is not signed; empty if it is.
        proofs: By number of a finding's record, where its inclusion proof lies, relative to the report.
    """

    origin: str
    size: int
    root: str
    not_signed: str = ""
    proofs: Mapping[int, str] = {}


class RunFacts(msgspec.Struct, frozen=True, kw_only=True):
    """Facts about a run from outside its records. Everything is optional; what is missing is called unknown.

    Attributes:
        status: How it ended: `finished`, `tripped`, `stopped`, `failed`; empty while it runs.
        why: One sentence for it.
        rung: Containment rung, such as `R1`.
        mechanisms: What the rung uses.
        not_guaranteed: What it does not guarantee, one sentence each.
        isolation: Whether evaluator and candidate shared an interpreter.
        review_cycle: Expected time between two reviews, as the loop file says it.
        journal_path: Where the journal lies.
        journal: Result of checking it.
        log: The signed log.
        program: Name and version of what made the report.
    """

    status: str = ""
    why: str = ""
    rung: str = ""
    mechanisms: tuple[str, ...] = ()
    not_guaranteed: tuple[str, ...] = ()
    isolation: Literal["split", "shared", ""] = ""
    review_cycle: str = ""
    journal_path: str = ""
    journal: JournalCheck | None = None
    log: SignedLog | None = None
    program: str = "subcritical"
