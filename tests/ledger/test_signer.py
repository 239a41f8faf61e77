"""The signer never signs what does not continue what it signed, and nobody else reads its key."""

import contextlib
import json
import random
import signal
import stat
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from log_cases import SEED, DirectSigner

from subcritical.clock import SystemClock
from subcritical.errors import LedgerError
from subcritical.ledger.signer import Keys, SignerProcess, SigningState, default_home
from subcritical.ledger.tlog import (
    Checkpoint,
    LogSigner,
    ProofError,
    SignatureError,
    Tree,
    format_verifier_key,
    leaf_hash,
    open_note,
    parse_checkpoint,
    verify_consistency,
)
from subcritical.sandbox import Containment, PythonPayload, SandboxSpec, probe

ORIGIN = "subcritical/run/r"


def tree_of(count, text="entry"):
    return Tree(leaf_hash(f"{text} {n}".encode()) for n in range(count))


def sign(signer, tree, size=None, origin=ORIGIN):
    size = tree.size if size is None else size
    last, _ = signer.last(origin)
    return signer.sign(origin, size, tree.root(size), tree.consistency_proof(min(last, size), size))


@pytest.fixture
def process(tmp_path):
    with SignerProcess(tmp_path / "home") as signer:
        yield signer


def test_a_growing_log_is_signed_and_anyone_can_check_it(process):
    tree = tree_of(70)
    for size in (0, 1, 1, 8, 9, 64, 70):
        note = sign(process, tree, size)
        opened = open_note(note, [process.key(ORIGIN)])
        assert parse_checkpoint(opened.text).size == size
        assert process.last(ORIGIN) == (size, tree.root(size))


def test_logs_do_not_mix(process):
    sign(process, tree_of(9))
    assert process.last("another/log") == (0, tree_of(0).root())
    sign(process, tree_of(3, "other"), origin="another/log")
    assert process.key("another/log").public == process.key(ORIGIN).public


def test_neither_a_shorter_nor_another_history_is_signed(process):
    sign(process, tree_of(9))
    with pytest.raises(LedgerError, match="size 9 was signed before"):
        sign(process, tree_of(8))
    other = tree_of(20, "other")
    with pytest.raises(LedgerError, match="consistency proof"):
        sign(process, other)
    with pytest.raises(LedgerError, match="consistency proof"):
        sign(process, other, 9)
    assert process.last(ORIGIN) == (9, tree_of(9).root())


def test_planted_without_its_state_the_signer_signs_a_second_history(tmp_path):
    signer = DirectSigner(tmp_path / "state")
    sign(signer, tree_of(9))
    for path in (tmp_path / "state").glob("*.json"):
        path.unlink()
    note = sign(signer, tree_of(9, "other"))
    assert parse_checkpoint(open_note(note, [signer.key(ORIGIN)]).text).root == tree_of(9, "other").root()


