"""The run in a few lines for a terminal or a log."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from subcritical.report._figures import bounded_text, count, milliseconds, number, version_name
from subcritical.report._opening import status_words, verdict
from subcritical.report.facts import RunFacts
from subcritical.report.story import Story, bounded, latencies_ms, tell
from subcritical.schema import Record, Severity, visible

_LINES_MAX = 10
_TEXT_MAX = 160


def render_text(records: Sequence[Record], *, title: str, facts: RunFacts | None = None) -> str:
    """A summary in plain lines: no colour, no control characters, whatever the records hold.

    Args:
        records: The run's records in the order of its journal.
        title: First words, such as the system's name.
        facts: What no record holds.
    """
    facts = facts or RunFacts()
    story = tell(records)
    word, _ = status_words(story, facts)
    lines = [
        f"{title}, run {story.run or 'unknown'}: {word}",
        verdict(story, facts),
        *_scores(story),
        *_protected(story),
        *_findings(story),
        *_actions(story),
        _reviews(story),
        *_containment(facts),
    ]
    return "".join(visible(line, 1_000) + "\n" for line in lines)


def _scores(story: Story) -> list[str]:
    shown = story.versions[:1]
    if story.in_force is not None and story.in_force.number:
        shown = [*shown, story.in_force]
    metric = visible(story.metric, 40)
    return [
        f"{version_name(version):>6}  {metric}: public {number(version.public_value)}"
        f", held-out {bounded_text(bounded(version.held_out))}, reported {number(version.reported)}"
        for version in shown
    ]


def _protected(story: Story) -> list[str]:
    if story.protected_accepted:
        return [f"{count(len(story.protected_accepted), 'accepted version')} CHANGED PROTECTED FILES"]
    if story.protected_attempts:
        return [f"{count(len(story.protected_attempts), 'attempt')} to change protected files, 0 accepted"]
    return []


def _findings(story: Story) -> list[str]:
    if not story.findings:
        return [f"0 findings in {count(story.events, 'event')}"]
    amounts = Counter(finding.severity for finding in story.findings)
    said = ", ".join(
        f"{amounts[severity]} {severity.value}" for severity in reversed(list(Severity)) if amounts[severity]
    )
    lines = [f"{count(len(story.findings), 'finding')} in {count(story.events, 'event')}: {said}"]
    ordered = sorted(story.findings, key=lambda finding: (-finding.severity.rank, finding.seq))
    for finding in ordered[:_LINES_MAX]:
        technique = f" {finding.technique}" if finding.technique else ""
        lines.append(
            f"  [{finding.severity.value}] {finding.id} {finding.detector}{technique}, "
            f"generation {finding.generation}: {visible(finding.title, _TEXT_MAX)}"
        )
    if len(ordered) > _LINES_MAX:
        lines.append(f"  and {len(ordered) - _LINES_MAX} more")
    return lines


def _actions(story: Story) -> list[str]:
    by = {action.id: action.by for action in story.actions}
    lines = []
    for receipt in story.receipts[-_LINES_MAX:]:
        alive = "survivors unknown" if receipt.survivors < 0 else f"{receipt.survivors} of {receipt.processes} alive"
        lines.append(
            f"{receipt.order.value} by {visible(by.get(receipt.action, 'unknown'), 80)}: {receipt.outcome}, "
            f"now {receipt.state.value} on {receipt.rung} after {milliseconds(latencies_ms(receipt)[1])}, {alive}"
        )
    return lines


def _reviews(story: Story) -> str:
    if not story.reviews:
        return "nobody reviewed this run"
    names = ", ".join(visible(review.by, 60) for _, review in story.reviews[-_LINES_MAX:])
    return f"{count(len(story.reviews), 'review')}: {names}"


def _containment(facts: RunFacts) -> list[str]:
    lines = []
    if facts.rung:
        gaps = f"; not guaranteed: {'; '.join(facts.not_guaranteed)}" if facts.not_guaranteed else ""
        lines.append(f"containment {facts.rung}{gaps}")
    if facts.journal_path:
        state = "not checked" if facts.journal is None else "intact" if facts.journal.ok else "DAMAGED"
        lines.append(f"journal {facts.journal_path}: {state}")
    if facts.log is not None:
        state = f"NOT SIGNED TO ITS END: {facts.log.not_signed}" if facts.log.not_signed else "signed to its end"
        lines.append(f"log {facts.log.origin or 'unknown'}: {facts.log.size:,} entries, {state}")
    return lines
