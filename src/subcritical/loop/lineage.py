"""The line of accepted versions, and what is known about it. Everything in here can be read back from the journal."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from subcritical.schema import Approval, Direction, Event, Score, Split


class Lineage:
    """Accepted versions in order, the seed first.

    Attributes:
        generation: Proposals judged so far.
        accepted: Digests of accepted trees, the seed's first; one that was rolled back to is not repeated.
        best: Public score of the version in force, None where it has none.
        direction: Which way is better.
        scores: Trusted scores by split, in the order they were taken.
    """

    def __init__(self) -> None:
        """Start before the seed."""
        self.generation = 0
        self.accepted: list[str] = []
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

    def restore(self, events: Iterable[Event], in_force: str) -> None:
        """Take up a line from its journal; `in_force` is the tree that the gateway's head names."""
        for event in events:
            self.generation = max(self.generation, event.generation)
            data = event.data
            if isinstance(data, Score):
                self.note(data)
                if data.proposal == "seed" and not self.accepted:
                    self.accepted.append(data.tree)
            if isinstance(data, Approval) and data.verdict == "accepted":
                self.accepted.append(data.tree)
        public = self.scores[Split.PUBLIC]
        self.best = next((s.value for s in reversed(public) if s.tree == in_force and s.value is not None), None)

    def before(self, tree: str) -> str:
        """The version accepted before `tree`; the seed has none before it, so it is its own."""
        last = max((place for place, accepted in enumerate(self.accepted) if accepted == tree), default=0)
        return self.accepted[max(0, last - 1)]

    def held_out(self) -> Sequence[Score]:
        """Held-out scores of the seed and the accepted versions, in order."""
        return self.scores[Split.HELD_OUT]
