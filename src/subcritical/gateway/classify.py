"""What a path is: first matching rule wins, and what no rule names is unlisted, hence denied."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache

import msgspec

from subcritical.schema import Artifact


class PathRule(msgspec.Struct, frozen=True):
    """Paths that match `pattern` are `artifact`. `*` stays within one folder, `**` crosses folders.

    `approvals`: distinct owners who must approve a change, whatever the policy asks for.
    """

    pattern: str
    artifact: Artifact
    approvals: int = 0


def classify(path: str, rules: Sequence[PathRule]) -> Artifact:
    """The artifact class of a relative path with `/` separators."""
    return rule_of(path, rules).artifact


def rule_of(path: str, rules: Sequence[PathRule]) -> PathRule:
    """The first rule that matches a relative path, or one that says unlisted."""
    return next((rule for rule in rules if matches(path, rule.pattern)), PathRule(path, Artifact.UNLISTED))


def matches(path: str, pattern: str) -> bool:
    """Whether the whole of `path` matches a glob `pattern`. Case matters."""
    return _compiled(pattern).fullmatch(path) is not None


@lru_cache(maxsize=1024)
def _compiled(pattern: str) -> re.Pattern[str]:
    parts: list[str] = []
    position = 0
    while position < len(pattern):
        if pattern.startswith("**/", position):
            parts.append("(?:[^/]+/)*")
            position += 3
        elif pattern.startswith("**", position):
            parts.append(".*")
            position += 2
        elif pattern[position] == "*":
            parts.append("[^/]*")
            position += 1
        elif pattern[position] == "?":
            parts.append("[^/]")
            position += 1
        else:
            parts.append(re.escape(pattern[position]))
            position += 1
    return re.compile("".join(parts), re.DOTALL)
