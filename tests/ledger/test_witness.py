"""A witness never cosigns two histories: over real HTTP, in every order, under load, and across kill -9."""

from __future__ import annotations

import contextlib
import http.client
import os
import random
import signal
import socket
import stat
import subprocess
import sys
import threading
import time
from functools import partial

import pytest
from power_cut_files import PowerCut, PowerCutFiles
from witness_world import (
    LOG,
    PATH,
    STRANGER,
    ForgetfulWitness,
    WitnessProcess,
    history,
    log_of,
    note_of,
    policy_of,
    post,
    request,
    witnesses,
)

from subcritical.clock import FakeClock, SystemClock
from subcritical.errors import ConfigError, InputError, LedgerError, SourceError
from subcritical.ledger.log_keys import read_log_keys
from subcritical.ledger.monitor.split_view import check_split_view
from subcritical.ledger.tlog import (
    Cosigner,
    KeyType,
    QuorumError,
    format_verifier_key,
    open_note,
    parse_policy,
)
from subcritical.ledger.tlog.witness_protocol import REQUEST_BYTES_MAX
from subcritical.ledger.witness.client import collect
from subcritical.ledger.witness.server import WitnessServer
from subcritical.ledger.witness.witness import Witness

A, B = history(40), history(40, "b", shared=3)
LONG = history(3000)
KILLS = 8
CUTS = 60


def open_witness(home, clock=None, **more):
    return Witness(home, [LOG.verifier_key], clock or FakeClock(), **more)


# --- the protocol, in the order of its failures


def test_every_status_over_http(tmp_path):
    (process,) = context = (WitnessProcess(tmp_path / "home"),)
    with witnesses(*context):
        other = log_of("log.example/other")
        bad_old = request(A, 5).replace(b"old 0\n", b"old 6\n")
        size_type = "text/x.tlog.size"
        for body, status, kind, said in (
            (b"", 400, "text/plain; charset=utf-8", b"first line"),
            (request(A, 5, log=other), 404, None, b"unknown"),
            (request(A, 5, log=STRANGER), 403, None, b"none of 1 trusted"),
            (request(A, 5).replace(b"\n5\n", b"\n6\n"), 403, None, b"false"),
            (bad_old, 400, None, b"above the checkpoint"),
            (request(A, 5, 3), 409, size_type, b"0\n"),
            (request(A, 5).replace(b"old 0\n", b"old 0\n" + b"A" * 43 + b"=\n"), 422, None, b"must be empty"),
            (request(A, 5), 200, "text/plain; charset=utf-8", b"\xe2\x80\x94 subcritical/witness/"),
            (request(A, 5), 409, size_type, b"5\n"),
            (request(A, 5, 5), 200, None, b"\xe2\x80\x94"),  # asked again, it cosigns again
            (request(B, 5, 5), 422, None, b"both sizes are 5"),
            (request(A, 4, 4), 409, size_type, b"5\n"),
            (request(A, 4, 5), 400, None, b"above"),
            (request(B, 9, 5), 422, None, b"consistency proof"),
            (request(A, 9, 5), 200, None, b"\xe2\x80\x94"),
        ):
            answer = process.ask(body)
            assert answer[0] == status, (body, answer)
            assert kind in {None, answer[1]}
            assert said in answer[2], (body, answer)
        assert process.cosigned(A, 12, 9) == 200


def test_both_keys_cosign_and_a_time_is_stated(tmp_path):
    with open_witness(tmp_path / "home") as witness:
        answer = witness.add_checkpoint(request(A, 5))
        note = note_of(A, 5) + answer.body
        opened = open_note(note, [LOG.verifier_key, *witness.verifier_keys])
        assert [each.time for each in opened.verified] == [None, 1_700_000_000, 1_700_000_000]
        assert {key.kind for key in witness.verifier_keys} == {KeyType.COSIGNER_ED25519, KeyType.COSIGNER_ML_DSA_44}


