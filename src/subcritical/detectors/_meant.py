"""Content rules, and an act in the same turn as words of the system's that mean it."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable
from typing import ClassVar

from subcritical.detectors._acts import Act
from subcritical.detectors._operators import asks
from subcritical.detectors._rule_based import RuleBased, RuleState
from subcritical.detectors._scripts import acts_and_code, does
from subcritical.detectors._stream import shown
from subcritical.schema import Event, Finding, Message, ModelCall, Severity


class MeantState(RuleState):
    """Besides: a sentence of the last turn that the act after it is judged by."""

    meant: str = ""


class Meant(RuleBased):
    """Rules on single acts; where none matches, an act after words that mean what the rules look for."""

    rule: ClassVar[str]
    title: ClassVar[str]

    @abstractmethod
    def meant(self, event: Event) -> str:
        """The sentence of a turn that means it; empty where there is none."""

    def new(self) -> MeantState:
        """Nothing said, seen or meant."""
        return MeantState()

    def idle(self, state: RuleState) -> bool:
        """Not while an act is judged by what was said before it."""
        return not (isinstance(state, MeantState) and state.meant)

    def observe(self, state: RuleState, event: Event) -> list[Finding]:
        """Judge by the rules, then by what was said in the same turn."""
        found = super().observe(state, event)
        if not isinstance(state, MeantState):
            return found
        if isinstance(event.data, ModelCall | Message):
            state.meant = self.meant(event)
        elif state.meant and not found and any(does(act) for act in self.acts(state, event)):
            sentence, state.meant = state.meant, ""
            found.append(self._acted(state, event, sentence))
        return found

    def acts(self, state: RuleState, event: Event) -> Iterable[Act]:  # noqa: ARG002 - the same without what was said
        """Besides: code on an interpreter's input, and calls of tools that take a script."""
        return acts_and_code(event)

    def _acted(self, state: RuleState, event: Event, sentence: str) -> Finding:
        asked = any(rule.authorised_by and asks(state.asked, rule.authorised_by) for rule in self.rules)
        return self.finding(
            event,
            Severity.LOW if asked else Severity.MEDIUM,
            self.title,
            f"In the turn of this act it said: {shown(sentence)}",
            confidence=0.4,
            technique=self.techniques[0],
            change="authorised" if asked else "neither",
            facts={"rule": self.rule, "level": "medium", "times": 1},
        )
