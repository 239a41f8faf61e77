"""A transparency log in the formats of C2SP, without files, network or clock: bytes in, bytes or an error out.

Files are written, keys kept and witnesses asked elsewhere. Everything here can be checked by the tools of others:
tlog-tiles 0.1.0, signed-note 1.0.0, tlog-checkpoint 1.0.0, tlog-cosignature 1.1.0, tlog-proof v1, tlog-policy and
tlog-witness. A log shows that nothing in it was changed, never that everything was put into it.
"""

from subcritical.ledger.tlog._schemes import KeyType
from subcritical.ledger.tlog.checkpoints import Checkpoint, format_checkpoint, parse_checkpoint
from subcritical.ledger.tlog.errors import (
    FormatError,
    ProofError,
    QuorumError,
    SignatureError,
    TlogError,
    UnsupportedKeyError,
)
from subcritical.ledger.tlog.hashing import EMPTY_ROOT, HASH_BYTES, PATH_MAX, SIZE_MAX, leaf_hash, node_hash
from subcritical.ledger.tlog.keys import Cosigner, LogSigner
from subcritical.ledger.tlog.notes import (
    Note,
    OpenedNote,
    Signature,
    Verified,
    VerifierKey,
    format_note,
    format_verifier_key,
    open_note,
    parse_note,
    parse_signatures,
    parse_verifier_key,
)
from subcritical.ledger.tlog.policy_text import format_policy, parse_policy
from subcritical.ledger.tlog.proofs import TlogProof, check_tlog_proof, format_tlog_proof, parse_tlog_proof
from subcritical.ledger.tlog.quorum import Policy, PolicyGroup, PolicyLog, PolicyWitness, Satisfied
from subcritical.ledger.tlog.tiles import (
    ENTRY_BYTES_MAX,
    TILE_WIDTH,
    Bundle,
    Tile,
    bundles_for_size,
    format_bundle,
    parse_bundle,
    parse_tile_path,
    tile_bytes,
    tiles_for_size,
)
from subcritical.ledger.tlog.tree import Tree
from subcritical.ledger.tlog.verify import verify_consistency, verify_inclusion
from subcritical.ledger.tlog.witness_protocol import (
    AddCheckpoint,
    Decision,
    WitnessState,
    decide,
    format_add_checkpoint,
    malformed,
    parse_add_checkpoint,
    parse_conflict,
)

__all__ = [
    "EMPTY_ROOT",
    "ENTRY_BYTES_MAX",
    "HASH_BYTES",
    "PATH_MAX",
    "SIZE_MAX",
    "TILE_WIDTH",
    "AddCheckpoint",
    "Bundle",
    "Checkpoint",
    "Cosigner",
    "Decision",
    "FormatError",
    "KeyType",
    "LogSigner",
    "Note",
    "OpenedNote",
    "Policy",
    "PolicyGroup",
    "PolicyLog",
    "PolicyWitness",
    "ProofError",
    "QuorumError",
    "Satisfied",
    "Signature",
    "SignatureError",
    "Tile",
    "TlogError",
    "TlogProof",
    "Tree",
    "UnsupportedKeyError",
    "Verified",
    "VerifierKey",
    "WitnessState",
    "bundles_for_size",
    "check_tlog_proof",
    "decide",
    "format_add_checkpoint",
    "format_bundle",
    "format_checkpoint",
    "format_note",
    "format_policy",
    "format_tlog_proof",
    "format_verifier_key",
    "leaf_hash",
    "malformed",
    "node_hash",
    "open_note",
    "parse_add_checkpoint",
    "parse_bundle",
    "parse_checkpoint",
    "parse_conflict",
    "parse_note",
    "parse_policy",
    "parse_signatures",
    "parse_tile_path",
    "parse_tlog_proof",
    "parse_verifier_key",
    "tile_bytes",
    "tiles_for_size",
    "verify_consistency",
    "verify_inclusion",
]