def test_the_home_is_its_owners_alone_and_outlives_the_process(tmp_path):
    with open_witness(tmp_path / "home", name="witness.example/w") as witness:
        keys = witness.verifier_keys
        assert keys[0].name == "witness.example/w"
        assert witness.add_checkpoint(request(A, 5)).status == 200
        with pytest.raises(InputError, match="another process uses it"):
            open_witness(tmp_path / "home")
    for path in (tmp_path / "home", *(tmp_path / "home").rglob("*")):
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600), path
    with open_witness(tmp_path / "home") as witness:
        assert witness.verifier_keys == keys
        assert witness.add_checkpoint(request(B, 9)).body == b"5\n"
    assert witness.add_checkpoint(request(A, 9, 5)).status == 500  # closed: somebody else may hold the home by now
    with pytest.raises(InputError, match=r"witness\.example/w"):
        open_witness(tmp_path / "home", name="witness.example/other")


def seen_file(home):
    (path,) = (home / "seen").glob("*.json")
    return path


@pytest.mark.parametrize(
    "spoil",
    [
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(b"{}"),
        lambda path: path.write_bytes(path.read_bytes()[:-40]),
        lambda path: path.write_bytes(path.read_bytes().replace(b'"format":1', b'"format":2')),
        lambda path: path.write_bytes(path.read_bytes().replace(b"log.example/main", b"log.example/spam")),
        lambda path: path.write_bytes(path.read_bytes().replace(b'"origin":"log.example/main"', b'"origin":"x"')),
        lambda path: (path.unlink(), path.mkdir()),
        lambda path: (path.unlink(), os.mkfifo(path)),
        lambda path: (path.rename(path.with_suffix(".old")), path.symlink_to(path.with_suffix(".old"))),
    ],
)
def test_an_unreadable_record_gives_500_and_no_signature(tmp_path, spoil):
    with open_witness(tmp_path / "home") as witness:
        witness.add_checkpoint(request(A, 5))
        spoil(seen_file(tmp_path / "home"))
        for body in (request(A, 9, 5), request(A, 5), request(B, 9)):
            answer = witness.add_checkpoint(body)
            assert (answer.status, b"\xe2\x80\x94" in answer.body) == (500, False)
            assert "unreadable" in answer.reason
            assert str(tmp_path) not in answer.body.decode()


def test_a_record_that_cannot_be_stored_gives_500_and_no_signature(tmp_path, monkeypatch):
    def fail(*_):
        raise OSError(28, "No space left on device")

    with open_witness(tmp_path / "home") as witness:
        monkeypatch.setattr("subcritical.ledger.witness.witness.store", fail)
        answer = witness.add_checkpoint(request(A, 5))
        assert (answer.status, b"\xe2\x80\x94" in answer.body) == (500, False)
        monkeypatch.undo()
        assert witness.add_checkpoint(request(B, 9)).status == 200  # nothing was signed, so nothing binds


def test_two_trees_of_one_size_are_kept_as_evidence(tmp_path):
    with open_witness(tmp_path / "home") as witness:
        witness.add_checkpoint(request(A, 9))
        # A false proof with a true note is something anybody can send, and proves nothing against the log.
        assert witness.add_checkpoint(request(B, 12, 9)).status == 422
        assert not (tmp_path / "home/evidence").exists()
        for _ in range(2):
            assert "SPLIT VIEW" in witness.add_checkpoint(request(B, 9, 9)).reason
    (place,) = (tmp_path / "home/evidence").iterdir()
    one, two = (place / "one.note").read_bytes(), (place / "two.note").read_bytes()
    assert check_split_view(one, two)
    for note in (one, two):
        open_note(note, [LOG.verifier_key])


@pytest.mark.parametrize(
    ("spoil", "error", "match"),
    [
        (lambda home: (home / "cosigner-keys.json").chmod(0o640), LedgerError, "others may read"),
        (lambda home: (home / "cosigner-keys.json").write_bytes(b"{"), LedgerError, "not a key file"),
        (lambda home: (home / "mine.txt").write_text("x"), InputError, "it holds 'mine.txt'"),
    ],
)
def test_a_spoilt_home_is_refused_with_what_to_do(tmp_path, spoil, error, match):
    home = tmp_path / "home"
    open_witness(home).close()
    spoil(home)
    with pytest.raises(error, match=match):
        open_witness(home)


