"""Archives of systems that rewrite their own agent: HyperAgents and SICA. And the results of Terminal-Bench.

No real file of any of them has been read yet: the shapes are those of the programs that write them.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from subcritical.errors import SourceError
from subcritical.ingest._bounded import cut, decode, document, mapping, number, sequence, without
from subcritical.ingest._json_lines import Record, first_record, read_lines
from subcritical.ingest._times import time_ns
from subcritical.ingest.records import Broken, FileReader, Place, Seen
from subcritical.schema import Approval, Artifact, EventData, FileChange, Message, Proposal, Score, Split


class HyperAgentsGeneration(FileReader):
    """`gen_<id>/metadata.json`: a proposal with its patch files, and whether it may become a parent."""

    name = "hyperagents"

    def claims(self, path: Path, head: bytes) -> bool:
        """By its name and fields."""
        return path.name == "metadata.json" and b'"current_genid"' in head

    def read(self, path: Path) -> Iterator[Seen | Broken]:
        """Two events."""
        record = mapping(decode(document(path)))
        name, base = cut(record.get("current_genid")), cut(record.get("parent_genid"))
        files = tuple(
            FileChange(path=cut(file), artifact=Artifact.CODE) for file in sequence(record.get("curr_patch_files"))
        )
        place, extra = Place(path=str(path)), without(record, "prev_patch_files", "curr_patch_files")
        proposal = Proposal(proposal=name, base=base, tree=name, requester="hyperagents", changes=files[:1000])
        verdict = Approval(
            proposal=name,
            tree=name,
            verdict="accepted" if record.get("valid_parent") else "not_kept",
            by="hyperagents",
        )
        for data in (proposal, verdict):
            yield Seen(data=data, place=place, extra=extra)


class HyperAgentsArchive(FileReader):
    """`archive.jsonl`: after each generation, which ones are kept."""

    name = "hyperagents_archive"

    def claims(self, path: Path, head: bytes) -> bool:
        """By the first line."""
        record = first_record(path, head)
        return "current_genid" in record and "archive" in record

    def read(self, path: Path) -> Iterator[Seen | Broken]:
        """One event a line."""
        return read_lines(path, _archived)


def _archived(record: Record, place: Place) -> Iterator[Seen]:
    current = record.get("current_genid")
    kept = current in sequence(record.get("archive"))
    name = cut(current)
    verdict = Approval(proposal=name, tree=name, verdict="accepted" if kept else "not_kept", by="hyperagents")
    yield Seen(data=verdict, place=place, extra=without(record, "archive"))


class SicaResults(FileReader):
    """`agent_<i>/benchmarks/<name>/results.jsonl`: a score for each problem; a time-out has none."""

    name = "sica"

    def claims(self, path: Path, head: bytes) -> bool:
        """By the first line."""
        record = first_record(path, head)
        return "problem_id" in record and "score" in record

    def read(self, path: Path) -> Iterator[Seen | Broken]:
        """One event a line."""
        agent = next((part for part in reversed(path.parts) if part.startswith("agent_")), "")
        return read_lines(path, lambda record, place: _solved(record, place, agent, path.parent.name))


def _solved(record: Record, place: Place, agent: str, benchmark: str) -> Iterator[Seen]:
    late = bool(record.get("timed_out"))
    value = None if late else number(record.get("score"))
    score = Score(
        proposal=agent,
        tree=agent,
        split=Split.PUBLIC,
        metric=cut(f"{benchmark} {cut(record.get('problem_id'))}"),
        value=value,
        selected_on=True,
        status="ok" if value is not None else "timeout" if late else "invalid",
        duration_s=number(record.get("wall_time")) or 0.0,
    )
    yield Seen(
        data=score,
        place=place,
        time_ns=time_ns(record.get("timestamp")),
        system=agent,
        extra=without(record, "problem_id", "score", "timestamp"),
    )


class TerminalBench(FileReader):
    """`results.json`: of one trial, or of a run with its trials in `results`."""

    name = "terminal_bench"

    def claims(self, path: Path, head: bytes) -> bool:
        """By its name and fields."""
        return path.name == "results.json" and b'"is_resolved"' in head and b'"task_id"' in head

    def read(self, path: Path) -> Iterator[Seen | Broken]:
        """The instruction and the outcome of each trial."""
        record = decode(document(path))
        trials = record.get("results") if isinstance(record, dict) and "results" in record else [record]
        if not isinstance(trials, list):
            raise SourceError("`results` is not a list")
        for position, trial in enumerate(trials):
            place = Place(path=str(path), part=f"results[{position}]")
            if not isinstance(trial, dict):
                yield Broken(place=place, why="a trial that is not an object")
                continue
            extra = without(trial, "instruction")
            for data in _trial(trial):
                yield Seen(data=data, place=place, system=cut(trial.get("trial_name")), extra=extra)


def _trial(trial: dict[str, Any]) -> Iterator[EventData]:
    yield Message(source="user", text=cut(trial.get("instruction")))
    told, failure = trial.get("is_resolved"), cut(trial.get("failure_mode"))
    resolved = told if isinstance(told, bool) else None
    name = cut(trial.get("trial_name"))
    yield Score(
        proposal=name,
        tree=name,
        split=Split.PUBLIC,
        metric=cut(trial.get("task_id")),
        value=None if resolved is None else float(resolved),
        n=None if resolved is None else 1,
        successes=None if resolved is None else int(resolved),
        bounds=(0.0, 1.0),
        status="crashed" if resolved is None else "ok",
        detail="" if failure in {"unset", "none"} else failure,
    )
