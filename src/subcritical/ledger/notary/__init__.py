"""Keeps the log of a run while it runs: a process of its own that follows the journal and has its log signed."""

from subcritical.ledger.notary.client import Notary
from subcritical.ledger.notary.said import Said

__all__ = ["Notary", "Said"]
