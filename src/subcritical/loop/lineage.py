"""The line of accepted versions, and what is known about it. Everything in here can be read back from the journal."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from subcritical.errors import LedgerError
from subcritical.schema import Approval, Control, Direction, Event, Score, Split
from subcritical.tripwires import PREVIOUS, ROLLED_BACK

GATEWAY = "gateway"
ROLLING_BACK = "rolling_back"
"""`Control.order` before the head moves back; its reason is the digest."""
UNDOING = "undoing"
"""`Control.order` before the gateway takes back a change that it has just applied; its reason is the digest."""
UNDONE = "undone"
"""`Control.order` when it has. Other words than for a rollback: a person's, ordered meanwhile, is still to be done."""
CORRECTED = "corrected"
"""`Control.order` when a person's correction may be put in force; its reason is the digest."""
NOT_APPLIED = "not_applied"
"""`Control.order` of a resumed run for a change that was accepted and never applied; its reason is the proposal."""


class Lineage:
    """Accepted versions in order, the seed first.

    Attributes:
        generation: Proposals judged so far.
        accepted: Digests of accepted trees, the seed's first; one that was rolled back to is not repeated.
        line: Digests of the versions that led to the one in force, the seed's first.
        going_back: Digest that a rollback was begun to and is not recorded as done; empty otherwise.
        taking_back: Digest that the gateway began to take a change back to, and has not recorded as done.
        best: Public score of the version in force, None where it has none.
        direction: Which way is better.
        scores: Trusted scores by split, in the order they were taken.
    """

    def __init__(self) -> None:
        """Start before the seed."""
        self.generation = 0
        self.accepted: list[str] = []
        self.line: list[str] = []
        self.going_back = ""
        self.taking_back = ""
        self.best: float | None = None
        self.direction: Direction = "up"
        self.scores: dict[Split, list[Score]] = {Split.PUBLIC: [], Split.HELD_OUT: []}

    @property
    def changes(self) -> int:
        """Accepted self-changes: versions after the seed."""
        return max(0, len(self.accepted) - 1)

    def note(self, score: Score) -> None:
        """Take in a trusted score."""
        if score.split in self.scores:
            self.scores[score.split].append(score)
            self.direction = score.direction

    def accept(self, tree: str) -> None:
        """A version was accepted: it is in force next."""
        self.accepted.append(tree)
        self.line.append(tree)

    def go_back(self, tree: str) -> None:
        """An earlier version is in force again; what came after it is off the line."""
        if tree in self.line:
            del self.line[len(self.line) - self.line[::-1].index(tree) :]
        else:
            self.line.append(tree)

    def is_forward(self, tree: str) -> bool:
        """Whether a version was accepted and is not among those that led to the one in force. Any thread may ask."""
        return tree in self.accepted and tree not in self.line

    @property
    def previous(self) -> str:
        """The version that was in force before this one; the seed has none before it, so it is its own."""
        return self.line[-2] if len(self.line) > 1 else self.line[-1]

    def restore(self, events: Iterable[Event], in_force: str) -> str:
        """Take up a line from its journal.

        Args:
            events: All events of the run.
            in_force: The tree that the gateway's head names.

        Returns:
            The proposal that was recorded as accepted and not applied, because the run died in between; else nothing.

        Raises:
            LedgerError: The version in force is not what the journal says.
        """
        last_accepted = ""
        for event in events:
            self.generation = max(self.generation, event.generation)
            data = event.data
            if isinstance(data, Score):
                self.note(data)
                if data.proposal == "seed" and not self.accepted:
                    self.accept(data.tree)
            elif isinstance(data, Approval) and data.verdict == "accepted":
                self.accept(data.tree)
                last_accepted = data.proposal
            elif isinstance(data, Control):
                last_accepted = "" if self._moved(data) else last_accepted
        public = self.scores[Split.PUBLIC]
        self.best = next((s.value for s in reversed(public) if s.tree == in_force and s.value is not None), None)
        if not self.line or in_force in (self.line[-1], self.going_back, self.taking_back):
            return ""
        if not last_accepted or in_force != self.previous:
            raise LedgerError(
                f"the version in force is {in_force}, the journal says {self.line[-1]}: the store was changed by "
                "somebody else; nothing is gone on with"
            )
        self._not_applied()
        return last_accepted

    def _moved(self, control: Control) -> bool:
        """Take in an order of the gateway; whether it is about which version is in force."""
        if control.by != GATEWAY:
            return False
        if control.order == UNDOING:
            self.taking_back = control.reason
        elif control.order == ROLLING_BACK:
            self.going_back = control.reason
            if not self.line:  # before the seed had a score: there is nothing else to go back to
                self.accept(control.reason)
        elif control.order == UNDONE:
            self.go_back(control.reason)
            self.taking_back = ""
        elif control.order == ROLLED_BACK and self.line:
            asked_for = self.previous if control.reason == PREVIOUS else control.reason
            self.go_back(self.going_back or asked_for)
            self.going_back = self.taking_back = ""
        elif control.order == NOT_APPLIED:
            self._not_applied()
        elif control.order == CORRECTED:
            self.accepted.append(control.reason)
            return False
        else:
            return False
        return True

    def _not_applied(self) -> None:
        self.accepted.pop()
        self.line.pop()

    def held_out(self) -> Sequence[Score]:
        """Held-out scores of the seed and the accepted versions, in order."""
        return self.scores[Split.HELD_OUT]
