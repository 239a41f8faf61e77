"""People with keys, a clock that tests own, and votes about a proposal."""

import hashlib

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from subcritical.clock import FakeClock
from subcritical.gateway import BallotBox, Gateway, PathRule, Principal, Principals, Quorum, Store, Vote, sign
from subcritical.gateway.principals import public_of
from subcritical.schema import Artifact

RULES = [
    PathRule("solution.py", Artifact.CODE),
    PathRule("goal.json", Artifact.OBJECTIVE),
    PathRule("prompt.txt", Artifact.PROMPT, 1),
    PathRule("evaluate.py", Artifact.EVALUATOR),
]
SEED = {
    "solution.py": b"x = 1\n",
    "goal.json": b"{}",
    "prompt.txt": b"be kind",
    "evaluate.py": b"def evaluate(): ...\n",
}
DAY = 86_400


def key_of(name: str) -> Ed25519PrivateKey:
    """Always the same key for a name."""
    return Ed25519PrivateKey.from_private_bytes(hashlib.sha256(name.encode()).digest())


def people(*named: tuple[str, str]) -> Principals:
    """Principals given as (name, owner)."""
    return Principals([Principal(name=n, owner=o, public=public_of(key_of(n))) for n, o in named])


EVERYBODY = people(("ana", "ana"), ("ana-desk", "Ana"), ("bo", "bo"), ("cy", "cy"), ("dot", "owner"))


class World:
    """A gateway and its ballot box; what was recorded lies in `records`."""

    def __init__(self, folder, *, principals=EVERYBODY, policy=None, owner="owner"):
        self.clock = FakeClock()
        self.records = []
        owners = principals.owners - {owner}
        self.gateway = Gateway(Store(folder), rules=RULES, quorum=Quorum(policy, owners=owners))
        self.gateway.seed(SEED)
        self.box = BallotBox(
            principals,
            run="r-1",
            policy=self.gateway.quorum.digest,
            clock=self.clock,
            record=self.records.append,
            system_owner=owner,
        )

    def review(self, name="p-1", **files):
        changed = {path.replace("__", "."): data for path, data in files.items()}
        return self.gateway.review({**SEED, **changed}, proposal=name, requester="guest")

    def ask(self, reviewed, epoch=1):
        self.box.ask(
            proposal=reviewed.proposal.proposal,
            base=reviewed.base,
            tree=reviewed.tree,
            epoch=epoch,
            demands=reviewed.demands,
        )

    def vote(self, reviewed, who, verdict="approve", *, lifetime=DAY, **changes):
        fields = {
            "verdict": verdict,
            "run": "r-1",
            "proposal": reviewed.proposal.proposal,
            "base": reviewed.base,
            "tree": reviewed.tree,
            "policy": self.gateway.quorum.digest,
            "epoch": 1,
            "expires": self.clock.wall_ns() // 10**9 + lifetime,
            "reason": "looked at it",
        }
        return sign(Vote(**{**fields, **changes}), key_of(who))

    def cast(self, reviewed, who, verdict="approve", **changes):
        return self.box.cast(self.vote(reviewed, who, verdict, **changes))

    def missing(self, reviewed):
        with self.box.counted() as tally:
            return self.gateway.missing(reviewed, tally)
