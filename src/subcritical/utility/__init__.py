"""What an unauthorised self-change costs the system that makes it: task reward minus a tuned penalty.

A penalty is no guard. It is fed by detectors, which miss, and a system that learns from it learns what
they miss (docs/explain/utility.md); the gateway refuses the change itself.
"""

from subcritical.utility.multiplier import Multiplier, calm_per_violation
from subcritical.utility.price import FixedPrice, Price
from subcritical.utility.reward_function import PenalisedReward

__all__ = ["FixedPrice", "Multiplier", "PenalisedReward", "Price", "calm_per_violation"]
