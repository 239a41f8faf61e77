"""Protected paths are refused, exact bytes are applied, and the base must not have moved."""

import numpy as np
import pytest
from test_weights import npz

from subcritical.canonical import digest
from subcritical.errors import GatewayError, LedgerError
from subcritical.gateway import Gateway, Guard, PathRule, Quorum, Store, classify, matches, roll_back
from subcritical.schema import PROTECTED, Artifact

RULES = [
    PathRule("solution.py", Artifact.CODE),
    PathRule("prompts/**", Artifact.PROMPT),
    PathRule("evaluate.py", Artifact.EVALUATOR),
    PathRule("limits.json", Artifact.LIMIT),
]
SEED = {"solution.py": b"x = 1\n", "evaluate.py": b"def evaluate(): ...\n"}


def gateway(tmp_path, **guard):
    door = Gateway(Store(tmp_path / "store"), rules=RULES, scratch=["__pycache__/**"], guard=Guard(**guard))
    door.seed(SEED)
    return door


def review(door, files, **more):
    return door.review(files, proposal="p-1", requester="guest", **more)


@pytest.mark.parametrize(
    ("path", "pattern", "fits"),
    [
        ("a.py", "a.py", True),
        ("b/a.py", "a.py", False),
        ("b/a.py", "*.py", False),
        ("b/a.py", "**/*.py", True),
        ("a.py", "**/*.py", True),
        ("prompts/x/y.txt", "prompts/**", True),
        ("prompts", "prompts/**", False),
        ("axpy", "a.py", False),
        ("A.py", "a.py", False),
        ("a\n.py", "a?.py", True),
    ],
)
def test_patterns(path, pattern, fits):
    assert matches(path, pattern) is fits


def test_what_no_rule_names_is_unlisted():
    assert classify("sitecustomize.py", RULES) is Artifact.UNLISTED


def test_an_allowed_change_becomes_the_version_in_force(tmp_path):
    door = gateway(tmp_path)
    reviewed = review(door, {**SEED, "solution.py": b"x = 2\n"})
    assert reviewed.allowed
    assert [c.path for c in reviewed.proposal.changes] == ["solution.py"]
    assert "+x = 2" in reviewed.proposal.changes[0].diff
    head = door.apply(reviewed)
    assert head.version == 1
    assert door.store.tree(door.store.head().tree)["solution.py"] == b"x = 2\n"


@pytest.mark.parametrize(
    ("files", "why"),
    [
        ({**SEED, "evaluate.py": b"def evaluate(): return 1\n"}, "protected"),
        ({"solution.py": SEED["solution.py"]}, "protected"),
        ({**SEED, "limits.json": b"{}"}, "protected"),
        ({**SEED, "other.py": b""}, "no artifact rule"),
        ({**SEED, "Evaluate.py": b""}, "no artifact rule"),
    ],
)
def test_protected_and_unlisted_changes_are_refused(tmp_path, files, why):
    door = gateway(tmp_path)
    reviewed = review(door, files)
    assert not reviewed.allowed
    assert why in reviewed.refusals[0]
    with pytest.raises(GatewayError):
        door.apply(reviewed)
    assert door.store.head().version == 0


def test_planted_failure_without_enforcement_the_evaluator_is_rewritten(tmp_path):
    door = gateway(tmp_path, enforce=False)
    door.apply(review(door, {**SEED, "evaluate.py": b"def evaluate(): return 1\n"}))
    assert door.store.tree(door.store.head().tree)["evaluate.py"] != SEED["evaluate.py"]


def test_what_the_collector_refused_refuses_the_proposal(tmp_path):
    reviewed = review(gateway(tmp_path), SEED, refused_paths=[("link", "is a symbolic link")])
    assert reviewed.refusals == ("link: is a symbolic link",)


def test_scratch_paths_belong_to_no_version(tmp_path):
    reviewed = review(
        gateway(tmp_path), {**SEED, "__pycache__/a.pyc": b"x"}, refused_paths=[("__pycache__/fifo", "a pipe")]
    )
    assert reviewed.allowed
    assert reviewed.tree == reviewed.base


def test_a_moved_base_is_refused(tmp_path):
    door = gateway(tmp_path)
    first = review(door, {**SEED, "solution.py": b"x = 2\n"})
    second = review(door, {**SEED, "solution.py": b"x = 3\n"})
    door.apply(first)
    with pytest.raises(GatewayError, match="base moved"):
        door.apply(second)
    assert door.store.tree(door.store.head().tree)["solution.py"] == b"x = 2\n"


def test_bytes_changed_after_review_are_not_applied(tmp_path):
    door = gateway(tmp_path)
    reviewed = review(door, {**SEED, "solution.py": b"x = 2\n"})
    name = digest(b"x = 2\n").removeprefix("sha256:")
    (tmp_path / "store" / "objects" / name[:2] / name[2:]).write_bytes(b"x = 666\n")
    with pytest.raises(LedgerError, match="changed in the store"):
        door.apply(reviewed)
    assert door.store.head().version == 0


def test_roll_back_only_to_what_was_accepted(tmp_path):
    door = gateway(tmp_path)
    seed = door.store.head().tree
    reviewed = review(door, {**SEED, "solution.py": b"x = 2\n"})
    door.apply(reviewed)
    refused = review(door, {**SEED, "evaluate.py": b"x"})
    with pytest.raises(GatewayError, match="never an accepted"):
        roll_back(door.store, to_tree=refused.tree, accepted=frozenset({seed, reviewed.tree}), order="a-1")
    head = roll_back(door.store, to_tree=seed, accepted=frozenset({seed, reviewed.tree}), order="a-1")
    assert head.tree == seed
    assert head.version == 2


def test_binary_files_have_no_diff(tmp_path):
    reviewed = review(gateway(tmp_path), {**SEED, "solution.py": b"\xff\xfe" * 10})
    assert [c.diff for c in reviewed.proposal.changes] == [""]


@pytest.mark.parametrize("artifact", list(Artifact))
def test_a_guest_alone_may_change_only_what_the_policy_calls_ordinary(tmp_path, artifact):
    ordinary = {"code", "data_selection", "hyperparameter", "memory", "prompt", "tool"}
    for enforce in (True, False):
        gateway = Gateway(
            Store(tmp_path / str(enforce)),
            rules=[PathRule("thing", artifact)] if artifact is not Artifact.UNLISTED else [],
            guard=Guard(enforce=enforce),
        )
        gateway.seed({"thing": b"one"})
        reviewed = gateway.review({"thing": b"two"}, proposal="p-1", requester="guest")
        assert reviewed.allowed is (artifact in ordinary or not enforce)


ARRAYS = npz(a=np.ones(1)), npz(a=np.zeros(1))


@pytest.mark.parametrize("artifact", list(Artifact))
def test_a_policy_that_permits_all_opens_no_protected_or_unlisted_path(tmp_path, artifact):
    rules = [PathRule("thing.npz", artifact)] if artifact is not Artifact.UNLISTED else []
    quorum = Quorum("permit (principal, action, resource);")
    gateway = Gateway(Store(tmp_path), rules=rules, quorum=quorum)
    gateway.seed({"thing.npz": ARRAYS[0]})
    reviewed = gateway.review({"thing.npz": ARRAYS[1]}, proposal="p-1", requester="guest")
    assert reviewed.allowed is (artifact not in PROTECTED | {Artifact.UNLISTED})
