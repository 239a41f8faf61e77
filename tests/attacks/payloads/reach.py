"""Hostile program: tries to reach what lies outside its sandbox. Arguments: names of the probes to run.

It uses the standard library alone, prints one JSON object per probe, and harms nothing: the only
signal it sends is SIGURG, which every program ignores that does not ask for it.
"""

import ctypes
import errno
import glob
import hashlib
import json
import mmap
import os
import re
import resource
import signal
import socket
import struct
import sys
import time

LIBC = ctypes.CDLL(None, use_errno=True)
NEWNS, NEWUSER = 0x20000, 0x10000000


def attempt(function, *arguments):
    """`done`, or the name of the error."""
    try:
        function(*arguments)
    except OSError as error:
        return errno.errorcode.get(error.errno, "OSError")
    except Exception as error:  # noqa: BLE001 - an attack may fail in any way; how is the result
        return type(error).__name__
    return "done"


def check(result):
    if result < 0:
        raise OSError(ctypes.get_errno(), "refused")
    return result


def append(path):
    with open(path, "ab") as file:
        file.write(b"# changed\n")


def reopened(path):
    handle = os.open(path, os.O_RDONLY)
    append(f"/proc/self/fd/{handle}")


def mapped(path):
    with open(path, "r+b") as file, mmap.mmap(file.fileno(), 0) as memory:
        memory[0] = memory[0] ^ 1


def hard_link(path):
    os.link(path, "linked")
    append("linked")


def symbolic_link(path):
    os.symlink(path, "pointing")
    append("pointing")


def replace(path):
    with open("mine", "wb") as file:
        file.write(b"mine")
    os.replace("mine", path)


def exchange(path):
    with open("other", "wb") as file:
        file.write(b"other")
    check(LIBC.renameat2(-100, b"other", -100, path.encode(), 2))


def swap_parent(path):
    parent = os.path.dirname(path)
    os.rename(parent, parent + ".old")
    os.mkdir(parent)
    replace(path)


def bind_mount(path):
    with open("cover", "wb") as file:
        file.write(b"cover")
    check(LIBC.mount(b"cover", path.encode(), None, 4096, None))


def protected(settings):
    """C10: the routes by which a protected file could be changed."""
    path = settings["protected"]
    routes = {
        "append": lambda: append(path),
        "proc_root": lambda: append("/proc/self/root" + path),
        "reopen": lambda: reopened(path),
        "map": lambda: mapped(path),
        "truncate": lambda: os.truncate(path, 3),
        "truncate_open": lambda: os.close(os.open(path, os.O_RDONLY | os.O_TRUNC)),
        "chmod": lambda: os.chmod(path, 0o600),
        "utime": lambda: os.utime(path, (1, 1)),
        "hard_link": lambda: hard_link(path),
        "symbolic_link": lambda: symbolic_link(path),
        "bind_mount": lambda: bind_mount(path),
        "rename_over": lambda: replace(path),
        "exchange": lambda: exchange(path),
        "unlink": lambda: os.unlink(path),
        "swap_parent": lambda: swap_parent(path),
    }
    return {name: attempt(route) for name, route in routes.items()}


def look(found, route, data, wanted):
    for word in re.findall(rb"hidden-[0-9a-f]{32}", data):
        name = wanted.get(hashlib.sha256(word).hexdigest())
        if name:
            found.setdefault(name, []).append(route)


def read_all(found, route, path, wanted):
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    except OSError:
        return
    try:
        look(found, route, os.pread(handle, 1 << 16, 0), wanted)
    except OSError:
        pass
    finally:
        os.close(handle)


