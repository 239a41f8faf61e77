"""Which artifact a path is, as the caller says: patterns first, and what nobody names is code."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fnmatch import fnmatchcase

from subcritical.schema import Artifact

Classify = Callable[[str], Artifact]


def by_patterns(patterns: Sequence[tuple[str, Artifact]], otherwise: Classify = lambda _: Artifact.CODE) -> Classify:
    """The artifact of the first pattern that matches a path; `*` also crosses folders."""

    def classify(path: str) -> Artifact:
        for pattern, artifact in patterns:
            if fnmatchcase(path, pattern):
                return artifact
        return otherwise(path)

    return classify
