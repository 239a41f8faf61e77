"""Actions to receipts: an order carried out on a handle, and the proof."""

from subcritical.actuators.act import Notify, Timeouts, act, refuse
from subcritical.actuators.matrix import Step, step_for, why_refused

__all__ = ["Notify", "Step", "Timeouts", "act", "refuse", "step_for", "why_refused"]
