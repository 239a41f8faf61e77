"""A small process that starts every sandbox of one run, so that the supervisor never forks itself.

It talks over one end of a sequenced-packet socket. For each sandbox it forks a child *ahead of
time*, which enters its control groups, makes a private mount namespace and builds the file tree
that every payload sees. Then the child waits for its order (one packet, marshal, from the
supervisor that started us, with the descriptors of the new sandbox), completes the tree, gives up
root, and becomes bubblewrap. When the supervisor is gone the socket ends: everything is killed,
from here.

It is single-threaded on purpose: the kernel sends a parent-death signal when the *thread* that
forked ends, and only a single thread may make a user namespace.
"""

from __future__ import annotations

import array
import contextlib
import ctypes
import marshal
import os
import select
import signal
import socket
from typing import Any, NoReturn

from subcritical.sandbox._mounts import (
    CLONE_NEWNS,
    CLONE_NEWUSER,
    LIBC,
    build_base,
    check,
    enter_user_namespace,
    finish_tree,
)

_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE, _PR_SET_CHILD_SUBREAPER = 1, 4, 36
_CLONE3, _CLONE_INTO_CGROUP, _CLONE_NEWPID = 435, 1 << 33, 0x20000000
_LARGEST_ORDER = 1 << 17
_MOST_HANDLES = 64
_START_FAILED = 126
_MOST_ROUNDS = 1000


def _write(path: str, data: bytes) -> None:
    handle = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(handle, data)
    finally:
        os.close(handle)


def _fork_into(group: str | None) -> int:
    """Fork a child that is born in its control group.

    Moving a process between groups makes every fork and exit of the machine wait for a grace
    period (seen: 10 ms); being born there does not. Where the kernel cannot, the child moves itself.
    The raw call is safe here: one thread, and the child soon becomes another program.
    """
    if group is None:
        return os.fork()
    directory = os.open(group, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    words = [_CLONE_INTO_CGROUP, 0, 0, 0, signal.SIGCHLD, 0, 0, 0, 0, 0, directory]
    arguments = b"".join(word.to_bytes(8, "little") for word in words)
    pid = LIBC.syscall(_CLONE3, arguments, len(arguments))
    if pid == 0:
        ctypes.pythonapi.PyOS_AfterFork_Child()
    os.close(directory)
    return os.fork() if pid < 0 else pid


def _check_group(group: str | None) -> None:
    """Make sure of the group: what is outside of it would not be frozen or killed."""
    if group is None:
        return
    with open("/proc/self/cgroup") as listing:
        place = next(line.rstrip("\n") for line in listing if line.startswith("0::"))
    if not place.endswith("/".join(("", *group.split("/")[-2:]))):
        _write(f"{group}/cgroup.procs", b"0")


def _give_up_root(uid: int | None) -> None:
    if uid is not None:
        os.setgroups([])
        os.setresgid(uid, uid, uid)
        os.setresuid(uid, uid, uid)
        # A change of user makes a process undumpable, and then its own /proc is not its own.
        LIBC.prctl(_PR_SET_DUMPABLE, 1, 0, 0, 0)


def _place_descriptors(wanted: list[int], handles: list[int], *, close_others: bool) -> None:
    """Move descriptors to their numbers, whatever numbers they came with."""
    free = 1 + max([*wanted, *handles, 2])
    moved = []
    for handle in handles:
        os.dup2(handle, free, inheritable=False)
        moved.append(free)
        free += 1
    for target, handle in zip(wanted, moved, strict=True):
        os.dup2(handle, target, inheritable=True)
    if not close_others:
        return
    low = 0
    for number in sorted(wanted):
        if low < number:  # an empty range from 0 would close everything
            os.closerange(low, number)
        low = number + 1
    os.closerange(low, max(low + 1, 1 << 16))


def _prepare(plan: dict[str, Any]) -> None:
    """The forked child, before it knows what it will be: everything slow that does not depend on that."""
    for number in (signal.SIGPIPE, signal.SIGXFSZ, signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
    if plan["dead_man"]:
        check(LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0), "parent death signal")
    _set_urgent(urgent=False)
    if plan["niceness"]:
        os.setpriority(os.PRIO_PROCESS, 0, plan["niceness"])
    for path in plan["entries"]:
        _write(path, b"0")
    _check_group(plan["group"])
    if plan["base"] is not None:
        if plan["user_namespace"]:
            enter_user_namespace()
        else:
            check(LIBC.unshare(CLONE_NEWNS), "mount namespace")
        build_base(plan["base"])


def _become(plan: dict[str, Any], line: socket.socket) -> NoReturn:
    """Prepare, wait for the order, and become bubblewrap. A failure is told to the supervisor, which fails closed."""
    failure: BaseException | None = None
    try:
        _prepare(plan)
    except BaseException as error:
        failure = error
    data, handles, _, _ = socket.recv_fds(line, _LARGEST_ORDER, _MOST_HANDLES, socket.MSG_CMSG_CLOEXEC)
    if not data:
        os._exit(0)  # the run ended before this one was needed
    order = marshal.loads(data)
    channel = handles[order["numbers"].index(order["channel"])]
    try:
        _refuse_if_failed(failure)
        workspace = None
        if order["stage"] is not None:
            workspace = finish_tree(plan["base"]["root"], order["stage"], order["uid"])
        rights = [] if workspace is None else [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [workspace]))]
        with socket.socket(fileno=os.dup(channel)) as control:
            control.sendmsg([b"W"], rights)
        if order["keeper"]:
            _keep(plan)
        _give_up_root(order["uid"])
        if plan["dead_man"]:  # a change of user took it away
            check(LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0), "parent death signal")
        _place_descriptors(order["numbers"], handles, close_others=order["close_fds"])
        channel = order["channel"]
        os.execve(order["argv"][0], order["argv"], os.environ if order["inherit_environment"] else {})
    except BaseException as error:
        os.write(channel, b"E" + f"{type(error).__name__}: {error}"[:2000].encode("utf-8", "replace"))
        os._exit(_START_FAILED)


