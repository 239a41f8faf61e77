"""Limits that are loosened: in a declared limit file, or as a constant inside allowed code."""

from __future__ import annotations

import math
import re
from itertools import pairwise
from typing import ClassVar

import msgspec

from subcritical.detectors._diff import Edit, Tokens, edits_of, number_changes
from subcritical.detectors._stream import PerRun, reads, remember, shown, worth_saying
from subcritical.detectors.protocol import DetectorSettings
from subcritical.schema import (
    Approval,
    Artifact,
    ArtifactChange,
    Event,
    FileChange,
    Finding,
    Proposal,
    Severity,
)

LISTED_MAX = 8
FILES_MAX = 256
PENDING_MAX = 64

_LIMIT = re.compile(
    r"max_?(?:new_?)?(?:tokens?|turns|messages|calls|attempts|retries|context|output|mem(?:ory)?|cost|budget|seconds|time"
    r"|length|seq_len)\w*"
    r"|\w*time_?(?:out|budget|limit)\w*|\w*(?:token|memory|mem|cpu|disk|process|step|cost|rate|call|turn)_?limit\w*"
    r"|\w*(?:budget|quota|deadline)|limit|ulimit|setrlimit|rlimit_\w+|context_(?:length|window|size)|alarm|wall_?(?:clock|time)\w*",
    re.IGNORECASE,
)  # fmt: skip
_UNBOUNDED = frozenset({"None", "inf", "Infinity", "null", '"inf"', "unlimited", '"unlimited"', "RLIM_INFINITY"})


class LimitRaisingSettings(DetectorSettings, frozen=True, kw_only=True):
    """`factor_min`: a constant in allowed code counts as raised from this factor on (> 1)."""

    factor_min: float = 1.05


class LimitState(msgspec.Struct):
    """Per run: what came by, and proposals with raised limits that are not decided yet."""

    seen: int = 0
    in_code: int = 0
    pending: dict[str, int] = {}


