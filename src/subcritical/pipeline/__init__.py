"""Events to findings to tripwires to actions to receipts, composed once."""

from subcritical.pipeline.control import ControlServer, send_order, send_review, send_status
from subcritical.pipeline.pipeline import Pipeline
from subcritical.pipeline.status import FindingLine, Status, Stopped
from subcritical.pipeline.timing import Timing

__all__ = [
    "ControlServer",
    "FindingLine",
    "Pipeline",
    "Status",
    "Stopped",
    "Timing",
    "send_order",
    "send_review",
    "send_status",
]
