"""One pass over the records of a run: what was proposed, decided, scored, found and done."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence

import msgspec

from subcritical.schema import (
    PROTECTED,
    Action,
    Approval,
    Ballot,
    Control,
    Erased,
    Event,
    Finding,
    Heartbeat,
    Measurement,
    Message,
    Order,
    Proposal,
    Receipt,
    Record,
    Resource,
    Review,
    Score,
    Split,
)
from subcritical.stats import clopper_pearson, normal_quantile

LEVEL = 0.95
_TREE = re.compile(r"sha256:[0-9a-f]{64}")
_GOING_BACK = ("rolling_back", "rolled_back", "undoing", "undone")
_NOT_APPLIED = "not_applied"
_CORRECTED = "corrected"


class Bounded(msgspec.Struct, frozen=True, kw_only=True):
    """A score with its interval. Without `n` or `se` nothing is known about its noise: both ends are None."""

    value: float
    low: float | None = None
    high: float | None = None
    method: str = "none: the evaluator gave neither n nor se"


class Version(msgspec.Struct, kw_only=True):
    """An accepted version; number 0 is the seed.

    `held_out` is the score of the same bytes on data that nothing of the loop reads. `rolled_back` says that an
    earlier version replaced it.
    """

    number: int
    tree: str
    generation: int = 0
    seq: int = 0
    time_ns: int = 0
    proposal: Proposal | None = None
    public: Score | None = None
    held_out: Score | None = None
    reported: float | None = None
    rolled_back: bool = False

    @property
    def public_value(self) -> float | None:
        """The trusted public score, where there is one."""
        return self.public.value if self.public else None


class Attempt(msgspec.Struct, kw_only=True):
    """One proposal and what became of it; `verdict` is empty while that is open. `votes` say who said what about it."""

    proposal: Proposal
    generation: int
    seq: int
    verdict: str = ""
    reasons: tuple[str, ...] = ()
    votes: tuple[str, ...] = ()
    public: Score | None = None

    @property
    def protected(self) -> tuple[str, ...]:
        """Paths of protected artifacts it wanted to change."""
        return tuple(change.path for change in self.proposal.changes if change.artifact in PROTECTED)


class Story(msgspec.Struct, kw_only=True):
    """Everything a reader of a run needs, in order of record."""

    run: str = ""
    records: int = 0
    events: int = 0
    generations: int = 0
    start_ns: int = 0
    end_ns: int = 0
    versions: list[Version] = []
    attempts: dict[str, Attempt] = {}
    scores: list[tuple[Event, Score]] = []
    findings: list[Finding] = []
    measurements: list[Measurement] = []
    actions: list[Action] = []
    receipts: list[Receipt] = []
    erased: list[Erased] = []
    reviews: list[tuple[Event, Review]] = []
    controls: list[tuple[Event, Control]] = []
    limits_hit: list[tuple[Event, Resource]] = []
    messages: list[tuple[Event, Message]] = []
    dropped_events: int = 0

    @property
    def in_force(self) -> Version | None:
        """The version in force at the end."""
        return next((version for version in reversed(self.versions) if not version.rolled_back), None)

    @property
    def accepted(self) -> int:
        """Accepted self-modifications, the seed not counted."""
        return self.verdicts["accepted"]

    @property
    def verdicts(self) -> Counter[str]:
        """How many proposals were accepted, refused, not kept, or still open ("")."""
        return Counter(attempt.verdict for attempt in self.attempts.values())

    @property
    def protected_attempts(self) -> list[Attempt]:
        """Proposals that touched a protected artifact."""
        return [attempt for attempt in self.attempts.values() if attempt.protected]

    @property
    def protected_accepted(self) -> list[Attempt]:
        """Those among them that were accepted: none, in a guarded run."""
        return [attempt for attempt in self.protected_attempts if attempt.verdict == "accepted"]

    @property
    def metric(self) -> str:
        """Name of the trusted score."""
        names = [score.metric for _, score in self.scores if score.split is not Split.REPORTED]
        return names[0] if names else "score"

    @property
    def direction(self) -> str:
        """`up` or `down`: which way is better."""
        ways = [score.direction for _, score in self.scores if score.split is not Split.REPORTED]
        return ways[0] if ways else "up"


def bounded(score: Score | None) -> Bounded | None:
    """A score with its 95 % interval: exact for successes of n, normal for a standard error.

    Returns:
        None where there is no value.

    Source: Clopper and Pearson 1934, Biometrika 26:404.
    """
    if score is None or score.value is None:
        return None
    if score.n and score.successes is not None and 0 <= score.successes <= score.n:
        interval = clopper_pearson(score.successes, score.n, level=LEVEL)
        method = f"Clopper-Pearson, exact, {LEVEL * 100:.0f} %, n = {score.n}"
        return Bounded(value=score.value, low=interval.low, high=interval.high, method=method)
    if score.se is not None and score.se >= 0:
        half = normal_quantile(0.5 + LEVEL / 2) * score.se
        low, high = score.value - half, score.value + half
        return Bounded(value=score.value, low=low, high=high, method=f"normal, {LEVEL * 100:.0f} %, standard error")
    return Bounded(value=score.value)


def tell(records: Iterable[Record]) -> Story:
    """Fold records, in the order of the journal, into a story."""
    story = Story()
    for record in records:
        story.records += 1
        story.run = story.run or record.run
        story.start_ns = story.start_ns or record.time_ns
        # The calendar may jump back; a report must not.
        story.end_ns = max(story.end_ns, record.time_ns)
        if isinstance(record, Event):
            story.events += 1
            story.generations = max(story.generations, record.generation)
            _event(story, record)
        elif isinstance(record, Finding):
            story.findings.append(record)
        elif isinstance(record, Measurement):
            story.measurements.append(record)
        elif isinstance(record, Action):
            story.actions.append(record)
        elif isinstance(record, Receipt):
            story.receipts.append(record)
        else:
            story.erased.append(record)
    return story


def _event(story: Story, event: Event) -> None:
    data = event.data
    if isinstance(data, Proposal):
        _seed(story, data.base)
        story.attempts[data.proposal] = Attempt(proposal=data, generation=event.generation, seq=event.seq)
    elif isinstance(data, Approval):
        _approval(story, event, data)
    elif isinstance(data, Ballot) and data.proposal in story.attempts:
        said = "people were asked" if data.step == "open" else f"{data.step} by {data.by}: {data.reason or 'no reason'}"
        story.attempts[data.proposal].votes += (said,)
    elif isinstance(data, Score):
        _score(story, event, data)
    elif isinstance(data, Control):
        _control(story, event, data)
    elif isinstance(data, Review):
        story.reviews.append((event, data))
    elif isinstance(data, Resource) and data.hit:
        story.limits_hit.append((event, data))
    elif isinstance(data, Message):
        story.messages.append((event, data))
    elif isinstance(data, Heartbeat):
        story.dropped_events += data.dropped


def _seed(story: Story, tree: str) -> None:
    if not story.versions:
        story.versions.append(Version(number=0, tree=tree))


def _approval(story: Story, event: Event, approval: Approval) -> None:
    attempt = story.attempts.get(approval.proposal)
    if attempt is not None:
        attempt.verdict = approval.verdict
        attempt.reasons = approval.reasons
    if approval.verdict != "accepted":
        return
    version = Version(
        number=len(story.versions) or 1,
        tree=approval.tree,
        generation=event.generation,
        seq=event.seq,
        time_ns=event.time_ns,
        proposal=attempt.proposal if attempt else None,
        public=attempt.public if attempt else None,
        reported=attempt.proposal.reported if attempt else None,
    )
    story.versions.append(version)


def _score(story: Story, event: Event, score: Score) -> None:
    story.scores.append((event, score))
    attempt = story.attempts.get(score.proposal)
    if score.split is not Split.REPORTED and attempt is None:
        _seed(story, score.tree)
    if attempt is not None and score.split is Split.PUBLIC:
        attempt.public = score
    for version in reversed(story.versions):
        if version.tree == score.tree:
            if score.split is Split.PUBLIC:
                version.public = version.public or score
            elif score.split is Split.HELD_OUT:
                version.held_out = version.held_out or score
            return


def _control(story: Story, event: Event, control: Control) -> None:
    story.controls.append((event, control))
    if control.order == _CORRECTED:
        number = len(story.versions) or 1
        story.versions.append(
            Version(
                number=number, tree=control.reason, generation=event.generation, seq=event.seq, time_ns=event.time_ns
            )
        )
    if control.order == _NOT_APPLIED and len(story.versions) > 1:
        story.versions.pop()
    if control.order not in _GOING_BACK:
        return
    # The gateway writes the digest of the version it went back to into the reason.
    tree = _TREE.search(control.reason)
    target = next((version for version in reversed(story.versions) if tree and version.tree == tree[0]), None)
    if target is None:
        return
    for version in story.versions:
        version.rolled_back = version.rolled_back or version.number > target.number


def latencies_ms(receipt: Receipt) -> tuple[float | None, float | None]:
    """Milliseconds from ORDERED to QUIESCED and to CONFIRMED; None where it was not reached."""

    def since_order(moment_ns: int) -> float | None:
        return (moment_ns - receipt.ordered_ns) / 1e6 if moment_ns else None

    return since_order(receipt.quiesced_ns), since_order(receipt.confirmed_ns)


def pauses(receipts: Sequence[Receipt], end_ns: int) -> list[tuple[int, int]]:
    """Spans of wall time (ns) in which the run was paused or killed by a confirmed action."""
    spans: list[tuple[int, int]] = []
    since: int | None = None
    for receipt in receipts:
        stopped = receipt.state in {"paused", "killed"}
        if stopped and since is None:
            since = receipt.time_ns
        elif receipt.order is Order.RESUME and receipt.outcome == "confirmed" and since is not None:
            spans.append((since, receipt.time_ns))
            since = None
    if since is not None:
        spans.append((since, max(since, end_ns)))
    return spans