def _refuse_if_failed(failure: BaseException | None) -> None:
    if failure is not None:
        raise failure


def _keep(plan: dict[str, Any]) -> None:
    """Stay as the parent of everything this sandbox starts, where no process namespace does that; the child goes on.

    Orphans come to the nearest subreaper, so that all of them stay below one process of ours. The
    keeper ends with the payload and reports its status as bubblewrap would.
    """
    check(LIBC.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0), "subreaper")
    first = os.fork()
    if first == 0:
        return
    os.closerange(3, 1 << 16)
    if plan["dead_man"]:
        LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    while True:
        try:
            pid, status = os.wait()
        except ChildProcessError:
            os._exit(0)
        if pid == first:
            _end_children()
            code = os.waitstatus_to_exitcode(status)
            os._exit(128 - code if code < 0 else code)


def _children() -> list[int]:
    with open(f"/proc/self/task/{os.getpid()}/children") as listing:
        return [int(pid) for pid in listing.read().split()]


def _end_children() -> None:
    """Kill what is left below the keeper. Grandchildren become children as their parents die, so this goes in rounds.

    A fork bomb can outrun it: that is what R3 does not guarantee.
    """
    for _ in range(_MOST_ROUNDS):
        children = _children()
        if not children:
            return
        for child in children:
            os.kill(child, signal.SIGKILL)  # ours, and not waited for yet: its pid cannot be another's
        for _ in children:
            os.wait()


def _set_urgent(*, urgent: bool) -> None:
    """Run before everything else, or like everything else; what is forked inherits it."""
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO if urgent else os.SCHED_OTHER, os.sched_param(50 if urgent else 0))
    except OSError:
        return  # unprivileged: a pause takes longer, as the rung's table says


def _signal_namespace(target: int, number: int) -> bool:
    """Signal every process of a process namespace but its init, by one call that no fork can slip through.

    Returns whether that was done.

    A child of a child enters the namespace; there `kill(-1)` means all of it. The kernel walks the
    list under a lock that a fork needs too, and a fork with a signal pending starts over, so the
    call is complete also against a fork bomb. Must never run outside: hence the check of the parent.
    """
    spaces = _CLONE_NEWPID | (CLONE_NEWUSER if os.getuid() else 0)
    helper = os.fork()
    if helper:
        return os.waitpid(helper, 0)[1] == 0
    failed = 1
    try:
        check(LIBC.setns(target, spaces), "enter the process namespace")
        inner = os.fork()
        if inner:
            failed = int(os.waitpid(inner, 0)[1] != 0)
        elif os.getppid() == 0:  # only inside of a namespace below ours the parent has no number
            os.kill(-1, number)
            failed = 0
    finally:
        os._exit(failed)


