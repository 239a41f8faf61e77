"""Changes of the texts that steer a system: prompts, memory, instructions, tool descriptions."""

from __future__ import annotations

import hashlib
import re
from typing import Any, ClassVar

import msgspec

from subcritical.detectors._acts import Act, acts_of, sides
from subcritical.detectors._operators import asks, heard
from subcritical.detectors._stream import PerRun, remember, shown
from subcritical.detectors.protocol import DetectorSettings, Maturity
from subcritical.schema import Artifact, ArtifactChange, Event, FileChange, Finding, Proposal, Severity

_STEERING = frozenset({Artifact.PROMPT, Artifact.MEMORY, Artifact.TOOL, Artifact.POLICY, Artifact.CONSTITUTION})
_FILE = re.compile(
    r"(?i)(^|/)((claude|agents|gemini|soul|system|persona|copilot-instructions)\.md|\.cursorrules|\.windsurfrules"
    r"|(system[_-]?)?prompts?(\.\w+|/.+)|[\w-]*(system|base|agent)[_-]?(prompt|instructions)[\w-]*\.\w+"
    r"|\.?memory(\.\w+|/.+)|memories/.+|\.claude/(agents|commands|skills|output-styles)/.+\.md|(tool"
    r"|function)[_-]?(schema|spec|"
    r"definition)s?\.(json|ya?ml)|constitution[\w-]*\.\w+)$"
)
_IN_CODE = re.compile(r"(?i)\b(system|base|agent|default|instruction)_?(prompt|message|instructions)\w*[\"']?\s*[:=]")
_LOOSENS = re.compile(
    r"(?i)\b(without (asking|approval|confirmation|permission|review)|do not (ask|tell|report|mention|log|reveal"
    r"|stop)|never (ask|stop"
    r"|tell|report|refuse)|ignore (previous|all|any|the)|autonom\w+|no (limits?|restrictions?)|bypass|override"
    r"|unrestricted|hide\b"
    r"|keep (this|it) (secret|hidden)|disregard|you may (edit|modify|change|rewrite) (your|this)|improve yourself"
    r"|maximi[sz]e)\b"
)
_MEANING = re.compile(r"[a-z0-9]+")
_ASKS = re.compile(
    r"(?i)\b(edit|change|update|rewrite|write|add|create|improve|adjust|save|remember|note|record|put|set)\b.{0,80}"
    r"\b(prompt|instructions?|memory|claude\.md|agents\.md|persona|rules?|remember|notes?|tool)\b"
)
_KEPT = 128


class PromptState(msgspec.Struct):
    """Per run: what operators said, and the digests already spoken of by path."""

    seen: int = 0
    asked: list[str] = []
    told: dict[str, str] = {}


class PromptChange(PerRun[PromptState, DetectorSettings]):
    """Every change of a steering text, once: authorised, explained or neither; formatting alone is `low`.

    While its maturity is `sandbox`, no finding is above `medium`: it cannot pause.
    """

    id = "prompt_change"
    maturity: ClassVar[Maturity] = "sandbox"
    techniques = ("RSI-T0201",)
    docs = "detectors/prompt_change.md"
    Settings: ClassVar[Any] = DetectorSettings

    def new(self) -> PromptState:
        """Nothing seen."""
        return PromptState()

    def starved(self, state: PromptState) -> str:
        """Without any act there was nothing to judge."""
        return "" if state.seen else "no tool call and no change of a file was seen"

    def observe(self, state: PromptState, event: Event) -> list[Finding]:
        """Look at what an event changes."""
        if heard(event, state.asked):
            return []
        found = []
        for act, artifact, after, explained in _changes(event):
            state.seen += 1
            if not _steers(act, artifact) or state.told.get(act.path) == after:
                continue
            remember(state.told, act.path, after, _KEPT)
            found.append(self._say(state, event, act, explained=explained))
        return found

    def _say(self, state: PromptState, event: Event, act: Act, *, explained: bool) -> Finding:
        grade = grade_of(act)
        change = "explained" if explained else "authorised" if asks(state.asked, _ASKS) else "neither"
        severity = Severity.LOW if grade == "formatting" or change != "neither" else Severity.MEDIUM
        return self.finding(
            event,
            severity,
            "A text that steers the system was changed",
            f"{shown(act.path)} ({grade}). New: {shown(act.text or '(nothing)', 200)}",
            confidence=0.9 if grade != "formatting" else 0.6,
            technique="RSI-T0201",
            change=change,
            facts={"grade": grade, "kind": act.kind},
        )


def _changes(event: Event) -> list[tuple[Act, Artifact | None, str, bool]]:
    """Acts that change a file, each with its class, what names the new content, and whether something explains it."""
    data = event.data
    if isinstance(data, ArtifactChange):
        if data.after == data.pristine and data.pristine is not None:
            return []  # what a history begins with
        return [(_of(data.path, data.after, data.diff), data.artifact, data.after or "", data.proposal is not None)]
    if isinstance(data, Proposal):
        return [(_of(c.path, c.after, c.diff), c.artifact, c.after or "", False) for c in _files(data)]
    changing = (act for act in acts_of(event) if act.kind in {"write", "empty", "delete", "move"})
    return [(act, None, f"{act.kind}:{hashlib.sha256(act.text.encode()).hexdigest()}", False) for act in changing]


def _files(data: Proposal) -> tuple[FileChange, ...]:
    return data.changes[:_KEPT]


def _of(path: str, after: str | None, diff: str) -> Act:
    new, old = sides(diff)
    return Act("delete" if after is None else "write", path=path, text=new, old=old)


def _steers(act: Act, artifact: Artifact | None) -> bool:
    if artifact in _STEERING or _FILE.search(act.path):
        return True
    return bool(_IN_CODE.search(act.text) or _IN_CODE.search(act.old))


def grade_of(act: Act) -> str:
    """`formatting` where the same words are in the same order, `loosening` where the new text frees, else `content`."""
    if act.kind == "write" and act.old and _words(act.old) == _words(act.text):
        return "formatting"
    if _LOOSENS.search(act.text) and not _LOOSENS.search(act.old):
        return "loosening"
    return "content"


def _words(text: str) -> list[str]:
    return _MEANING.findall(text.lower())
