"""Two histories under one log key, and witnesses in processes of their own on loopback."""

from __future__ import annotations

import contextlib
import http.client
import os
import signal
import threading
import time

from subcritical.clock import SystemClock
from subcritical.ledger.tlog import (
    AddCheckpoint,
    Checkpoint,
    LogSigner,
    Note,
    Policy,
    PolicyGroup,
    PolicyLog,
    PolicyWitness,
    Tree,
    format_add_checkpoint,
    format_checkpoint,
    format_note,
    format_verifier_key,
    leaf_hash,
    parse_signatures,
    parse_verifier_key,
)
from subcritical.ledger.witness.server import WitnessServer
from subcritical.ledger.witness.witness import Witness

ORIGIN = "log.example/main"
LOG = LogSigner(ORIGIN, bytes([1]) * 32)
STRANGER = LogSigner(ORIGIN, bytes([9]) * 32)
PATH = "/add-checkpoint"


def log_of(origin):
    return LogSigner(origin, bytes([1]) * 32)


def history(count, tag="a", shared=0):
    """A tree of `count` entries of which the first `shared` are those of history `a`."""
    return Tree(leaf_hash(f"{'a' if at < shared else tag} {at}".encode()) for at in range(count))


def note_of(tree, size=None, log=LOG, root=None):
    size = tree.size if size is None else size
    text = format_checkpoint(Checkpoint(log.verifier_key.name, size, tree.root(size) if root is None else root))
    return format_note(Note(text, (log.sign(text),)))


def request(tree, size, old=0, log=LOG):
    proof = tree.consistency_proof(old, size) if old <= size else ()
    return format_add_checkpoint(AddCheckpoint(old, tuple(proof), note_of(tree, size, log)))


class WitnessProcess:
    """A forked witness; what it writes into its log comes down a pipe that is read only at its end."""

    def __init__(self, home, logs=(LOG,), kind=Witness, server=WitnessServer, **limits):
        self.home, self.server, self.limits = home, server, limits
        deadline = time.monotonic() + 10
        while threading.active_count() > 1 and time.monotonic() < deadline:
            time.sleep(0.01)  # a fork copies one thread, and whatever locks the others hold
        reading, writing = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            try:
                os.close(reading)
                self._serve(home, [log.verifier_key for log in logs], kind, writing)
            finally:
                os._exit(1)
        os.close(writing)
        with os.fdopen(reading, "rb") as said:
            lines = said.read().decode().split("\n")
        assert lines[0].startswith("http://"), lines
        self.url = lines[0]
        self.keys = tuple(parse_verifier_key(line.encode()) for line in lines[1:3])

    def _serve(self, home, keys, kind, writing):
        witness = kind(home, keys, SystemClock())
        log = (home.parent / f"{home.name}.log").open("a", buffering=1)
        server = self.server(witness, log=lambda line: log.write(line + "\n"), **self.limits)
        said = [server.url, *(format_verifier_key(key).decode() for key in witness.verifier_keys)]
        os.write(writing, "\n".join(said).encode())
        os.close(writing)
        server.serve_forever(0.05)

    @property
    def address(self):
        host, port = self.url.removeprefix("http://").split(":")
        return host, int(port)

    def log(self):
        return (self.home.parent / f"{self.home.name}.log").read_text()

    def ask(self, body, timeout=60):
        return post(self.address, body, timeout)

    def cosigned(self, tree, size, old=0, log=LOG):
        """Status, and the checked times of the cosignatures of a request."""
        status, _, body = self.ask(request(tree, size, old, log))
        if status != 200:
            return status
        text = note_of(tree, size, log).partition(b"\n\n")[0] + b"\n"
        for key, signature in zip(self.keys, parse_signatures(body), strict=True):
            assert key.verify(text, signature) > 1_600_000_000
        return status

    def kill(self):
        if self.pid:
            os.kill(self.pid, signal.SIGKILL)
            _, status = os.waitpid(self.pid, 0)
            self.pid = 0
            assert os.WIFSIGNALED(status), "it had ended before it was killed"


@contextlib.contextmanager
def witnesses(*processes):
    try:
        yield processes
    finally:
        for process in processes:
            process.kill()


def post(address, body, timeout=60, method="POST", path=PATH, headers=None):
    connection = http.client.HTTPConnection(*address, timeout=timeout)
    try:
        connection.request(method, path, body, headers or {})
        answer = connection.getresponse()
        return answer.status, answer.getheader("Content-Type"), answer.read()
    finally:
        connection.close()


def policy_of(processes, threshold=2):
    """Each process once, by its ML-DSA-44 key."""
    named = tuple(PolicyWitness(f"w{at}", each.keys[1], each.url) for at, each in enumerate(processes))
    group = PolicyGroup("quorum", threshold, tuple(witness.name for witness in named))
    return Policy((PolicyLog(LOG.verifier_key),), named, (group,), "quorum")


class ForgetfulWitness(Witness):
    """The planted failure: the answer leaves first, the record is stored a moment later."""

    def __init__(self, *args, **more):
        super().__init__(*args, **more)
        self.later = {}

    def _recorded(self, origin):
        return self.later.get(origin) or super()._recorded(origin)

    def _store(self, seen):
        if not self.later.get(seen.origin):  # one write at a time, of whatever is newest by then
            threading.Timer(0.05, self._write, [seen.origin]).start()
        self.later[seen.origin] = seen

    def _write(self, origin):
        super()._store(self.later[origin])
        self.later.pop(origin)