def test_a_folder_of_something_else_keeps_its_mode(tmp_path):
    (tmp_path / "home").mkdir(mode=0o755)
    (tmp_path / "home/thesis.txt").write_text("x")
    with pytest.raises(InputError, match="used for something else"):
        open_witness(tmp_path / "home")
    assert stat.S_IMODE((tmp_path / "home").stat().st_mode) == 0o755


@pytest.mark.parametrize("name", ["", "a b", "a+b", "a\nb", "x" * 256])
def test_a_name_that_cannot_be_one_is_refused(tmp_path, name):
    with pytest.raises(InputError, match="name"):
        open_witness(tmp_path / "home", name=name)
    assert not (tmp_path / "home/cosigner-keys.json").exists()


def test_keys_of_logs_are_read_with_the_line_of_a_mistake(tmp_path):
    path = tmp_path / "logs.txt"
    good = format_verifier_key(LOG.verifier_key).decode()
    rotated = format_verifier_key(STRANGER.verifier_key).decode()
    path.write_text(f"# ours\n\n  {good} \r\n{rotated}\n")
    assert read_log_keys(path) == (LOG.verifier_key, STRANGER.verifier_key)
    cosigner = format_verifier_key(Cosigner("w", bytes(32), KeyType.COSIGNER_ED25519).verifier_key).decode()
    for text, match in (
        (f"{good}\nnonsense\n", ":2: verifier key"),
        (f"{good}\n{good}\n", ":2: a second key"),
        (cosigner, ":1: .*witness"),
        ("# none\n", "0 verifier keys"),
        ("\ud800".encode("utf-8", "surrogatepass").decode("latin1"), ":1:"),
    ):
        path.write_text(text)
        with pytest.raises(ConfigError, match=match):
            read_log_keys(path)
    with pytest.raises(ConfigError, match="No such file"):
        read_log_keys(tmp_path / "absent")


# --- what was cosigned binds for ever


def contradicts(ask, cosigned, log=LOG):
    """Whether a witness can be made to cosign another tree of a size that it has cosigned."""
    status, body = ask(request(LONG, LONG.size, LONG.size - 1, log))
    if status == 500:
        return False
    assert status == 409
    recorded = int(body)
    fork = history(LONG.size, "fork", shared=min(recorded, cosigned - 1))
    return ask(request(fork, cosigned, min(recorded, cosigned), log))[0] == 200


# --- power cuts: durable before the answer


def after_power_cut(tmp_path, seed, **planted):
    """Cosign sizes until the power goes; returns the last one answered and the witness of the next boot."""
    chance = random.Random(seed)
    files = PowerCutFiles(cut_after=chance.randint(1, 60), **planted)
    witness = open_witness(tmp_path / "home", files=files)
    old = 0
    try:
        for size in range(1, 20):
            assert witness.add_checkpoint(request(A, size, old)).status == 200
            old = size
    except PowerCut:
        pass
    witness.close()
    return old, open_witness(tmp_path / "home", files=files.power_back(chance))


def answered(witness, body):
    return witness.add_checkpoint(body)[:2]


def outcomes_of_power_cuts(tmp_path, **planted):
    """How often a second history got through, and how often the witness could not go on."""
    contradictions = stuck = 0
    for seed in range(CUTS):
        cosigned, witness = after_power_cut(tmp_path, seed, **planted)
        with witness:
            ask = partial(answered, witness)
            contradictions += cosigned > 0 and contradicts(ask, cosigned)
            stuck += witness.add_checkpoint(request(LONG, 2, 1)).status == 500
    return contradictions, stuck


def test_power_cuts_at_any_operation_neither_let_a_second_history_through_nor_stop_the_witness(tmp_path):
    assert outcomes_of_power_cuts(tmp_path) == (0, 0)


def test_planted_without_a_directory_sync_a_second_history_gets_through(tmp_path):
    assert outcomes_of_power_cuts(tmp_path, directory_syncs=False)[0] > 0


def test_planted_without_a_file_sync_the_witness_is_stuck_but_signs_nothing_false(tmp_path):
    contradictions, stuck = outcomes_of_power_cuts(tmp_path, syncs=False)
    assert (contradictions, stuck > 0) == (0, True)