def two_histories_at_once(directory, monkeypatch):
    """Two signers of one key asked for two histories of one size, each held between its look and its memory."""
    both = threading.Barrier(2)
    given = []

    def ask(tag):
        signer = DirectSigner(directory)
        honest = signer.state._sign

        def slow(checkpoint, proof, make):
            def waiting(body):
                with contextlib.suppress(threading.BrokenBarrierError):
                    both.wait(0.5)
                time.sleep(0.2 if tag == "two" else 0)  # the files of the two must not get into each other's way
                return make(body)

            return honest(checkpoint, proof, waiting)

        monkeypatch.setattr(signer.state, "_sign", slow)
        with contextlib.suppress(LedgerError):
            given.append(sign(signer, tree_of(9, tag)))

    threads = [threading.Thread(target=ask, args=(tag,)) for tag in ("one", "two")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return given


def test_of_two_histories_at_once_one_is_signed(tmp_path, monkeypatch):
    assert len(two_histories_at_once(tmp_path / "state", monkeypatch)) == 1


def test_planted_without_the_lock_both_are_signed(tmp_path, monkeypatch):
    class Open:
        def release(self):
            pass

    monkeypatch.setattr("subcritical.ledger.signer.state.wait_for_lock", lambda *_: Open())
    assert len(two_histories_at_once(tmp_path / "state", monkeypatch)) == 2


def test_the_state_outlives_the_process_and_an_unreadable_one_stops_everything(tmp_path):
    with SignerProcess(tmp_path / "home") as signer:
        sign(signer, tree_of(9))
        key = signer.key(ORIGIN)
    with SignerProcess(tmp_path / "home") as signer:
        assert signer.key(ORIGIN) == key
        with pytest.raises(LedgerError, match="was signed before"):
            sign(signer, tree_of(8))
        next((tmp_path / "home/signed").glob("*.json")).write_bytes(b"{}")
        with pytest.raises(LedgerError, match="unreadable"):
            signer.sign(ORIGIN, 9, tree_of(9).root(), [])


def test_key_and_state_are_their_owners_alone(tmp_path):
    with SignerProcess(tmp_path / "home") as signer:
        sign(signer, tree_of(2))
    for path in (tmp_path / "home").rglob("*"):
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600), path


@pytest.mark.parametrize(
    ("spoil", "match"),
    [
        (lambda path: path.chmod(0o640), "others may read"),
        (lambda path: path.write_bytes(b"{"), "not a key file"),
        (lambda path: path.write_bytes(b'{"format":2,"type":"ed25519","seeds":[]}'), "later version"),
        (lambda path: path.write_bytes(b'{"format":1,"type":"ed25519","seeds":["AAAA"]}'), "later version"),
        (lambda path: (path.unlink(), path.mkdir()), "not a regular file|directory"),
    ],
)
def test_a_spoilt_key_file_is_refused_with_what_to_do(tmp_path, spoil, match):
    Keys(tmp_path / "home/log-key.json")
    spoil(tmp_path / "home/log-key.json")
    with pytest.raises(LedgerError, match=match):
        Keys(tmp_path / "home/log-key.json")
    with SignerProcess(tmp_path / "home") as signer, pytest.raises(LedgerError, match="log key"):
        signer.key(ORIGIN)


