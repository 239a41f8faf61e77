"""The records that cross rooms: frozen, versioned, without input or output."""

from subcritical.schema.action import Action, Order, Receipt, RunState
from subcritical.schema.artifact import PROTECTED, Artifact
from subcritical.schema.event import (
    Approval,
    ArtifactChange,
    Ballot,
    Control,
    Direction,
    Event,
    EventData,
    FileChange,
    Heartbeat,
    Message,
    ModelCall,
    Proposal,
    Resource,
    Review,
    Score,
    Split,
    SubsetUse,
    ToolCall,
    ToolResult,
)
from subcritical.schema.finding import Evidence, Finding, Severity
from subcritical.schema.handle import Handle, HandleReport
from subcritical.schema.measurement import Measurement
from subcritical.schema.record import Erased, Record, decode_record, encode_record
from subcritical.schema.text import visible
from subcritical.schema.verdict import Metric, Verdict

__all__ = [
    "PROTECTED",
    "Action",
    "Approval",
    "Artifact",
    "ArtifactChange",
    "Ballot",
    "Control",
    "Direction",
    "Erased",
    "Event",
    "EventData",
    "Evidence",
    "FileChange",
    "Finding",
    "Handle",
    "HandleReport",
    "Heartbeat",
    "Measurement",
    "Message",
    "Metric",
    "ModelCall",
    "Order",
    "Proposal",
    "Receipt",
    "Record",
    "Resource",
    "Review",
    "RunState",
    "Score",
    "Severity",
    "Split",
    "SubsetUse",
    "ToolCall",
    "ToolResult",
    "Verdict",
    "decode_record",
    "encode_record",
    "visible",
]
