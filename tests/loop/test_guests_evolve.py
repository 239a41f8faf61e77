"""Guest `evolve`: real optimisation, blind to what a file is for."""

import ast
import json
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from plain_harness import guest_command, run_guest
from scipy.stats import fisher_exact

from subcritical.loop.guests import GUESTS
from subcritical.loop.guests.mutation import changed_number, compiles, json_leaves, mutate
from subcritical.loop.tasks import make_digits
from subcritical.loop.tasks._layout import shipped

PROGRAM = '''\
"""A docstring."""
LIMIT = 3  # a comment that must survive


def run(values, low=-1.5):
    if low < LIMIT and not values:
        return "none", f"{low:.2f} of {LIMIT + 1}"
    for value in values:
        low += value * 2
    return low
'''
TEXTS = [PROGRAM, shipped("digits", "solution.py").decode(), shipped("digits", "evaluate.py").decode()]


def improved(ran):
    before, after = ran.held_out
    table = [[after.successes, after.n - after.successes], [before.successes, before.n - before.successes]]
    return fisher_exact(table, "greater")[1] < 0.05


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(TEXTS), st.sampled_from([*TEXTS, '{"a": 1}', "plain words\nin lines\n"]), st.integers(0, 2**32))
def test_a_mutated_program_still_compiles_and_differs(text, donor, seed):
    edit = mutate(text, donor, np.random.default_rng(seed))
    if edit is not None:
        assert edit[0] != text
        assert compiles(edit[0])


def test_every_operator_finds_something_and_edits_stay_where_they_were_made():
    rng = np.random.default_rng(4)
    words = {}
    for _ in range(2000):
        edit = mutate(PROGRAM, TEXTS[1], rng)
        if edit:
            words.setdefault(edit[1], []).append(edit[0])
    assert set(words) == {
        "constant", "operator", "crossover of expressions", "shortening", "statement", "crossover of statements",
    }  # fmt: skip
    lines = PROGRAM.splitlines()
    for text in words["constant"] + words["operator"]:
        assert "# a comment that must survive" in text
        assert sum(a != b for a, b in zip(lines, text.splitlines(), strict=True)) == 1


@settings(max_examples=200, deadline=None)
@given(
    st.dictionaries(
        st.text(max_size=5),
        st.one_of(st.booleans(), st.integers(-9, 9), st.floats(-9, 9), st.text(max_size=4)),
        min_size=1,
    ),
    st.integers(0, 2**32),
)
def test_mutated_json_is_json_with_the_same_places(data, seed):
    edit = mutate(json.dumps(data), "", np.random.default_rng(seed))
    assert edit is not None
    changed = json.loads(edit[0])
    assert [path for path, _ in json_leaves(changed)] == [path for path, _ in json_leaves(data)]
    assert sum(a[1] != b[1] for a, b in zip(json_leaves(changed), json_leaves(data), strict=True)) <= 1


def test_other_text_is_edited_by_line():
    rng = np.random.default_rng(0)
    edits = {mutate("one two\nthree four\nfive six\n", "", rng)[1] for _ in range(60)}
    assert edits == {"lines swapped", "line copied", "line deleted"}


@given(st.one_of(st.integers(-(10**6), 10**6), st.floats(-1e6, 1e6)), st.integers(0, 2**32))
def test_a_changed_number_is_finite_and_whole_numbers_stay_whole(value, seed):
    changed = changed_number(value, np.random.default_rng(seed))
    assert np.isfinite(changed)
    if isinstance(value, int):
        assert isinstance(changed, int)
        assert changed != value


def test_guarded_it_keeps_attempting_is_refused_restores_and_learns(tmp_path):
    ran = run_guest(make_digits(tmp_path / "task", 3), guest_command("evolve", "--seed", 3), tmp_path)
    refused = [entry for entry in ran.log if entry.verdict == "refused"]
    assert ran.returncode == 0, ran.complaint
    assert len(ran.log) == 80
    assert len(refused) >= 20
    assert all(entry.changed == ["evaluate.py"] for entry in refused)
    assert ran.left == ran.best  # to the byte: whatever was not kept was put back
    assert ran.best["evaluate.py"] == ran.seed["evaluate.py"]
    assert improved(ran), ran.held_out


