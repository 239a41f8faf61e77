"""Errors of the transparency log, all below `LedgerError`: whoever catches that catches these.

LedgerError
└── TlogError                anything below
    ├── FormatError          bytes or values that are not in the format
    ├── ProofError           a Merkle proof that does not prove what it claims
    ├── SignatureError       a note without a valid signature of a known key, or with a false one
    ├── QuorumError          valid signatures, but not those that the policy asks for
    └── UnsupportedKeyError  a key type that the installed `cryptography` cannot compute
"""

from __future__ import annotations

from subcritical.errors import LedgerError


class TlogError(LedgerError):
    """Something that claims to come from a transparency log cannot be believed."""


class FormatError(TlogError):
    """Bytes that are not exactly in the format they claim."""


class ProofError(TlogError):
    """A Merkle proof that does not prove its claim. Nothing about the entry or the log may be concluded from it."""


class SignatureError(TlogError):
    """A note that no known key signed, or that carries a false signature of a known key."""


class QuorumError(TlogError):
    """A checkpoint that its policy does not accept: the wrong log, or too few witnesses."""


class UnsupportedKeyError(TlogError):
    """The installed `cryptography` cannot compute this kind of signature."""
