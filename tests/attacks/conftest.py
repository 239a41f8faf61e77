"""Attacks run as real programs in real sandboxes, once per rung that works for the user who runs the tests."""

import contextlib
import hashlib
import json
import os
import re
import secrets
import select
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from subcritical.clock import SystemClock
from subcritical.sandbox import Containment, Limits, PythonPayload, Rung, SandboxSpec, probe

PAYLOADS = Path(__file__).parent / "payloads"
SMALL = Limits(memory_bytes=256 << 20, processes=40, disk_bytes=8 << 20, inodes=512, cpu_s=20, output_bytes=1 << 16)
ORDERS, WITNESS = 7, 10
"""Descriptors inside: settings come over the first; whoever is alive holds the second open."""


def pytest_generate_tests(metafunc):
    """`rung`: the rungs the attack catalogue is about. `every_rung`: also the weakest that works."""
    for name, wanted in (("rung", (Rung.R1, Rung.R2)), ("every_rung", tuple(Rung))):
        if name in metafunc.fixturenames:
            found = [rung for rung in probe().available if rung in wanted]
            metafunc.parametrize(
                name, found or [pytest.param(None, marks=pytest.mark.skip("no rung works here"))], ids=str
            )


class Attack:
    """One payload in one sandbox: what it said, how it ended, and whether anything of it is alive."""

    def __init__(self, containment, sandbox, orders, witness, started):
        self.containment = containment
        self.sandbox = sandbox
        self.witness = witness
        self.exit = None
        self._orders = orders
        self._started = started

    def tell(self, settings):
        """Send one line of settings."""
        os.write(self._orders, json.dumps(settings).encode() + b"\n")

    def finish(self, timeout_s=25.0):
        """Wait for the end; what is still running then is killed, and `exit` stays None."""
        self.exit = self.sandbox.wait(timeout_s)
        if self.exit is None:
            self.sandbox.handle.kill(10.0)
        print(f"[{self.sandbox.rung}] {self.exit} after {time.monotonic() - self._started:.2f} s; {self.stderr[-400:]}")
        return self

    @property
    def stderr(self):
        return self.sandbox.output().stderr.decode("utf-8", "backslashreplace")

    @property
    def said(self):
        """One JSON object per line, merged; other lines are left out."""
        found = {}
        for line in self.sandbox.output().stdout.decode("utf-8", "backslashreplace").splitlines():
            with contextlib.suppress(ValueError):
                found.update(json.loads(line))
        return found

    def until_said(self, key, timeout_s=20.0):
        end = time.monotonic() + timeout_s
        while key not in self.said:
            assert time.monotonic() < end, f"no {key!r} within {timeout_s} s: {self.said} {self.stderr}"
            time.sleep(0.01)
        return self.said[key]

    def all_gone(self, timeout_s=5.0):
        """Whether every holder of the witness descriptor is dead: the kernel's word, not ours."""
        return ended(self.witness, timeout_s)


def ended(descriptor, timeout_s):
    end = time.monotonic() + timeout_s
    poll = select.poll()
    poll.register(descriptor, select.POLLIN | select.POLLHUP)
    while (left := end - time.monotonic()) > 0:
        if poll.poll(left * 1000) and os.read(descriptor, 65536) == b"":
            return True
    return False


@pytest.fixture
def attack():
    """Starts `payloads/FILE` with the probes named; settings follow over a pipe."""
    with contextlib.ExitStack() as undo:

        def begin(
            rung, file, probes, *, without=(), limits=SMALL, settings=None, containment=None, name="attack", **spec
        ):
            if containment is None:
                containment = Containment(run="attack", rung=rung, clock=SystemClock(), _without=frozenset(without))
                undo.callback(containment.close)
            orders_in, orders_out = os.pipe2(os.O_CLOEXEC)
            witness_in, witness_out = os.pipe2(os.O_CLOEXEC)
            undo.callback(os.close, orders_out)
            undo.callback(os.close, witness_in)
            started = time.monotonic()
            try:
                sandbox = containment.launch(
                    SandboxSpec(
                        name=name,
                        payload=PythonPayload(script=Path("attack.py"), argv=tuple(probes)),
                        limits=limits,
                        files={"attack.py": (PAYLOADS / file).read_bytes(), **spec.pop("files", {})},
                        pass_fds={ORDERS: orders_in, WITNESS: witness_out, **spec.pop("pass_fds", {})},
                        **spec,
                    )
                )
            finally:
                os.close(orders_in)
                os.close(witness_out)
            begun = Attack(containment, sandbox, orders_out, witness_in, started)
            if settings is not None:
                begun.tell(settings)
            return begun

        yield begin


@pytest.fixture
def uncontained():
    """The same payload as a plain process in its own group: the control of what no `_without` can take away."""
    with contextlib.ExitStack() as undo:

        def begin(file, probes, settings, directory):
            orders_in, orders_out = os.pipe2(os.O_CLOEXEC)
            witness_in, witness_out = os.pipe2(os.O_CLOEXEC)
            undo.callback(os.close, witness_in)
            os.write(orders_out, json.dumps(settings).encode() + b"\n")
            os.close(orders_out)
            begin = f"import os,sys; os.dup2({orders_in},90); os.dup2({witness_out},91); os.dup2(90,{ORDERS}); os.dup2(91,{WITNESS}); os.closerange(11,100); [os.set_inheritable(n,True) for n in ({ORDERS},{WITNESS})]; os.execv(sys.executable,[sys.executable,'-I','-S',*sys.argv[1:]])"
            process = subprocess.Popen(
                [sys.executable, "-I", "-S", "-c", begin, str(PAYLOADS / file), *probes],
                pass_fds=(orders_in, witness_out),
                cwd=directory,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            os.close(orders_in)
            os.close(witness_out)
            undo.callback(process.stdout.close)
            undo.callback(process.wait, 20)
            undo.callback(process.kill)
            return process, witness_in

        yield begin


@pytest.fixture
def open_directory():
    """A directory of the host that every user may read: what protects it is the sandbox, not its mode."""
    directory = Path(tempfile.mkdtemp(prefix="attack-"))
    directory.chmod(0o755)
    yield directory
    shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture
def victim():
    """A process of the payload's own host user that ends when it gets SIGURG (which harms nobody else)."""
    started = []

    def begin(sandbox):
        code = "import signal; signal.pthread_sigmask(signal.SIG_BLOCK,{signal.SIGURG}); print('up',flush=True); signal.sigtimedwait({signal.SIGURG},40)"
        person = {} if sandbox.uid is None else {"user": sandbox.uid, "group": sandbox.uid, "extra_groups": []}
        python = "/usr/bin/python3" if sandbox.uid is not None else sys.executable
        started.append(
            subprocess.Popen([python, "-I", "-S", "-c", code], stdout=subprocess.PIPE, cwd="/", env={}, **person)
        )
        assert started[-1].stdout.readline() == b"up\n"
        return started[-1]

    yield begin
    for process in started:
        process.kill()
        process.wait()
        process.stdout.close()


def new_secret():
    """A secret and its digest: the payload knows only the digest, and can tell when it found the secret."""
    secret = "hidden-" + secrets.token_hex(16)
    return secret, hashlib.sha256(secret.encode()).hexdigest()


def host_latency_s():
    """How long this machine takes for something small: start a process, wait for it."""
    begin = time.monotonic()
    subprocess.run(["/bin/true"], check=True, timeout=20)
    return time.monotonic() - begin


def promised(rung, words):
    """Whether the rung's printed table leaves this promise in force."""
    return not [line for line in probe().not_guaranteed(rung) if re.search(words, line)]
