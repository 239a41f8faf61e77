"""Commits as JSON Lines: what people export from git, one commit with its diff a line."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from subcritical.ingest._bounded import cut, sequence, without
from subcritical.ingest._commits import FileDiff, changes, explanation, split_diff
from subcritical.ingest._json_lines import Record, first_record, read_lines
from subcritical.ingest._times import time_ns
from subcritical.ingest.artifacts import Classify
from subcritical.ingest.records import Broken, FileReader, Place, Seen


class CommitLines(FileReader):
    """`{"commit", "files", "diff", …}`: any field that begins with `diff` and holds a git diff is read.

    Records with a `ref` are heads of different branches, not one history. A file that is listed but in no diff
    is a change without a diff.
    """

    name = "commits"

    def __init__(self, classify: Classify, trailers: Sequence[str] = ()) -> None:
        """As for a repository."""
        self._classify, self._trailers = classify, trailers

    def claims(self, path: Path, head: bytes) -> bool:
        """By the first line, which may be longer than what was read of it."""
        record = first_record(path, head)
        if record:
            return "commit" in record and any(name.startswith("diff") for name in record)
        return path.suffix == ".jsonl" and head.lstrip().startswith(b"{") and b'"commit"' in head and b'"diff' in head

    def read(self, path: Path) -> Iterator[Seen | Broken]:
        """One event for each file of each commit."""
        number = 0

        def events(record: Record, place: Place) -> Iterator[Seen]:
            nonlocal number
            number += 1
            commit = cut(record.get("commit"))
            texts = [value for name, value in record.items() if name.startswith("diff") and isinstance(value, str)]
            files = [file for text in texts for file in split_diff(text)]
            known = {file.path for file in files}
            listed = [cut(name) for name in sequence(record.get("files"))]
            files += [FileDiff(name, "before", f"{commit}:{name}", "") for name in listed if name not in known]
            message = f"{cut(record.get('subject'))}\n\n{cut(record.get('body'))}"
            names = [name for name in record if name.startswith("diff")]
            yield from changes(
                files,
                commit=commit,
                place=place,
                when=time_ns(record.get("date")),
                generation=number,
                classify=self._classify,
                explained_by=explanation(message, self._trailers),
                branch=cut(record.get("ref")),
                first=record.get("parents") == [],
                extra=without(record, "commit", "date", *names),
            )

        return read_lines(path, events)
