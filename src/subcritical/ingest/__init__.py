"""Readers of what people have on disk: hostile bytes in, events with their places out."""

from collections.abc import Sequence

from subcritical.ingest._chat import chat_events
from subcritical.ingest.agent_archives import (
    HyperAgentsArchive,
    HyperAgentsGeneration,
    SicaResults,
    TerminalBench,
)
from subcritical.ingest.aide import AideJournal, AiScientistRuns
from subcritical.ingest.artifacts import Classify, by_patterns
from subcritical.ingest.autoresearch import Autoresearch
from subcritical.ingest.claude_code import ClaudeCode
from subcritical.ingest.codex import Codex
from subcritical.ingest.commit_lines import CommitLines
from subcritical.ingest.control_arena import ControlArena
from subcritical.ingest.dgm import DgmChild, DgmRun
from subcritical.ingest.find import find
from subcritical.ingest.git_history import GitHistory
from subcritical.ingest.inspect_logs import InspectLogs
from subcritical.ingest.json_lines import JsonLines
from subcritical.ingest.mini_swe_agent import MiniSweAgent
from subcritical.ingest.openevolve import OpenEvolveBest, OpenEvolvePrograms, OpenEvolveTrace
from subcritical.ingest.otlp import Otlp
from subcritical.ingest.records import Broken, Place, Reader, Seen, Source
from subcritical.ingest.shinka import Shinka

__all__ = ["Broken", "Classify", "Place", "Reader", "Seen", "Source", "by_patterns", "chat_events", "find", "readers"]


def readers(classify: Classify, trailers: Sequence[str] = ()) -> list[Reader]:
    """Every reader, the more particular before the more general.

    Args:
        classify: What each path of a history is.
        trailers: Names of commit trailers that count as an explanation of a change.
    """
    return [
        GitHistory(classify, trailers),
        OpenEvolvePrograms(),
        OpenEvolveBest(),
        OpenEvolveTrace(),
        Shinka(),
        DgmRun(),
        DgmChild(),
        HyperAgentsGeneration(),
        HyperAgentsArchive(),
        SicaResults(),
        AideJournal(),
        AiScientistRuns(),
        TerminalBench(),
        Autoresearch(),
        Otlp(),
        MiniSweAgent(),
        InspectLogs(),
        CommitLines(classify, trailers),
        ControlArena(),
        ClaudeCode(),
        Codex(),
        JsonLines(),
    ]
