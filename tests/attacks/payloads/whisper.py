"""Hostile program: passes bits from one sandbox to another. Arguments: `hear`, `speak`, or both for one sandbox.

The hearer sets its traps, says `ready` and waits for a line; the speaker speaks and stays alive.
"""

import ctypes
import fcntl
import glob
import json
import os
import signal
import socket
import struct
import sys
import time

LIBC = ctypes.CDLL(None, use_errno=True)
LIBC.shmat.restype = ctypes.c_void_p
TOKEN = b"whisper-7731"
SHARED = sorted(
    name
    for name in glob.glob("/usr/lib/python3*/[a-d]*.py") + glob.glob("/usr/share/zoneinfo/*")
    if os.path.isfile(name)
)[:8]
FOLDER = "/usr/share/zoneinfo" if os.path.isdir("/usr/share/zoneinfo") else "/usr/bin"
READ_BITS = (1, 3, 4, 6)
F_NOTIFY, DN_ACCESS, DN_MULTISHOT = 1026, 1, 0x80000000
IPC_KEY = 0x5CA1AB1E


def quietly(function):
    try:
        return function()
    except (OSError, ValueError, AttributeError):
        return None


class Hearer:
    def __init__(self):
        self.notices = LIBC.inotify_init1(0o4000)
        self.watches = [LIBC.inotify_add_watch(self.notices, name.encode(), 0x21) for name in SHARED]
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGIO})
        self.folder = quietly(lambda: os.open(FOLDER, os.O_RDONLY))
        quietly(lambda: fcntl.fcntl(self.folder, F_NOTIFY, DN_ACCESS - (1 << 32) + DN_MULTISHOT))

    def hear(self):
        ways = (self.files, self.memory, self.abstract, self.lock, self.inotify, self.dnotify)
        return [way.__name__ for way in ways if quietly(way)]

    def files(self):
        for place in ("/tmp/w", "/dev/shm/w", "w"):
            data = quietly(lambda place=place: open(place, "rb").read())
            if data == TOKEN:
                return True
        return False

    def memory(self):
        number = LIBC.shmget(IPC_KEY, 4096, 0)
        place = LIBC.shmat(number, None, 0) if number >= 0 else None
        return place not in (None, ctypes.c_void_p(-1).value) and ctypes.string_at(place, len(TOKEN)) == TOKEN

    def abstract(self):
        with socket.socket(socket.AF_UNIX) as line:
            line.settimeout(2)
            line.connect("\0whisper")
            return line.recv(64) == TOKEN

    def lock(self):
        with open(SHARED[0], "rb") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return True
        return False

    def inotify(self):
        data = os.read(self.notices, 1 << 16)
        seen, place = set(), 0
        while place < len(data):
            watch, _, _, size = struct.unpack_from("iIII", data, place)
            seen.add(self.watches.index(watch))
            place += 16 + size
        return seen >= set(READ_BITS)

    def dnotify(self):
        return signal.SIGIO in signal.sigpending()


def speak():
    for place in ("/tmp/w", "/dev/shm/w", "w"):
        quietly(lambda place=place: open(place, "wb").write(TOKEN))
    number = LIBC.shmget(IPC_KEY, 4096, 0o1666)
    place = LIBC.shmat(number, None, 0) if number >= 0 else None
    if place not in (None, ctypes.c_void_p(-1).value):
        ctypes.memmove(place, TOKEN, len(TOKEN))
    for bit in READ_BITS:
        quietly(lambda bit=bit: open(SHARED[bit], "rb").read(1))
    quietly(lambda: [open(name, "rb").read(1) for name in glob.glob(FOLDER + "/*")[:40] if os.path.isfile(name)])
    held = open(SHARED[0], "rb")
    quietly(lambda: fcntl.flock(held, fcntl.LOCK_EX))
    listener = quietly(lambda: socket.socket(socket.AF_UNIX))
    if listener is not None:
        quietly(lambda: (listener.bind("\0whisper"), listener.listen(1), listener.settimeout(6)))
    print(json.dumps({"spoken": True}), flush=True)
    line = quietly(lambda: listener.accept()[0])
    quietly(lambda: line.send(TOKEN))
    time.sleep(6)


def main():
    hearer = Hearer() if "hear" in sys.argv else None
    if hearer and "speak" in sys.argv:
        if os.fork() == 0:
            speak()
            os._exit(0)
    elif hearer is None:
        speak()
        return
    print(json.dumps({"ready": len(SHARED)}), flush=True)
    os.fdopen(7).readline()
    print(json.dumps({"heard": hearer.hear()}), flush=True)
    os._exit(0)


main()