def hidden(settings):
    """C11, C18: secrets by path, through other processes, in the environment, on inherited descriptors."""
    wanted, found = settings["digests"], {}
    look(found, "environment", repr(sorted(os.environ.items())).encode(), wanted)
    for path in settings["paths"]:
        for prefix in ("", "/host", "/proc/self/root", "/proc/1/root"):
            read_all(found, f"{prefix} path", prefix + path, wanted)
    for handle in range(3, 256):
        try:
            look(found, "inherited descriptor", os.pread(handle, 1 << 16, 0), wanted)
        except OSError:
            continue
    pids = (
        [int(name) for name in os.listdir("/proc") if name.isdigit()] if attempt(os.listdir, "/proc") == "done" else []
    )
    for pid in {*pids, 1, os.getppid(), settings["supervisor"]}:
        read_all(found, "other environment", f"/proc/{pid}/environ", wanted)
        read_all(found, "other command line", f"/proc/{pid}/cmdline", wanted)
        for path in settings["paths"]:
            read_all(found, "other root", f"/proc/{pid}/root{path}", wanted)
        for link in glob.glob(f"/proc/{pid}/fd/*") if pid != os.getpid() else ():
            read_all(found, "other descriptor", link, wanted)
    return found


def leaks(settings):
    """C18: what names the host."""
    mounts = ""
    for place in ("/proc/self/mountinfo", "/proc/1/mountinfo"):
        if attempt(lambda place=place: open(place).close()) == "done":
            mounts += open(place).read()
    return {
        "host_pids": attempt(os.stat, f"/proc/{settings['supervisor']}/status") == "done" and os.getpid() > 20,
        "mountinfo": settings["host_name"] in mounts,
        "shadow": attempt(lambda: open("/etc/shadow").close()) == "done",
        "uid": os.getuid(),
    }


def let_in(outcome):
    return "done" if outcome == "EFAULT" else outcome


def memory(settings):
    """C12: read or steer other processes. SEIZE attaches without stopping."""
    results = {}
    buffer = ctypes.create_string_buffer(8)
    for name, pid in (
        ("init", 1),
        ("parent", os.getppid()),
        ("supervisor", settings["supervisor"]),
        ("victim", settings["victim"]),
    ):
        vector = struct.pack("QQ", ctypes.addressof(buffer), 8)  # not mapped there: EFAULT means that it was let in
        results[name] = {
            "ptrace": attempt(lambda pid=pid: check(LIBC.ptrace(0x4206, pid, None, None))),
            "mem": attempt(lambda pid=pid: os.close(os.open(f"/proc/{pid}/mem", os.O_RDWR))),
            "readv": let_in(
                attempt(lambda pid=pid, vector=vector: check(LIBC.process_vm_readv(pid, vector, 1, vector, 1, 0)))
            ),
        }
        LIBC.ptrace(17, pid, None, None)
    return results


def signals(settings):
    """C13: the supervisor and a process of the same user outside."""
    own = os.getpid() < 20
    return {
        "supervisor_0": attempt(os.kill, settings["supervisor"], 0),
        "supervisor_pidfd": attempt(lambda: os.close(os.pidfd_open(settings["supervisor"]))),
        "victim": attempt(os.kill, settings["victim"], signal.SIGURG),
        "victim_pidfd": attempt(lambda: signal.pidfd_send_signal(os.pidfd_open(settings["victim"]), signal.SIGURG)),
        "all": attempt(os.kill, -1, signal.SIGURG) if own else "not tried",
    }


def in_child(function):
    """The answer of a function that could leave its process changed."""
    readable, writable = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.write(writable, json.dumps(function()).encode())
        os._exit(0)
    os.close(writable)
    answer = os.read(readable, 4096)
    os.close(readable)
    os.waitpid(pid, 0)
    return json.loads(answer)


