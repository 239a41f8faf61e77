"""What a run looks like to people and programs: an HTML page, plain lines, one JSON object."""

from subcritical.report.facts import RunFacts, SignedLog
from subcritical.report.page import render_html
from subcritical.report.plain import render_text
from subcritical.report.story import Story, tell
from subcritical.report.summary import summary

__all__ = ["RunFacts", "SignedLog", "Story", "render_html", "render_text", "summary", "tell"]
