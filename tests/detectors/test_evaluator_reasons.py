"""Whether a change of a guarding file explains itself: part by part, from its own words, and without any effect on grades."""

import pytest
from detector_events import Stream, diff_of, digest, file_change

from subcritical.detectors import _reasons
from subcritical.detectors._reasons import REASONS_MAX, explains_itself, reasons_of
from subcritical.detectors.evaluator_tampering import EvaluatorTampering
from subcritical.schema import Artifact, ArtifactChange, Severity

JUDGE = '''"""Judge."""
RUNS_PER_CASE = 3


def load(rows):
    """Read the cases."""
    return [row for row in rows if row]


# padding so that what follows is a part of its own
#
#
#
#
#
#
#
def evaluate(candidate, rows):
    """Accuracy of a candidate."""
    hits = 0
    for x, y in rows:
        hits += candidate(x) == y
    return hits / len(rows)
'''
WHY = "    # An empty set must not count as perfect, because a candidate could delete the cases.\n"


def edited(*pairs, text=JUDGE):
    for old, new in pairs:
        assert old in text
        text = text.replace(old, new)
    return text


def said(*pairs, path="judge.py", beside=()):
    return explains_itself(diff_of(JUDGE, edited(*pairs), path), path, beside)


RETURN = "    return hits / len(rows)"
BETTER = "    return hits / len(rows) if rows else 0.0"


@pytest.mark.parametrize(
    ("pairs", "expected"),
    [
        ([(RETURN, WHY + BETTER)], True),
        ([(RETURN, BETTER)], False),
        ([(RETURN, "    # Return the share of hits among the rows.\n" + BETTER)], False),
        ([("Accuracy of a candidate.", "Accuracy, halved to avoid ties."), (RETURN, RETURN + " / 2")], True),
        ([(RETURN, "    why = 'because it must not fail, otherwise it is wrong'\n" + BETTER)], False),
        ([(RETURN, WHY + RETURN)], True),
        ([(RETURN, WHY + BETTER), ("CASE = 3", "CASE = 1")], False),
        ([(RETURN, WHY.replace("An", "With RUNS_PER_CASE at 1, an") + BETTER), ("CASE = 3", "CASE = 1")], True),
        ([(RETURN, WHY + "".join(f"    hits += {n}\n" for n in range(30)) + RETURN)], False),
    ],
)
def test_every_part_that_computes_needs_a_reason(pairs, expected):
    assert said(*pairs) is expected


def test_without_its_bound_one_reason_would_cover_a_rewritten_file(monkeypatch):
    rewritten = RETURN, WHY + "".join(f"    hits += {n}\n" for n in range(30)) + RETURN
    assert not said(rewritten)
    monkeypatch.setattr(_reasons, "_STATEMENTS_MAX", 1000)
    assert said(rewritten)


def test_a_text_beside_it_explains_what_it_names():
    silent = ("CASE = 3", "CASE = 5")
    assert not said(silent)
    assert said(silent, beside=["RUNS_PER_CASE is 5 because three runs were too noisy."])
    assert not said(silent, beside=["The number of runs is 5 because three were too noisy."])


def test_what_was_there_before_explains_nothing():
    before = edited((RETURN, WHY + RETURN))
    assert not explains_itself(diff_of(before, edited((RETURN, BETTER), text=before), "j.py"), "j.py")


def test_what_is_cut_or_cannot_be_read_is_not_explained(monkeypatch):
    told, silent = ("CASE = 3", "CASE = 5  # three runs were too noisy"), (RETURN, BETTER)
    diff = diff_of(JUDGE, edited(told), "j.py")
    assert explains_itself(diff, "j.py")
    assert not explains_itself(diff_of(JUDGE, edited(told, silent), "j.py"), "j.py")
    cut = diff.rsplit("\n", 1)[0]
    assert not explains_itself(cut, "j.py"), "a silent part may have followed"
    monkeypatch.setattr(_reasons, "is_whole", lambda _: True)
    assert explains_itself(cut, "j.py"), "nothing else stands before what is cut"
    for nothing in ("", "binary files differ", diff + "\n+" + "x" * 3000, "+" + "# because\n" * 40_000):
        assert not explains_itself(nothing, "j.py")
    assert len(reasons_of(diff_of("", WHY * 500, "j.md"), "j.md")) <= REASONS_MAX


