"""The only door for a self-modification: review a proposal, apply it, roll back.

`_apply` writes the version in force; only `review` and `rollback` may import it (import contract).
"""

from subcritical.gateway.ballot_box import BallotBox, Tally
from subcritical.gateway.classify import PathRule, classify, matches
from subcritical.gateway.corrections import Correction, check_paths, open_correction
from subcritical.gateway.diffs import diff_of, is_cut
from subcritical.gateway.principals import Principal, Principals, parse_principals
from subcritical.gateway.quorum import Quorum
from subcritical.gateway.review import Gateway, Guard, Reviewed
from subcritical.gateway.rollback import roll_back
from subcritical.gateway.signing import sign
from subcritical.gateway.store import Head, Store
from subcritical.gateway.votes import Vote
from subcritical.gateway.weights import WeightsStore

__all__ = [
    "BallotBox",
    "Correction",
    "Gateway",
    "Guard",
    "Head",
    "PathRule",
    "Principal",
    "Principals",
    "Quorum",
    "Reviewed",
    "Store",
    "Tally",
    "Vote",
    "WeightsStore",
    "check_paths",
    "classify",
    "diff_of",
    "is_cut",
    "matches",
    "open_correction",
    "parse_principals",
    "roll_back",
    "sign",
]
