"""Whatever a candidate or an evaluator does, an evaluation ends in a number or in a reason."""

import pytest
from evaluation_cases import EVALUATOR, GOOD

from subcritical.sandbox import Limits


def test_a_candidate_is_scored(judge_once):
    outcome = judge_once()
    assert (outcome.status, outcome.detail) == ("ok", "")
    assert (outcome.scored.value, outcome.scored.n, outcome.scored.successes) == (1.0, 20, 20)


@pytest.mark.parametrize(
    ("candidate", "status", "words"),
    [
        (b"def classify(x):\n    raise ValueError('no')\n", "invalid", "ValueError: no"),
        (b"syntax error here\n", "invalid", "SyntaxError"),
        (b"import os\ndef classify(x):\n    os._exit(0)\n", "invalid", "ended"),
        (b"import sys\ndef classify(x):\n    sys.exit(0)\n", "invalid", "SystemExit"),
        (b"def classify(x):\n    while True: pass\n", "timeout", "no verdict within"),
        (b"def classify(x):\n    return object()\n", "invalid", "does not travel"),
        (b"def classify(x):\n    return [float('nan')] * 20\n", "ok", ""),
        (
            b"import os\ndef classify(x):\n    os.write(4, b'garbage' * 1000)\n    os._exit(0)\n",
            "invalid",
            "unreadable",
        ),
        (b"import os, struct\nos.write(4, struct.pack('!II', 2**31, 2**31))\n", "invalid", "over the cap"),
        (b"def classify(x):\n    return x['y']\n", "invalid", "Error"),
        (b"open('/workspace/evaluator/evaluate.py')\n", "invalid", "Error"),
    ],
)
def test_hostile_candidates(judge_once, candidate, status, words):
    outcome = judge_once(candidate, timeout_s=1.5)
    assert outcome.status == status, outcome
    assert words in outcome.detail


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        ("raise RuntimeError('broken')", "invalid", "broken"),
        ("import os; os._exit(0)", "crashed", "without a verdict"),
        ("print('accuracy: 1.0'); import os; os._exit(0)", "crashed", "without a verdict"),
        ("while True: pass", "timeout", "no verdict"),
        ("return {'metrics': {'accuracy': {'value': float('nan')}}, 'primary': 'accuracy'}", "invalid", "NaN"),
        ("return {'metrics': {'accuracy': {'value': 1e308}}, 'primary': 'accuracy'}", "invalid", "bounds"),
        ("return {'metrics': {'accuracy': {'value': 0.5}}, 'primary': 'other'}", "invalid", "no metric `other`"),
        ("return 'x' * (64 << 20)", "invalid", "larger"),
        ("import os; os.write(6, b'{\"nonce\": 1}\\n'); return 1", "invalid", "not bound"),
        ("return None", "invalid", "shape"),
    ],
)
def test_broken_evaluators(judge_once, body, status, words):
    evaluator = f"def evaluate(candidate, data):\n    {body}\n".encode()
    outcome = judge_once(evaluator=evaluator, timeout_s=3.0)
    assert outcome.status == status, outcome
    assert words in outcome.detail


@pytest.mark.parametrize("evaluator", [b"x = 1\n", b"def evaluate(:\n", b"import nothing_of_that_name\n"])
def test_an_evaluator_that_cannot_be_loaded_says_so(judge_once, evaluator):
    outcome = judge_once(evaluator=evaluator)
    assert outcome.status == "invalid"
    assert "cannot be loaded" in outcome.detail


def test_output_without_end_is_cut(judge_once):
    loud = b"import os\nfor _ in range(64):\n    os.write(1, b'x' * (1 << 20)); os.write(2, b'y' * (1 << 20))\n" + GOOD
    outcome = judge_once(loud, timeout_s=10, limits=Limits(memory_bytes=512 << 20, output_bytes=1 << 16))
    assert outcome.status == "ok"


def test_memory_beyond_the_limit_is_a_limit_not_a_crash(judge_once):
    greedy = b"def classify(x):\n    big = [b'x' * (1 << 20) for _ in range(900)]\n    return x\n"
    outcome = judge_once(greedy, timeout_s=10, limits=Limits(memory_bytes=300 << 20))
    assert outcome.status in {"limit", "invalid"}
    assert "memory" in outcome.detail.lower()


