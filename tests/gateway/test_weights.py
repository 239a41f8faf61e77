"""Weights: formats that run nothing, references by digest, adapters of what is there."""

import hashlib
import io
import json
import pickle
import zipfile

import numpy as np
import pytest

from subcritical.errors import InputError
from subcritical.gateway import Gateway, PathRule, Store, WeightsStore
from subcritical.schema import Artifact

RULES = [PathRule("net/**", Artifact.WEIGHTS), PathRule("**", Artifact.CODE)]


def npz(**arrays):
    file = io.BytesIO()
    np.savez(file, **arrays)
    return file.getvalue()


def safetensors(**arrays):
    header, body = {}, b""
    for name, array in arrays.items():
        data = array.astype("<f4").tobytes()
        header[name] = {"dtype": "F32", "shape": list(array.shape), "data_offsets": [len(body), len(body) + len(data)]}
        body += data
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + body


def trained():
    """A small network, trained: two layers that learn the sign of a sum."""
    dice = np.random.default_rng(1)
    first, second = dice.normal(size=(4, 8)) * 0.3, dice.normal(size=8) * 0.3
    for _ in range(200):
        x = dice.normal(size=(32, 4))
        hidden = np.tanh(x @ first)
        error = np.tanh(hidden @ second) - np.sign(x.sum(axis=1))
        second -= 0.05 * hidden.T @ error / 32
        first -= 0.05 * x.T @ (np.outer(error, second) * (1 - hidden**2)) / 32
    return {"first": first, "second": second}


NET = safetensors(**trained())
ADAPTER = npz(down=np.zeros((4, 2)), up=np.ones((2, 8)))


class World:
    """A gateway with a store of weights beside it."""

    def __init__(self, folder, seed=None):
        self.kept = folder / "kept"
        self.kept.mkdir()
        self.gateway = Gateway(Store(folder / "run"), rules=RULES, weights=WeightsStore(self.kept))
        self.seed = seed or {"solution.py": b"x = 1\n"}
        self.gateway.seed(self.seed)

    def keep(self, data):
        name = hashlib.sha256(data).hexdigest()
        (self.kept / name).write_bytes(data)
        return name

    def reference(self, data, **changed):
        said = {"kind": "checkpoint", "sha256": self.keep(data), "bytes": len(data)}
        return json.dumps({**said, **changed}).encode()

    def review(self, **files):
        named = {path.replace("__", "."): data for path, data in files.items()}
        return self.gateway.review(
            {**self.seed, **{f"net/{path}": data for path, data in named.items()}}, proposal="p", requester="guest"
        )


@pytest.fixture
def world(tmp_path):
    return World(tmp_path)


def test_what_runs_is_the_reference_and_its_bytes(world):
    reviewed = world.review(**{"a.safetensors.ref.json": world.reference(NET)})
    files = world.gateway.runnable(reviewed.tree)
    assert files["net/a.safetensors"] == NET
    assert set(world.gateway.store.tree(reviewed.tree)) == {"solution.py", "net/a.safetensors.ref.json"}
    assert "2 tensors, 40 numbers" in reviewed.proposal.changes[0].note


def test_bytes_that_are_exchanged_after_the_review_are_not_used(world):
    reviewed = world.review(**{"a.safetensors.ref.json": world.reference(NET)})
    for path in world.kept.iterdir():
        path.write_bytes(path.read_bytes()[:-1] + b"\x01")
    with pytest.raises(InputError, match="not what its name says"):
        world.gateway.runnable(reviewed.tree)


def test_an_adapter_goes_with_its_checkpoint(world):
    base = hashlib.sha256(NET).hexdigest()
    adapter = world.reference(ADAPTER, kind="adapter", base=base)
    both = {"a.safetensors.ref.json": world.reference(NET), "b.npz.ref.json": adapter}
    assert not world.review(**both).proposal.refused_paths
    alone = world.review(**{"b.npz.ref.json": adapter})
    assert "is not in this version" in alone.refusals[0]
    beside = world.review(**{"a.safetensors": NET, "b.npz.ref.json": adapter})
    assert not beside.proposal.refused_paths


def member(name, data):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr(name, data)
    return file.getvalue()


HOLE = safetensors(a=np.ones(2))
BAD = {
    "a pickle": ("a.pkl", pickle.dumps([1])),
    "what PyTorch writes": ("a.pt", member("archive/data.pkl", pickle.dumps([1]))),
    "a pickle under another name": ("a.safetensors", pickle.dumps([1])),
    "a ZIP of a pickle": ("a.npz", member("data.pkl", pickle.dumps([1]))),
    "arrays of objects": ("a.npz", npz(a=np.array([{}], dtype=object))),
    "no ZIP file": ("a.npz", b"PK\x03\x04"),
    "a bad array": ("a.npz", member("a.npy", b"\x93NUMPY\x09\x00")),
    "nothing": ("a.safetensors", b""),
    "a long header": ("a.safetensors", (1 << 60).to_bytes(8, "little") + b"{}"),
    "bytes behind": ("a.safetensors", HOLE + b"x"),
    "a negative shape": ("a.safetensors", HOLE.replace(b"[2]", b"[-2]")[:-1]),
    "another dtype": ("a.safetensors", HOLE.replace(b"F32", b"OBJ")),
    "a deep header": ("a.safetensors", (9000).to_bytes(8, "little") + b"[" * 9000),
}


@pytest.mark.parametrize("name", BAD)
def test_weights_that_could_run_code_or_lie_are_refused(world, name):
    path, data = BAD[name]
    direct = world.review(**{path: data})
    assert direct.refusals, direct
    by_reference = world.review(**{f"{path}.ref.json": world.reference(data or b" ")})
    assert by_reference.refusals
    assert any(path in line for line in by_reference.refusals)


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"sha256": "0" * 64}, "not in the store"),
        ({"sha256": "../../etc/passwd"}, "no reference"),
        ({"bytes": 3}, "not what its name says"),
        ({"bytes": 0}, "no reference"),
        ({"kind": "adapter"}, "names its base"),
        ({"base": "0" * 64}, "names its base"),
        ({"more": 1}, "no reference"),
    ],
)
def test_references_that_do_not_hold_are_refused(world, changed, why):
    reviewed = world.review(**{"a.safetensors.ref.json": world.reference(NET, **changed)})
    assert why in "; ".join(reviewed.refusals)


def test_a_reference_beside_a_file_of_its_name_is_refused(world):
    reviewed = world.review(**{"a.npz": ADAPTER, "a.npz.ref.json": world.reference(ADAPTER)})
    assert "a file of its own" in "; ".join(reviewed.refusals)


def test_a_run_without_a_store_takes_no_reference(tmp_path):
    gateway = Gateway(Store(tmp_path), rules=RULES)
    gateway.seed({"a.py": b""})
    text = json.dumps({"kind": "checkpoint", "sha256": "0" * 64, "bytes": 1}).encode()
    reviewed = gateway.review({"a.py": b"", "net/a.npz.ref.json": text}, proposal="p", requester="guest")
    assert "weights: {store" in "; ".join(reviewed.refusals)
