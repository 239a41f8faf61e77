"""The client believes a witness nothing but a signature that it has checked, and waits for none."""

from __future__ import annotations

import contextlib
import http.server
import threading
import time

import pytest
from witness_world import LOG, STRANGER, WitnessProcess, history, log_of, note_of, policy_of, witnesses

from subcritical.clock import FakeClock
from subcritical.errors import InputError, LedgerError, SourceError
from subcritical.ledger.tlog import (
    Cosigner,
    KeyType,
    Policy,
    PolicyLog,
    PolicyWitness,
    SignatureError,
    open_note,
    parse_note,
)
from subcritical.ledger.tlog._schemes import message
from subcritical.ledger.witness.client import ContradictionError, _Prover, collect, submit
from subcritical.ledger.witness.server import WitnessServer
from subcritical.ledger.witness.witness import Witness

A, B = history(40), history(40, "b", shared=3)
KEY = Cosigner("w.example/1", bytes([3]) * 32)
OTHER = Cosigner("w.example/2", bytes([4]) * 32)
CLASSICAL = Cosigner("w.example/3", bytes([5]) * 32, KeyType.COSIGNER_ED25519)
CLOSED = "http://127.0.0.1:9"


@contextlib.contextmanager
def served(tmp_path, name="home"):
    """A true witness in a thread."""
    with (
        Witness(tmp_path / name, [LOG.verifier_key], FakeClock()) as witness,
        WitnessServer(witness, log=lambda _: None) as server,
    ):
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


