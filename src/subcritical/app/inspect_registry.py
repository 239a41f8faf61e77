"""What Inspect and Scout load by entry point: the gate as approver and hook, and the detectors as a scanner."""

import importlib.util

from subcritical.watch import inspect_host

__all__ = ["inspect_host"]

if importlib.util.find_spec("inspect_scout") is not None:
    from subcritical.app.scout import rsi

    __all__ += ["rsi"]
