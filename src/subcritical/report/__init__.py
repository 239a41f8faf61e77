"""What a run or a scan looks like to people and programs: HTML pages, plain lines, JSON, SARIF, JUnit XML, Markdown."""

from subcritical.report.facts import RunFacts, SignedLog
from subcritical.report.page import render_html
from subcritical.report.plain import render_text
from subcritical.report.scan_exports import (
    place_text,
    render_junit,
    render_markdown,
    render_sarif,
    render_scan_page,
)
from subcritical.report.story import Story, tell
from subcritical.report.summary import summary

__all__ = [
    "RunFacts",
    "SignedLog",
    "Story",
    "place_text",
    "render_html",
    "render_junit",
    "render_markdown",
    "render_sarif",
    "render_scan_page",
    "render_text",
    "summary",
    "tell",
]
