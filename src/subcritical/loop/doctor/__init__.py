"""The doctor: before anything runs, say what the guest could tamper with, try it, and say how to close it."""

from subcritical.loop.doctor.canary import (
    Attempt,
    CanaryReport,
    Target,
    canary,
    canary_spec,
    canary_targets,
)
from subcritical.loop.doctor.examine import examine
from subcritical.loop.doctor.records import Diagnosis, Hole, Place, Producer, Role, Unread

__all__ = [
    "Attempt",
    "CanaryReport",
    "Diagnosis",
    "Hole",
    "Place",
    "Producer",
    "Role",
    "Target",
    "Unread",
    "canary",
    "canary_spec",
    "canary_targets",
    "examine",
]
