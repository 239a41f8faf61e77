"""The detectors as a scanner of Inspect Scout (extra `[scout]`): transcripts in, findings with their messages out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from subcritical.detectors import Detector, load_detectors, settings_type
from subcritical.errors import InputError
from subcritical.ingest import chat_events
from subcritical.pipeline.detection import CRASHED, Detection
from subcritical.schema import Event, Finding, Severity, visible

try:
    from inspect_scout import Reference, Result, Scanner, Transcript, scanner
except ImportError as error:
    raise InputError("this needs Inspect Scout: pip install 'subcritical[scout]'") from error

_CITED = 20


@scanner(name="rsi", messages="all", version=1)
def rsi(detectors: Sequence[str] | None = None, at_least: str = "medium") -> Scanner[Transcript]:
    """One result a transcript: its value is how many findings there are, its references are their messages.

    Args:
        detectors: Which to ask; all by default.
        at_least: Findings below this severity are not counted: info, low, medium, high, critical.

    Raises:
        ConfigError: There is no detector of that name.
        InputError: There is no such severity.
    """
    if at_least not in list(Severity):
        raise InputError(f"at_least is {at_least}; it must be one of {', '.join(Severity)}")
    for name in detectors or ():
        settings_type(name)
    floor = Severity(at_least).rank

    async def scan(transcript: Transcript) -> Result:
        asked = [one for one in load_detectors({}) if detectors is None or one.id in detectors]
        found, messages = _judge(transcript, asked)
        counted = [finding for finding in found if finding.severity.rank >= floor]
        blind = [finding.why for finding in found if finding.title == CRASHED]
        references = [
            Reference(type="message", cite=f"[F{number}]", id=messages[seq])
            for number, finding in enumerate(counted[:_CITED], 1)
            for seq in sorted({e.last_seq for e in finding.evidence})
            if seq in messages
        ]
        lines = [f"[F{number}] {_line(finding)}" for number, finding in enumerate(counted[:_CITED], 1)]
        summary = f"{len(counted)} findings in {len(messages)} events, {len(asked)} detectors, {len(blind)} blind"
        return Result(
            value=len(counted),
            explanation="\n".join([summary, *lines]),
            references=references,
            metadata={"findings": [_data(finding) for finding in counted], "blind": blind},
        )

    return scan


def _judge(transcript: Transcript, detectors: Sequence[Detector]) -> tuple[list[Finding], dict[int, str]]:
    """Findings, and the message that each event came from."""
    events: list[Event] = []
    messages: dict[int, str] = {}
    for message in transcript.messages:
        for data in chat_events(message.model_dump(mode="json")):
            seq = len(events) + 1
            messages[seq] = message.id or ""
            run = transcript.transcript_id
            events.append(Event(seq=seq, time_ns=0, run=run, producer="inspect", generation=0, data=data))
    return Detection(detectors).run(events), messages


def _line(finding: Finding) -> str:
    return visible(f"{finding.severity}: {finding.title} ({finding.detector}, {finding.technique})", 400)


def _data(finding: Finding) -> dict[str, Any]:
    return {
        "detector": finding.detector,
        "technique": finding.technique,
        "severity": str(finding.severity),
        "confidence": finding.confidence,
        "title": visible(finding.title, 400),
        "why": visible(finding.why, 2000),
    }