def namespaces(settings):
    """C14: a user namespace, what it would allow, and mounting without one."""

    def nested():
        steps = {"unshare_user": attempt(lambda: check(LIBC.unshare(NEWUSER)))}
        steps["become_root"] = attempt(
            lambda: os.write(os.open("/proc/self/uid_map", os.O_WRONLY), f"0 {uid} 1".encode())
        )
        steps["unshare_mount"] = attempt(lambda: check(LIBC.unshare(NEWNS)))
        steps["mount"] = attempt(lambda: check(LIBC.mount(b"none", b"/tmp", b"tmpfs", 0, None)))
        return steps

    uid = os.getuid()
    flags = struct.pack("11Q", NEWUSER, *([0] * 10))
    return {
        **in_child(nested),
        "clone3": attempt(lambda: check(LIBC.syscall(435, flags, 0))) if settings["denied"] else "not tried",
        "mount_cgroup2": attempt(lambda: check(LIBC.mount(b"none", b"/tmp", b"cgroup2", 0, None))),
        "setns": attempt(lambda: check(LIBC.setns(os.open("/proc/1/ns/mnt", os.O_RDONLY), 0))),
    }


def write(path, text):
    handle = os.open(path, os.O_WRONLY)
    try:
        os.write(handle, text)
    finally:
        os.close(handle)


def groups(settings):
    """C15: leave, thaw or widen the control group; raise a resource limit."""
    results = {}
    for group in settings["groups"]:
        for prefix in ("", "/host"):
            place = prefix + group
            for name, path, text in (
                ("leave", os.path.dirname(place) + "/cgroup.procs", b"0"),
                ("thaw", place + "/cgroup.freeze", b"0"),
                ("widen", place + "/pids.max", b"max"),
            ):
                results[f"{name} {prefix}"] = attempt(write, path, text)
    results["cgroupfs"] = attempt(os.listdir, "/sys/fs/cgroup")
    now = resource.getrlimit(resource.RLIMIT_FSIZE)
    more = (now[1] * 2, now[1] * 2) if now[1] != resource.RLIM_INFINITY else (resource.RLIM_INFINITY,) * 2
    results["file_size"] = attempt(resource.setrlimit, resource.RLIMIT_FSIZE, more)
    return results


def connect(family, kind, address):
    with socket.socket(family, kind) as line:
        line.settimeout(2)
        line.connect(address)
        line.send(b"hello")


def network(settings):
    """C16: loopback of the host, sockets by name and by path, packet families."""
    tcp, tcp6, udp = settings["ports"]
    return {
        "tcp": attempt(connect, socket.AF_INET, socket.SOCK_STREAM, ("127.0.0.1", tcp)),
        "tcp6": attempt(connect, socket.AF_INET6, socket.SOCK_STREAM, ("::1", tcp6)),
        "udp": attempt(connect, socket.AF_INET, socket.SOCK_DGRAM, ("127.0.0.1", udp)),
        "abstract": attempt(connect, socket.AF_UNIX, socket.SOCK_STREAM, "\0" + settings["abstract"]),
        "path": attempt(connect, socket.AF_UNIX, socket.SOCK_STREAM, settings["socket"]),
        "path_host": attempt(connect, socket.AF_UNIX, socket.SOCK_STREAM, "/host" + settings["socket"]),
    }


def families(settings):
    """C16: socket families that a network namespace does not confine, and raw packets."""
    wanted = {
        "packet": (17, 3),
        "raw": (2, 3),
        "netlink": (16, 3),
        "vsock": (40, 1),
        "bluetooth": (31, 5),
        "alg": (38, 5),
    }
    return {name: attempt(lambda pair=pair: socket.socket(*pair).close()) for name, pair in wanted.items()}


CALLS = {
    "io_uring_setup": (425, 1),
    "bpf": (321, 0),
    "keyctl": (250, 0),
    "userfaultfd": (323, 0),
    "perf_event_open": (298, 0),
}


def kernel(settings):
    """Kernel surface that no payload needs: EPERM before the kernel even looks at the arguments."""
    return {name: attempt(lambda pair=pair: check(LIBC.syscall(*pair, 0, 0, 0, 0))) for name, pair in CALLS.items()}


PROBES = (protected, hidden, leaks, memory, signals, namespaces, groups, network, families, kernel)


def main():
    orders = os.fdopen(7)
    settings = json.loads(orders.readline())
    for function in PROBES:
        if function.__name__ in sys.argv[1:]:
            print(json.dumps({function.__name__: function(settings)}), flush=True)
    time.sleep(0)


main()
