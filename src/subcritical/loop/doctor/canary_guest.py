"""A harmless guest that tries the doors. It stands alone: standard library only, nothing of ours.

Started as `canary_guest.py JSON`, where JSON is a list of `{"name", "action", "path"}`. For each it
writes one JSON line `{"name", "action", "path", "reached", "tried", "detail"}`. It changes nothing: files are
opened for writing but not written, a file made in a directory is removed at once, and no packet is
sent (a datagram socket is only connected, to an address of the documentation range).
"""

import asyncio
import contextlib
import json
import os
import re
import sys
from collections.abc import Callable, Coroutine
from typing import Any


class NotTriedError(Exception):
    """The door could not even be tried."""


SECRET = re.compile(r"(?i)(key|token|secret|passw|credential)")


def read(path: str) -> str:
    """Open a file and read one byte."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    try:
        return f"{len(os.read(descriptor, 1))} byte read"
    finally:
        os.close(descriptor)


def write(path: str) -> str:
    """Open a file for writing, or make and remove a file in a directory."""
    if os.path.isdir(path):  # noqa: PTH112 - this script starts faster without pathlib
        inner = f"{path}/.canary-{os.getpid()}"
        os.close(os.open(inner, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        os.unlink(inner)  # noqa: PTH108
        return "a file was made there and removed"
    os.close(os.open(path, os.O_WRONLY | os.O_APPEND | os.O_NONBLOCK))
    return "opened for writing"


def names(path: str) -> str:
    """List a directory."""
    return f"{len(os.listdir(path))} names"  # noqa: PTH208


def connect(path: str) -> str:
    """Connect to a Unix socket, and say nothing."""

    async def knock() -> None:
        _, writer = await asyncio.wait_for(asyncio.open_unix_connection(path), 2)
        writer.close()

    in_loop(knock)
    return "connected"


def in_loop(work: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Run `work` in an event loop; where not even that can be had, the door counts as not tried."""
    try:
        loop = asyncio.new_event_loop()
    except OSError as error:
        raise NotTriedError(f"no event loop: {error.strerror}") from error
    try:
        loop.run_until_complete(work())
    finally:
        loop.close()


def environment(_: str) -> str:
    """Names of variables that look like keys."""
    found = sorted(name for name in os.environ if SECRET.search(name))
    if not found:
        raise OSError(0, "no variable that looks like a key")
    return ", ".join(found)[:500]


def network(_: str) -> str:
    """A route to anywhere: connecting a datagram socket asks the kernel and sends nothing."""

    async def knock() -> None:
        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_datagram_endpoint(asyncio.DatagramProtocol, remote_addr=("192.0.2.1", 9))
        transport.close()

    in_loop(knock)
    return "the kernel has a route outwards"


def processes(_: str) -> str:
    """Processes of others: numbers whose status we can read and that are neither us nor our parent."""
    own = {os.getpid(), os.getppid(), 1}
    foreign = 0
    for number in range(2, 6000):
        with contextlib.suppress(OSError), open(f"/proc/{number}/stat", "rb") as file:  # noqa: PTH123
            parent = int(file.read().rsplit(b")", 1)[1].split()[1])
            foreign += number not in own and parent != os.getpid()
    if not foreign:
        raise OSError(0, "no process of anybody else is visible")
    return f"{foreign} processes of others are visible"


ACTIONS = {
    "read": read,
    "write": write,
    "list": names,
    "connect": connect,
    "environment": environment,
    "network": network,
    "processes": processes,
}


def attempt(target: dict[str, str]) -> dict[str, str | bool]:
    """Try one door."""
    reached, tried = False, True
    try:
        detail = ACTIONS[target["action"]](target["path"])
        reached = True
    except NotTriedError as error:
        detail, tried = str(error), False
    except (OSError, ValueError) as error:
        detail = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return {**target, "reached": reached, "tried": tried, "detail": detail[:500]}


if __name__ == "__main__":
    for wanted in json.loads(sys.argv[1])[:500]:
        sys.stdout.write(json.dumps(attempt(wanted)) + "\n")
    sys.stdout.flush()