class _Spawner:
    def __init__(self, line: socket.socket) -> None:
        self.line = line
        self.children: dict[int, tuple[int, int]] = {}
        self.poller = select.poll()
        self.poller.register(line, select.POLLIN)
        self.dead_man = True
        self.kill_files: list[str] = []

    def serve(self) -> None:
        """Serve until the supervisor is gone; whatever ends this, nothing is left running."""
        try:
            while self.step():
                pass
        except OSError:
            return  # a report found nobody to read it
        finally:
            self.stop()

    def step(self) -> bool:
        for handle, _ in self.poller.poll():
            if handle != self.line.fileno():
                self.reap(handle)
            elif not self.receive():
                return False
        return True

    def receive(self) -> bool:
        try:
            data, handles, _, _ = socket.recv_fds(self.line, _LARGEST_ORDER, _MOST_HANDLES, socket.MSG_CMSG_CLOEXEC)
        except OSError:
            return False  # it died with a report of ours unread
        if not data:
            return False
        plan = marshal.loads(data)
        if "kill_files" in plan:
            self.dead_man, self.kill_files = plan["dead_man"], plan["kill_files"]
            check(LIBC.prctl(_PR_SET_CHILD_SUBREAPER, int(plan["adopts"]), 0, 0, 0), "subreaper")
            return True
        if "signal" in plan:
            *targets, told = handles
            for target in targets:
                if _signal_namespace(target, plan["signal"]):
                    with contextlib.suppress(BrokenPipeError):  # it waits no longer
                        os.write(told, b"1")
            for handle in handles:
                os.close(handle)  # the end of the last one, a pipe, tells the supervisor that no more comes
            return True
        pid = _fork_into(plan["group"])
        if pid == 0:
            line = socket.socket(fileno=handles[0])
            self.line.close()
            for child in self.children:
                os.close(child)
            try:
                _become(plan, line)
            finally:
                os._exit(_START_FAILED)  # whatever happens, a child never goes on as the spawner
        os.close(handles[0])
        child = os.pidfd_open(pid)
        self.children[child] = (plan["id"], pid)
        self.poller.register(child, select.POLLIN)
        socket.send_fds(self.line, [marshal.dumps({"id": plan["id"], "pid": pid})], [child])
        return True

    def reap(self, child: int) -> None:
        self.poller.unregister(child)
        number, pid = self.children.pop(child)
        _, status, usage = os.wait4(pid, 0)
        os.close(child)
        report = {
            "id": number,
            "code": os.waitstatus_to_exitcode(status),
            "cpu_s": usage.ru_utime + usage.ru_stime,
            "peak": usage.ru_maxrss * 1024,
        }
        try:
            self.line.send(marshal.dumps(report))
        except OSError:
            return  # the supervisor is gone; the end of the line is read next
        self.end_orphans()

    def end_orphans(self) -> None:
        """End what lost its own parent and came to us, and bury what is dead.

        Bubblewrap's init gets its parent-death signal only some time after it was forked; if the
        monitor dies in between, nobody else would ever end it.
        """
        known = {pid for _, pid in self.children.values()}
        for pid in _children():
            if pid not in known:
                os.kill(pid, signal.SIGKILL)
                os.waitpid(pid, os.WNOHANG)  # if it takes longer, the next time

    def stop(self) -> None:
        """The supervisor is gone: nothing may outlive it. Idempotent, and not the only one to do this."""
        if not self.dead_man:
            return
        for path in self.kill_files:
            try:
                with open(path, "w") as kill:
                    kill.write("1")
            except OSError:
                continue  # this group is gone already; the others still have to die
        for child in self.children:
            try:
                signal.pidfd_send_signal(child, signal.SIGKILL)
            except ProcessLookupError:
                continue
        _end_children()


def main(number: int) -> None:
    """Serve the supervisor at the other end of descriptor `number` until it is gone."""
    for ignored in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(ignored, signal.SIG_IGN)
    _set_urgent(urgent=True)
    _Spawner(socket.socket(fileno=number)).serve()
