"""A payload: N busy processes in sessions of their own, without parents, ignoring every signal they can ignore.

Each writes its clock into a shared file as fast as it can, so that a reader sees whether it runs.
"""

import contextlib
import mmap
import os
import signal
import struct
import sys
import time

count = int(sys.argv[1])
handle = os.open("clock", os.O_RDWR | os.O_CREAT, 0o600)
os.ftruncate(handle, 8 * count)
shared = mmap.mmap(handle, 8 * count)
for number in range(1, 65):
    with contextlib.suppress(OSError, ValueError):
        signal.signal(number, signal.SIG_IGN)
for place in range(count):
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            while True:
                struct.pack_into("q", shared, 8 * place, time.clock_gettime_ns(time.CLOCK_BOOTTIME))
        os._exit(0)
print("up", flush=True)
while True:
    time.sleep(60)
