from __future__ import annotations

import base64
import hashlib
import re
from html.parser import HTMLParser

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sample_run import HOSTILE, records_of, tree

from subcritical.ledger import JournalCheck, Problem
from subcritical.report import RunFacts, render_html, render_text
from subcritical.report._markup import Markup, element
from subcritical.schema import (
    Action,
    Approval,
    Artifact,
    Event,
    FileChange,
    Finding,
    Measurement,
    Message,
    Order,
    Proposal,
    Receipt,
    Resource,
    RunState,
    Score,
    Severity,
    Split,
    visible,
)

ELEMENTS = {
    "html", "head", "meta", "title", "style", "body", "header", "section", "nav", "footer", "h1", "h2", "h3", "p", "div",
    "span", "b", "em", "small", "a", "code", "pre", "bdi", "ul", "li", "dl", "dt", "dd", "table", "thead", "tbody", "tr",
    "th", "td", "details", "summary", "figure", "figcaption", "svg", "text", "line", "rect", "circle", "path",
    "polyline", "polygon",
}  # fmt: skip
ATTRIBUTES = {
    "lang", "charset", "http-equiv", "content", "name", "class", "id", "href", "scope", "open", "viewbox", "role",
    "aria-label", "aria-hidden", "x", "y", "x1", "x2", "y1", "y2", "cx", "cy", "r", "d", "points", "width", "height",
    "text-anchor", "transform",
}  # fmt: skip
FACTS = RunFacts(
    status="finished",
    why="the last generation was reached",
    rung="R2",
    mechanisms=("bubblewrap", "Landlock"),
    not_guaranteed=("The kernel is shared with the host.",),
    isolation="split",
    review_cycle="1 d",
    journal_path="runs/one/journal",
    journal=JournalCheck(run="r", records=9, last_seq=9, batches=2, segments=1, digest="sha256:1"),
)


class Reader(HTMLParser):
    """Collects elements, attributes and text; refuses what a report never holds."""

    def __init__(self):
        super().__init__()
        self.stack: list[str] = []
        self.text: list[str] = []
        self.policy = ""
        self.style = ""

    def handle_starttag(self, tag, attrs):
        assert tag in ELEMENTS, tag
        for name, value in attrs:
            assert name in ATTRIBUTES, name
            if name == "href":
                assert re.fullmatch(r"#[a-z]+", value)
        if dict(attrs).get("http-equiv") == "Content-Security-Policy":
            self.policy = dict(attrs)["content"]
        if tag != "meta":
            self.stack.append(tag)

    def handle_endtag(self, tag):
        assert self.stack.pop() == tag

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        if tag != "meta":
            self.handle_endtag(tag)

    def handle_data(self, data):
        if self.stack and self.stack[-1] == "style":
            self.style += data
        else:
            self.text.append(data)

    def handle_comment(self, data):
        raise AssertionError(data)


def read(page: str) -> Reader:
    reader = Reader()
    reader.feed(page)
    reader.close()
    assert reader.stack == []
    for character in page:
        assert character == "\n" or (character.isprintable() or character == "\t"), hex(ord(character))
    return reader


def said(page: str) -> str:
    return " ".join(" ".join(read(page).text).split())


@pytest.fixture(scope="module")
def records(tmp_path_factory):
    return records_of(tmp_path_factory.mktemp("run") / "journal")


def event(data, seq=1, generation=1):
    return Event(seq=seq, time_ns=1_000 + seq, run="r", producer="p", generation=generation, data=data)


def proposal(name="p-1", base="0", new="1", artifact=Artifact.CODE, **more):
    change = FileChange(
        path="solution.py", artifact=artifact, before="a", after="b", size=1, diff=more.pop("diff", "+x")
    )
    return Proposal(proposal=name, base=tree(base), tree=tree(new), requester="guest", changes=(change,), **more)


