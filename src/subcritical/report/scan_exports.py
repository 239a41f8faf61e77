"""The answer of a scan for other programs and pages: SARIF, JUnit XML, Markdown and one HTML file.

All take the answer as plain data (`app.scanning.as_data`): sources, findings with evidence, blind. Texts in it are
hostile: they are made visible, and escaped as the format wants it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import PurePath
from typing import Any
from urllib.parse import quote
from xml.etree import ElementTree as ET

from subcritical.report._markup import Markup, element, foreign, joined
from subcritical.report._style import CSS
from subcritical.schema import Severity, visible

Answer = Mapping[str, Any]
_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
_LEVELS = {"critical": "error", "high": "error", "medium": "warning", "low": "note", "info": "note"}
_TEXT_MAX = 2000


def render_sarif(answer: Answer, *, version: str, summary: str) -> str:
    """SARIF 2.1.0 (OASIS, 2020): one rule for each detector and technique, one result for each finding."""
    results = [_result(finding) for finding in answer["findings"]]
    rules = [{"id": name} for name in sorted({result["ruleId"] for result in results})]
    told = [{"level": "error", "message": {"text": _text(f"{b['what']}: {b['why']}")}} for b in answer["blind"]]
    run = {
        "tool": {"driver": {"name": "subcritical", "version": version, "rules": rules}},
        "invocations": [{"executionSuccessful": True, "toolExecutionNotifications": told}],
        "results": results,
        "properties": {"summary": summary},
    }
    return json.dumps({"$schema": _SCHEMA, "version": "2.1.0", "runs": [run]}, indent=2)


def _result(finding: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "ruleId": "/".join(filter(None, (finding["detector"], finding["technique"]))),
        "level": _LEVELS[finding["severity"]],
        "message": {"text": _text(f"{finding['title']}. {finding['why']}")},
        "locations": [_location(place) for place in finding["evidence"]],
        "properties": {
            "severity": finding["severity"],
            "confidence": finding["confidence"],
            "change": finding["change"],
            "system": _text(finding["system"]),
        },
    }


def _location(place: Mapping[str, Any]) -> dict[str, Any]:
    physical: dict[str, Any] = {"artifactLocation": {"uri": quote(PurePath(place["path"]).as_posix())}}
    if "line" in place:
        physical["region"] = {"startLine": place["line"]}
    more = {name: _text(str(place[name])) for name in ("commit", "part") if name in place}
    return {"physicalLocation": physical, **({"properties": more} if more else {})}


def render_junit(answer: Answer, *, fail_on: Severity, summary: str) -> str:
    """JUnit XML: a suite for each source, a failure for each finding at or above `fail_on`, an error for blindness."""
    root = ET.Element("testsuites", name="subcritical scan")
    for source in answer["sources"]:
        path = source["path"]
        findings = [finding for finding in answer["findings"] if finding["source"] == path]
        bad = [finding for finding in findings if Severity(finding["severity"]).rank >= fail_on.rank]
        suite = ET.SubElement(
            root, "testsuite", name=_text(path), tests=str(len(findings) + 1), failures=str(len(bad)), errors="0"
        )
        ET.SubElement(suite, "testcase", name=f"read as {source['format']}", classname=_text(path))
        for finding in findings:
            case = ET.SubElement(suite, "testcase", name=_text(finding["title"]), classname=finding["detector"])
            if finding in bad:
                ET.SubElement(case, "failure", message=_text(finding["why"]), type=finding["severity"])
    if answer["blind"]:
        count = str(len(answer["blind"]))
        suite = ET.SubElement(root, "testsuite", name="blind", tests=count, failures="0", errors=count)
        for blind in answer["blind"]:
            case = ET.SubElement(suite, "testcase", name=_text(blind["what"]), classname="blind")
            ET.SubElement(case, "error", message=_text(blind["why"]))
    root.append(ET.Comment(f" {_text(summary)} ".replace("--", "- -")))
    ET.indent(root)
    return ET.tostring(root, encoding="unicode", xml_declaration=True)


def render_markdown(answer: Answer, *, summary: str) -> str:
    """Markdown: what was read, what was found."""
    lines = [f"**{_cell(summary)}**", "", "| severity | finding | why | where |", "|---|---|---|---|"]
    for finding in _worst_first(answer["findings"]):
        named = "/".join(filter(None, (finding["detector"], finding["technique"], finding["change"])))
        where = "<br>".join(_cell(place_text(place)) for place in finding["evidence"])
        lines.append(
            f"| {finding['severity']} | {_cell(finding['title'])} ({named}) | {_cell(finding['why'])} | {where} |"
        )
    lines += ["", "| source | format | events | broken |", "|---|---|---|---|"]
    lines += [f"| {_cell(s['path'])} | {s['format']} | {s['events']} | {s['broken']} |" for s in answer["sources"]]
    lines += ["", *(f"- blind: {_cell(blind['what'])}: {_cell(blind['why'])}" for blind in answer["blind"])]
    return "\n".join(lines).rstrip() + "\n"


def render_scan_page(answer: Answer, *, summary: str) -> str:
    """One HTML file without scripts and without network."""
    rows = [
        element(
            "tr",
            element("td", finding["severity"]),
            element(
                "td", foreign(finding["title"]), element("br"), finding["technique"] or "", " ", finding["detector"]
            ),
            element("td", finding["change"] or ""),
            element("td", foreign(finding["why"], _TEXT_MAX)),
            element("td", *(joined(foreign(place_text(place)), element("br")) for place in finding["evidence"])),
        )
        for finding in _worst_first(answer["findings"])
    ]
    sources = [
        element(
            "tr",
            element("td", foreign(source["path"])),
            *(element("td", str(source[name])) for name in ("format", "events", "broken")),
        )
        for source in answer["sources"]
    ]
    blind = [element("li", foreign(blind["what"]), ": ", foreign(blind["why"], _TEXT_MAX)) for blind in answer["blind"]]
    body = element(
        "main",
        element("h1", "Scan"),
        element("p", summary),
        element("h2", "Findings"),
        _table(("severity", "finding", "change", "why", "where"), rows),
        element("h2", "Not judged") if blind else None,
        element("ul", *blind) if blind else None,
        element("h2", "Sources"),
        _table(("path", "format", "events", "broken"), sources),
    )
    head = element(
        "head", element("meta", charset="utf-8"), element("title", "subcritical scan"), Markup(f"<style>{CSS}</style>")
    )
    return f"<!doctype html>\n{element('html', head, element('body', body), lang='en')}\n"


def _table(names: Iterable[str], rows: Iterable[str]) -> str:
    head = element("tr", *(element("th", name) for name in names))
    return element("table", element("thead", head), element("tbody", *rows))


def _worst_first(findings: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    return sorted(findings, key=lambda finding: -Severity(finding["severity"]).rank)


def place_text(place: Mapping[str, Any]) -> str:
    """A place in one line of text."""
    line = f":{place['line']}" if "line" in place else ""
    commit = f" commit {str(place['commit'])[:12]}" if "commit" in place else ""
    part = f" {place['part']}" if "part" in place else ""
    return f"{place['path']}{line}{commit}{part}"


def _text(text: str) -> str:
    return visible(text, _TEXT_MAX)


def _cell(text: str) -> str:
    """Text that cannot end a cell of a table, nor be a link, a picture or HTML."""
    shown = _text(text)
    for character in "\\`*_[]<>|#&":
        shown = shown.replace(character, f"\\{character}" if character not in "<>&" else f"&#{ord(character)};")
    return shown
