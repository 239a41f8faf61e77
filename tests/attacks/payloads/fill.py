"""Hostile program: takes more than it may have. Argument: the name of one attack; settings come over descriptor 7.

Everything is bounded by the settings: attempts, bytes and seconds. Whoever is alive holds
descriptor 10 open, so that a test can tell without trusting anyone when the last one is gone.
"""

import ctypes
import json
import mmap
import os
import signal
import socket
import sys
import time

MIB = 1 << 20


def say(**facts):
    os.write(1, json.dumps(facts).encode() + b"\n")


def forks(settings):
    """C1: as many children as the kernel gives."""
    readable, writable = os.pipe()
    born = refused = 0
    for _ in range(settings["attempts"]):
        try:
            pid = os.fork()
        except OSError:
            refused += 1
            continue
        if pid == 0:
            os.close(writable)
            os.read(readable, 1)
            os._exit(0)
        born += 1
        if born == 10:
            say(bombing=True)
    say(born=born, refused=refused)
    time.sleep(settings["seconds"])
    os.close(writable)


def ignore_all():
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGALRM, signal.SIGUSR1, signal.SIGCHLD):
        signal.signal(number, signal.SIG_IGN)


def bomb(settings):
    """C2: processes that replace each other, in sessions of their own, deaf to polite signals."""
    count = mmap.mmap(-1, 8)
    deadline = time.monotonic() + settings["seconds"]
    most = settings["attempts"]

    def born():
        count[:8] = (int.from_bytes(count[:8], "little") + 1).to_bytes(8, "little")
        return int.from_bytes(count[:8], "little")

    ignore_all()
    first = True
    while time.monotonic() < deadline and not os.path.exists(settings["stop"]):
        number = int.from_bytes(count[:8], "little")
        if number >= most:
            time.sleep(0.05)
            continue
        children = 0
        for _ in range(2):
            try:
                children += 1
                if os.fork() == 0:
                    os.setsid()
                    first, children = False, 0
                    if born() == most // 10:
                        say(live=True)
                    break
            except OSError:
                break
        time.sleep(0.02)
        if not first and children and int.from_bytes(count[:8], "little") < most:
            os._exit(0)


def memory(settings):
    """C3: pages of their own, in several processes that are each below the limit."""
    children = []
    for _ in range(settings["processes"]):
        pid = os.fork()
        if pid == 0:
            kept = bytearray(settings["mib"] * MIB)
            kept[::4096] = b"x" * len(kept[::4096])
            say(full=True)
            time.sleep(settings["seconds"])
            os._exit(0)
        children.append(pid)
    ends = [os.waitpid(pid, 0)[1] for pid in children]
    say(survived=ends.count(0))


def hold(settings, kept, what):
    say(**{what: settings["mib"]})
    time.sleep(settings["seconds"])
    say(survived=1, kept=len(kept))


