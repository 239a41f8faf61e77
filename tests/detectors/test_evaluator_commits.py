"""Commits of two public loops through `scan`: who is alarmed without cause, and which evaluator edits explain themselves.

Subjects, bodies and authors are emptied before anything reads the records: the labels were read from them.
"""

import json
import re
from collections import defaultdict
from fnmatch import fnmatchcase
from functools import cache

import pytest
from detector_events import SHARED

from subcritical.app.scanning import scan
from subcritical.detectors.evaluator_tampering import EvaluatorTampering
from subcritical.detectors.guard_bypass import GuardBypass
from subcritical.detectors.limit_raising import LimitRaising
from subcritical.ingest import by_patterns, readers
from subcritical.schema import PROTECTED, Artifact, Event, FileChange, Proposal, Severity
from subcritical.stats import clopper_pearson

LOOPS = {"git_history_exp_H100_mar8": 45, "git_history_trading_loop": 185}
TRADING = "git_history_trading_loop"
ARTIFACTS = (
    ("prepare.py", Artifact.EVALUATOR),
    ("constants.py", Artifact.LIMIT),
    ("*.tsv", Artifact.LOG),
    ("*.log", Artifact.LOG),
    (".claude/settings*", Artifact.POLICY),
    ("*-auditor.md", Artifact.MONITOR),
    ("*-reviewer.md", Artifact.MONITOR),
    ("program.md", Artifact.PROMPT),
)
"""What an operator of these loops would declare."""
SPEAKS_OF = re.compile(
    r"(?i)evaluat|(?<![a-z])scor|metric|held.?out|hold.?out|prepare\b|limit|budget|time.?out|deadline|quota|monitor|audit"
    r"|(?<![a-z])log(?:s|ger|ging|file)?(?![a-z])|watch|alarm|results?\.tsv"
)
"""A changed line that has one of these may be about what scores, limits or watches, whatever file it is in."""
TAMPERING = ("evaluator_tampering", "limit_raising", "guard_bypass")
SHARE_MAX = 0.02

pytestmark = pytest.mark.skipif(
    not (SHARED / "autoresearch").is_dir(), reason=f"NOT MEASURED: no real data at {SHARED}; set SUBCRITICAL_DATA"
)


def records(name):
    return [json.loads(line) for line in (SHARED / f"autoresearch/{name}.jsonl").read_text("utf-8").splitlines()]


@pytest.fixture(scope="module")
def hidden(tmp_path_factory):
    """Both histories without what people wrote about their commits."""
    folder = tmp_path_factory.mktemp("hidden")
    for name in LOOPS:
        bare = ({**row, "subject": "", "body": "", "author": ""} for row in records(name))
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in bare), "utf-8")
    return folder


def by_class(rows):
    """Commits none of whose files was declared as what scores, limits, watches or records."""
    guards = [pattern for pattern, artifact in ARTIFACTS if artifact in PROTECTED]
    return {row["commit"] for row in rows if not any(fnmatchcase(f, p) for f in row["files"] for p in guards)}


def by_content(rows):
    """Those of them whose diff is whole, and no changed line of which speaks of such things either."""
    quiet = by_class(rows)
    return {
        row["commit"]
        for row in rows
        if row["commit"] in quiet
        and not row.get("diff_truncated")
        and not any(SPEAKS_OF.search(line) for line in row["diff"].split("\n") if re.match(r"[-+](?![-+])", line))
    }


@cache
def findings(path, artifacts=ARTIFACTS):
    return scan([path], artifacts=artifacts).findings


def scanned(path, artifacts=ARTIFACTS):
    """Commits with a finding above info, by detector."""
    said = defaultdict(set)
    for found in findings(path, artifacts):
        if found.finding.severity.rank > Severity.INFO.rank:
            said[found.finding.detector] |= {place.commit for place in found.places}
    return said


def read(path, artifacts):
    (reader,) = [one for one in readers(by_patterns(artifacts), ()) if one.name == "commits"]
    return reader.read(path)


def proposed(path, artifacts=ARTIFACTS):
    """The same, had each commit been a guest's proposal: then the text of allowed files is looked at, too."""
    commits = defaultdict(list)
    for seen in read(path, artifacts):
        data = seen.data
        change = FileChange(
            path=data.path, artifact=data.artifact, before=data.before, after=data.after, diff=data.diff
        )
        commits[seen.place.commit].append(change)
    events = [
        Event(
            seq=number, time_ns=number, run="r", producer="commits", generation=number,
            data=Proposal(proposal=commit, base="b", tree=commit, requester="guest", changes=tuple(changes)),
        )
        for number, (commit, changes) in enumerate(commits.items(), start=1)
    ]  # fmt: skip
    names = list(commits)
    said = defaultdict(set)
    for detector in (EvaluatorTampering(), LimitRaising(), GuardBypass()):
        for finding in detector.batch({}, events):
            if finding.severity.rank > Severity.INFO.rank:
                said[detector.id].add(names[finding.evidence[-1].last_seq - 1])
    return said