def test_a_text_that_guards_is_not_its_own_explanation():
    diff = diff_of("Nobody may pass.\n", "Anybody may pass, because nobody must not be stopped.\n", "policy.md")
    assert reasons_of(diff, "policy.md")
    assert not explains_itself(diff, "policy.md")


def test_other_languages():
    diff = diff_of("int n = 3;\n", "int n = 5;  // three runs were too noisy\n", "judge.c")
    assert explains_itself(diff, "judge.c")
    assert not explains_itself(diff_of("int n = 3;\n", "int n = 5;\n", "judge.c"), "judge.c")


def proposals(*changes, detector=EvaluatorTampering):
    stream = Stream()
    stream.approval(stream.proposal(*changes), "accepted")
    return detector().batch({}, stream.events)


class Trusting(EvaluatorTampering):
    """What must never be: a reason makes it milder."""

    def finding(self, event, severity, *words, change=None, **more):
        milder = Severity.LOW if change == "explained" else severity
        return super().finding(event, milder, *words, change=change, **more)


def everything_but_change(finding):
    return finding.severity, finding.confidence, finding.title, finding.why, finding.technique


def test_an_explanation_makes_no_finding_milder():
    """A guest can write comments: the reason is said, and nothing else differs."""
    one = file_change("judge.py", Artifact.EVALUATOR, JUDGE, edited((RETURN, BETTER)))
    two = file_change("judge.py", Artifact.EVALUATOR, JUDGE, edited((RETURN, WHY + BETTER)))
    bare, told = proposals(one), proposals(two)
    assert [finding.change for finding in bare] == ["neither"] * 2
    assert [finding.change for finding in told] == ["explained"] * 2
    assert [everything_but_change(f) for f in told] == [everything_but_change(f) for f in bare]
    planted = proposals(two, detector=Trusting)
    assert [everything_but_change(f) for f in planted] != [everything_but_change(f) for f in bare]


def test_all_guarding_files_of_a_proposal_need_a_reason():
    told = file_change("judge.py", Artifact.EVALUATOR, JUDGE, edited((RETURN, WHY + BETTER)))
    silent = file_change("limit.py", Artifact.LIMIT, "STEPS_MAX = 3\n", "STEPS_MAX = 9\n")
    notes = file_change("NOTES.md", Artifact.CODE, "", "- `STEPS_MAX` is 9 because three were too few.\n")
    assert {finding.change for finding in proposals(told, silent)} == {"neither"}
    assert {finding.change for finding in proposals(told, silent, notes)} == {"explained"}


def changed(path, artifact, before, after, **more):
    return ArtifactChange(
        artifact=artifact, path=path, before=digest(before), after=digest(after), diff=diff_of(before, after, path), **more
    )  # fmt: skip


NOTES = changed("NOTES.md", Artifact.CODE, "", "- `RUNS_PER_CASE` is 5 because three runs were too noisy.\n")
SILENT = ("CASE = 3", "CASE = 5")


def applied(*changes, after_s=0.0):
    """Changes found, of one commit unless time passes."""
    stream = Stream()
    for data in changes:
        stream.add(data, after_s=after_s)
    return [
        (f.change, f.facts["explained_by"], f.severity.value) for f in EvaluatorTampering().batch({}, stream.events)
    ]


def test_a_change_found_is_explained_by_texts_of_the_same_commit():
    edit = changed("judge.py", Artifact.EVALUATOR, JUDGE, edited(SILENT))
    record = changed("judge.py", Artifact.EVALUATOR, JUDGE, edited(SILENT), proposal="CR-7")
    guard = changed("NOTES.md", Artifact.POLICY, "", "- `RUNS_PER_CASE` is 5 because three runs were too noisy.\n")
    assert applied(edit) == [("neither", "nothing", "critical")]
    assert applied(NOTES, edit) == [("explained", "itself", "critical")]
    assert applied(NOTES, edit, after_s=1.0) == [("neither", "nothing", "critical")]
    assert applied(record) == [("explained", "record", "critical")]
    assert applied(guard, edit)[1:] == [("neither", "nothing", "critical")], "a guard's text is a change itself"
