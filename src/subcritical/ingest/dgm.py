"""The DGM family: metadata of a run and of each child, in indented objects one after another."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from subcritical.errors import SourceError
from subcritical.ingest._bounded import cut, document, number, sequence, whole, without
from subcritical.ingest.records import Broken, FileReader, Place, Seen
from subcritical.schema import Approval, EventData, Proposal, Score, Split

_RUN_FILES = frozenset({"dgm_metadata.jsonl", "hgm_metadata.jsonl"})

Object = dict[str, Any]


class DgmChild(FileReader):
    """`metadata.json` of one child: what it was asked to change, and its score on the tasks it was given.

    Submitted need not be resolved + unresolved + empty: the score is resolved of submitted, as the loop counts.
    """

    name = "dgm"

    def claims(self, path: Path, head: bytes) -> bool:
        """By its name and fields."""
        return path.name == "metadata.json" and b'"overall_performance"' in head

    def read(self, path: Path) -> Iterator[Seen | Broken]:
        """A proposal where it has a parent, and a score."""
        for place, record in _objects(path):
            if isinstance(record, Broken):
                yield record
                continue
            name = cut(record.get("run_id")) or path.parent.name
            extra = without(record, "overall_performance", "overall_performance_deep")
            for data in _child(record, name):
                yield Seen(data=data, place=place, extra=extra)


class DgmRun(FileReader):
    """`dgm_metadata.jsonl` and `hgm_metadata.jsonl`: not JSON Lines, but indented objects one after another.

    No real file of either has been read yet: the shape is that of the programs that write them.
    """

    name = "dgm_run"

    def claims(self, path: Path, head: bytes) -> bool:
        """By its name."""
        return path.name in _RUN_FILES and head.lstrip().startswith(b"{")

    def read(self, path: Path) -> Iterator[Seen | Broken]:
        """An approval for each child that entered the archive; a score for each node of HGM."""
        for place, record in _objects(path):
            if isinstance(record, Broken):
                yield record
                continue
            generation = whole(record.get("generation")) or 0
            for data in _run(record):
                yield Seen(data=data, place=place, generation=generation, extra=without(record, "nodes"))


def _objects(path: Path) -> Iterator[tuple[Place, Object | Broken]]:
    """Objects one after another, whatever lies between them; utilities may be Infinity."""
    text = document(path).decode("utf-8", "replace")
    decoder = json.JSONDecoder(parse_constant=lambda _: None)
    position, number = 0, 0
    while True:
        while position < len(text) and text[position].isspace():
            position += 1
        if position >= len(text):
            return
        number += 1
        place = Place(path=str(path), line=text.count("\n", 0, position) + 1, part=f"object {number}")
        try:
            value, position = decoder.raw_decode(text, position)
        except (ValueError, RecursionError) as error:
            yield place, Broken(place=place, why=f"not JSON: {error}")
            return
        if isinstance(value, dict):
            yield place, value
        else:
            yield place, Broken(place=place, why="not a JSON object")


def _child(record: Object, name: str) -> Iterator[EventData]:
    parent = record.get("parent_commit")
    if parent is not None:
        claim = cut(record.get("problem_statement") or record.get("entry"))
        yield Proposal(proposal=name, base=cut(parent), tree=name, requester="dgm", claim=claim)
    performance = record.get("overall_performance")
    if not isinstance(performance, dict):
        raise SourceError("`overall_performance` is not an object")
    value = number(performance.get("accuracy_score"))
    n, successes = (whole(performance.get(f"total_{what}_instances")) for what in ("submitted", "resolved"))
    yield Score(
        proposal=name,
        tree=name,
        split=Split.PUBLIC,
        metric="accuracy_score",
        value=value,
        n=n,
        successes=successes if n is not None and successes is not None and successes <= n else None,
        bounds=(0.0, 1.0),
        selected_on=True,
        status="ok" if value is not None else "invalid",
    )


def _run(record: Object) -> Iterator[EventData]:
    compiled = record.get("children_compiled")
    for child in sequence(record.get("children")):
        kept = isinstance(compiled, list) and child in compiled
        yield Approval(proposal=cut(child), tree=cut(child), verdict="accepted" if kept else "not_kept", by="dgm")
    for node in sequence(record.get("nodes")):
        if isinstance(node, dict):
            measured = number(node.get("mean_utility"))
            yield Score(
                proposal=cut(node.get("commit_id")),
                tree=cut(node.get("commit_id")),
                split=Split.PUBLIC,
                metric="mean_utility",
                value=measured,
                n=whole(node.get("num_evals")),
                selected_on=True,
                status="ok" if measured is not None else "invalid",
            )
