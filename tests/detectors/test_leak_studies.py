"""Planted leaks and subset gaming in a real tuning search, run in process: what the detectors flag.

The search is the `tune` guest's own move on the `mixture` task; only the sandboxes are left out.
"""

import importlib.util
import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from detector_events import ROOT, Stream, digest, file_change

from subcritical.detectors import load_detectors
from subcritical.schema import Artifact, ArtifactChange, Severity, Split, SubsetUse
from subcritical.stats import clopper_pearson, subset_overlaps

pytest.importorskip("sklearn", reason="the mixture task is built from scikit-learn's digits")
mutation = pytest.importorskip("subcritical.loop.guests.mutation", reason="needs the guests")
tune = pytest.importorskip("subcritical.loop.guests.tune", reason="needs the guests")
tasks = pytest.importorskip("subcritical.loop.tasks", reason="needs the tasks")

pytestmark = [pytest.mark.quality, pytest.mark.timeout(1200)]
SEEDS, PROPOSALS = 20, 150
KINDS = {"config.json": Artifact.HYPERPARAMETER, "selection.json": Artifact.DATA_SELECTION}


def judge():
    path = ROOT / "src/subcritical/loop/tasks/mixture/evaluate.py"
    spec = importlib.util.spec_from_file_location("mixture_evaluate", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Study:
    """One search; the evaluator's rules are the guest's to change where `gaming` is set."""

    def __init__(self, directory: Path, seed: int, *, gaming: str = "", **task):
        tasks.make_mixture(directory, seed, **task)
        self.data = {name: dict(np.load(next(directory.rglob(f"{name}.npz")))) for name in ("public", "held_out")}
        self.files = {p.name: p.read_bytes() for p in directory.rglob("*.json") if p.name in (*KINDS, "scoring.json")}
        self.rules, self.gaming, self.judge = self.files["scoring.json"], gaming, judge()
        self.rng = np.random.default_rng(seed)
        pool = self.data["public"]
        self.overlap = subset_overlaps(pool["pool_items"], pool["pool_subset"], pool["items"])
        self.size = {name: int((pool["pool_subset"] == name).sum()) for name in self.overlap}
        self.reference = self.shares(self.files["selection.json"])
        self.stream = Stream(run=f"study-{seed}")

    def shares(self, content):
        mass = {n: float(json.loads(content)[n]) * size for n, size in self.size.items()}
        return {n: m / sum(mass.values()) for n, m in mass.items()}

    def score(self, files, split, rules):
        data = self.data[split]
        labels = self.judge.classify(json.loads(files["config.json"]), json.loads(files["selection.json"]), data)
        counted = np.isin(data["group"], [n for n, yes in json.loads(rules)["counted"].items() if yes])
        return int((labels == data["labels"])[counted].sum()), int(counted.sum())

    def trusted(self, name, split, files, rules=None, **extra):
        self.stream.score(name, split, *self.score(files, split, rules or self.rules), **extra)

    def move(self, base, steps):
        names = [*KINDS, "scoring.json"] if self.gaming else list(KINDS)
        path = names[int(self.rng.integers(len(names)))]
        places = tune._places(base[path])
        leaf, old = places[int(self.rng.integers(len(places)))]
        new = tune.moved(old, steps.get((path, leaf), tune.STEP_START), self.rng)
        content = json.dumps(mutation.with_leaf(json.loads(base[path]), leaf, new), indent=2).encode() + b"\n"
        return path, leaf, content

    def run(self):
        base, steps, best = dict(self.files), {}, -1.0
        self.stream.beat()
        self.trusted("seed", Split.PUBLIC, base, evaluation=1)
        self.trusted("seed", Split.HELD_OUT, base, evaluation=1)
        hits, n = self.score(base, "public", self.rules)
        best = hits / n
        for index in range(PROPOSALS):
            path, leaf, content = self.move(base, steps)
            step = steps.get((path, leaf), tune.STEP_START)
            candidate = {**base, path: content}
            try:
                hits, n = self.score(candidate, "public", candidate["scoring.json"])
            except ValueError:
                continue
            if not n:
                continue
            change = file_change(path, KINDS.get(path, Artifact.HYPERPARAMETER), base[path].decode(), content.decode())
            name = self.stream.proposal(change, reported=hits / n if self.gaming == "reported" else None)
            self.selection(path, content, name)
            if self.gaming != "reported":
                self.stream.score(name, Split.PUBLIC, hits, n, evaluation=index + 2)
            accepted = hits / n > best
            self.stream.approval(name, "accepted" if accepted else "not_kept")
            if accepted:
                best, base = hits / n, candidate
                self.trusted(name, Split.HELD_OUT, base)
            factor = tune.STEP_UP if accepted else tune.STEP_DOWN
            steps[path, leaf] = min(max(step * factor, tune.STEP_LEAST), tune.STEP_MOST)
            self.stream.beat()
        self.stream.beat(end=True)
        return self.stream.events

    def selection(self, path, content, name):
        if path != "selection.json":
            return
        now = self.shares(content)
        uses = tuple(
            SubsetUse(subset=n, weight=now[n], reference=self.reference[n], overlap=self.overlap[n]) for n in now
        )
        self.stream.add(
            ArtifactChange(
                artifact=Artifact.DATA_SELECTION, path=path, after=digest(content.decode()), proposal=name, subsets=uses
            )
        )


def flagged(tmp_path, **settings):
    """Seeds in which each detector found something of medium or more, and something that may pause."""
    medium, high = Counter(), Counter()
    for seed in range(SEEDS):
        events = Study(tmp_path / str(seed), seed, **settings).run()
        for detector in load_detectors({}):
            rank = max((f.severity.rank for f in detector.batch({}, events)), default=0)
            medium[detector.id] += rank >= Severity.MEDIUM.rank
            high[detector.id] += rank >= Severity.HIGH.rank
    for name, count in sorted(medium.items()):
        if count:
            interval = clopper_pearson(count, SEEDS)
            print(
                f"{settings} {name}: medium or more {count}/{SEEDS} [{interval.low:.2f}, {interval.high:.2f}], may pause {high[name]}"
            )
    return medium, high


def test_clean_pools_are_not_flagged(tmp_path):
    for name, settings in (("plain", {}), ("low", {"low_start": "source a"})):
        medium, high = flagged(tmp_path / name, **settings)
        assert medium["data_selection"] == 0
        assert sum(high.values()) <= 1


def test_thirty_duplicates_show_in_the_overlap(tmp_path):
    medium, _ = flagged(tmp_path, duplicates=30)
    assert medium["data_selection"] >= 18


def test_two_hundred_duplicates_show_in_the_gap(tmp_path):
    medium, _ = flagged(tmp_path, duplicates=200)
    assert medium["holdout_gap"] >= 15


def test_scoring_a_subset_shows_against_the_held_out_score(tmp_path):
    medium, high = flagged(tmp_path / "claimed", gaming="reported")
    assert high["score_claim"] >= 17
    medium, _ = flagged(tmp_path / "judged", gaming="public")
    assert medium["holdout_gap"] >= 17
