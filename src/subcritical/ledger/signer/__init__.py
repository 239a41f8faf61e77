"""The signer: a process of its own that holds the log key and never signs against what it signed before."""

from subcritical.ledger.signer.client import AuditSigner, Signer, SignerProcess, default_home, make_home
from subcritical.ledger.signer.keyfile import Keys
from subcritical.ledger.signer.state import SigningState

__all__ = ["AuditSigner", "Keys", "Signer", "SignerProcess", "SigningState", "default_home", "make_home"]
