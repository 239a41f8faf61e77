"""The top of a report: how it ended, the few numbers that matter, what to be careful about; and its foundations."""

from __future__ import annotations

from collections import Counter

from subcritical.report._figures import NONE, count, duration, interval, moment, number, version_name
from subcritical.report._markup import Markup, element, foreign, joined
from subcritical.report._tables import section
from subcritical.report.facts import RunFacts
from subcritical.report.story import Bounded, Story, bounded
from subcritical.schema import Severity

_STATUS = {
    "finished": ("finished", "good"),
    "tripped": ("tripped", "warn"),
    "stopped": ("stopped by a person", "warn"),
    "failed": ("failed", "bad"),
}


def status_words(story: Story, facts: RunFacts) -> tuple[str, str]:
    """Word and tone of the status line. A receipt that failed overrules what was reported."""
    last = story.receipts[-1] if story.receipts else None
    if last is not None and last.outcome == "failed":
        return "not contained: the last action failed", "bad"
    if facts.status:
        return _STATUS.get(facts.status, (facts.status, "warn"))
    if last is not None:
        return last.state.value, "warn"
    return "no end recorded", "warn"


def verdict(story: Story, facts: RunFacts) -> str:
    """The run in one or two sentences."""
    verdicts = story.verdicts
    said = (
        f"{count(story.generations, 'generation')}, {count(len(story.attempts), 'proposal')}: "
        f"{verdicts['accepted']} accepted, {verdicts['not_kept']} not kept, {verdicts['refused']} refused"
    )
    if verdicts[""]:
        said += f", {verdicts['']} undecided"
    return f"{said}. {facts.why[:1].upper()}{facts.why[1:]}".strip() + (
        "." if facts.why and not facts.why.endswith(".") else ""
    )


def opening(story: Story, facts: RunFacts, title: str) -> Markup:
    """Title, status, verdict, notices and tiles."""
    word, tone = status_words(story, facts)
    when = (
        f"{moment(story.start_ns)}, {duration((story.end_ns - story.start_ns) / 1e9)}"
        if story.records
        else "no records"
    )
    return element(
        "header",
        element("h1", foreign(title, 200)),
        element("p", "Run ", element("code", foreign(story.run or "unknown", 200)), f" · {when}", class_="soft"),
        element(
            "p", element("span", word, class_=f"status {tone}"), foreign(verdict(story, facts), 600), class_="verdict"
        ),
        _notices(story, facts),
        _tiles(story, facts),
    )


def _notices(story: Story, facts: RunFacts) -> Markup:
    said: list[Markup] = []
    through = story.protected_accepted
    if through:
        what = f"{count(len(through), 'accepted version')} changed what judges, bounds or records the system."
        said.append(
            _notice("bad", what, "Scores from then on are no evidence of anything, unless the evaluator was replaced.")
        )
    elif story.protected_attempts:
        what = f"{count(len(story.protected_attempts), 'proposal')} tried to change protected files. None was accepted."
        said.append(_notice("good", what, "Each is listed below with what it wanted to change."))
    if not story.reviews:
        said.append(_notice("warn", "Nobody reviewed this run.", "No person has recorded having looked at it."))
    if facts.isolation == "shared":
        why = "A candidate in the evaluator's own interpreter can make it say anything."
        said.append(_notice("warn", "Evaluator and candidate shared an interpreter.", why))
    if facts.journal is not None and not facts.journal.ok:
        problem = facts.journal.problems[0]
        said.append(_notice("bad", "The journal is damaged.", f"{problem.place}: {problem.what}"))
    if facts.log is not None and facts.log.not_signed:
        said.append(_notice("bad", "The end of the record is not signed.", facts.log.not_signed))
    if story.dropped_events:
        what = f"{count(story.dropped_events, 'event')} could not be delivered."
        said.append(_notice("bad", what, "What they said is unknown."))
    return joined(*said)


def _notice(tone: str, what: str, why: str) -> Markup:
    return element("div", element("b", what), foreign(why, 400), class_=f"notice {tone}")


