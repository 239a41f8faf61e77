"""A run that demands a proof of its policy gets one that fits, signed by somebody enrolled, or does not start."""

import json

import pytest
from click.testing import CliRunner
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from subcritical.app.policy_proofs import require_proof
from subcritical.app.principals import add
from subcritical.cli.main import main
from subcritical.errors import InputError
from subcritical.loop.loopfile import load_loop
from subcritical.policy.cedar import change_policy, changes

LOOP = """\
system: x
guest: {kind: evolve}
workspace: seed
artifacts: [{path: solution.py, is: code}]
evaluate: {run: evaluate.py, public: p.npz}
oversight: {review: assumed, principals: principals.txt, owner: dot}
policy: {file: changes.cedar, proof: proof.json}
containment: {proof: required}
"""


@pytest.fixture
def loop(tmp_path):
    pytest.importorskip("z3")
    pytest.importorskip("cvc5")
    (tmp_path / "seed").mkdir()
    for name in ("evaluate.py", "p.npz"):
        (tmp_path / name).write_text("")
    for name in ("ana", "dot", "mallory"):
        key = Ed25519PrivateKey.generate()
        private = key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption())
        (tmp_path / f"{name}.key").write_bytes(private)
        public = tmp_path / f"{name}.pub"
        public.write_bytes(key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH))
        if name != "mallory":
            add(name, key=public, owner=None, path=tmp_path / "principals.txt")
    (tmp_path / "changes.cedar").write_text(change_policy())
    (tmp_path / "loop.yaml").write_text(LOOP)
    return tmp_path


def prove(folder, who="ana"):
    arguments = ["policy", "prove", "--policy", "changes.cedar", "--attest", "proof.json", "--key", f"{who}.key"]
    return CliRunner().invoke(main, [a if "." not in a or a.startswith("-") else str(folder / a) for a in arguments])


def test_a_proof_that_fits_lets_the_run_start(loop):
    assert prove(loop).exit_code == 0
    require_proof(load_loop(loop / "loop.yaml"))


def test_another_policy_needs_another_proof(loop):
    prove(loop)
    (loop / "changes.cedar").write_text(change_policy() + "// a word more\n")
    changes((loop / "changes.cedar").read_text())
    with pytest.raises(InputError, match="not about this policy"):
        require_proof(load_loop(loop / "loop.yaml"))


@pytest.mark.parametrize("who", ["mallory", "dot"])
def test_only_people_who_are_enrolled_and_do_not_own_the_system_sign(loop, who):
    assert prove(loop, who).exit_code == 0
    with pytest.raises(InputError, match="no enrolled principal signed it"):
        require_proof(load_loop(loop / "loop.yaml"))


def test_what_is_not_proved_is_not_attested(loop):
    (loop / "changes.cedar").write_text(change_policy().replace('"tool"]', '"tool", "monitor"]'))
    assert prove(loop).exit_code == 1
    assert not (loop / "proof.json").exists()


def test_a_changed_proof_does_not_hold(loop):
    prove(loop)
    whole = json.loads((loop / "proof.json").read_text())
    for changed in (
        {**whole, "payload": whole["payload"][:-8] + "AAAAAAA="},
        {**whole, "signatures": []},
        {**whole, "payloadType": "text/plain"},
        [],
        {},
    ):
        (loop / "proof.json").write_text(json.dumps(changed))
        with pytest.raises(InputError, match=r"proof\.json"):
            require_proof(load_loop(loop / "loop.yaml"))


def test_planted_failure_where_no_proof_is_required_none_is_asked_for(loop):
    (loop / "proof.json").write_text("{}")
    with pytest.raises(InputError, match=r"proof\.json"):
        require_proof(load_loop(loop / "loop.yaml"))
    (loop / "loop.yaml").write_text(LOOP.replace("proof: required", "proof: none"))
    assert require_proof(load_loop(loop / "loop.yaml")) is None


def test_a_run_refuses_before_anything_starts(loop):
    (loop / "proof.json").write_text("{}")
    found = CliRunner().invoke(main, ["run", str(loop / "loop.yaml"), "--runs", str(loop / "runs")])
    assert (found.exit_code, "proof.json" in found.output) == (2, True), found.output
    assert not (loop / "runs").exists()