def test_the_page_answers_the_questions_of_a_reader(records):
    text = said(render_html(records, title="digits", facts=FACTS))
    for words in (
        "finished",
        "60 generations, 60 proposals: 18 accepted, 35 not kept, 7 refused",
        "7 proposals tried to change protected files. None was accepted.",
        "A proposal changes the evaluator",
        "#46 to #47",
        "RSI-T0300",
        "change: neither",
        "Clopper-Pearson, exact, 95 %, n = 360",
        "generation (0 = seed version)",
        "accuracy (higher is better)",
        "time since the start of the run (s)",
        "pause tripwire:tampering",
        "1.3 ms 4.9 ms 0 of 7",
        "anna Read the diff",
        "cannot tell",
        "the guest's improver has no versions",
        "[\N{MINUS SIGN}0.021, 0.044] at 95 %",
        "generations 60 generations 60 generations loop",
        "Rung R2: bubblewrap, Landlock.",
        "What this rung does not guarantee The kernel is shared with the host.",
        "two sandboxes",
        "runs/one/journal",
        "intact",
        "v18 in force",
        "farthest 400",
    ):
        assert words in text, words


def test_the_page_needs_nothing_and_runs_nothing(records):
    page = render_html(records, title="digits", facts=FACTS)
    reader = read(page)
    allowed = base64.b64encode(hashlib.sha256(reader.style.encode()).digest()).decode()
    assert reader.policy == f"default-src 'none'; style-src 'sha256-{allowed}'; base-uri 'none'; form-action 'none'"
    assert not re.search(r"url\(|@import|https?://|//[a-z]", page)
    assert " style=" not in page


def test_what_is_missing_is_said(records):
    empty = said(render_html([], title="nothing"))
    for words in (
        "no end recorded",
        "Nobody reviewed this run.",
        "0 findings in 0 events",
        "No tripwire fired",
        "No limit was reached.",
        "No trusted score was taken",
        "not checked for this report",
        "What it does not guarantee was not recorded",
    ):
        assert words in empty, words
    bare = said(render_html([record for record in records if not isinstance(record, Receipt)], title="x"))
    assert "no receipt" in bare


def test_shared_isolation_damage_and_failed_containment_are_loud():
    problem = Problem(place="segment-000001.jsonl, byte 7", what="a line whose checksum is wrong", seq=3)
    check = JournalCheck(run="r", records=2, last_seq=2, batches=1, segments=1, digest="d", problems=(problem,))
    receipt = Receipt(
        action="a", order=Order.STOP, outcome="failed", state=RunState.KILLING, ordered_ns=5, quiesced_ns=0, confirmed_ns=0,
        processes=3, survivors=-1, rung="R2", run="r", seq=1, time_ns=9,
    )  # fmt: skip
    facts = RunFacts(status="finished", isolation="shared", journal=check)
    text = said(render_html([receipt], title="x", facts=facts))
    for words in (
        "not contained: the last action failed",
        "shared an interpreter",
        "The journal is damaged. segment-000001.jsonl, byte 7: a line whose checksum is wrong",
        "not reached not reached unknown",
    ):
        assert words in text, words


def test_an_accepted_change_of_the_evaluator_is_the_first_thing_said():
    asked = proposal(artifact=Artifact.EVALUATOR)
    accepted = Approval(proposal="p-1", tree=asked.tree, verdict="accepted", by="selection")
    for page in (
        said(render_html([event(asked), event(accepted, 2)], title="x")),
        render_text([event(asked), event(accepted, 2)], title="x"),
    ):
        assert re.search(r"1 accepted version (CHANGED PROTECTED FILES|changed what judges)", page)


def test_hostile_text_is_shown_and_does_nothing(tmp_path):
    records = records_of(tmp_path / "journal", hostile=True)
    records.append(event(Message(source=HOSTILE, text=HOSTILE), 900))
    facts = msgspec.structs.replace(FACTS, why=HOSTILE, journal_path=HOSTILE, rung="R1", review_cycle=HOSTILE)
    page = render_html(records, title=HOSTILE, facts=facts)
    assert visible(HOSTILE) in said(page)
    assert "<img" not in page
    assert "</script" not in page
    text = render_text(records, title=HOSTILE, facts=facts)
    assert all(character == "\n" or character.isprintable() for character in text)


hostile = st.text(max_size=60) | st.sampled_from(["<b>", "&lt;", '"', "'>", "]]>", "<!--", "</style>", HOSTILE])
numbers = st.floats(allow_nan=False) | st.sampled_from([1e308, -1e308, 5e-324, 0.0, float("inf")])


