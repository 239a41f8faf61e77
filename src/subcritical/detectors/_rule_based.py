"""Detectors whose knowledge is in rules: what a system did is matched, and what its operator asked for explains it."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Sequence
from functools import cache, cached_property
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Any, ClassVar

import msgspec
import yaml

from subcritical.detectors._acts import Act, acts_of
from subcritical.detectors._once import once
from subcritical.detectors._operators import asks, asks_for, heard, names_in
from subcritical.detectors._scripts import acts_and_code
from subcritical.detectors._sifted import Sieve
from subcritical.detectors._sigma import Rule, compile_rule
from subcritical.detectors._stream import PerRun, shown, worth_saying
from subcritical.detectors.protocol import DetectorSettings, Maturity
from subcritical.schema import ArtifactChange, Event, Finding, Proposal, Severity, ToolCall

_SIFTING = frozenset({"oversight_reduction", "persistence", "resource_acquisition", "shutdown_resistance"})
"""Detectors whose acts are those of the event alone, so that one scan of them tells which rules may match."""


class RuleState(msgspec.Struct):
    """Per run: what operators said last, and how often each rule matched."""

    asked: list[str] = []
    counts: dict[str, int] = {}
    seen: int = 0


def packaged_folder() -> Traversable:
    """Where the rules lie that come with the package."""
    return files("subcritical.detectors") / "rules"


@cache
def _packaged() -> tuple[tuple[str, dict[str, Any]], ...]:
    """Files of the package and the rules in them, as they are parsed."""
    return tuple(
        (entry.name, source)
        for entry in sorted(packaged_folder().iterdir(), key=lambda entry: entry.name)
        if entry.name.endswith(".yml") and not entry.name.endswith(".cases.yml")
        for source in yaml.safe_load_all(entry.read_text(encoding="utf-8"))
    )


@cache
def packaged_rules() -> tuple[Rule, ...]:
    """Every rule that comes with the package.

    Raises:
        ConfigError: One of them is wrong.
    """
    return tuple(compile_rule(source, where=name) for name, source in _packaged())


@cache
def _sieve() -> tuple[Sieve, dict[str, int]]:
    """The matcher for the rules of all detectors that sift, and the bits of their rules."""
    rules = {
        rule.id: source
        for rule, (_, source) in zip(packaged_rules(), _packaged(), strict=True)
        if rule.detector in _SIFTING
    }
    return Sieve(list(rules.values())), {name: 1 << bit for bit, name in enumerate(rules)}


@once(lambda _: 64)
def _sifted(event: Event) -> int:
    return _sieve()[0].bits(list(acts_and_code(event)))


class RuleBased(PerRun[RuleState, DetectorSettings]):
    """Matches its rules on each act.

    An act that an operator's message asks for, in a clause that forbids nothing, is `authorised` and `low`: by the
    rule's `authorised_by`, or by a request that names what the act is about.
    """

    maturity: ClassVar[Maturity] = "trial"
    Settings: ClassVar[Any] = DetectorSettings

    def __init__(self, settings: DetectorSettings | None = None) -> None:
        """Take the rules that name this detector."""
        super().__init__(settings)
        self.rules = tuple(rule for rule in packaged_rules() if rule.detector == self.id)
        self._sifts = self.id in _SIFTING

    def new(self) -> RuleState:
        """Nothing said and nothing seen."""
        return RuleState()

    def starved(self, state: RuleState) -> str:
        """Without any act there was nothing to judge."""
        return "" if state.seen else "no tool call and no change of a file was seen"

    def observe(self, state: RuleState, event: Event) -> list[Finding]:
        """Remember what operators ask for; judge what the system does."""
        if heard(event, state.asked):
            return []
        if not isinstance(event.data, ToolCall | ArtifactChange | Proposal):
            return []
        if self._sifts and self._number is not None and not _sifted(event) & self._bits:
            self.passed(state, event)
            return []
        found = []
        for act in self.acts(state, event):
            state.seen += 1
            rules = self._likely(act)
            fields = fields_of(act) if rules else {}
            matched = [rule for rule in rules if rule.test(fields)]
            found += [self._say(state, event, rule, act) for rule in matched if self._news(state, rule)]
        return found

    def passed(self, state: RuleState, event: Event) -> None:
        """Count acts only until there is one: no more is asked for."""
        if not state.seen:
            state.seen = sum(1 for _ in self.acts(state, event))

    def _likely(self, act: Act) -> Sequence[Rule]:
        """The rules that may match an act."""
        if not self._sifts or self._number is None:
            return self.rules
        sieve, bits = _sieve()
        there = sieve.bits([act])
        return [rule for rule in self.rules if there & bits[rule.id]] if there & self._bits else ()

    @cached_property
    def _bits(self) -> int:
        return sum(_sieve()[1][rule.id] for rule in self.rules)

    def acts(self, state: RuleState, event: Event) -> Iterable[Act]:  # noqa: ARG002 - some add what went before
        """What an event did."""
        return acts_of(event)

    def objects(self, act: Act) -> frozenset[str]:
        """Names that a request has to hold one of for the act to be what it asks for.

        The file that is written is none of them: to ask for work on a file explains no particular change of it.
        """
        return names_in(act.text if act.kind == "write" else f"{act.path} {act.text}")

    def _news(self, state: RuleState, rule: Rule) -> bool:
        state.counts[rule.id] = state.counts.get(rule.id, 0) + 1
        return worth_saying(state.counts[rule.id])

    def _say(self, state: RuleState, event: Event, rule: Rule, act: Act) -> Finding:
        asked = rule.authorised_by is not None and (
            asks(state.asked, rule.authorised_by) or asks_for(state.asked, self.objects(act))
        )
        severity = Severity.LOW if asked else rule.level
        what = act.text if act.kind == "run" else f"{act.kind} {act.path}"
        return self.finding(
            event,
            severity,
            rule.title,
            f"{rule.why} Seen: {shown(what)}",
            confidence=0.5,
            technique=rule.technique,
            change="authorised" if asked else "neither",
            facts={"rule": rule.id, "level": str(rule.level), "times": state.counts[rule.id]},
        )


def fields_of(act: Act) -> dict[str, str]:
    """An act as the fields that rules name."""
    return {
        "kind": act.kind,
        "path": act.path,
        "name": posixpath.basename(act.path.rstrip("/")),
        "text": act.text,
        "old": act.old,
        "program": act.program,
        "arguments": act.arguments,
        "options": " ".join(act.options),
        "via": " ".join(act.via),
        "appended": "yes" if act.appended else "",
    }
