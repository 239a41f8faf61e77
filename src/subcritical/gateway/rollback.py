"""Roll back: make an earlier accepted version the one in force again.

The caller has killed or frozen everything that ran from the current version; the store, the journal,
budgets and counters are outside the rollback set and are not touched.
"""

from __future__ import annotations

from subcritical.errors import GatewayError
from subcritical.gateway import _apply
from subcritical.gateway.store import Head, Store


def roll_back(
    store: Store, *, to_tree: str, accepted: frozenset[str], order: str, last_step: _apply.Unless = _apply.at_once
) -> Head | None:
    """Apply an earlier version by compare-and-swap on the one in force.

    Args:
        store: The store of the run.
        to_tree: Digest of the version to return to.
        accepted: Digests of every version that was ever accepted in this run.
        order: Id of the action that ordered it; recorded as the proposal of the new head.
        last_step: Given the one step that makes it the version in force; may decline it and return False.

    Returns:
        The head, None where the last step was declined.

    Raises:
        GatewayError: `to_tree` was never accepted, or there is no version in force.
    """
    head = store.head()
    if head is None:
        raise GatewayError("nothing to roll back: no version is in force")
    if to_tree not in accepted:
        raise GatewayError(f"{to_tree} was never an accepted version of this run; `subcritical status` lists them")
    if head.tree == to_tree:
        return head
    return _apply.apply(store, base=head.tree, tree=to_tree, proposal=order, last_step=last_step)
