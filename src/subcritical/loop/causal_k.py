"""Measures k of a self-tuning run: the last two versions of its improver, run afresh from the same starts.

Only six numbers of the guest come in here; none of its code runs. k depends on the budget and on how
poor the starts are, so both are in the method.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from subcritical.errors import SourceError
from subcritical.gateway import Store
from subcritical.loop.tasks.optimisers.gains import improver_versions, paired_gains, starting_states
from subcritical.measures import k, no_k
from subcritical.schema import Measurement

IMPROVER = "improver.json"
STARTS = 8
BUDGET = 30
_VERSIONS_MIN = 2


def causal_k(store: Store, accepted: Sequence[str], *, public: Path, held_out: Path, seed: int) -> Measurement:
    """Measure k of the last step between two versions of the improver.

    Args:
        store: Where the accepted versions lie.
        accepted: Digests of accepted trees, the seed's first.
        public: Suite that the searches see (`.npz`).
        held_out: Suite of unseen problems (`.npz`).
        seed: The dice of starts and searches.

    Returns:
        `k` with Fieller's interval, or None with the reason.
    """
    trees = [store.tree(tree) for tree in accepted]
    try:
        versions = improver_versions([tree[IMPROVER] for tree in trees if IMPROVER in tree])
    except SourceError as error:
        return no_k(f"the improver's versions cannot be read: {error}")
    if len(versions) < _VERSIONS_MIN:
        return no_k(f"{len(versions)} version of the improver was accepted, {_VERSIONS_MIN} are needed")
    gains = paired_gains(
        versions[-1],
        versions[-2],
        states=starting_states(versions[0], STARTS, seed=seed),
        public=_suite(public),
        held_out=_suite(held_out),
        budget=BUDGET,
        seed=seed,
    )
    measured = k(gains.new, gains.old, generation=len(versions) - 1)
    method = f"{measured.method}; {STARTS} starts near the seed version, {BUDGET} evaluations each"
    return msgspec.structs.replace(measured, method=method)


def _suite(path: Path) -> dict[str, NDArray[Any]]:
    with np.load(path, allow_pickle=False) as arrays:
        return {name: arrays[name] for name in arrays.files}
