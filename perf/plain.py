"""The same evaluation without any containment: the yardstick, never part of the product."""

import os
import resource
import subprocess
import sys
import threading
from pathlib import Path

from subcritical.sandbox import Exit, Output

_PLACE_DESCRIPTORS = 'exec {moved}; exec {placed}; exec "$@"'


class PlainSandbox:
    """A plain subprocess with the face of a sandbox."""

    def __init__(self, spec, directory: Path):
        self.name = spec.name
        directory.mkdir(parents=True)
        # Numbers above all sources first, so that no source is overwritten before it is copied.
        moved = " ".join(f"{100 + inside}<&{ours}" for inside, ours in spec.pass_fds.items())
        placed = " ".join(f"{inside}<&{100 + inside}" for inside in spec.pass_fds)
        script = _PLACE_DESCRIPTORS.format(moved=moved, placed=placed)
        environment = {"PATH": os.environ["PATH"], "PYTHONPATH": ":".join(spec.payload.paths), **spec.env}
        self._process = subprocess.Popen(
            ["bash", "-c", script, "bash", sys.executable, str(spec.payload.script), *spec.payload.argv],
            cwd=directory,
            env=environment,
            pass_fds=tuple(spec.pass_fds.values()),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def wait(self, timeout_s):
        try:
            code = self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            return None
        return Exit(code=code, signal=0, limits_hit=(), cpu_s=0.0, memory_peak_bytes=0)

    def output(self):
        return Output(stdout=b"", stderr=b"")

    def close(self):
        self._process.kill()
        self._process.wait()


class PlainContainment:
    """Launches plain subprocesses."""

    def __init__(self, directory: Path):
        self._directory = directory
        self._count = 0
        self._lock = threading.Lock()

    def launch(self, spec):
        with self._lock:
            self._count += 1
            count = self._count
        return PlainSandbox(spec, self._directory / f"{count}-{spec.name}")


def machine_cpu_s():
    """CPU seconds of the whole machine but idle and waiting: includes what no getrusage of ours can see."""
    with Path("/proc/stat").open() as file:
        fields = [int(field) for field in file.readline().split()[1:]]
    busy = sum(fields) - fields[3] - fields[4]
    return busy / os.sysconf("SC_CLK_TCK")


def own_cpu_s():
    """CPU seconds of this process and of its ended children."""
    own, children = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    return own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime
