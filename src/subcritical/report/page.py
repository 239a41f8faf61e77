"""The report of a run: one HTML file that needs nothing else, runs no script and asks no network."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence

from subcritical.report._lineage import attempts_section, lineage_section
from subcritical.report._markup import Markup, element, joined
from subcritical.report._opening import containment_section, journal_section, opening
from subcritical.report._scores import score_chart
from subcritical.report._style import CSS
from subcritical.report._tables import (
    actions_section,
    findings_section,
    limits_section,
    measurements_section,
    messages_section,
    reviews_section,
    section,
)
from subcritical.report.facts import RunFacts
from subcritical.report.story import tell
from subcritical.schema import Record, visible

_LINKS = ("scores", "findings", "actions", "attempts", "versions", "containment", "reviews", "journal")


def render_html(records: Sequence[Record], *, title: str, facts: RunFacts | None = None) -> str:
    """One self-contained HTML page about a run.

    Texts of guests, evaluators and detectors are shown with control, bidirectional and invisible characters written
    out, capped and escaped. The page's own policy lets no script, image, font, frame or form work, so a hole in the
    escaping could show something false but not run anything.

    Args:
        records: The run's records in the order of its journal.
        title: Heading, such as the system's name.
        facts: What no record holds.

    Returns:
        UTF-8 text of bounded size: at most about 2 MB, whatever the records hold.
    """
    facts = facts or RunFacts()
    story = tell(records)
    links = element("nav", joined(*(element("a", name, href=f"#{name}") for name in _LINKS)), aria_label="Sections")
    body = element(
        "body",
        opening(story, facts, title),
        links,
        section("scores", "Scores", score_chart(story)),
        findings_section(story, facts.log.proofs if facts.log else {}),
        actions_section(story),
        measurements_section(story),
        attempts_section(story),
        lineage_section(story),
        limits_section(story),
        containment_section(story, facts),
        reviews_section(story, facts.review_cycle),
        messages_section(story),
        journal_section(story, facts),
        element("footer", f"Made by {facts.program} from {story.records:,} records."),
    )
    head = element("head", _policy(), element("title", visible(title, 150)), Markup(f"<style>{CSS}</style>"))
    return f"<!doctype html>\n{element('html', head, body, lang='en')}\n"


def _policy() -> Markup:
    allowed = base64.b64encode(hashlib.sha256(CSS.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{allowed}'; base-uri 'none'; form-action 'none'"
    return joined(
        element("meta", charset="utf-8"),
        element("meta", http_equiv="Content-Security-Policy", content=policy),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="referrer", content="no-referrer"),
    )
