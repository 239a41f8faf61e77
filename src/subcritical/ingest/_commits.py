"""What both readers of commits share: one change of an artifact for each file, and what explains it."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from subcritical.ingest.artifacts import Classify
from subcritical.ingest.records import Place, Seen
from subcritical.schema import PROTECTED, ArtifactChange

_TRAILER = re.compile(r"(?m)^([A-Za-z0-9-]{1,60}):[ \t]*(\S.{0,400})$")
_INDEX = re.compile(r"(?m)^index ([0-9a-f]{4,64})\.\.([0-9a-f]{4,64})")
_FILE = re.compile(r"(?m)^diff --git (?:\"?a/(.+?)\"?) (?:\"?b/(.+?)\"?)$")


class FileDiff(msgspec.Struct, frozen=True):
    """One file of a commit; a digest is None where the file is absent."""

    path: str
    before: str | None
    after: str | None
    diff: str


def changes(
    files: Sequence[FileDiff],
    *,
    commit: str,
    place: Place,
    when: int,
    generation: int,
    classify: Classify,
    explained_by: str | None,
    first: bool,
    branch: str = "",
    extra: dict[str, Any],
) -> Iterator[Seen]:
    """One event for each file. What the `first` commit of a history holds is what later ones are compared with.

    Commits of different `branch`es are no history of each other. What guards comes last within a commit, so that
    what is written beside it is known by then.
    """
    for file in sorted(files, key=lambda file: classify(file.path) in PROTECTED):
        data = ArtifactChange(
            artifact=classify(file.path),
            path=file.path,
            before=file.before,
            after=file.after,
            pristine=file.after if first else None,
            proposal=explained_by,
            diff=file.diff,
        )
        here = msgspec.structs.replace(place, commit=commit)
        yield Seen(data=data, place=here, time_ns=when, system=branch, generation=generation, extra=extra)


def explanation(message: str, trailers: Sequence[str]) -> str | None:
    """The value of the first trailer that the caller counts as an explanation, in the last paragraph."""
    last = message.rstrip().rsplit("\n\n", 1)[-1]
    wanted = {name.lower() for name in trailers}
    return next((match[2].strip() for match in _TRAILER.finditer(last) if match[1].lower() in wanted), None)


def split_diff(text: str) -> list[FileDiff]:
    """The files of a `git diff`."""
    starts = list(_FILE.finditer(text))
    files = []
    for number, match in enumerate(starts):
        end = starts[number + 1].start() if number + 1 < len(starts) else len(text)
        part = text[match.start() : end]
        head = part.split("\n@@", 1)[0]
        before, after = _digests(head, part)
        files.append(
            FileDiff(
                path=match[2],
                before=None if "\nnew file mode" in head else before,
                after=None if "\ndeleted file mode" in head else after,
                diff=part,
            )
        )
    return files


def _digests(head: str, part: str) -> tuple[str, str]:
    """What names both contents: git's own abbreviated names, else the diff that leads from one to the other."""
    named = _INDEX.search(head)
    if named:
        return f"git:{named[1]}", f"git:{named[2]}"
    digest = hashlib.sha256(part.encode("utf-8", "replace")).hexdigest()
    return f"before:{digest}", f"after:{digest}"