# --- kill -9 under load


def load(process, log, chance, acknowledged, ended):
    """Grow one log as fast as its witness answers, until it is killed."""
    old = acknowledged.get(log, 0)
    while not ended.is_set() and old < LONG.size - 100:
        size = old + chance.randint(1, 3)
        try:
            status, _, body = process.ask(request(LONG, size, old, log), timeout=20)
        except (OSError, http.client.HTTPException):  # the answer was cut off by the kill
            return
        if status == 200:
            acknowledged[log] = old = size
        elif status == 409:
            old = int(body)


def killed_under_load(home, logs, kind, chance, acknowledged):
    process = WitnessProcess(home, logs, kind)
    ended = threading.Event()
    with witnesses(process):
        rngs = [random.Random(chance.random()) for _ in logs]
        threads = [
            threading.Thread(target=load, args=(process, log, rng, acknowledged, ended))
            for log, rng in zip(logs, rngs, strict=True)
        ]
        for thread in threads:
            thread.start()
        wanted = sum(acknowledged.values()) + chance.choice([1, 10, 40])
        deadline = time.monotonic() + 15
        while sum(acknowledged.values()) < wanted and time.monotonic() < deadline:
            time.sleep(0.001)
        time.sleep(chance.uniform(0, 0.02))
        process.kill()
        ended.set()
        for thread in threads:
            thread.join(30)


def contradictions_after_kills(tmp_path, kind, kills, *, until=False):
    chance = random.Random(7)
    logs = [log_of(f"log.example/{at}") for at in range(3)]
    found, kills_done, acknowledged = 0, 0, {}
    deadline = time.monotonic() + 120
    while kills_done < kills:
        kills_done += 1
        killed_under_load(tmp_path / "home", logs, kind, chance, acknowledged)
        with witnesses(WitnessProcess(tmp_path / "home", logs, kind)) as (process,):
            for log, size in acknowledged.items():
                found += contradicts(lambda body, ask=process.ask: ask(body)[::2], size, log)
        if (until and found) or time.monotonic() > deadline:
            break
    print(f"{kills_done} kills, {sum(acknowledged.values())} entries cosigned, {found} contradictions")
    return found, sum(acknowledged.values())


def test_kill_9_under_load_never_makes_it_contradict_itself(tmp_path):
    found, cosigned = contradictions_after_kills(tmp_path, Witness, KILLS)
    assert found == 0
    assert cosigned > KILLS


def test_planted_an_answer_before_the_record_is_stored_contradicts_itself(tmp_path):
    assert contradictions_after_kills(tmp_path, ForgetfulWitness, 20, until=True)[0] > 0


# --- one of two


def test_of_two_histories_of_one_size_at_once_exactly_one_gets_200(tmp_path):
    trees = [history(9, tag) for tag in "abcd"]
    logs = [log_of(f"log.example/{at}") for at in range(6)]
    with witnesses(WitnessProcess(tmp_path / "home", logs)) as (process,):
        for log in logs:
            statuses = []
            gate = threading.Barrier(len(trees))

            def race(tree, log=log, statuses=statuses, gate=gate):
                gate.wait(30)
                statuses.append(process.ask(request(tree, 9, 0, log))[0])

            threads = [threading.Thread(target=race, args=(tree,)) for tree in trees]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join(60)
            assert sorted(statuses) == [200, 409, 409, 409]
            asked_again = [process.ask(request(tree, 9, 9, log))[0] for tree in trees]
            assert sorted(asked_again) == [200, 422, 422, 422]


class MeetingWitness(Witness):
    """Two requests that have both read the record before either has stored, if they can."""

    meeting = None

    def _recorded(self, origin):
        seen = super()._recorded(origin)
        if self.meeting is not None:
            with contextlib.suppress(threading.BrokenBarrierError):
                self.meeting.wait(1)
        return seen


