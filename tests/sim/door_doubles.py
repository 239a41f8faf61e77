"""What the simulated world and the supervisor process have in common: a judge to whom every version is better."""

from subcritical.loop.evaluation import Scored
from subcritical.loop.evaluation.pair import Outcome
from subcritical.schema import Score, Split


class EverBetter:
    """A judge that counts. `before` is called first, as an evaluation takes its time."""

    has_held_out = False

    def __init__(self, score=0.0, before=lambda: None):
        self.score, self.before = score, before
        self.evaluations = {Split.PUBLIC: 0, Split.HELD_OUT: 0}

    def start(self):
        pass

    def public(self, _files, _evaluator, watch):
        self.before()
        watch.check()
        self.score += 1
        scored = Scored(
            metric="m", value=float(self.score), direction="up", bounds=(None, None), n=None, successes=None,
            se=None, repeats=1, fresh=True, deterministic=False,
        )  # fmt: skip
        return Outcome(status="ok", scored=scored, detail="", duration_s=0.0)

    def record(self, outcome, *, split, proposal, tree):
        return (Score(proposal=proposal, tree=tree, split=split, metric="m", value=outcome.scored.value),)

    def close(self):
        pass
