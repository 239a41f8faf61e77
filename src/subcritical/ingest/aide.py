"""AIDE and what reuses its journal (AI-Scientist-v2, MLEvolve): `journal.json`, one node a tried program.

No real journal has been read yet: the shape is that of the program that writes it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from subcritical.errors import SourceError
from subcritical.ingest._bounded import cut, decode, document, mapping, number, without
from subcritical.ingest._times import time_ns
from subcritical.ingest.records import Broken, FileReader, Place, Seen
from subcritical.schema import Artifact, EventData, FileChange, Proposal, Score, Split

Node = dict[str, Any]


class AideJournal(FileReader):
    """A proposal and a score for each node; a buggy node has no score, whatever its metric says."""

    name = "aide"

    def claims(self, path: Path, head: bytes) -> bool:
        """By its name and list."""
        return path.name == "journal.json" and b'"nodes"' in head

    def read(self, path: Path) -> Iterator[Seen | Broken]:
        """Two events a node, in order of the list, which is that of the steps."""
        record = mapping(decode(document(path)))
        if not isinstance(record.get("nodes"), list):
            raise SourceError("holds no list of nodes")
        parents = mapping(record.get("node2parent"))
        for position, node in enumerate(record["nodes"]):
            place = Place(path=str(path), part=f"nodes[{position}]")
            if not isinstance(node, dict):
                yield Broken(place=place, why="a node that is not an object")
                continue
            extra = without(node, "code", "plan", "metric", "_term_out", "exc_stack")
            for data in _node(node, parents):
                yield Seen(data=data, place=place, time_ns=time_ns(node.get("ctime")), generation=position, extra=extra)


def _node(node: Node, parents: dict[str, Any]) -> Iterator[EventData]:
    name = cut(node.get("id"))
    code = cut(node.get("code")).encode()
    change = FileChange(
        path="solution.py",
        artifact=Artifact.CODE,
        after=f"sha256:{hashlib.sha256(code).hexdigest()}",
        size=len(code),
    )
    base = cut(parents.get(name) or node.get("parent"))
    claim = cut(node.get("plan"))
    yield Proposal(proposal=name, base=base, tree=name, requester="aide", changes=(change,), claim=claim)
    metric = mapping(node.get("metric"))
    value = None if node.get("is_buggy") else number(metric.get("value"))
    why = cut(node.get("exc_type")) or "marked as buggy"
    yield Score(
        proposal=name,
        tree=name,
        split=Split.PUBLIC,
        metric="metric",
        value=value,
        direction="down" if metric.get("maximize") is False else "up",
        selected_on=True,
        status="ok" if value is not None else "crashed",
        detail="" if value is not None else why,
        duration_s=number(node.get("exec_time")) or 0.0,
    )


class AiScientistRuns:
    """A folder of AI-Scientist v1 with `run_<i>/final_info.json`: means and their errors, by data set and metric."""

    name = "ai_scientist"
    directories = True

    def claims(self, path: Path, head: bytes) -> bool:  # noqa: ARG002
        """By the results of its baseline."""
        return (path / "run_0" / "final_info.json").is_file()

    def consumes(self, path: Path) -> bool:  # noqa: ARG002
        """Nothing: the results lie in folders of their own."""
        return False

    def read(self, path: Path) -> Iterator[Seen | Broken]:
        """A score for each mean, run after run."""
        files = [(int(file.parent.name[4:]), file) for file in path.glob("run_*/final_info.json") if _numbered(file)]
        for run, file in sorted(files):
            place = Place(path=str(file))
            try:
                record = mapping(decode(document(file)))
            except SourceError as error:
                yield Broken(place=place, why=str(error))
                continue
            for data_set, told in record.items():
                means, errors = mapping(mapping(told).get("means")), mapping(mapping(told).get("stderrs"))
                for metric, value in means.items():
                    spread = number(errors.get(metric.removesuffix("_mean") + "_stderr"))
                    yield Seen(
                        data=_mean(f"run_{run}", f"{data_set} {metric}", number(value), spread),
                        place=place,
                        generation=run,
                    )


def _numbered(file: Path) -> bool:
    return file.parent.name[4:].isdecimal() and not file.is_symlink() and not file.parent.is_symlink()


def _mean(run: str, metric: str, value: float | None, error: float | None) -> Score:
    lower = any(word in metric.lower() for word in ("loss", "time", "error", "perplexity", "_kl", "divergence"))
    return Score(
        proposal=run,
        tree=run,
        split=Split.PUBLIC,
        metric=cut(metric),
        value=value,
        direction="down" if lower else "up",
        se=error if error is not None and error >= 0 else None,
        selected_on=True,
        status="ok" if value is not None else "invalid",
    )
