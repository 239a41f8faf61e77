"""The log for the tools of others, read back by a few lines that share no code with the package."""

import base64
from hashlib import sha256

import outside_fixture
import pytest

from subcritical.ledger.tlog import (
    SignatureError,
    check_tlog_proof,
    open_note,
    parse_policy,
    parse_tlog_proof,
    parse_verifier_key,
    verify_consistency,
)

GOLDEN = "f1b1befada0fc108f9ade1c8d6a3a619f88d923f57c766def3661d2bc8c21925"


@pytest.fixture(scope="module")
def log(tmp_path_factory):
    directory = tmp_path_factory.mktemp("outside")
    outside_fixture.build(directory)
    return directory


def test_the_tiles_are_those_that_the_specification_counts(log):
    found = {str(path.relative_to(log)) for path in (log / "tile").rglob("*") if path.is_file()}
    full = [f"{at:03d}" for at in range(273)]
    expected = {f"tile/0/{at}" for at in full} | {f"tile/entries/{at}" for at in full}
    expected |= {"tile/0/273.p/112", "tile/entries/273.p/112"}
    expected |= {"tile/1/000", "tile/1/001.p/17", "tile/2/000.p/1"}
    assert found == expected
    assert (log / "tile/0/272").stat().st_size == 8192
    assert (log / "tile/0/273.p/112").stat().st_size == 112 * 32


def read_entries(log):
    names = sorted(path for path in (log / "tile/entries").rglob("*") if path.is_file())
    for name in names:
        data = name.read_bytes()
        while data:
            length = data[0] * 256 + data[1]
            yield data[2 : 2 + length]
            data = data[2 + length :]


def merkle(hashes):
    while len(hashes) > 1:
        odd = hashes[len(hashes) & ~1 :]
        hashes = [sha256(b"\x01" + a + b).digest() for a, b in zip(hashes[::2], hashes[1::2], strict=False)] + odd
    return hashes[0]


def test_the_root_follows_from_the_bundles_and_from_the_tiles(log):
    leaves = [sha256(b"\x00" + entry).digest() for entry in read_entries(log)]
    assert len(leaves) == 70_000
    lines = (log / "checkpoint").read_bytes().split(b"\n")
    assert lines[:3] == [b"log.example/outside", b"70000", base64.b64encode(merkle(leaves))]
    level = [(log / f"tile/0/{at:03d}").read_bytes() for at in range(273)] + [(log / "tile/0/273.p/112").read_bytes()]
    assert b"".join(level) == b"".join(leaves)
    tops = (log / "tile/1/000").read_bytes() + (log / "tile/1/001.p/17").read_bytes()
    assert tops == b"".join(merkle(leaves[at : at + 256]) for at in range(0, 69_888, 256))
    assert (log / "tile/2/000.p/1").read_bytes() == merkle(leaves[:65_536])


def test_signatures_and_policy(log):
    checkpoint = (log / "checkpoint").read_bytes()
    satisfied = parse_policy((log / "policy.tlog").read_bytes()).check(checkpoint)
    assert (satisfied.witnesses, satisfied.quorum) == (("ed25519", "ml-dsa-44"), "both")
    keys = [parse_verifier_key(path.read_bytes().rstrip(b"\n")) for path in sorted((log / "keys").iterdir())]
    assert len(open_note(checkpoint, keys).verified) == 3
    with pytest.raises(SignatureError):
        open_note(checkpoint.replace(b"\n70000\n", b"\n70001\n"), keys)


def test_proofs(log):
    trusted = parse_policy((log / "policy.tlog").read_bytes())
    for index in (0, 40_000, 69_999):
        proof = parse_tlog_proof((log / f"proofs/{index}.tlog-proof").read_bytes())
        entry = (log / f"proofs/{index}.entry").read_bytes()
        checkpoint = check_tlog_proof(proof, entry, trusted).checkpoint
        assert (proof.index, checkpoint.size) == (index, 70_000)
    old = base64.b64decode((log / "consistency/40000").read_bytes())
    steps = [base64.b64decode(line) for line in (log / "consistency/40000-70000").read_bytes().splitlines()]
    verify_consistency(40_000, old, 70_000, checkpoint.root, steps)


def test_the_fixture_says_how_others_check_it(log):
    text = (log / "README.md").read_text()
    for word in ("golang.org/x/mod/sumdb/note", "golang.org/x/mod/sumdb/tlog", "transparency-dev", "policy.tlog"):
        assert word in text


def test_golden_bytes(log):
    # Everything but the ML-DSA-44 line, which is randomised: body, blank line, and two Ed25519 lines.
    lines = (log / "checkpoint").read_bytes().split(b"\n")
    assert (len(lines), lines[-1]) == (8, b"")
    assert sha256(b"\n".join(lines[:6])).hexdigest() == GOLDEN
