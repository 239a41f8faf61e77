"""Write a log of 70,000 entries that programs of others can check. Run as a script, or call `build`.

    python tests/ledger/tlog/outside_fixture.py DIRECTORY

All seeds are fixed, so everything but the ML-DSA-44 signature (which is randomised) has the same bytes each time.

    checkpoint                 signed by the log (Ed25519) and two witnesses (Ed25519, ML-DSA-44)
    tile/<level>/<n>[.p/<w>]   every tile that a reader of this size needs
    tile/entries/<n>[.p/<w>]   every entry bundle
    proofs/<index>.tlog-proof  three proofs, and beside each <index>.entry, the entry it is about
    consistency/40000-70000    base64 hashes, one a line, from the root in consistency/40000 to the checkpoint's
    policy.tlog                the log, both witnesses, and a quorum of both
    keys/*.vkey                the three public keys
    README.md                  this text

How to check it with Go, as nobody who trusts this package would:

1. The log's signature, with `golang.org/x/mod/sumdb/note`. `note.NewVerifier` on the content of `keys/log.vkey`, then
   `note.Open(checkpoint, note.VerifierList(verifier))`. It ignores the lines of the witnesses, whose types it does not
   know. After one changed byte anywhere above the blank line, `note.Open` must fail.
2. The tiles, with `golang.org/x/mod/sumdb/tlog`. `tlog.TileHashReader` over a `tlog.TileReader` of height 8 that serves
   these files, then `tlog.ProveRecord` and `tlog.CheckRecord`. That package writes the tile height into its paths and
   knows entries as `tile/8/data/`: map `tile/8/<level>/` to `tile/<level>/`. It checks each tile against the root.
3. The cosignatures, with `github.com/transparency-dev/formats/note`. `NewVerifierForCosignatureV1` on
   `keys/ed25519.vkey` opens the Ed25519 line. The ML-DSA-44 line needs Go 1.27 (`crypto/mldsa`) and the message that
   tlog-cosignature 1.1.0 describes.
4. Proofs, with `github.com/transparency-dev/merkle`: `proof.VerifyInclusion(rfc6962.DefaultHasher, index, 70000, leaf,
   hashes, root)` for each of `proofs/`, where `leaf` is `rfc6962.DefaultHasher.HashLeaf` of the `.entry` file; and
   `proof.VerifyConsistency(rfc6962.DefaultHasher, 40000, 70000, hashes, old, root)` for `consistency/`.
5. The policy, with Sigsum's tools or any reader of tlog-policy: both witnesses must have cosigned.
"""

import hashlib
import sys
from base64 import b64encode
from pathlib import Path

from subcritical.ledger.tlog import (
    Checkpoint,
    Cosigner,
    KeyType,
    LogSigner,
    Note,
    Policy,
    PolicyGroup,
    PolicyLog,
    PolicyWitness,
    TlogProof,
    Tree,
    bundles_for_size,
    format_bundle,
    format_checkpoint,
    format_note,
    format_policy,
    format_tlog_proof,
    format_verifier_key,
    leaf_hash,
    tile_bytes,
    tiles_for_size,
)

SIZE = 70_000
OLD_SIZE = 40_000
PROVEN = (0, 40_000, 69_999)
TIME = 1_767_225_600
ORIGIN = "log.example/outside"


def entry(index):
    """Entry `index`: its number and 0 to 31 bytes that a seed makes up."""
    return b"entry %d " % index + hashlib.sha256(b"outside %d" % index).digest()[: index % 32]


def seed(name):
    return hashlib.sha256(b"outside fixture, not secret: " + name).digest()


def build(directory):
    """Write the whole fixture below `directory`, which is made if it is not there."""
    log = LogSigner(ORIGIN, seed(b"log"))
    ed = Cosigner("witness.example/ed25519", seed(b"ed25519"), KeyType.COSIGNER_ED25519)
    pq = Cosigner("witness.example/ml-dsa-44", seed(b"ml-dsa-44"))
    tree = Tree(leaf_hash(entry(index)) for index in range(SIZE))
    body = format_checkpoint(Checkpoint(ORIGIN, SIZE, tree.root()))
    checkpoint = format_note(Note(body, (log.sign(body), ed.sign(body, TIME), pq.sign(body, TIME + 1))))
    write_tiles(directory, tree)
    write(directory, "checkpoint", checkpoint)
    for index in PROVEN:
        proof = TlogProof(index, tuple(tree.inclusion_proof(index)), checkpoint)
        write(directory, f"proofs/{index}.tlog-proof", format_tlog_proof(proof))
        write(directory, f"proofs/{index}.entry", entry(index))
    steps = tree.consistency_proof(OLD_SIZE)
    write(directory, f"consistency/{OLD_SIZE}-{SIZE}", b"".join(b64encode(step) + b"\n" for step in steps))
    write(directory, f"consistency/{OLD_SIZE}", b64encode(tree.root(OLD_SIZE)) + b"\n")
    witnesses = (PolicyWitness("ed25519", ed.verifier_key), PolicyWitness("ml-dsa-44", pq.verifier_key))
    both = PolicyGroup("both", 2, tuple(witness.name for witness in witnesses))
    write(directory, "policy.tlog", format_policy(Policy((PolicyLog(log.verifier_key),), witnesses, (both,), "both")))
    for name, signer in (("log", log), ("ed25519", ed), ("ml-dsa-44", pq)):
        write(directory, f"keys/{name}.vkey", format_verifier_key(signer.verifier_key) + b"\n")
    write(directory, "README.md", (__doc__ or "").encode())


def write_tiles(directory, tree):
    for tile in tiles_for_size(tree.size):
        write(directory, tile.path, tile_bytes(tree, tile))
    for bundle in bundles_for_size(tree.size):
        first = bundle.index * 256
        write(directory, bundle.path, format_bundle([entry(at) for at in range(first, first + bundle.width)]))


def write(directory, path, data):
    place = Path(directory) / path
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_bytes(data)


if __name__ == "__main__":
    build(sys.argv[1])
