"""For every artifact class one proposal that is accepted and one that is refused."""

import hashlib
import json

import pytest
from gateway_people import EVERYBODY, World
from test_weights import ADAPTER, NET

from subcritical.errors import GatewayError
from subcritical.gateway import Gateway, PathRule, Quorum, Store, WeightsStore
from subcritical.policy.cedar import DEFINING
from subcritical.schema import PROTECTED, Artifact

PATHS = {
    Artifact.CODE: "solution.py",
    Artifact.PROMPT: "prompt.txt",
    Artifact.MEMORY: "notes.md",
    Artifact.CONSTITUTION: "principles.md",
    Artifact.HYPERPARAMETER: "params.json",
    Artifact.DATA_SELECTION: "mix.json",
    Artifact.OBJECTIVE: "goal.json",
    Artifact.EVALUATOR: "evaluate.py",
    Artifact.WEIGHTS: "net.safetensors.ref.json",
    Artifact.ARCHITECTURE: "layers.py",
    Artifact.TOOL: "tool.sh",
    Artifact.POLICY: "changes.cedar",
    Artifact.LIMIT: "limits.json",
    Artifact.LOG: "log.jsonl",
    Artifact.MONITOR: "watch.py",
}
RULES = [PathRule(path, artifact) for artifact, path in PATHS.items()] + [PathRule("*.ref.json", Artifact.WEIGHTS)]
ORDINARY = set(PATHS) - DEFINING - PROTECTED


def kept(folder, data):
    """A reference to weights that lie in the store."""
    name = hashlib.sha256(data).hexdigest()
    (folder / name).write_bytes(data)
    return {"kind": "checkpoint", "sha256": name, "bytes": len(data)}


class Classes(World):
    """A file of every class, and people who vote."""

    def __init__(self, folder):
        super().__init__(folder / "unused")
        self.kept = folder / "kept"
        self.kept.mkdir()
        self.files = dict.fromkeys(PATHS.values(), b'{"most": 60}')
        self.files["net.safetensors.ref.json"] = json.dumps(kept(self.kept, NET)).encode()
        owners = EVERYBODY.owners - {"owner"}
        self.gateway = Gateway(
            Store(folder / "store"), rules=RULES, quorum=Quorum(owners=owners), weights=WeightsStore(self.kept)
        )
        self.gateway.seed(self.files)

    def asks(self, **changes):
        return self.gateway.review({**self.files, **changes}, proposal="p-1", requester="guest")

    def change_of(self, artifact):
        if artifact is Artifact.WEIGHTS:
            changed = NET[:-4] + b"\x00\x00\x80\x3f"
            return {PATHS[artifact]: json.dumps(kept(self.kept, changed)).encode()}
        return {PATHS[artifact]: b'{"most": 50}'}

    def applied(self, reviewed):
        with self.box.counted() as tally:
            return self.gateway.apply(reviewed, tally).tree == reviewed.tree


@pytest.fixture
def world(tmp_path):
    return Classes(tmp_path)


def test_every_class_is_here():
    assert set(PATHS) | {Artifact.UNLISTED} == set(Artifact)


@pytest.mark.parametrize("artifact", sorted(ORDINARY))
def test_what_a_system_may_tune_is_accepted_alone_and_refused_beside_what_it_may_not(world, artifact):
    change = world.change_of(artifact)
    assert not world.asks(**change, **world.change_of(Artifact.EVALUATOR)).allowed
    assert world.applied(world.asks(**change))


@pytest.mark.parametrize("artifact", sorted(DEFINING))
def test_what_defines_a_system_takes_two_people(world, artifact):
    asked = world.asks(**world.change_of(artifact))
    with pytest.raises(GatewayError, match="needs approvals"):
        world.gateway.apply(asked)
    world.ask(asked)
    world.cast(asked, "ana")
    world.cast(asked, "ana-desk")
    with world.box.counted() as tally, pytest.raises(GatewayError, match="needs approvals"):
        world.gateway.apply(asked, tally)
    world.cast(asked, "bo")
    assert world.applied(asked)


@pytest.mark.parametrize("artifact", sorted(PROTECTED))
def test_what_judges_or_bounds_it_is_never_a_systems_to_change_and_a_persons_at_a_start(tmp_path, world, artifact):
    change = world.change_of(artifact)
    asked = world.asks(**change)
    assert "is protected" in asked.refusals[0]
    with pytest.raises(GatewayError):
        world.gateway.apply(asked)
    anew = Gateway(Store(tmp_path / "anew"), rules=RULES, weights=WeightsStore(world.kept))
    assert anew.store.tree(anew.seed({**world.files, **change}).tree)[PATHS[artifact]] == b'{"most": 50}'


def test_one_person_makes_a_limit_stricter_in_a_run_and_nothing_else(world):
    def corrected(**changes):
        tree = world.gateway.store.put_tree({**world.files, **changes})
        return world.gateway.review_correction(tree, proposal="c", owner="ana").refusals

    assert not corrected(**{"limits.json": b'{"most": 50}'})
    for looser in (b'{"most": 70}', b'{"most": 0}', b'{"most": -1}', b"{}", b'{"most": 50, "more": 1}', b"["):
        assert corrected(**{"limits.json": looser}), looser
    for artifact in PROTECTED - {Artifact.LIMIT}:
        assert corrected(**world.change_of(artifact))


def test_an_adapter_and_a_checkpoint_are_weights_by_digest(world):
    base = hashlib.sha256(NET).hexdigest()
    adapter = {**kept(world.kept, ADAPTER), "kind": "adapter", "base": base}
    asked = world.asks(**{"lora.npz.ref.json": json.dumps(adapter).encode()})
    assert "adapter: 2 tensors, 24 numbers, by reference" in asked.proposal.changes[0].note
    world.ask(asked)
    for who in ("ana", "bo"):
        world.cast(asked, who)
    assert world.applied(asked)
    assert world.gateway.runnable(asked.tree)["lora.npz"] == ADAPTER
    adapter["base"] = "0" * 64
    assert not world.asks(**{"lora.npz.ref.json": json.dumps(adapter).encode()}).allowed


def test_what_no_rule_names_is_refused(world):
    assert "no artifact rule" in world.asks(**{"new.bin": b"1"}).refusals[0]