def race_of_two(witness):
    witness.meeting = threading.Barrier(2)
    statuses = []
    threads = [
        threading.Thread(target=lambda tree=tree: statuses.append(witness.add_checkpoint(request(tree, 9)).status))
        for tree in (A, B)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    return sorted(statuses)


def test_the_lock_holds_from_reading_the_record_to_the_signature(tmp_path):
    with MeetingWitness(tmp_path / "home", [LOG.verifier_key], FakeClock()) as witness:
        assert race_of_two(witness) == [200, 409]


def test_planted_without_the_lock_two_histories_are_cosigned_at_once(tmp_path):
    with MeetingWitness(tmp_path / "home", [LOG.verifier_key], FakeClock()) as witness:
        witness._locks.clear()
        assert 200 in (statuses := race_of_two(witness))
        assert statuses in ([200, 200], [200, 500])  # two writers can also be in each other's way


# --- a split view against a quorum of 2 of 3


def quorum_of(processes, tree, size):
    """Whether a checkpoint gets 2 of 3, and what the witnesses that refuse say."""
    policy = policy_of(processes)
    got = collect(note_of(tree, size), tree, policy, timeout_s=60)
    try:
        return policy.check(got.note).witnesses, got.unanswered
    except QuorumError:
        return None, got.unanswered


def forget(process, tmp_path, name):
    """Collusion: the operator of a witness removes its record and starts it again."""
    process.kill()
    seen_file(tmp_path / name).unlink()
    return WitnessProcess(tmp_path / name)


def test_two_histories_under_one_key_do_not_both_get_a_quorum_unless_two_witnesses_collude(tmp_path):
    names = ("w0", "w1", "w2")
    processes = [WitnessProcess(tmp_path / name) for name in names]
    try:
        assert quorum_of(processes, A, 10) == (names, ())
        # The log shows another history of the same size: everybody refuses.
        counted, refused = quorum_of(processes, B, 10)
        assert counted is None
        assert [each.contradicted for each in refused] == [True, True, True]
        # And a longer one.
        assert quorum_of(processes, B, 20)[0] is None

        # One witness colludes and forgets: it cosigns, and that is 1 of 3.
        processes[0] = forget(processes[0], tmp_path, "w0")
        counted, refused = quorum_of(processes, B, 20)
        assert counted is None
        assert [each.names for each in refused] == [("w1",), ("w2",)]

        # Two collude: NOT caught. A quorum protects as long as more than n - k of the n are honest, here 2 of 3; it
        # takes somebody who sees both histories (a monitor with a mirror, the third witness) to find this.
        processes[1] = forget(processes[1], tmp_path, "w1")
        counted, refused = quorum_of(processes, B, 20)
        assert counted == ("w0", "w1")
        # The third one does see it, and says so.
        assert [(each.names, each.contradicted) for each in refused] == [(("w2",), True)]
        # From now on it is the first history that gets no quorum.
        assert quorum_of(processes, A, 30)[0] is None
    finally:
        for process in processes:
            process.kill()


def test_a_split_view_shown_to_different_witnesses_first_leaves_at_most_one_quorum(tmp_path):
    processes = [WitnessProcess(tmp_path / name) for name in ("w0", "w1", "w2")]
    with witnesses(*processes):
        # The log shows A to the first and B to the second; whichever the third sees gets its quorum, the other never.
        assert processes[0].cosigned(A, 10) == 200
        assert processes[1].cosigned(B, 10) == 200
        assert quorum_of(processes, A, 10)[0] == ("w0", "w2")
        assert quorum_of(processes, B, 10)[0] is None
        assert quorum_of(processes, B, 30)[0] is None


# --- hostile clients


def raw(address, data, timeout=30):
    """What comes back for raw bytes, until the other side closes."""
    with socket.create_connection(address, timeout) as connection:
        connection.sendall(data)
        connection.shutdown(socket.SHUT_WR)
        answer = b""
        while piece := connection.recv(65536):
            answer += piece
        return answer


def test_only_this_path_this_method_and_a_length(tmp_path):
    body = request(A, 5)
    with witnesses(WitnessProcess(tmp_path / "home")) as (process,):
        at = process.address
        for method, path, headers, status in (
            ("POST", "/", {}, 404),
            ("POST", PATH + "/", {}, 404),
            ("POST", PATH + "?x", {}, 404),
            ("POST", "/../add-checkpoint", {}, 404),
            ("GET", PATH, {}, 405),
            ("PUT", PATH, {}, 405),
            ("DELETE", "/", {}, 405),
            ("POST", PATH, {"Content-Length": "-1"}, 400),
            ("POST", PATH, {"Content-Length": "0x10"}, 400),
            ("POST", PATH, {"Content-Length": "1_0"}, 400),
            ("POST", PATH, {"Content-Length": str(REQUEST_BYTES_MAX + 1)}, 413),
            ("POST", PATH, {"Content-Length": "9" * 200}, 400),
        ):
            assert post(at, body, method=method, path=path, headers=headers)[0] == status, (method, path, headers)
        assert raw(at, b"POST /add-checkpoint HTTP/1.1\r\n\r\n").startswith(b"HTTP/1.0 411 ")
        chunked = b"POST /add-checkpoint HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n"
        assert raw(at, chunked + b"0\r\n\r\n").startswith(b"HTTP/1.0 411 ")
        twice = b"POST /add-checkpoint HTTP/1.1\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nxxxxxx"
        assert raw(at, twice).startswith(b"HTTP/1.0 400 ")
        with contextlib.suppress(ConnectionError):  # or it has closed before it took all of it
            assert post(at, b"x" * 3_000_000)[0] == 413
        assert process.cosigned(A, 5) == 200


def test_garbage_is_answered_or_dropped_and_never_reaches_the_log_raw(tmp_path):
    chance = random.Random(3)
    evil = "\x1b[2J\u202eevil"
    hostile_log = log_of(f"log.example/{evil}".replace("\x1b", ""))
    with witnesses(WitnessProcess(tmp_path / "home", request_s=5)) as (process,):
        at = process.address
        for data in (
            b"\x00" * 100,
            b"\r\n\r\n",
            b"GET\r\n\r\n",
            b"POST /add-checkpoint HTTP/9.9\r\n\r\n",
            b"POST \x1b[31m HTTP/1.1\r\nContent-Length: 1\r\n\r\nx",
            b"X" * 70_000 + b"\r\n",
            b"POST /add-checkpoint HTTP/1.1\r\n" + b"A: b\r\n" * 200 + b"\r\n",
            b"POST /add-checkpoint HTTP/1.1\r\nA: " + b"b" * 70_000 + b"\r\n\r\n",
            b"POST /add-checkpoint HTTP/1.1\r\nContent-Length: 50\r\n\r\nhalf",
            *(chance.randbytes(chance.randint(1, 3000)) for _ in range(20)),
        ):
            answer = raw(at, data)
            assert b"Traceback" not in answer
            assert b"\x1b" not in answer
        assert process.ask(request(A, 5, log=hostile_log))[0] == 404
        for _ in range(60):  # mutations of a good request: never a signature
            body = bytearray(request(A, 5))
            body[chance.randrange(len(body))] ^= 1 << chance.randrange(8)
            assert process.ask(bytes(body))[0] in {400, 403, 404, 409, 422}
        assert process.cosigned(A, 5) == 200
        logged = process.log()
        assert "404" in logged
        assert "evil" in logged
        assert all(character.isprintable() or character == "\n" for character in logged)
        assert "\u202e" not in logged
        assert "Traceback" not in logged


def slow_clients(address, count, stop):
    """Half-open connections and drips of one byte; they come back when they are cut."""
    while not stop.is_set():
        open_ones = []
        for at in range(count):
            try:
                connection = socket.create_connection(address, 10)
                if at % 3:
                    connection.sendall(b"POST /add-checkpoint HTTP/1.1\r\n")
                if at % 3 == 2:
                    connection.sendall(b"Content-Length: 100\r\n\r\nold")
                open_ones.append(connection)
            except OSError:
                pass
        for _ in range(5):
            for connection in open_ones:
                with contextlib.suppress(OSError):
                    connection.sendall(b"A")
            stop.wait(0.1)
        for connection in open_ones:
            connection.close()


def test_slow_and_half_open_clients_block_nobody_and_are_cut(tmp_path):
    stop = threading.Event()
    with witnesses(WitnessProcess(tmp_path / "home", threads=8, request_s=2)) as (process,):
        attackers = [threading.Thread(target=slow_clients, args=(process.address, 10, stop)) for _ in range(3)]
        for attacker in attackers:
            attacker.start()
        try:
            old = 0
            for size in range(1, 11):
                for _ in range(20):  # one that is still sending can itself be cut under such a flood: ask again
                    try:
                        status = process.cosigned(A, size, old)
                    except OSError:
                        continue
                    break
                assert status in {200, 409}
                old = size
            threads = len(os.listdir(f"/proc/{process.pid}/task"))
            assert threads <= 2 * 8  # a place is free a moment before its thread has ended
        finally:
            stop.set()
            for attacker in attackers:
                attacker.join(60)
        # A drip that keeps each single wait short is cut at the deadline of the whole request.
        with socket.create_connection(process.address, 30) as drip:
            began = time.monotonic()
            with contextlib.suppress(OSError):
                while time.monotonic() - began < 60:
                    drip.sendall(b"P")
                    time.sleep(0.05)
            assert time.monotonic() - began < 60


class PatientServer(WitnessServer):
    """The planted failure: a deadline for each byte, and nobody is cut to make room."""

    def _cut(self, connection):
        pass


def test_planted_without_a_cut_slow_clients_keep_everybody_out(tmp_path):
    with witnesses(WitnessProcess(tmp_path / "home", server=PatientServer, threads=4, request_s=30)) as (process,):
        slow = [socket.create_connection(process.address, 10) for _ in range(4)]
        for _ in range(3):
            with pytest.raises(OSError):
                process.cosigned(A, 5)  # closed after a second without a free thread
        for connection in slow:
            connection.close()
        assert process.cosigned(A, 5) == 200


# --- the command


def test_the_command_prints_its_policy_lines_and_serves_until_it_is_told(tmp_path):
    logs = tmp_path / "logs.txt"
    logs.write_bytes(format_verifier_key(LOG.verifier_key) + b"\n")
    # Whoever runs the tests in the background may have SIGINT ignored, and children inherit that.
    code = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
    code += "from subcritical.cli.witness import witness; witness()"
    command = [
        sys.executable,
        "-c",
        code,
        "--home",
        str(tmp_path / "home"),
        "--logs",
        str(logs),
        "--name",
        "w.example/1",
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        try:
            lines = [process.stdout.readline() for _ in range(4)]
            policy = parse_policy(b"".join(lines) + b"quorum w.example/1\n")
            url = policy.witnesses[0].url
            assert lines[3] == b"# listening on %s/add-checkpoint\n" % url.encode()
            host, port = url.removeprefix("http://").split(":")
            assert host == "127.0.0.1"
            status, _, body = post((host, int(port)), request(A, 5))
            assert status == 200
            keys = [witness.key for witness in policy.witnesses]
            assert len(open_note(note_of(A, 5) + body, keys).verified) == 2
            assert b"200 log.example/main size 5" in process.stderr.readline()
        finally:
            process.send_signal(signal.SIGINT)
            said = process.stderr.read().decode()
            assert process.wait(60) == 130
    assert said == "stopped by the operator\n"


def test_an_address_that_cannot_be_had_is_said_in_one_line(tmp_path):
    with open_witness(tmp_path / "home") as witness, WitnessServer(witness, log=print) as server:
        port = server.server_address[1]
        with pytest.raises(SourceError, match=f"127.0.0.1:{port}"):
            WitnessServer(witness, port=port, log=print)
        for host, number in (("localhost", 0), ("::1", 0), ("127.0.0.1", 70_000), ("\x1b", 0)):
            with pytest.raises(InputError, match="witness"):
                WitnessServer(witness, host, number, log=print)


def test_the_system_clock_is_the_default_of_a_real_witness(tmp_path):
    with open_witness(tmp_path / "home", SystemClock()) as witness:
        answer = witness.add_checkpoint(request(A, 5))
        (first, _) = open_note(note_of(A, 5) + answer.body, witness.verifier_keys).verified
        assert first.time > 1_700_000_000
