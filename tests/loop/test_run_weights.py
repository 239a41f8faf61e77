"""A run whose guest changes its weights by reference: people approve a digest, the candidate runs with those bytes."""

import hashlib
import json

import numpy as np
from loop_cases import make_loop
from test_run_people import Live, keys
from test_weights import npz

__all__ = ["keys"]

SOLUTION = """\
from pathlib import Path
import numpy as np
HERE = Path(__file__).parent
BASE = np.load(HERE / "base.npz")["threshold"]
ADAPTER = np.load(HERE / "adapter.npz")["shift"] if (HERE / "adapter.npz").exists() else 0
def classify(x):
    return (x >= BASE + ADAPTER).astype(int)
"""
BASE = npz(threshold=np.array(20.0))
ADAPTER = npz(shift=np.array(30.0))
UNKNOWN = npz(shift=np.array(31.0))


def reference(data, **more):
    return {"kind": "checkpoint", "sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data), **more}


def asks():
    """The guest: an adapter of bytes that nobody keeps, a pickle, and then one that lies in the store."""
    base = hashlib.sha256(BASE).hexdigest()
    lines = []
    for data in (UNKNOWN, ADAPTER):
        text = json.dumps(reference(data, kind="adapter", base=base))
        lines += [f"write('adapter.npz.ref.json', {text!r})", "print(ask(op='propose', claim='adapter'))"]
        if data is UNKNOWN:
            lines += [
                "os.remove('adapter.npz.ref.json')",
                "open('net.pkl', 'wb').write(b'cos\\nsystem\\n(S\\'id\\'\\ntR.')",
                "print(ask(op='propose', claim='pickle'))",
                "os.remove('net.pkl')",
            ]
    return "\n".join([*lines, "ask(op='done')", ""])


def test_an_adapter_by_digest_is_approved_by_two_and_used(tmp_path, rung, keys):
    weights = tmp_path / "loop" / "weights"
    weights.mkdir(parents=True)
    for data in (BASE, ADAPTER):
        (weights / hashlib.sha256(data).hexdigest()).write_bytes(data)

    def prepared(directory, guest, **settings):
        path = make_loop(directory, guest, **settings)
        (directory / "seed" / "solution.py").write_text(SOLUTION)
        (directory / "seed" / "base.npz.ref.json").write_text(json.dumps(reference(BASE)))
        return path

    rules = [
        {"path": "solution.py", "is": "code"},
        {"path": "evaluate.py", "is": "evaluator"},
        {"path": "*.npz.ref.json", "is": "weights"},
        {"path": "*.pkl", "is": "weights"},
    ]
    live = Live(tmp_path, rung, make=prepared, guest=asks(), artifacts=rules, weights={"store": "weights"})
    name = live.waiting()
    shown = live.call("show", "run", name).output
    assert f"adapter: 1 tensors, 1 numbers, by reference {hashlib.sha256(ADAPTER).hexdigest()}" in shown
    assert f"of {hashlib.sha256(BASE).hexdigest()}" in shown
    for who in ("ana", "bo"):
        assert live.vote("approve", name, keys[who]).exit_code == 0
    ran = live.end()
    assert ran.verdicts == ["refused", "refused", "accepted"]
    assert [round(score.value, 2) for score in ran.scores("public")][-1] == 1.0
    assert ran.scores("public")[0].value < 0.9
    assert "not in the store" in ran.said()
    assert "can run code" in ran.said()
