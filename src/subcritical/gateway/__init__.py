"""The only door for a self-modification: review a proposal, apply it, roll back.

`_apply` writes the version in force; only `review` and `rollback` may import it (import contract).
"""

from subcritical.gateway.classify import PathRule, classify, matches
from subcritical.gateway.review import Gateway, Guard, Reviewed
from subcritical.gateway.rollback import roll_back
from subcritical.gateway.store import Head, Store

__all__ = ["Gateway", "Guard", "Head", "PathRule", "Reviewed", "Store", "classify", "matches", "roll_back"]
