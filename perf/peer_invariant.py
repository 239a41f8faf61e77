"""The peer beside our rules: invariant-ai, two regex rules of its LocalPolicy, in a virtual environment of its own.

It is made in the temporary directory on first use, with the package index that pip is configured for; skipped, and said
so, where that fails. Two rules against our hundred, and no state, so compare orders of magnitude only.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

VERSION = "invariant-ai==0.3.5"
EVENTS = 20_000


def peer(path: Path) -> None:
    """Print its events a second of CPU time over the first events of a file."""
    folder = Path(tempfile.gettempdir()) / "subcritical-perf-invariant"
    python = folder / "bin" / "python"
    script = Path(__file__).with_name("invariant_policy.py")
    try:
        if not python.exists():
            subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True, stdout=subprocess.PIPE)
        subprocess.run([python, "-m", "pip", "install", "-q", VERSION], check=True, capture_output=True, timeout=900)
        done = subprocess.run([python, script, path, str(EVENTS)], check=True, capture_output=True, timeout=900)
    except (OSError, subprocess.SubprocessError) as error:
        print(f"PEER NOT RUN: {VERSION}: {error}", flush=True)
        return
    told = json.loads(done.stdout.splitlines()[-1])
    print(
        f"{VERSION} LocalPolicy, 2 rules: {told['events'] / told['cpu_s']:.0f} events/s, CPU, on the first "
        f"{told['events']} events; {told['findings']} findings",
        flush=True,
    )