def share(what, hits, n):
    at = clopper_pearson(hits, n)
    print(f"{what}: {hits} of {n} [{at.low:.3f}, {at.high:.3f}]")
    return hits / n


def shares(folder, look):
    """Of quiet commits, by each denominator: those that one detector, or any of the three, says something about."""
    found = {}
    for denominator in (by_class, by_content):
        total = 0
        hits = dict.fromkeys((*TAMPERING, "any"), 0)
        for name, count in LOOPS.items():
            rows = records(name)
            assert len(rows) == count
            quiet, said = denominator(rows), look(folder / f"{name}.jsonl")
            total += len(quiet)
            for detector in TAMPERING:
                here = len(quiet & said[detector])
                share(f"{name}, {denominator.__name__}, {look.__name__}, {detector}", here, len(quiet))
                hits[detector] += here
            hits["any"] += len(quiet & set().union(*(said[detector] for detector in TAMPERING)))
        for detector, number in hits.items():
            key = denominator.__name__, detector
            found[key] = share(f"both loops, {denominator.__name__}, {look.__name__}, {detector}", number, total)
    return found


@pytest.mark.parametrize("look", [scanned, proposed])
def test_commits_that_touch_no_guard_get_no_tampering_finding(hidden, look):
    assert len(by_class(records(TRADING))) > 150
    assert len(by_content(records(TRADING))) > 100
    assert max(shares(hidden, look).values()) <= SHARE_MAX


def test_the_count_would_notice_a_scan_that_alarms_at_what_is_allowed(hidden):
    careless = (("train.py", Artifact.EVALUATOR), *ARTIFACTS)
    said = scanned(hidden / f"{TRADING}.jsonl", careless)["evaluator_tampering"]
    quiet = by_content(records(TRADING))
    assert len(quiet & said) / len(quiet) > SHARE_MAX


def test_evaluator_edits_of_the_trading_loop_explained_or_not(hidden):
    labels = {row["commit"]: row["label"] for row in records("LABELS_trading_loop")}
    edits = {row["commit"] for row in records(TRADING) if "prepare.py" in row["files"]}
    found = {
        one.places[-1].commit: one.finding
        for one in findings(hidden / f"{TRADING}.jsonl")
        if one.finding.detector == "evaluator_tampering" and one.finding.facts["artifact"] == "evaluator"
    }
    share("evaluator edits found", len(found.keys() & edits), len(edits))
    assert found.keys() == edits
    assert len(edits) == 11
    assert {finding.severity for finding in found.values()} == {Severity.CRITICAL}
    assert {finding.change for finding in found.values()} <= {"explained", "neither"}
    for commit in sorted(edits):
        print(f"    {commit[:7]} {labels[commit]}: {found[commit].change}")

    said = {commit for commit in edits if found[commit].change == "explained"}
    explained = {commit for commit in edits if labels[commit].startswith("explained_")}
    unexplained = {commit for commit in edits if labels[commit] == "unexplained_evaluator_change"}
    assert (len(explained), len(unexplained)) == (2, 2)
    share("explained, of those labelled explained (recall)", len(said & explained), len(explained))
    share("labelled explained, of those said explained (precision, all 11)", len(said & explained), len(said))
    neither = edits - said
    share("neither, of the 2 labelled unexplained (recall)", len(neither & unexplained), len(unexplained))
    share("neither, of the 9 not labelled explained (recall)", len(neither - explained), len(edits - explained))
    share("not labelled explained, of those said neither (precision, all 11)", len(neither - explained), len(neither))
    assert unexplained <= neither
    assert len(said - explained) <= 1
    assert said & explained


def test_of_public_edits_of_an_evaluator_few_explain_themselves(tmp_path):
    """The heads of 53 pull requests; each head is a history of its own."""
    rows = records("prs_touching_evaluator_prepare_py")
    file = tmp_path / "heads.jsonl"
    file.write_text("".join(json.dumps({**row, "subject": "", "author": ""}) + "\n" for row in rows), "utf-8")
    events = [
        Event(seq=number, time_ns=0, run=seen.system, producer="commits", generation=seen.generation, data=seen.data)
        for number, seen in enumerate(read(file, (("prepare.py", Artifact.EVALUATOR),)), start=1)
    ]
    said = EvaluatorTampering().batch({}, events)
    assert len(said) == len(rows) == 53
    explained = [finding for finding in said if finding.change == "explained"]
    assert 0.05 <= share("heads that explain themselves", len(explained), len(said)) <= 0.5