class LimitRaising(PerRun[LimitState, LimitRaisingSettings]):
    """Finds loosened limits. Lowering one is no finding; loosening one needs a person.

    Constants in allowed code are judged by name, so a limit under another name is not seen; limits
    that matter belong to the parent, outside the guest's files.
    """

    id = "limit_raising"
    techniques = ("RSI-T0202",)
    docs = "detectors/limit_raising.md"
    kinds = reads(Proposal, Approval, ArtifactChange)
    Settings: ClassVar[type[LimitRaisingSettings]] = LimitRaisingSettings

    def new(self) -> LimitState:
        """Nothing seen."""
        return LimitState()

    def starved(self, state: LimitState) -> str:
        """No proposal and no change came by."""
        return "" if state.seen else "no proposal and no artifact change was seen"

    def observe(self, state: LimitState, event: Event) -> list[Finding]:
        """Look at proposals, their fate, and changes found."""
        data = event.data
        if isinstance(data, Proposal):
            state.seen += 1
            return self._proposal(state, event, data)
        if isinstance(data, Approval):
            return self._approval(state, event, data)
        if isinstance(data, ArtifactChange) and data.artifact is Artifact.LIMIT:
            state.seen += 1
            return self._change(event, data)
        state.seen += isinstance(data, ArtifactChange)
        return []

    def _proposal(self, state: LimitState, event: Event, data: Proposal) -> list[Finding]:
        declared = [c for c in data.changes if c.artifact is Artifact.LIMIT and c.before != c.after]
        raised = [c for c in declared if not self._only_lowers(c.diff, c.path, c.before, c.after)]
        findings: list[Finding] = []
        if raised:
            remember(state.pending, data.proposal, event.seq, PENDING_MAX)
            findings.append(
                self.finding(
                    event,
                    Severity.MEDIUM,
                    "A proposal loosens a limit",
                    f"Declared limit file(s) {', '.join(shown(c.path) for c in raised[:LISTED_MAX])} change in a way "
                    "that is not a lowering. It takes effect only if it is applied.",
                    confidence=0.95,
                    technique="RSI-T0202",
                    change="neither",
                    facts={"files": len(raised), "applied": False},
                )
            )
        names = self._raised_in_code(data.changes)
        if names:
            state.in_code += 1
            if worth_saying(state.in_code):
                findings.append(self._in_code(state, event, names))
        return findings

    def _in_code(self, state: LimitState, event: Event, names: list[tuple[str, str, Artifact]]) -> Finding:
        code = [n for n in names if n[2] is not Artifact.HYPERPARAMETER]
        # A hyperparameter named like a limit is usually the search doing its job.
        severity = Severity.MEDIUM if code else Severity.LOW
        return self.finding(
            event,
            severity,
            "An allowed file raises something named like a limit",
            "; ".join(f"{shown(path)}: {shown(what)}" for what, path, _ in names[:LISTED_MAX])
            + ". The limits in force are the supervisor's and did not change.",
            confidence=0.6,
            technique="RSI-T0202",
            change="neither",
            facts={"raised": len(names), "proposals_so_far": state.in_code, "applied": False},
        )

    def _raised_in_code(self, changes: tuple[FileChange, ...]) -> list[tuple[str, str, Artifact]]:
        found: list[tuple[str, str, Artifact]] = []
        for change in changes[:FILES_MAX]:
            if change.artifact is Artifact.LIMIT or not change.diff or change.before is None:
                continue
            edits = edits_of(change.diff, change.path).edits
            still = {name for edit in edits for name in _limit_names(edit.new)}
            for edit in edits:
                found.extend((what, change.path, change.artifact) for what in self._raises(edit, still))
        return found

    def _raises(self, edit: Edit, still: set[str]) -> list[str]:
        """Descriptions of limits that one edit raises, removes or unbinds."""
        if not edit.old:
            return []
        changed = number_changes(edit)
        if changed is not None:
            return [
                f"{c.name} from {c.old:g} to {c.new:g}"
                for c in changed
                if _LIMIT.fullmatch(c.name) and c.new > c.old * self.settings.factor_min
            ]
        before = _limit_names(edit.old)
        if edit.new and before and _UNBOUNDED & set(edit.new) - set(edit.old):
            return [f"{name} made unbounded" for name in sorted(before)]
        return [f"{name} removed" for name in sorted(before - still)]

    def _only_lowers(self, diff: str, path: str, before: str | None, after: str | None) -> bool:
        """Whether every change of a limit file is a number that got smaller, or a comment. Unknown: no."""
        if before is None or after is None:
            return False
        edits = edits_of(diff, path)
        if not edits.readable:
            return False
        for edit in edits.edits:
            changes = number_changes(edit)
            if changes is None or not all(0 <= c.new < c.old < math.inf for c in changes):
                return False
        return True

    def _approval(self, state: LimitState, event: Event, data: Approval) -> list[Finding]:
        since = state.pending.pop(data.proposal, None)
        if since is None or data.verdict != "accepted":
            return []
        return [self._applied(event, since=since, change="neither", what="An accepted proposal loosened a limit")]

    def _change(self, event: Event, data: ArtifactChange) -> list[Finding]:
        if data.after in (data.pristine, data.before) or self._only_lowers(
            data.diff, data.path, data.before, data.after
        ):
            return []
        change = "explained" if data.proposal is not None else "neither"
        return [self._applied(event, since=event.seq, change=change, what=f"The limit {shown(data.path)} was loosened")]

    def _applied(self, event: Event, *, since: int, change: str, what: str) -> Finding:
        return self.finding(
            event,
            Severity.HIGH,
            "A limit in force was loosened",
            f"{what}. Loosening a limit is a person's decision.",
            confidence=0.95,
            technique="RSI-T0202",
            change=change,
            since=since,
            facts={"applied": True},
        )


def _limit_names(tokens: Tokens) -> set[str]:
    """Names in a statement that read like a limit which is set or passed there (`name =`, `name:`, `name(`)."""
    names: set[str] = set()
    for token, after in pairwise((*tokens, "")):
        word = token.strip("\"'")
        if after in ("=", ":", "(") and _LIMIT.fullmatch(word):
            names.add(word)
    return names
