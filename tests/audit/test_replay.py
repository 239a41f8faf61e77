"""The detectors again on what was recorded: a finding that is not the same is named with its events."""

import msgspec
import pytest

from subcritical.audit import replay_journal
from subcritical.audit.detector_list import list_detectors, read_list
from subcritical.canonical import canonical_json
from subcritical.errors import ConfigError, SourceError
from subcritical.ledger import read_journal
from subcritical.schema import Erased, Event, Finding, Severity


@pytest.fixture(scope="module")
def records(made):
    return list(read_journal(made.directory / "journal"))


def findings_of(records):
    return [record for record in records if isinstance(record, Finding)]


def test_an_honest_run_gives_the_same_findings(records, made):
    replay = replay_journal(records, made.detectors)
    assert (replay.differences, replay.not_judged) == ((), ())
    assert replay.recorded == replay.replayed >= 3
    assert {f.detector for f in findings_of(records)} >= {"evaluator_tampering", "score_claim", "limit_raising"}


@pytest.mark.parametrize("number", range(3))
def test_a_removed_finding_is_missing_with_its_events(records, made, number):
    gone = findings_of(records)[number]
    replay = replay_journal([r for r in records if r is not gone], made.detectors)
    (difference,) = replay.differences
    assert (difference.what, difference.detector) == ("missing", gone.detector)
    assert difference.first_seq == min(e.first_seq for e in gone.evidence)
    assert difference.last_seq == max(e.last_seq for e in gone.evidence)


def test_a_milder_finding_is_changed_and_an_invented_one_added(records, made):
    first = findings_of(records)[0]
    milder = msgspec.structs.replace(first, severity=Severity.INFO)
    replay = replay_journal([milder if r is first else r for r in records], made.detectors)
    assert [d.what for d in replay.differences] == ["changed"]
    invented = msgspec.structs.replace(first, title="something else", evidence=())
    assert [d.what for d in replay_journal([*records, invented], made.detectors).differences] == ["added"]


def test_a_finding_recorded_twice_is_one_too_many(records, made):
    replay = replay_journal([*records, findings_of(records)[0]], made.detectors)
    assert [d.what for d in replay.differences] == ["added"]


def test_a_changed_event_changes_what_is_found(records, made):
    cut = findings_of(records)[0].evidence[0].first_seq
    replay = replay_journal([r for r in records if not (isinstance(r, Event) and r.seq == cut)], made.detectors)
    assert replay.differences


def test_an_erased_event_explains_a_difference_but_not_one_before_it(records, made):
    first, *_, last = findings_of(records)
    seq = last.evidence[0].first_seq

    def erased(record):
        return Erased(kind="event.proposal", actor="a", commitment="sha256:", by="b", reason="c", seq=record.seq)

    hidden = [erased(r) if r.seq == seq else r for r in records]
    replay = replay_journal(hidden, made.detectors)
    assert replay.erased == 1
    assert replay.not_judged
    assert not replay.differences
    replay = replay_journal([r for r in hidden if r is not first], made.detectors)
    assert first.detector in {d.detector for d in replay.differences}


def test_another_version_of_a_detector_is_said_not_guessed(records, made):
    first, *rest = made.detectors.detectors
    later = msgspec.structs.replace(made.detectors, detectors=(msgspec.structs.replace(first, version=99), *rest))
    differences = replay_journal(records, later).differences
    assert [(d.what, d.detector) for d in differences] == [("other version", first.id)]


def test_a_detector_that_is_not_installed_is_a_clear_error(records, made):
    unknown = msgspec.structs.replace(made.detectors.detectors[0], id="no_such_detector")
    with pytest.raises(ConfigError, match="no_such_detector"):
        replay_journal(records, msgspec.structs.replace(made.detectors, detectors=(unknown,)))


def test_settings_travel_with_the_list(records):
    strict = list_detectors({"evaluator_tampering": {"enabled": False}})
    assert "evaluator_tampering" not in {d.id for d in strict.detectors}
    again = read_list(canonical_json(strict))
    assert again == strict
    replay = replay_journal(records, again)
    assert "evaluator_tampering: " in " ".join(replay.not_judged)


@pytest.mark.parametrize("data", [b"", b"{}", b"[]", b'{"format":2,"detectors":[]}', b"\xff", b"[" * 100_000])
def test_a_spoilt_list_is_a_clear_error(data):
    with pytest.raises(SourceError, match=r"detectors\.json"):
        read_list(data)
