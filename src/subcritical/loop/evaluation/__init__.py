"""Trusted evaluation: a candidate is judged by the pristine evaluator, in single-use sandboxes."""

from subcritical.loop.evaluation.pair import Outcome, Pair, Plan
from subcritical.loop.evaluation.pool import PairPool
from subcritical.loop.evaluation.verdicts import Rules, Scored, read_verdicts

__all__ = ["Outcome", "Pair", "PairPool", "Plan", "Rules", "Scored", "read_verdicts"]
