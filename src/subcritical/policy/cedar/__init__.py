"""The Cedar policy that reads a gate's verdict: no ALLOW, no autonomy. Decided by the real engine, and proved."""

from subcritical.policy.cedar.engine import AutonomyRequest, autonomy_policy, permits
from subcritical.policy.cedar.prove import Invariant, prove_autonomy

__all__ = ["AutonomyRequest", "Invariant", "autonomy_policy", "permits", "prove_autonomy"]