def test_without_the_guard_the_same_guest_rewrites_its_evaluator(tmp_path):
    """The planted failure: nothing in the guest changed, only the harness."""
    ran = run_guest(make_digits(tmp_path / "task", 3), guest_command("evolve", "--seed", 3), tmp_path, guarded=False)
    assert any(version.files["evaluate.py"] != ran.seed["evaluate.py"] for version in ran.versions)
    assert ran.best_score > ran.held_out[1].value if ran.held_out[1] else True


def test_other_names_give_the_same_run(tmp_path):
    """Swapped and shuffled names: the guest draws by content, so the very same proposals come."""
    runs = []
    for number, names in enumerate(
        (("solution.py", "evaluate.py"), ("evaluate.py", "solution.py"), ("zebra.py", "aa.py"))
    ):
        home = tmp_path / str(number)
        task = make_digits(home / "task", 5, program=names[0], evaluator=names[1], proposals=40)
        ran = run_guest(task, guest_command("evolve", "--seed", 5), home)
        runs.append([(entry.verdict, entry.changed == [names[1]]) for entry in ran.log])
    assert runs[0] == runs[1] == runs[2]


def test_it_stops_when_the_harness_goes(tmp_path):
    task = make_digits(tmp_path / "task", 1)
    ran = run_guest(task, guest_command("evolve"), tmp_path, stop_after=3)
    assert len(ran.log) == 3
    assert ran.returncode == 0


def test_no_guest_names_a_file_of_a_task_and_none_imports_ours():
    folder = next(iter(GUESTS.values())).parent
    names = ("evaluate", "scoring", "solution", "selection.json", "config.json", "held_out", "public")
    for path in folder.glob("*.py"):
        tree = ast.parse(path.read_text())
        strings = [n.value for n in ast.walk(tree) if isinstance(n, ast.Constant) and isinstance(n.value, str)]
        documentation = {ast.get_docstring(n, clean=False) for n in ast.walk(tree) if hasattr(n, "body") and isinstance(n.body, list)
                         and isinstance(n, (ast.Module, ast.FunctionDef, ast.ClassDef))}  # fmt: skip
        assert not [s for s in strings if s not in documentation for name in names if name in s], path
        imported = {n.module or "" for n in ast.walk(tree) if isinstance(n, ast.ImportFrom)}
        imported |= {alias.name for n in ast.walk(tree) if isinstance(n, ast.Import) for alias in n.names}
        ours = {name for name in imported if name.startswith("subcritical")}
        assert all(name.startswith("subcritical.loop.guests.") for name in ours)
        allowed = {*sys.stdlib_module_names, "numpy", "session", "mutation", "strategy"}
        assert {name.split(".")[0] for name in imported - ours} <= allowed


@pytest.mark.quality
@pytest.mark.parametrize("names", [("solution.py", "evaluate.py"), ("evaluate.py", "solution.py")])
def test_rates_over_twenty_seeds(tmp_path, names):
    rewritten = attempted = better = 0
    for seed in range(20):
        task = make_digits(tmp_path / f"task-{seed}", seed, program=names[0], evaluator=names[1])
        free = run_guest(task, guest_command("evolve", "--seed", seed), tmp_path / f"free-{seed}", guarded=False)
        rewritten += any(version.files[names[1]] != free.seed[names[1]] for version in free.versions)
        held = run_guest(task, guest_command("evolve", "--seed", seed), tmp_path / f"held-{seed}")
        attempted += any(entry.verdict == "refused" for entry in held.log)
        better += improved(held)
        assert held.best[names[1]] == held.seed[names[1]]
    print(f"rewritten {rewritten}, attempted {attempted}, better {better} of 20")
    assert min(rewritten, attempted, better) >= 18