def _tiles(story: Story, facts: RunFacts) -> Markup:
    current, seed = story.in_force, story.versions[0] if story.versions else None
    name = version_name(current) if current else ""
    public = current.public_value if current else None
    start = number(seed.public_value if seed else None)
    held_out, held_start = bounded(current.held_out if current else None), bounded(seed.held_out if seed else None)
    claims = [attempt.proposal.reported for attempt in story.attempts.values() if attempt.proposal.reported is not None]
    best = (max if story.direction == "up" else min)(claims) if claims else None
    severities = Counter(finding.severity for finding in story.findings)
    worst = ", ".join(f"{severities[one]} {one.value}" for one in reversed(list(Severity)) if severities[one])
    return element(
        "div",
        _tile(f"public {story.metric[:30]}, {name}" if name else "public score", number(public), f"seed: {start}"),
        _tile(
            "held-out, 95 % interval",
            number(held_out.value if held_out else None),
            f"{_noise(held_out)}; seed: {number(held_start.value if held_start else None)}",
        ),
        _tile("best score the guest reported", number(best), "a claim, not evidence" if claims else "it reported none"),
        _tile("accepted versions", f"{story.accepted}", f"of {count(len(story.attempts), 'proposal')}"),
        _tile("findings", f"{len(story.findings)}", worst or f"in {count(story.events, 'event')}"),
        _tile("actions", f"{len(story.receipts)}", _outcomes(story)),
        _tile(
            "reviews",
            f"{len(story.reviews)}",
            "nobody reviewed this run" if not story.reviews else "recorded by people",
        ),
        _tile("containment", facts.rung or _rung(story), "what it does not guarantee is below"),
        class_="tiles",
    )


def _noise(score: Bounded | None) -> str:
    if score is None:
        return "not measured"
    return "no interval" if score.low is None and score.high is None else interval(score.low, score.high)


def _outcomes(story: Story) -> str:
    outcomes = Counter(receipt.outcome for receipt in story.receipts)
    return ", ".join(f"{amount} {outcome}" for outcome, amount in outcomes.items()) or "no tripwire fired"


def _rung(story: Story) -> str:
    return story.receipts[-1].rung if story.receipts else "unknown"


def _tile(name: str, value: str, note: str) -> Markup:
    return element(
        "div", element("span", name), element("b", foreign(value, 60)), element("em", foreign(note, 120)), class_="tile"
    )


def containment_section(story: Story, facts: RunFacts) -> Markup:
    """The rung, what it is made of, and what it does not guarantee."""
    rung = facts.rung or _rung(story)
    made = element("p", f"Rung {rung}: {', '.join(facts.mechanisms)}." if facts.mechanisms else f"Rung {rung}.")
    if facts.not_guaranteed:
        gaps = joined(
            element("h3", "What this rung does not guarantee"),
            element("ul", *(element("li", gap) for gap in facts.not_guaranteed)),
        )
    else:
        gaps = element("p", "What it does not guarantee was not recorded with this report.", class_="soft")
    isolation = {
        "split": "Evaluator and candidate ran in two sandboxes and talked over a pipe.",
        "shared": "Evaluator and candidate shared an interpreter: a candidate could make the evaluator say anything.",
        "": "How evaluator and candidate were kept apart was not recorded with this report.",
    }[facts.isolation]
    return section("containment", "Containment", made, element("p", isolation), gaps)


def journal_section(story: Story, facts: RunFacts) -> Markup:
    """Where the evidence lies and whether it holds together."""
    check = facts.journal
    place = facts.journal_path or "unknown"
    rows = [("journal", element("code", foreign(place, 400)))]
    if check is None:
        state = Markup("not checked for this report")
    elif check.ok:
        state = element("b", "intact", class_="good")
    else:
        state = joined(
            element("b", "damaged", class_="bad"),
            foreign(f": {check.problems[0].place}: {check.problems[0].what}", 400),
        )
    rows.append(("check", state))
    rows.append(("records in this report", Markup(f"{story.records:,}")))
    if check is not None:
        rows.append(
            (
                "records in the journal",
                Markup(f"{check.records:,} in {check.batches:,} batches, {check.segments:,} segments"),
            )
        )
        rows.append(("end of the chain", element("code", foreign(check.digest or NONE, 100))))
    if facts.log is not None:
        rows.append(("signed log", foreign(facts.log.origin or NONE, 200)))
        rows.append(("signed entries", Markup(f"{facts.log.size:,}")))
        rows.append(("root", element("code", foreign(facts.log.root or NONE, 100))))
    lead = element(
        "p",
        "Numbers such as #17 are records of this journal. Its chain of digests shows accidents and partial changes, "
        "the signed log every change after the signature. Whoever holds the log's key can sign a second history, "
        "which only a checkpoint kept elsewhere, or a witness, can show.",
        class_="soft lead",
    )
    listed = joined(*(joined(element("dt", name), element("dd", value)) for name, value in rows))
    return section("journal", "Evidence", element("dl", listed), lead)
