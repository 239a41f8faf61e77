"""The three hashes of the tree. The prefix bytes keep an entry from ever being taken for an inner node."""

from __future__ import annotations

import hashlib

HASH_BYTES = 32
SIZE_MAX = 2**63 - 1
"""Largest tree size accepted anywhere here, so that every size fits the 64-bit fields and integers of others."""
PATH_MAX = 63
"""Most hashes that an inclusion or consistency proof can need up to `SIZE_MAX`."""

LEAF_PREFIX = b"\x00"
NODE_PREFIX = b"\x01"
EMPTY_ROOT = hashlib.sha256().digest()
"""Root of the tree without entries."""


def leaf_hash(data: bytes) -> bytes:
    """Hash of one entry, 32 bytes.

    Source: RFC 6962 section 2.1. Cost: O(len(data)).
    """
    return hashlib.sha256(LEAF_PREFIX + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Hash of an inner node over its two children, 32 bytes each; lengths are the caller's to check.

    Source: RFC 6962 section 2.1.
    """
    return hashlib.sha256(NODE_PREFIX + left + right).digest()