@st.composite
def any_record(draw):
    seq = draw(st.integers(1, 50))
    data = draw(
        st.one_of(
            st.builds(
                Score, proposal=st.sampled_from(["p-1", "p-2"]), tree=st.sampled_from(["t1", "t2"]), metric=hostile,
                split=st.sampled_from(Split), value=st.none() | numbers, n=st.none() | st.integers(-2, 20),
                successes=st.none() | st.integers(-2, 30), se=st.none() | numbers, detail=hostile,
            ),
            st.builds(
                Proposal, proposal=st.sampled_from(["p-1", "p-2"]), base=hostile, tree=st.sampled_from(["t1", "t2"]),
                requester=hostile, claim=hostile, reported=st.none() | numbers,
                changes=st.lists(
                    st.builds(FileChange, path=hostile, artifact=st.sampled_from(Artifact), diff=hostile), max_size=3
                ).map(tuple),
            ),
            st.builds(
                Approval, proposal=st.sampled_from(["p-1", "p-2", "p-9"]), tree=st.sampled_from(["t1", "t2"]), by=hostile,
                verdict=st.sampled_from(["accepted", "refused", "not_kept"]), reasons=st.lists(hostile).map(tuple),
            ),
            st.builds(Message, source=hostile, text=hostile),
            st.builds(Resource, what=hostile, used=numbers, limit=st.none() | numbers, unit=hostile, hit=st.just(True)),
        )
    )  # fmt: skip
    other = st.one_of(
        st.builds(
            Finding, detector=hostile, version=st.just(1), severity=st.sampled_from(Severity), confidence=st.floats(0, 1),
            title=hostile, why=hostile, evidence=st.just(()), facts=st.dictionaries(hostile, hostile | numbers, max_size=3),
            id=hostile, time_ns=st.integers(0, 2**62),
        ),
        st.builds(
            Measurement, name=hostile, estimate=st.none() | numbers, low=st.none() | numbers, high=st.none() | numbers,
            level=st.just(0.95), unit=hostile, method=hostile, n=st.integers(0, 9), why=hostile,
        ),
        st.builds(Action, id=hostile, order=st.sampled_from(Order), by=hostile, reason=hostile),
        st.builds(
            Receipt, action=hostile, order=st.sampled_from(Order), state=st.sampled_from(RunState), rung=hostile,
            outcome=st.sampled_from(["confirmed", "escalated", "failed", "refused"]), ordered_ns=st.integers(0, 2**62),
            quiesced_ns=st.integers(0, 2**62), confirmed_ns=st.integers(0, 2**62), processes=st.integers(0, 9),
            survivors=st.integers(-1, 9), detail=hostile, time_ns=st.integers(0, 2**62),
        ),
    )  # fmt: skip
    return draw(other) if draw(st.booleans()) else event(data, seq, draw(st.integers(0, 10**9)))


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(st.lists(any_record(), max_size=12), hostile)
def test_no_record_breaks_the_page(records, title):
    read(render_html(records, title=title))
    text = render_text(records, title=title)
    assert all(character == "\n" or character.isprintable() for character in text)


def test_the_page_stays_bounded_whatever_the_records_hold():
    records = []
    for number in range(3_000):
        seq = 3 * number + 1
        records.append(
            event(proposal(f"p-{number}", str(number), str(number + 1), diff="+" + "\x1b<" * 9_000), seq, number)
        )
        verdict = "accepted" if number % 2 else "refused"
        records.append(
            event(
                Approval(proposal=f"p-{number}", tree=tree(str(number + 1)), verdict=verdict, by="s"), seq + 1, number
            )
        )
        records.append(
            Finding(
                detector="d", version=1, severity=Severity.HIGH, confidence=1.0, title="\x1b" * 5_000, why="<" * 5_000,
                evidence=(), facts={f"{key}": "<" * 900 for key in range(50)}, id=f"f-{number}", seq=seq + 2, time_ns=seq,
            )
        )  # fmt: skip
        records.append(event(Message(source="<" * 9_000, text="<" * 90_000), seq, number))
    page = render_html(records, title="x" * 100_000)
    print(f"{len(page):,} characters from {len(records):,} records")
    assert len(page) < 4_000_000
    assert "in the journal only" in page
    assert len(render_text(records, title="x" * 100_000)) < 20_000


def test_escaping_is_what_keeps_text_out_of_the_markup():
    """The planted failure: text marked as finished markup gets through, so the tests above can fail."""
    attack = "<img src=x onerror=alert(1)>"
    assert "<img" not in element("p", attack)
    assert "<img" in element("p", Markup(attack))
    with pytest.raises(AssertionError):
        read(element("p", Markup(attack)))
    assert element("p", "x", title='" onclick="') == '<p title="&quot; onclick=&quot;">x</p>'
