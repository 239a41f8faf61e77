"""A payload that tries to survive its supervisor by every route it knows, in ten processes."""

import contextlib
import ctypes
import os
import signal
import time

libc = ctypes.CDLL(None, use_errno=True)
for number in range(1, 65):
    with contextlib.suppress(OSError, ValueError):
        signal.signal(number, signal.SIG_IGN)


def disarm():
    libc.prctl(1, 0, 0, 0, 0)
    libc.ptrace(16, 1, 0, 0)
    with contextlib.suppress(OSError):
        os.kill(1, signal.SIGSTOP)
    with contextlib.suppress(OSError):
        os.close(os.open("/proc/1/mem", os.O_RDWR))


for _ in range(10):
    if os.fork() == 0:
        with contextlib.suppress(OSError):
            os.setsid()
        if os.fork() == 0:
            while True:
                disarm()
        os._exit(0)
with contextlib.suppress(ChildProcessError):
    while True:  # until those in between are gone: their children are the ones that count
        os.wait()
print("up", flush=True)
while True:
    time.sleep(60)
