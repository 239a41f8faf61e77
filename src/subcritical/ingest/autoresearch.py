"""autoresearch: the table of results that the agent itself keeps, in its many dialects."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from subcritical.errors import SourceError
from subcritical.ingest._bounded import LINE_MAX, cut, lines, number, place_of
from subcritical.ingest._times import time_ns
from subcritical.ingest.records import Broken, FileReader, Place, Seen
from subcritical.schema import Approval, Direction, Proposal, Score, Split

_NUMBER = re.compile(r"[-+]?\d[\d,]*\.?\d*(?:[eE][-+]?\d+)?")
_NOT_METRICS = frozenset(
    {
        "base_commit",
        "branch",
        "commit",
        "date",
        "delta",
        "description",
        "experiment",
        "head_commit",
        "memory_gb",
        "metric_before",
        "n_params",
        "new_value",
        "old_value",
        "param_changed",
        "params",
        "run_id",
        "slice",
        "status",
        "steps",
        "summary",
        "time",
        "timestamp",
        "worst_test",
    }
)
_LOWER = re.compile(r"bpb|loss|rmse|mae|mse|error|err|gap|perplexity|latency|_ms|seconds", re.IGNORECASE)
_KEPT = frozenset({"keep", "kept", "accepted", "baseline", "improved"})
_DROPPED = frozenset({"discard", "discarded", "rejected", "revert", "reverted", "neutral"})
_FAILED = frozenset({"crash", "crashed", "fail", "failed", "error", "oom", "timeout"})


class Autoresearch(FileReader):
    """`results.tsv`: one experiment a row, written by the guest: a claim, evidence of nothing else.

    A crash is written as 0.000000, for a lower-is-better metric the best score there could be: a row whose
    status says crash has no value. The metric is the first column with numbers that is none of the usual others.
    """

    name = "autoresearch"

    def claims(self, path: Path, head: bytes) -> bool:
        """By the header: tabs between names, `status` among them."""
        header = head.split(b"\n", 1)[0].lower()
        return path.suffix == ".tsv" and b"\t" in header and b"status" in header

    def read(self, path: Path) -> Iterator[Seen | Broken]:
        """A proposal, a reported score and what became of it, for each row."""
        header: list[str] = []
        metric, trials = "", 0
        for row, place in _rows(path, header):
            if isinstance(row, Broken):
                yield row
                continue
            trials += 1
            metric = metric or _metric(header, row)
            yield from _events(row, metric, trials, place)


def _rows(path: Path, header: list[str]) -> Iterator[tuple[dict[str, str] | Broken, Place]]:
    """Rows by column, after the names were put into `header`. A line without a tab goes on with the row before it."""
    waiting: tuple[dict[str, str], Place] | None = None
    for line in lines(path):
        place = place_of(path, line)
        if line.data is None:
            yield Broken(place=place, why=f"a line longer than {LINE_MAX >> 20} MiB"), place
            continue
        text = line.data.decode("utf-8", "replace")
        if not header:
            header += [cell.strip().lower() for cell in text.split("\t")]
            if "status" not in header:
                raise SourceError("has no column `status` in its first line")
        elif "\t" not in text and waiting is not None:
            waiting[0][header[-1]] = cut(f"{waiting[0].get(header[-1], '')}\n{text}")
        else:
            if waiting is not None:
                yield waiting
                waiting = None
            cells = [cell.strip() for cell in text.split("\t", len(header) - 1)]
            row = dict(zip(header, cells, strict=False))
            if row.get("status"):
                waiting = row, place
            else:
                yield Broken(place=place, why="a row without a status"), place
    if waiting is not None:
        yield waiting


def _metric(header: list[str], row: dict[str, str]) -> str:
    """The first column of this row that holds a number and is not known to be something else."""
    for name in header:
        if name not in _NOT_METRICS and _NUMBER.search(row.get(name, "")):
            return name
    return ""


def _value(text: str) -> float | None:
    found = _NUMBER.search(text)
    return number(float(found[0].replace(",", ""))) if found else None


def _events(row: dict[str, str], metric: str, trial: int, place: Place) -> Iterator[Seen]:
    name = row.get("commit", "") or row.get("experiment", "")
    proposal = f"{name or 'row'}#{trial}"
    status = row["status"].lower()
    when = time_ns(row.get("timestamp") or row.get("date"))
    known = {"commit", "status", "description", metric}
    extra = {column: text for column, text in row.items() if column not in known}
    value = None if status in _FAILED else _value(row.get(metric, ""))
    direction: Direction = "down" if _LOWER.search(metric) else "up"
    score = Score(
        proposal=proposal,
        tree=name,
        split=Split.REPORTED,
        metric=metric or "unknown",
        value=value,
        direction=direction,
        evaluation=trial,
        status="ok" if value is not None else "crashed" if status in _FAILED else "invalid",
        detail=row["status"],
    )
    asked = Proposal(proposal=proposal, base="", tree=name, requester="guest", claim=cut(row.get("description", "")))
    yield Seen(data=asked, place=place, time_ns=when, generation=trial, extra=extra)
    yield Seen(data=score, place=place, time_ns=when, generation=trial)
    if status in _KEPT | _DROPPED:
        verdict = Approval(
            proposal=proposal, tree=name, verdict="accepted" if status in _KEPT else "not_kept", by="guest"
        )
        yield Seen(data=verdict, place=place, time_ns=when, generation=trial)