def memfd(settings):
    """C4: memory behind descriptors, in pieces that are each below every limit per file."""
    kept = []
    for _ in range(settings["mib"] // 4):
        kept.append(os.memfd_create("kept"))
        for _ in range(4):
            os.write(kept[-1], b"x" * MIB)
    hold(settings, kept, "memfd")


def shared(settings):
    """C4: shared anonymous memory, which no limit of a data segment counts, over several processes."""
    for _ in range(3):
        if os.fork() == 0:
            kept = mmap.mmap(-1, settings["mib"] * MIB // 4)
            for place in range(0, len(kept), 4096):
                kept[place] = 1
            time.sleep(settings["seconds"])
            os._exit(0)
    kept = mmap.mmap(-1, settings["mib"] * MIB // 4)
    for place in range(0, len(kept), 4096):
        kept[place] = 1
    hold(settings, kept, "shared")


def sockets(settings):
    """C4: memory in the queues of socket pairs."""
    kept, queued = [], 0
    while queued < settings["mib"] * MIB and len(kept) < 200:
        kept += socket.socketpair()
        kept[-2].setblocking(False)
        kept[-2].setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4 * MIB)
        try:
            while queued < settings["mib"] * MIB:
                queued += kept[-2].send(b"x" * (1 << 16))
        except BlockingIOError:
            pass
    say(queued_mib=queued // MIB)
    hold(settings, kept, "sockets")


def segments(settings):
    """C4: System V segments, which stay without a process that has them."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.shmat.restype = ctypes.c_void_p
    made = 0
    for _ in range(settings["mib"] // 8):
        number = libc.shmget(0, 8 * MIB, 0o600)
        place = libc.shmat(number, None, 0) if number >= 0 else None
        if place in (None, ctypes.c_void_p(-1).value):
            raise OSError(ctypes.get_errno(), "no segment")
        ctypes.memset(place, 1, 8 * MIB)
        libc.shmdt(ctypes.c_void_p(place))
        made += 1
    hold(settings, range(made), "segments")


def disk(settings):
    """C5: bytes, in every place that can be written."""
    written = {}
    for place in (".", "/tmp", "/dev/shm"):
        written[place] = 0
        try:
            with open(f"{place}/full", "wb", 0) as file:
                while written[place] < settings["mib"] * MIB:
                    written[place] += file.write(b"x" * (MIB // 4))
        except OSError as error:
            say(**{f"refused {place}": error.strerror})
    say(written=sum(written.values()))
    time.sleep(settings.get("seconds", 0))


def inodes(settings):
    """C6: files without content."""
    made = 0
    try:
        for number in range(settings["attempts"]):
            os.close(os.open(f"empty{number}", os.O_CREAT | os.O_WRONLY, 0o600))
            made += 1
    except OSError as error:
        say(refused=error.strerror)
    say(made=made)


def sparse(settings):
    """C7: a file that claims to be huge."""
    handle = os.open("sparse.bin", os.O_CREAT | os.O_WRONLY, 0o600)
    try:
        os.ftruncate(handle, settings["bytes"])
        say(size=os.fstat(handle).st_size)
    except OSError as error:
        say(refused=error.strerror)
    with open("honest.py", "w") as file:
        file.write("x = 1\n")


def loud(settings):
    """C8: both outputs at once, without a line feed."""
    pid = os.fork()
    handle = 1 if pid else 2
    block = b"x" * MIB
    left = settings["mib"] * MIB
    while left > 0:
        left -= os.write(handle, block[:left])
    if pid == 0:
        os._exit(0)
    os.waitpid(pid, 0)


def spin(settings):
    """C9: CPU, in two processes, deaf to the alarm."""
    ignore_all()
    deadline = time.monotonic() + settings["seconds"]
    os.fork()
    while time.monotonic() < deadline:
        pass


def sleep(settings):
    """C9: nothing at all, for as long as it may."""
    ignore_all()
    deadline = time.monotonic() + settings["seconds"]
    while time.monotonic() < deadline:
        time.sleep(0.1)


def daemon(settings):
    """C33: a daemon that leaves everything behind and goes on counting in a file."""
    if os.fork():
        say(gone=True)
        os._exit(0)
    os.setsid()
    if os.fork():
        os._exit(0)
    ignore_all()
    for handle in range(10):
        try:
            os.close(handle)
        except OSError:
            continue
    count(settings)


def count(settings):
    """A counter that anyone can see running: the size of a file."""
    deadline = time.monotonic() + settings["seconds"]
    handle = os.open("beat", os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o644)
    while time.monotonic() < deadline and not os.path.exists(settings["stop"]):
        os.write(handle, b".")
        time.sleep(0.005)


def revived(settings):
    """C34: a worker, and helpers that wake it (and each other) without pause."""
    worker = os.fork()
    if worker == 0:
        count(settings)
        os._exit(0)
    helper = os.fork()
    deadline = time.monotonic() + settings["seconds"]
    if helper:
        say(worker=worker, helper=helper, live=True)
    while time.monotonic() < deadline and not os.path.exists(settings["stop"]):
        for pid in (worker, helper or os.getppid()):
            try:
                os.kill(pid, signal.SIGCONT)
            except OSError:
                continue
    os._exit(0)


def forge(settings):
    """C35: say to whatever descriptor there is what the supervisor would say to its dead man's switch."""
    deadline = time.monotonic() + settings["seconds"]
    say(live=True)
    while time.monotonic() < deadline:
        for handle in range(3, 64):
            if handle != 10:
                try:
                    os.write(handle, b"lease")
                except OSError:
                    continue
        time.sleep(0.05)


ATTACKS = {
    function.__name__: function
    for function in (
        forks,
        bomb,
        memory,
        memfd,
        shared,
        sockets,
        segments,
        disk,
        inodes,
        sparse,
        loud,
        spin,
        sleep,
        daemon,
        count,
        revived,
        forge,
    )
}


def main():
    settings = json.loads(os.fdopen(os.dup(7)).readline())
    os.chdir(settings.get("place", "."))
    ATTACKS[sys.argv[1]](settings)


main()