@contextlib.contextmanager
def lying(answer):
    """A witness that says `answer(body)`: status, body, headers. Its requests are kept."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            server.asked.append((self.path, body))
            status, said, headers = answer(body)
            with contextlib.suppress(OSError):
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.end_headers()
                for piece in said if isinstance(said, list) else [said]:
                    self.wfile.write(piece)
                    time.sleep(0.05 if isinstance(said, list) else 0)

        do_GET = do_POST  # noqa: N815

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    server.block_on_close = False
    server.asked = []
    server.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        with server:
            yield server
    finally:
        server.shutdown()
        thread.join()


def cosignature(signer, tree, size, at=1_700_000_000):
    return signer.sign(parse_note(note_of(tree, size)).text, at)


def test_a_log_grows_and_each_checkpoint_is_cosigned(tmp_path):
    with served(tmp_path) as server:
        keys = server.witness.verifier_keys
        old = 0
        for size in (0, 1, 4, 4, 9, 40):
            note = note_of(A, size)
            # Without a guess it asks twice; with the right one once. A wrong one costs a question and no more.
            for guess in (0, old, size, 40):
                signatures = submit(server.url + "/", note, A, keys, old_size=guess)
                assert [signature.key_id for signature in signatures] == [key.key_id for key in keys]
            old = size


def test_only_keys_that_are_known_count(tmp_path):
    with served(tmp_path) as server:
        lattice = server.witness.verifier_keys[1]
        assert [s.key_id for s in submit(server.url, note_of(A, 5), A, [lattice])] == [lattice.key_id]
        with pytest.raises(SourceError, match="without a signature of the key"):
            submit(server.url, note_of(A, 9), A, [KEY.verifier_key])


def test_what_a_witness_has_seen_and_this_does_not_continue_is_a_contradiction(tmp_path):
    with served(tmp_path) as server:
        keys = server.witness.verifier_keys
        submit(server.url, note_of(A, 9), A, keys)
        for tree, size, match in ((B, 20, "second history"), (B, 9, "second history"), (A, 5, "size 9.*shortened")):
            with pytest.raises(ContradictionError, match=match):
                submit(server.url, note_of(tree, size), tree, keys)


def test_a_checkpoint_that_is_not_of_the_tree_or_not_signed_is_not_sent():
    with pytest.raises(LedgerError, match="not of this log"):
        submit(CLOSED, note_of(B, 9), A, [KEY.verifier_key])
    with pytest.raises(LedgerError, match="not of this log"):
        submit(CLOSED, note_of(A, 9), history(5), [KEY.verifier_key])
    with pytest.raises(SignatureError):
        collect(note_of(A, 9, log=STRANGER), A, Policy((PolicyLog(LOG.verifier_key),), (), (), None))


@pytest.mark.parametrize(
    ("answer", "match"),
    [
        ((200, b"", {}), "newline"),
        ((200, b"hello\n", {}), "signature line"),
        ((200, cosignature(OTHER, A, 9).line, {}), "without a signature"),
        ((200, cosignature(KEY, B, 9).line, {}), "false, or made for another"),
        ((200, cosignature(KEY, A, 8).line, {}), "false, or made for another"),
        ((200, cosignature(CLASSICAL, A, 9).line * 101, {}), "more than 100"),
        ((200, b"x" * 3_000_000, {}), "bytes"),
        ((404, b"unknown \x1b[31m\xe2\x80\xae\n", {}), r"status 404, .*\\x1b\[31m"),
        ((403, b"", {}), "status 403"),
        ((500, b"", {}), "status 500"),
        ((503, b"", {"Retry-After": "9"}), "status 503"),
        ((302, b"", {"Location": "http://127.0.0.1:1/secret"}), "status 302"),
        ((307, b"", {"Location": "file:///etc/passwd"}), "status 307"),
        ((409, b"many\n", {}), "no size"),
        ((409, b"5\n", {}), "status 409"),  # again and again: one retry is all
        ((409, b"9223372036854775807\n", {}), "shortened"),
        ((422, b"", {}), "second history"),
        ((200, b"", {"Content-Length": "70"}), "no answer|newline"),
        ((200, b"", {"Transfer-Encoding": "chunked"}), "no answer|newline"),
    ],
)
def test_whatever_a_lying_witness_says_is_one_clear_error(answer, match):
    with lying(lambda _: answer) as server:
        with pytest.raises((SourceError, LedgerError), match=match) as caught:
            submit(server.url, note_of(A, 9), A, [KEY.verifier_key], timeout_s=30)
        assert "\x1b" not in str(caught.value)
        assert len(server.asked) <= 2
        assert {path for path, _ in server.asked} == {"/add-checkpoint"}


def test_a_cosignature_without_a_time_does_not_count():
    zero = cosignature(KEY, A, 9).line
    with lying(lambda _: (200, zero, {})) as server:
        assert submit(server.url, note_of(A, 9), A, [KEY.verifier_key])
    no_time = KEY._signature(bytes(8) + KEY._private.sign(_message_at_0(A, 9)))
    with lying(lambda _: (200, no_time.line, {})) as server, pytest.raises(SourceError, match="no time"):
        submit(server.url, note_of(A, 9), A, [KEY.verifier_key])


def _message_at_0(tree, size):
    return message(KeyType.COSIGNER_ML_DSA_44, KEY.verifier_key.name, parse_note(note_of(tree, size)).text, 0)


def test_a_drip_and_a_dead_port_end_with_the_time_that_was_given():
    with lying(lambda _: (200, [b"x"] * 400, {})) as server:
        began = time.monotonic()
        with pytest.raises(SourceError, match="no answer within 1 s"):
            submit(server.url, note_of(A, 9), A, [KEY.verifier_key], timeout_s=1)
        assert time.monotonic() - began < 15
    with pytest.raises(SourceError, match=r"no answer: .*refused"):
        submit(CLOSED, note_of(A, 9), A, [KEY.verifier_key])


@pytest.mark.parametrize(
    "url",
    ["", "w.example", "file:///etc/passwd", "ftp://w.example", "http://", "http://u:p@w.example", "http://w.example/?q",
     "http://w.example/#f", "http://w.example:0", "http://w.example:x", "http://w.example/a b", "http://w\n.example"],
)  # fmt: skip
def test_a_url_that_cannot_be_one_is_said_to_be_none(url):
    with pytest.raises(InputError, match="witness URL"):
        submit(url, note_of(A, 9), A, [KEY.verifier_key])


# --- several


def test_collect_asks_everybody_at_once_and_names_who_did_not_answer(tmp_path):
    names = ("w0", "w1", "w2")
    processes = [WitnessProcess(tmp_path / name) for name in names]
    with witnesses(*processes), lying(lambda _: (200, [b"x"] * 400, {})) as slow:
        base = policy_of(processes)
        more = (
            PolicyWitness("silent", KEY.verifier_key),
            PolicyWitness("slow", OTHER.verifier_key, slow.url),
            PolicyWitness("gone", Cosigner("g", bytes([5]) * 32).verifier_key, CLOSED),
        )
        policy = Policy(base.logs, base.witnesses + more, base.groups, base.quorum)
        got = collect(note_of(A, 10), A, policy, timeout_s=5)
        satisfied = policy.check(got.note)
        assert satisfied.witnesses == names == got.cosigned
        assert [(each.names, each.contradicted) for each in got.unanswered] == [(("slow",), False), (("gone",), False)]
        assert "within 5 s" in got.unanswered[0].why
        assert got.unanswered[1].url == CLOSED

        processes[1].kill()
        grown = collect(note_of(A, 20), A, policy, old_size=10, timeout_s=5)
        assert policy.check(grown.note).witnesses == ("w0", "w2")
        again = collect(got.note, A, policy, timeout_s=5)
        assert [each.names for each in again.unanswered if each.contradicted] == [("w0",), ("w2",)]
        assert again.note == got.note  # what it had stays


def test_new_cosignatures_replace_older_ones_of_the_same_key_and_keep_strangers(tmp_path):
    with served(tmp_path) as server:
        classical, lattice = server.witness.verifier_keys
        witness = (PolicyWitness("c", classical, server.url), PolicyWitness("l", lattice, server.url))
        policy = Policy((PolicyLog(LOG.verifier_key),), witness, (), None)
        note = note_of(A, 10) + cosignature(OTHER, A, 10).line
        first = collect(note, A, policy)
        assert first.cosigned == ("c", "l")
        server.witness._clock.advance(50 * 1_000_000_000)
        second = collect(first.note, A, policy)
        assert len(parse_note(second.note).signatures) == len(parse_note(first.note).signatures) == 4
        keys = [LOG.verifier_key, OTHER.verifier_key, classical, lattice]
        times = {each.key.key_id: each.time for each in open_note(second.note, keys).verified}
        assert times[lattice.key_id] == times[classical.key_id] == 1_700_000_050


def test_keys_at_one_address_are_asked_once_and_one_that_does_not_sign_is_named():
    line = cosignature(KEY, A, 9).line
    with lying(lambda _: (200, line, {})) as server:
        witness = (
            PolicyWitness("one", KEY.verifier_key, server.url),
            PolicyWitness("two", OTHER.verifier_key, server.url),
        )
        got = collect(note_of(A, 9), A, Policy((PolicyLog(LOG.verifier_key),), witness, (), None))
        assert len(server.asked) == 1
    assert got.cosigned == ("one",)
    assert [(each.names, each.why) for each in got.unanswered] == [
        (("two",), f"witness {server.url}: no cosignature of this key")
    ]


def test_the_tree_is_not_touched_once_the_time_is_over():
    tree = history(9)
    prover = _Prover(note_of(tree), tree)
    assert prover.request(3)
    prover.close()
    with pytest.raises(SourceError, match="too late"):
        prover.request(3)


def test_another_origin_is_refused_by_the_witness_and_named(tmp_path):
    other = log_of("log.example/other")
    with served(tmp_path) as server:
        witness = (PolicyWitness("w", server.witness.verifier_keys[1], server.url),)
        got = collect(note_of(A, 9, log=other), A, Policy((PolicyLog(other.verifier_key),), witness, (), None))
    assert "status 404" in got.unanswered[0].why
