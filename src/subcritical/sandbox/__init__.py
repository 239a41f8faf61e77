"""Runs untrusted programs and says what it does and does not cover."""

from subcritical.sandbox._sandbox import Sandbox
from subcritical.sandbox.collect import Collected, CollectLimits, collect, escape_path, open_beneath
from subcritical.sandbox.contained import ContainedRun, run_contained
from subcritical.sandbox.containment import Containment
from subcritical.sandbox.guards import GUARDS
from subcritical.sandbox.probe import Probe, probe
from subcritical.sandbox.spec import (
    SOCKET_INSIDE,
    ExecPayload,
    Exit,
    Limits,
    Output,
    PythonPayload,
    Rung,
    SandboxSpec,
)

__all__ = [
    "GUARDS",
    "SOCKET_INSIDE",
    "CollectLimits",
    "Collected",
    "ContainedRun",
    "Containment",
    "ExecPayload",
    "Exit",
    "Limits",
    "Output",
    "Probe",
    "PythonPayload",
    "Rung",
    "Sandbox",
    "SandboxSpec",
    "collect",
    "escape_path",
    "open_beneath",
    "probe",
    "run_contained",
]
