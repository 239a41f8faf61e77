"""Carries one sandbox from a prepared child to a payload that is ready to begin."""

from __future__ import annotations

import contextlib
import json
import os
import resource
import shutil
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import Any

from subcritical.errors import ContainmentError
from subcritical.sandbox import _stage
from subcritical.sandbox._channel import Channel
from subcritical.sandbox._drain import Drain, Status
from subcritical.sandbox._keepers import send_order
from subcritical.sandbox._orders import OWN_PROCESSES, shim_order
from subcritical.sandbox._relay import Relay
from subcritical.sandbox._sandbox import Sandbox
from subcritical.sandbox.spec import Rung, SandboxSpec


class Starter:
    """What all starts of one run share. `base` is the tree every sandbox sees, None without mount namespaces."""

    def __init__(
        self,
        *,
        rung: Rung,
        directory: Path,
        on_connection: Callable[[str], None],
        on_namespace: Callable[[int], None],
        without: frozenset[str],
    ) -> None:
        """Put the shim where it can be started from.

        Args:
            rung: The rung of the run.
            directory: A private directory of the run that payload users can pass through.
            on_connection: Told the sandbox's name for each connection to its granted socket.
            on_namespace: Given a pidfd of the init of each new process namespace.
            without: Guards left out, for tests that plant a failure.

        Raises:
            ContainmentError: Bubblewrap is missing, or this Python cannot be shown to a sandbox.
        """
        self._rung, self._directory, self._without = rung, directory, without
        self._on_connection, self._on_namespace = on_connection, on_namespace
        self._interpreter = _stage.find_interpreter()
        self._bubblewrap = shutil.which("bwrap") or ""
        if rung is not Rung.R3 and not self._bubblewrap:
            raise ContainmentError(f"{rung} needs bubblewrap (bwrap), which is not installed; install it or allow R3")
        shim = _stage.compiled_shim()
        self._shim_file = directory / "shim.pyc"
        self._shim_file.write_bytes(shim)
        self._shim_file.chmod(0o644)
        root = directory / "root"
        root.mkdir(mode=0o755)
        self.base: dict[str, Any] | None = None
        if rung is not Rung.R3:
            self.base = _stage.plan_base(self._interpreter, shim, root=root, without=without)

    def order(self, sandbox: Sandbox, control: int, outlets: tuple[int, int]) -> int:
        """Tell the prepared child what it shall be; returns the descriptor of bubblewrap's reports."""
        spec = sandbox.spec
        with contextlib.ExitStack() as ours:
            for outlet in outlets:
                ours.callback(os.close, outlet)
            self._limit(sandbox)
            if spec.socket is not None:
                place = self._directory / f"socket-{sandbox.prepared.number}"
                sandbox.relay = Relay(place, spec.socket, lambda: self._on_connection(spec.name))
            nothing = os.open("/dev/null", os.O_RDONLY | os.O_CLOEXEC)
            ours.callback(os.close, nothing)
            free = (number for number in range(3, spec.limits.open_files) if number not in spec.pass_fds)
            numbers = {"control": next(free), "status": next(free)}
            stage, argv = self._command(sandbox, **numbers)
            status_in, status_out = os.pipe2(os.O_CLOEXEC)
            ours.callback(os.close, status_out)
            order = {
                "stage": stage,
                "uid": sandbox.uid,
                "keeper": self._rung is Rung.R3,
                "close_fds": "close_fds" not in self._without,
                "inherit_environment": "clear_environment" in self._without,
                "numbers": [numbers["control"], numbers["status"], 0, 1, 2, *spec.pass_fds],
                "channel": numbers["control"],
                "argv": argv,
            }
            try:
                send_order(
                    sandbox.prepared.line, order, [control, status_out, nothing, *outlets, *spec.pass_fds.values()]
                )
            except BaseException:
                os.close(status_in)
                raise
        return status_in

    def _limit(self, sandbox: Sandbox) -> None:
        if sandbox.group is None:
            return
        limits = sandbox.spec.limits
        wanted = {"memory": "memory_limit" not in self._without, "processes": "process_limit" not in self._without}
        done = sandbox.group.set_limits(
            memory_bytes=limits.memory_bytes if wanted["memory"] else None,
            processes=limits.processes + OWN_PROCESSES if wanted["processes"] else None,
        )
        missing = {name for name, asked in wanted.items() if asked} - done
        if missing:
            raise ContainmentError(f"{sandbox.name}: the kernel refused limits for {', '.join(sorted(missing))}")

    def _command(self, sandbox: Sandbox, *, control: int, status: int) -> tuple[dict[str, Any] | None, list[str]]:
        """The tree to build, if there is one, and the program to become."""
        python = [self._interpreter.executable, "-I", "-S", "-B"]
        if self.base is None:
            sandbox.host_workspace = self._host_workspace(sandbox)
            return None, [*python, str(self._shim_file), str(control)]
        relay = None if sandbox.relay is None else sandbox.relay.path
        stage = _stage.plan_tree(sandbox.spec, self.base, socket=relay, without=self._without)
        arguments = _stage.bubblewrap_arguments(
            self._bubblewrap,
            root=Path(self.base["root"]),
            workdir=stage["workdir"],
            status=status,
            without=self._without,
        )
        return stage, [*arguments, *python, _stage.SHIM_INSIDE, str(control)]

    def _host_workspace(self, sandbox: Sandbox) -> str:
        """R3 only: the workspace is a directory of the host, and the supervisor watches its size."""
        sandbox.usage.walk_disk = "disk_limit" not in self._without
        if sandbox.spec.workspace is not None:
            return str(sandbox.spec.workspace.resolve())
        place = self._directory / f"workspace-{sandbox.prepared.number}"
        place.mkdir(mode=0o700)
        if sandbox.uid is not None:
            os.chown(place, sandbox.uid, sandbox.uid)
        return str(place)

    def set_up(self, sandbox: Sandbox, channel: Channel, status: int, drain: Drain) -> None:
        """Follow a sandbox from its order to the point where its payload could begin."""
        told = Status(status, lambda code: sandbox.set_exited(code, 0.0, 0))
        try:
            order = shim_order(
                sandbox.spec,
                self._interpreter,
                rung=self._rung,
                uid=sandbox.uid,
                on_host=sandbox.host_workspace,
                without=self._without,
            )
            processes = order["rlimits"].get(resource.RLIMIT_NPROC)
            if self._rung is Rung.R3 and sandbox.uid is None and processes is not None:
                sandbox.usage.user_limit = os.getuid(), processes[0]
            channel.send_order(order)
            received = channel.receive(b"W")
            sandbox.workspace_fd = received[0] if received else _open_directory(sandbox.host_workspace or "")
            sandbox.prepared.wait()
            if self._rung is not Rung.R3:
                self._learn_namespace(sandbox, channel.read_info(status))
        finally:
            os.set_blocking(status, False)
            drain.add(told)
        try:
            channel.receive(b"R")
        except ContainmentError as error:
            sandbox.wait(1.0)
            said = sandbox.output().stderr[-500:].decode("utf-8", "backslashreplace").strip()
            raise ContainmentError(f"{error}{': ' + said if said else ''}") from None

    def _learn_namespace(self, sandbox: Sandbox, info: bytes) -> None:
        if not info:
            return  # bubblewrap failed; why comes with the wait for the shim
        told = json.loads(info.splitlines()[0])
        pid = int(told["child-pid"])
        inode = int(told.get("pid-namespace", 0))
        handle = os.pidfd_open(pid)
        if "pid_namespace" not in self._without and (
            os.stat(f"/proc/{pid}/ns/pid").st_ino != inode or os.stat("/proc/self/ns/pid").st_ino == inode
        ):
            os.close(handle)
            raise ContainmentError(f"sandbox {sandbox.name}: bubblewrap made no process namespace")
        sandbox.namespace = (pid, inode, handle)
        self._on_namespace(handle)


def check_for_r3(spec: SandboxSpec) -> None:
    """Refuse what only a mount namespace could give.

    Raises:
        ContainmentError: The message says what.
    """
    if spec.socket is not None:
        raise ContainmentError("R3 cannot pass one socket: without namespaces that would open all of them; use R2")
    for source, inside in spec.read_only:
        if str(source.resolve()) != str(PurePosixPath(inside)):
            raise ContainmentError(f"R3 has no mount namespace: {source} cannot appear at {inside}")


def _open_directory(place: str) -> int:
    return os.open(place, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