def test_the_approved_bytes_are_read_not_what_the_candidate_shows(judge_once):
    evaluator = b"def evaluate(candidate, data):\n    candidate.call('classify', data['x'])\n    k = len(candidate.read('config.json'))\n    return {'metrics': {'size': {'value': k}}, 'primary': 'size'}\n"
    liar = b"def classify(x):\n    open('config.json', 'w').write('x' * 500)\n    return 0\n"
    outcome = judge_once(liar, evaluator, files={"config.json": b"{}"})
    assert outcome.scored.value == 2


def test_a_seeded_evaluator_gets_fresh_seeds(judge_once):
    evaluator = (
        b"def evaluate(candidate, data, seed):\n    return {'metrics': {'m': {'value': seed % 7}}, 'primary': 'm'}\n"
    )
    outcome = judge_once(evaluator=evaluator, seeds=(1, 2, 3))
    assert outcome.scored.value == 2.0
    assert outcome.scored.fresh
    assert outcome.scored.se == pytest.approx(0.577, abs=0.001)


def test_evaluators_may_have_files_beside_them(judge_once):
    evaluator = b"import json, pathlib\ndef evaluate(candidate, data):\n    k = json.loads(pathlib.Path(__file__).with_name('rules.json').read_text())\n    return {'metrics': {'m': {'value': k}}, 'primary': 'm'}\n"
    assert judge_once(evaluator=evaluator, beside={"rules.json": b"7"}).scored.value == 7


def test_shared_isolation_serves_both_kinds_of_evaluator(judge_once):
    assert judge_once(isolation="shared").scored.value == 1.0
    openevolve = b"import runpy\ndef evaluate(program_path):\n    f = runpy.run_path(program_path)['classify']\n    import numpy as np\n    return {'combined_score': float(f(np.arange(3.0)).sum())}\n"
    outcome = judge_once(evaluator=openevolve, isolation="shared")
    assert (outcome.scored.metric, outcome.scored.value) == ("combined_score", 1.0)


FORGER = b"""\
import gc, json, os
def classify(x):
    for thing in gc.get_objects():
        if isinstance(thing, dict) and isinstance(thing.get("nonce"), str):
            verdict = {"metrics": {"accuracy": {"value": 1.0, "n": 20, "successes": 20}}, "primary": "accuracy"}
            os.write(6, json.dumps({"nonce": thing["nonce"], "verdicts": [verdict]}).encode() + b"\\n")
            os._exit(0)
    return x * 0 - 1
"""


def test_planted_failure_a_candidate_in_the_evaluators_interpreter_forges_the_verdict(judge_once):
    """What `isolation: split` is for: the same candidate forges nothing there, and everything when shared."""
    assert judge_once(FORGER, isolation="shared").scored.value == 1.0
    assert judge_once(FORGER).scored.value == 0.0


def test_the_split_is_invisible_to_a_candidate(judge_once, split):
    spy = f"import os\nfound = os.path.exists({str(split)!r})\ndef classify(x):\n    return (x % 2).astype(int) if found else x * 0 - 1\n"
    assert judge_once(spy.encode()).scored.value == 0.0


def test_a_stopped_run_ends_a_waiting_evaluation(judge_once):
    class Stop(Exception):  # noqa: N818
        pass

    class Stopping:
        calls = 0

        def check(self):
            self.calls += 1
            if self.calls > 5:
                raise Stop

        def paused_ns(self):
            return 0

    with pytest.raises(Stop):
        judge_once(b"def classify(x):\n    while True: pass\n", timeout_s=60, watch=Stopping())


def test_paused_time_is_not_charged(judge_once):
    class Paused:
        reads = 0

        def check(self):
            return None

        def paused_ns(self):
            self.reads += 1
            return self.reads * 10**11

    assert judge_once(timeout_s=0.5, evaluator=b"import time\n" + EVALUATOR, watch=Paused()).status == "ok"
