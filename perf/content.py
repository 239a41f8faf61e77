"""The gateway's reading of content: a 100 KB change of Python beside limits, both sides parsed; as a ratio.

The yardstick is what nobody who reads both sides can leave out: Python's own parser on each. The base is read when it
is put in force, before any guest runs; beside it, a review that finds nothing read yet.
"""

import ast
import statistics
import tempfile
import time
from pathlib import Path

from subcritical.gateway import Gateway, PathRule, Store
from subcritical.gateway.content.python import module_of
from subcritical.schema import Artifact

SIZE = 100_000
ROUNDS = 20
LIMITS = "MAX_TOKENS = 4096\nTIME_BUDGET = 300\n"


def source(size: int) -> str:
    """Our own modules, one after another, as one text of about that size."""
    texts, length = [LIMITS], 0
    rooms = Path(__file__).parent.parent / "src" / "subcritical"
    for path in sorted([*rooms.glob("stats/*.py"), *rooms.glob("measures/*.py")]):
        text = path.read_text(encoding="utf-8").replace("from __future__ import annotations\n", "")
        texts.append(text)
        length += len(text)
        if length >= size:
            break
    return "\n".join(texts)


def main(_only: str = "") -> None:
    base = source(SIZE).encode()
    with tempfile.TemporaryDirectory() as folder:
        gateway = Gateway(Store(Path(folder)), rules=[PathRule("**", Artifact.CODE)])
        gateway.seed({"solution.py": base})
        first, took, yard = [], [], []
        for number in range(ROUNDS):
            data = base.replace(b"self", b"this%d" % number)
            changed = {"solution.py": data}
            for cold, times in ((True, first), (False, took)):
                if cold:
                    module_of.cache_clear()
                began = time.perf_counter()
                gateway.review(changed, proposal="p", requester="guest")
                times.append(time.perf_counter() - began)
                changed = {"solution.py": data + b"\nlast = 1\n"}
            began = time.perf_counter()
            ast.parse(base)
            ast.parse(data)
            yard.append(time.perf_counter() - began)
        plain = statistics.median(yard)
        for name, times in (("nothing read yet", first), ("a review, the base read when it was put in force", took)):
            median = statistics.median(times)
            print(
                f"{name}: {len(base) / 1000:.0f} KB, median {median * 1e3:.0f} ms, {median / plain:.1f} x parsing both"
            )
        started = time.perf_counter()
        long = gateway.review({"solution.py": base + b"\n# " + b"x" * 10_000_000}, proposal="p", requester="guest")
        print(f"10 MB: {(time.perf_counter() - started) * 1e3:.0f} ms, {long.proposal.changes[0].artifact}")
