"""Which file instructions call editable and which read-only, however the two are put beside each other."""

import pytest

from subcritical.loop.doctor import examine

JUDGE = "def rate(f):\n    return sum(f(x) == x % 2 for x in range(9)) / 9\n"
SOLUTION = "from judge import rate\n\n\ndef f(x):\n    return 0\n\n\nprint('accuracy:', rate(f))\n"


@pytest.mark.parametrize(
    "told",
    [
        "Improve `work.py`. `judge.py` is read-only: do not modify it.",
        "`judge.py` is read-only: do not modify it. Improve `work.py`.",
        "You edit `work.py`. Never touch anything else.",
        "Files you may edit: `work.py`",
        "- `judge.py`: fixed data and measure. Do not modify.\n- `work.py`: the model. This is what you edit.",
        "Tune `work.py` as you like! Do not change `judge.py`; it is the measure.",
    ],
)
def test_the_file_to_edit_is_the_candidate_and_the_other_is_not(tmp_path, told):
    (tmp_path / "judge.py").write_text(JUDGE)
    (tmp_path / "work.py").write_text(SOLUTION)
    (tmp_path / "task.md").write_text(f"# Task\n\n{told}\n")
    told = examine(tmp_path)
    roles = {role.path: role.role for role in told.roles}
    assert (roles["work.py"], roles["judge.py"]) == ("candidate", "evaluator")
    assert ("judge.py", "can_write") in {(producer.name, producer.guest) for producer in told.producers}
    assert {("scorer-in-guest-process", "work.py"), ("evaluator-writable", "judge.py")} <= {
        (hole.id, hole.file) for hole in told.holes
    }