def test_first_uses_at_once_agree_on_one_key(tmp_path):
    found = []
    threads = [
        threading.Thread(target=lambda: found.append(Keys(tmp_path / "home/log-key.json").current)) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8
    assert len(set(found)) == 1
    assert [path.name for path in (tmp_path / "home").iterdir()] == ["log-key.json"]


def test_rotation_is_stated_by_the_old_key(process):
    old = process.key(ORIGIN)
    sign(process, tree_of(3))
    new, statement = process.rotate(ORIGIN)
    assert new != old
    text = open_note(statement, [old]).text.decode()
    assert text == f"subcritical key rotation v1\n{ORIGIN}\n{format_verifier_key(new).decode()}\n"
    note = sign(process, tree_of(5))
    open_note(note, [new])
    with pytest.raises(SignatureError):
        open_note(note, [old])


def test_other_logs_keep_their_keys_and_new_ones_get_the_new_key(tmp_path):
    with SignerProcess(tmp_path / "home") as signer:
        sign(signer, tree_of(3))
        sign(signer, tree_of(3), origin="log.example/other")
        old = signer.key("log.example/other")
        signer.rotate(ORIGIN)
        assert signer.key("log.example/other") == old
        assert signer.key("log.example/new").public == signer.key(ORIGIN).public != old.public
    with SignerProcess(tmp_path / "home") as signer:
        open_note(sign(signer, tree_of(5), 3, origin="log.example/other"), [old])
        assert signer.last(ORIGIN) == (3, tree_of(3).root())
        assert signer.key(ORIGIN).public != old.public


def test_without_its_key_a_log_is_not_signed_under_another(tmp_path):
    with SignerProcess(tmp_path / "home") as signer:
        sign(signer, tree_of(3))
    (tmp_path / "home/log-key.json").unlink()
    with SignerProcess(tmp_path / "home") as signer, pytest.raises(LedgerError, match="put that file back"):
        signer.key(ORIGIN)


@pytest.mark.parametrize(
    "line", [b"", b"{", b"[]", b'{"do":"sign"}', b'{"do":"show the key","origin":"o"}', b"\xff", b"9"]
)
def test_nonsense_is_refused_and_the_signer_lives(tmp_path, line):
    process = subprocess.Popen(
        [sys.executable, "-I", "-m", "subcritical.ledger.signer", str(tmp_path / "home")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    asked = line + b'\n{"do":"last","origin":"o"}\n'
    answers = process.communicate(asked, timeout=60)[0].splitlines()
    assert "refused" in json.loads(answers[0])
    assert json.loads(answers[1])["size"] == 0


COMMAND = """
import sys
from subcritical.ledger.tlog import LogSigner
sys.stdout.buffer.write(LogSigner(sys.argv[1], bytes.fromhex(sys.argv[2])).sign(sys.stdin.buffer.read()).line)
"""


def command_of(*argv, seed=SEED):
    key = format_verifier_key(LogSigner(ORIGIN, seed).verifier_key).decode()
    return [key, *argv]


def test_a_key_can_stay_with_an_external_program(tmp_path):
    program = [sys.executable, "-c", COMMAND, ORIGIN, SEED.hex()]
    with SignerProcess(tmp_path / "home", command_of(*program)) as signer:
        open_note(sign(signer, tree_of(4)), [LogSigner(ORIGIN, SEED).verifier_key])
        with pytest.raises(LedgerError, match="external command"):
            signer.rotate(ORIGIN)
    assert not (tmp_path / "home/log-key.json").exists()


BY_NAME = COMMAND.replace("import sys", "import os, sys").replace("sys.argv[1]", "os.environ['SUBCRITICAL_LOG']")


def test_the_folder_can_name_the_program_for_every_command(tmp_path):
    home = tmp_path / "home"
    home.mkdir(mode=0o700)
    run = [sys.executable, "-c", BY_NAME, "", SEED.hex()]
    named = home / "signer-command.json"
    named.write_text(json.dumps({"key": command_of()[0], "run": run}))
    with SignerProcess(home) as signer, pytest.raises(LedgerError, match="others may read"):
        signer.key(ORIGIN)
    named.chmod(0o600)
    with SignerProcess(home) as signer:
        for origin in (ORIGIN, "log.example/other"):
            open_note(sign(signer, tree_of(4), origin=origin), [LogSigner(origin, SEED).verifier_key])
            open_note(signer.sign_manifest(origin, "00" * 32), [LogSigner(origin, SEED).verifier_key])
            assert len(signer.sign_statement(origin, b"{}\n")) == 64
    for wrong in ("{", '{"key":"x","run":[]}', '{"key":"x","run":["y"],"z":1}'):
        named.write_text(wrong)
        with SignerProcess(home) as signer, pytest.raises(LedgerError, match="signer ended"):
            signer.key(ORIGIN)
    assert not (home / "log-key.json").exists()


@pytest.mark.parametrize(
    ("program", "match"),
    [
        (["/no/such/program"], "No such file"),
        (["sh", "-c", "echo no >&2; exit 3"], "exit 3"),
        (["sh", "-c", "cat"], "note"),
        ([sys.executable, "-c", COMMAND, ORIGIN, bytes(32).hex()], "made by another key"),
    ],
)
def test_an_external_program_that_fails_signs_nothing(tmp_path, program, match):
    with SignerProcess(tmp_path / "home", command_of(*program)) as signer:
        with pytest.raises(LedgerError, match=match):
            sign(signer, tree_of(4))
        assert signer.last(ORIGIN)[0] == 0


def test_two_signers_of_one_home_never_sign_two_histories(tmp_path):
    """Both race for each size; whatever was signed lies on one history."""
    trees, notes = (tree_of(40), tree_of(40, "other")), []

    def race(signer, tree):
        for size in range(1, 41):
            try:
                notes.append(sign(signer, tree, size))
            except LedgerError:
                time.sleep(0.001)

    with SignerProcess(tmp_path / "home") as one, SignerProcess(tmp_path / "home") as two:
        threads = [threading.Thread(target=race, args=pair) for pair in zip((one, two), trees, strict=True)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    signed = {parse_checkpoint(note[: note.rindex(b"\n\n") + 1]) for note in notes}
    ours = [all(tree.root(c.size) == c.root for c in signed) for tree in trees]
    assert signed
    assert sum(ours) == 1


def test_killed_at_any_moment_it_never_contradicts_a_note_it_gave(tmp_path):
    """20 kills; the histories after each kill differ behind what was signed last."""
    chance, given = random.Random(5), (0, tree_of(0).root())
    leaves = []
    for _ in range(20):
        signer = SignerProcess(tmp_path / "home")
        try:
            size, root = signer.last(ORIGIN)
            assert size >= given[0]
            tree = Tree(leaves[:size])
            assert tree.root() == root
            leaves = leaves[:size]
            killer = threading.Timer(chance.uniform(0.0, 0.05), lambda p=signer._process: p.send_signal(signal.SIGKILL))
            killer.start()
            with contextlib.suppress(LedgerError):  # it was killed
                for _ in range(200):
                    leaves.append(leaf_hash(chance.randbytes(8)))
                    tree.append(leaves[-1])
                    sign(signer, tree)
                    given = tree.size, tree.root()
        finally:
            killer.cancel()
            signer.close()
    with SignerProcess(tmp_path / "home") as signer:
        size, root = signer.last(ORIGIN)
        verify_consistency(*given, size, root, Tree(leaves).consistency_proof(given[0], size))


@pytest.mark.parametrize("rung", probe().available)
def test_a_guest_cannot_read_the_key(tmp_path, rung):
    home = tmp_path / "home"
    key = home / "log-key.json"
    Keys(key)
    code = f"print(len(open({str(key)!r}).read()))"
    said = []
    for shared in ((), ((home, str(home)),)):
        with Containment(run="key", rung=rung, clock=SystemClock()) as containment:
            spec = SandboxSpec(
                name="guest",
                payload=PythonPayload(script=Path("main.py")),
                files={"main.py": code.encode()},
                read_only=shared,
            )
            sandbox = containment.launch(spec)
            assert sandbox.wait(30) is not None
            said.append(sandbox.output())
    assert not said[0].stdout
    assert b"Error" in said[0].stderr
    # Control: what is granted can be seen (as another user, it still cannot be read).
    assert said[1].stdout or b"PermissionError" in said[1].stderr


def test_the_default_home_is_in_the_users_state(monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", "/x/state")
    assert default_home() == Path("/x/state/subcritical")
    monkeypatch.setenv("XDG_STATE_HOME", "relative")
    monkeypatch.setenv("HOME", "/home/ann")
    assert default_home() == Path("/home/ann/.local/state/subcritical")


def test_a_proof_is_not_taken_on_trust(tmp_path):
    state = SigningState(tmp_path / "state")
    signer = LogSigner(ORIGIN, SEED)
    tree = tree_of(9)
    state.sign(Checkpoint(ORIGIN, 5, tree.root(5)), [], signer.sign)
    with pytest.raises(ProofError):
        state.sign(Checkpoint(ORIGIN, 9, tree.root()), [], signer.sign)
    with pytest.raises(ProofError):
        state.sign(Checkpoint(ORIGIN, 9, tree.root()), [bytes(32)] * 3, signer.sign)
