"""What a start costs, compared with a plain start of the same interpreter. Ratios, never milliseconds."""

import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

import pytest

from subcritical.sandbox import PythonPayload, SandboxSpec


@pytest.mark.sim
def test_a_sandboxed_python_starts_in_a_small_multiple_of_a_plain_one(rung, make, capsys):
    """The bar is 2.5 on a quiet machine; the margin here is for a shared one. Interleaved pairs, median."""
    containment, executable = make(rung), os.path.realpath(sys.executable)
    plain, sandboxed = [], []
    for number in range(25):
        begin = time.perf_counter()
        subprocess.run([executable, "-I", "-S", "-B", "-c", "pass"], check=True)
        plain.append(time.perf_counter() - begin)
        begin = time.perf_counter()
        spec = SandboxSpec(
            name=f"start-{number}", payload=PythonPayload(script=Path("main.py")), files={"main.py": b"pass\n"}
        )
        sandbox = containment.launch(spec)
        assert sandbox.wait(30).code == 0
        sandboxed.append(time.perf_counter() - begin)
        sandbox.close()
    ratio = statistics.median(sandboxed) / statistics.median(plain)
    with capsys.disabled():
        print(f"\n{rung}: sandboxed start {ratio:.2f} times a plain start, {len(plain)} pairs")
    assert ratio < 4
