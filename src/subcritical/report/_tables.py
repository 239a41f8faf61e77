"""Sections made of tables: findings, actions, measurements, attempts, limits, reviews, what the guest said."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from subcritical.report._figures import NONE, count, duration, interval, milliseconds, moment, number, percent
from subcritical.report._markup import Markup, element, foreign, foreign_lines, joined
from subcritical.report._timeline import SHAPES, timeline
from subcritical.report.story import Story, latencies_ms
from subcritical.schema import Evidence, Finding, Measurement, Order, Receipt, Severity

ROWS_MAX = 200
_MESSAGES_MAX = 5
_MESSAGE_CHARACTERS = 2_000
_EVIDENCE_MAX = 6
_FACTS_MAX = 12


def section(name: str, title: str, *parts: Markup | None) -> Markup:
    """A section with an anchor."""
    return element("section", element("h2", title), *parts, id=name)


def table(heads: Sequence[tuple[str, str]], rows: Sequence[Markup], total: int | None = None) -> Markup:
    """A table; heads are (text, class). Says how many rows were left out."""
    head = element("tr", *(element("th", text, class_=kind or None, scope="col") for text, kind in heads))
    more = (total or len(rows)) - len(rows)
    rest = element("p", f"{count(more, 'further row')} in the journal only.", class_="soft") if more > 0 else None
    body = element("table", element("thead", head), element("tbody", *rows))
    return joined(element("div", body, class_="scroll"), rest)


def row(*cells: tuple[str | Markup, str], kind: str = "") -> Markup:
    """A table row; cells are (content, class)."""
    return element("tr", *(element("td", content, class_=name or None) for content, name in cells), class_=kind or None)


def severity_cell(severity: Severity) -> Markup:
    """Word, shape and colour: any two may be lost."""
    shape = SHAPES[severity](7, 7, 5.5, f"mark {severity.value}", "")
    icon = element("svg", shape, viewBox="0 0 14 14", aria_hidden="true")
    return element("span", icon, severity.value, class_=f"severity {severity.value}")


def findings_section(story: Story, proofs: Mapping[int, str]) -> Markup:
    """Findings on the time axis and as a table, gravest first, each with the place of its inclusion proof."""
    if story.findings:
        ordered = sorted(story.findings, key=lambda finding: (-finding.severity.rank, finding.seq))
        heads = [("severity", ""), ("finding", "wide"), ("evidence", "text"), ("generation", "num")]
        rows = [_finding(finding, proofs.get(finding.seq)) for finding in ordered[:ROWS_MAX]]
        listed = table(heads, rows, len(ordered))
    else:
        said = f"0 findings in {count(story.events, 'event')}."
        listed = element("p", said, class_="empty")
    return section("findings", "What happened, and what was found", timeline(story), listed)


def _finding(finding: Finding, proof: str | None) -> Markup:
    technique = f" · {finding.technique}" if finding.technique else ""
    change = f" · change: {finding.change}" if finding.change else ""
    origin = f"{finding.detector} {finding.version}{technique}{change}"
    origin += f" · confidence {percent(finding.confidence)} · {finding.id}"
    facts = list(finding.facts.items())[:_FACTS_MAX]
    numbers = ", ".join(f"{name} = {_fact(value)}" for name, value in facts)
    what = joined(
        element("b", foreign(finding.title, 200)),
        element("div", foreign(finding.why, 800)),
        element("div", foreign(numbers, 600), class_="mono soft") if numbers else None,
        element("small", foreign(origin, 300)),
    )
    return row(
        (severity_cell(finding.severity), ""),
        (what, ""),
        (joined(_evidence(finding.evidence), _proof(finding.seq, proof)), ""),
        (str(finding.generation), "num"),
    )


def _proof(seq: int, proof: str | None) -> Markup | None:
    return element("a", f"proof of #{seq}", href=proof) if proof else None


def _fact(value: float | str | bool | None) -> str:
    return number(value, 6) if isinstance(value, float) else str(value)


def _evidence(ranges: Sequence[Evidence]) -> Markup:
    lines = [
        element(
            "div",
            f"#{part.first_seq}" if part.first_seq == part.last_seq else f"#{part.first_seq} to #{part.last_seq}",
            foreign(f" {part.note}", 160) if part.note else None,
        )
        for part in ranges[:_EVIDENCE_MAX]
    ]
    more = len(ranges) - len(lines)
    return joined(*lines, element("div", f"and {more} more") if more > 0 else None)


def actions_section(story: Story) -> Markup:
    """Which tripwires fired, who ordered what, and the proof of what came of it."""
    if not story.actions and not story.receipts:
        said = "No tripwire fired, and nobody paused, stopped or throttled the run."
        return section("actions", "Actions and receipts", element("p", said, class_="empty"))
    by_action = {action.id: action for action in story.actions}
    proven = {receipt.action for receipt in story.receipts}
    rows = []
    for receipt in story.receipts[:ROWS_MAX]:
        action = by_action.get(receipt.action)
        rows.append(_receipt(receipt, action.by if action else NONE, action.reason if action else ""))
    rows += [
        row(
            (element("b", action.order.value), "tight"),
            (foreign(action.by), ""),
            (foreign(action.reason, 400), ""),
            (element("b", "no receipt", class_="bad"), ""),
            (NONE, "num"),
            (NONE, "num"),
            (NONE, "num"),
        )
        for action in story.actions
        if action.id not in proven
    ][:ROWS_MAX]
    heads = [
        ("order", ""),
        ("by", "text"),
        ("reason", "text"),
        ("outcome", ""),
        ("user code stopped", "num"),
        ("confirmed", "num"),
        ("alive after", "num"),
    ]
    lead = element(
        "p",
        "Latencies count from the moment the supervisor received the order. Confirmed means that the kernel said so, "
        "not that a call returned.",
        class_="soft lead",
    )
    return section("actions", "Actions and receipts", lead, table(heads, rows))


def _receipt(receipt: Receipt, by: str, reason: str) -> Markup:
    quiesced, confirmed = latencies_ms(receipt)
    kind = {"confirmed": "good", "escalated": "warn"}.get(receipt.outcome, "bad")
    outcome = joined(
        element("b", receipt.outcome, class_=kind),
        element("div", f"now {receipt.state.value}, {receipt.rung}", class_="tight"),
        element("small", foreign(receipt.detail, 300)) if receipt.detail else None,
    )
    alive = "unknown" if receipt.survivors < 0 else f"{receipt.survivors} of {receipt.processes}"
    return row(
        (element("b", receipt.order.value), "tight"),
        (foreign(by), ""),
        (foreign(reason, 400), ""),
        (outcome, ""),
        (milliseconds(quiesced), "num"),
        (milliseconds(confirmed), "num"),
        (element("b", alive, class_="bad") if _should_be_none(receipt) else alive, "num"),
    )


def _should_be_none(receipt: Receipt) -> bool:
    """Whether something may still run although it was ordered not to."""
    halts = receipt.order in {Order.PAUSE, Order.STOP, Order.QUARANTINE}
    return halts and receipt.outcome != "refused" and receipt.survivors != 0


def measurements_section(story: Story) -> Markup | None:
    """The last measurement of each name, with interval and method; a refusal to answer with its reason."""
    latest = list({found.name: found for found in story.measurements}.values())
    if not latest:
        return None
    heads = [("measure", "text"), ("estimate", "num"), ("interval", "num"), ("n", "num"), ("method", "text")]
    rows = [_measurement(found) for found in latest[:ROWS_MAX]]
    return section("measurements", "Measurements", table(heads, rows, len(latest)))


def _measurement(found: Measurement) -> Markup:
    unit = f" {found.unit}" if found.unit not in {"", "1"} else ""
    estimate = number(found.estimate) + unit if found.estimate is not None else "cannot tell"
    bounds = f"{interval(found.low, found.high)} at {percent(found.level)}" if found.estimate is not None else NONE
    method = joined(
        element("div", foreign(found.method)), element("small", foreign(found.why, 500)) if found.why else None
    )
    return row(
        (
            joined(
                element("b", foreign(found.name, 80)),
                element("div", element("small", f"after generation {found.generation}")),
            ),
            "",
        ),
        (estimate, "num"),
        (bounds, "num"),
        (f"{found.n:,}", "num"),
        (method, ""),
    )


def limits_section(story: Story) -> Markup:
    """Limits that stopped something."""
    if not story.limits_hit:
        said = element("p", "No limit was reached.", class_="empty")
        return section("limits", "Limits reached", said)
    heads = [
        ("limit", ""),
        ("used", "num"),
        ("allowed", "num"),
        ("where", "text"),
        ("generation", "num"),
        ("record", "num"),
    ]
    rows = [
        row(
            (element("b", foreign(resource.what, 80)), ""),
            (f"{number(resource.used, 6)} {resource.unit}", "num"),
            (f"{number(resource.limit, 6)} {resource.unit}", "num"),
            (foreign(resource.where, 80), ""),
            (str(event.generation), "num"),
            (f"#{event.seq}", "num"),
        )
        for event, resource in story.limits_hit[:ROWS_MAX]
    ]
    return section("limits", "Limits reached", table(heads, rows, len(story.limits_hit)))


def reviews_section(story: Story, cycle: str) -> Markup:
    """Who looked at the run."""
    expected = f" Expected: {cycle}." if cycle else ""
    if not story.reviews:
        said = element("p", f"Nobody reviewed this run.{expected}", class_="notice")
        return section("reviews", "Reviews", said)
    heads = [("when", "tight"), ("by", "text"), ("reason", "wide"), ("generation", "num")]
    rows = [
        row(
            (moment(event.time_ns), "tight"),
            (foreign(review.by, 120), ""),
            (foreign(review.reason, 1_000), ""),
            (str(event.generation), "num"),
        )
        for event, review in story.reviews[:ROWS_MAX]
    ]
    lead = element("p", f"Names are as given; nothing here proves them.{expected}", class_="soft")
    return section("reviews", "Reviews", lead, table(heads, rows, len(story.reviews)))


def messages_section(story: Story) -> Markup | None:
    """The last words of guest and sandboxes, as text and nothing else."""
    if not story.messages:
        return None
    lead = element(
        "p",
        f"The last {min(_MESSAGES_MAX, len(story.messages))} of {count(len(story.messages), 'message')}. "
        "Control, bidirectional and invisible characters are written out.",
        class_="soft",
    )
    shown = [
        element(
            "details",
            element(
                "summary",
                foreign(message.source, 80),
                f", #{event.seq}, generation {event.generation}, {duration((event.time_ns - story.start_ns) / 1e9)} in",
                ", cut when it was received" if message.truncated else None,
            ),
            element("pre", foreign_lines(message.text, _MESSAGE_CHARACTERS), class_="talk"),
        )
        for event, message in story.messages[-_MESSAGES_MAX:]
    ]
    return section("messages", "What was said", lead, *shown)
