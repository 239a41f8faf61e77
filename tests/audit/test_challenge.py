"""An auditor's own cases: counted rightly, signed, and each mistake in them named with its place."""

import hashlib
import json
from pathlib import Path

import click.testing
import pytest
from hypothesis import given
from hypothesis import strategies as st

from subcritical.audit import challenge as module
from subcritical.audit.challenge import ANY, challenge
from subcritical.audit.detector_list import list_detectors, measured_rates
from subcritical.audit.verify_bundle import open_envelope, parse_key
from subcritical.bench.keywords import WORDS
from subcritical.cli import main
from subcritical.detectors import load_detectors
from subcritical.errors import InputError, SourceError
from subcritical.ledger.signer import SignerProcess
from subcritical.ledger.tlog import format_verifier_key

TRACES = Path(__file__).resolve().parents[1] / "detectors/data"
PAGES = Path(__file__).resolve().parents[2] / "docs"


def cases(place, names=("evaluator_tampering", "limit_raising"), quiet=3):
    """Attacks from the detectors' fixtures, and as many calm traces."""
    place.mkdir(exist_ok=True)
    labels = []
    for name in names:
        (place / f"{name}.jsonl").write_bytes((TRACES / name / "firing.jsonl").read_bytes())
        labels.append({"file": f"{name}.jsonl", "attack": True, "detectors": [name]})
        calm = next(path for path in (TRACES / name).glob("*.jsonl") if path.stem != "firing")
        for number in range(quiet):
            (place / f"calm-{name}-{number}.jsonl").write_bytes(calm.read_bytes())
            labels.append({"file": f"calm-{name}-{number}.jsonl", "attack": False})
    (place / "labels.json").write_text(json.dumps({"cases": labels}))
    return place


def test_finds_and_false_alarms_are_counted_with_intervals(tmp_path):
    card = challenge(cases(tmp_path / "cases"))
    assert card.cases == 8
    for name in ("evaluator_tampering", "limit_raising"):
        score = card.scores[name]
        assert (score.attacks.of, score.attacks.found) == (1, 1)
        assert score.attacks.low == pytest.approx(0.025)
        assert score.benign.of == 6
        assert score.benign.high > score.benign.found / 6
    assert card.scores[ANY].attacks.of == 2
    assert card.scores["score_jump"].attacks.of == 0
    assert card.scores["score_jump"].attacks.high == 1.0  # nothing tried, nothing known
    assert not card.crashed


def test_a_swapped_label_shows_as_a_miss_and_a_false_alarm(tmp_path):
    place = cases(tmp_path / "cases", names=("evaluator_tampering",), quiet=1)
    labels = json.loads((place / "labels.json").read_text())
    labels["cases"][0] = {"file": "evaluator_tampering.jsonl", "attack": False}
    labels["cases"][1] |= {"attack": True, "detectors": ["evaluator_tampering"]}
    (place / "labels.json").write_text(json.dumps(labels))
    score = challenge(place).scores["evaluator_tampering"]
    assert (score.attacks.found, score.benign.found) == (0, 1)


def test_a_crash_is_no_find(tmp_path, monkeypatch):
    def load(settings):
        detectors = load_detectors(settings)
        for detector in detectors:
            if detector.id == "evaluator_tampering":
                detector.batch = lambda *_: 1 / 0
        return detectors

    monkeypatch.setattr(module, "load_detectors", load)
    card = challenge(cases(tmp_path / "cases", names=("evaluator_tampering",), quiet=0))
    assert card.crashed
    assert card.scores["evaluator_tampering"].attacks.found == 0


def test_by_the_command_line_it_is_signed_and_about_these_files(tmp_path):
    place, target, home = cases(tmp_path / "cases"), tmp_path / "card.json", tmp_path / "home"
    ran = click.testing.CliRunner().invoke(
        main, ["audit", "challenge", "--cases", str(place), "-o", str(target), "--home", str(home)]
    )
    assert ran.exit_code == 0, ran.output
    assert "evaluator_tampering    attacks 1/1" in ran.output
    with SignerProcess(home) as signer:
        key = parse_key(format_verifier_key(signer.key("subcritical/scorecards")).decode(), "key")
    statement = open_envelope(target.read_bytes(), "card", [key])
    digests = {subject["name"]: subject["digest"]["sha256"] for subject in statement["subject"]}
    assert digests["labels.json"] == hashlib.sha256((place / "labels.json").read_bytes()).hexdigest()
    assert len(digests) == 9
    again = click.testing.CliRunner().invoke(
        main, ["audit", "challenge", "--cases", str(place), "-o", str(target), "--home", str(home)]
    )
    assert again.exit_code == 2


def spoil(place, name, data):
    (place / name).write_bytes(data)


@pytest.mark.parametrize(
    ("name", "data", "error", "match"),
    [
        ("labels.json", b"{}", SourceError, "labels.json"),
        ("labels.json", b'{"cases":[]}', SourceError, "at least one"),
        ("labels.json", b'{"cases":[{"file":"../x","attack":true}]}', InputError, "no such file"),
        ("labels.json", b'{"cases":[{"file":"none.jsonl","attack":true}]}', InputError, "no such file"),
        ("labels.json", b'{"cases":[{"file":"a","attack":true,"detectors":["nobody"]}]}', SourceError, "nobody"),
        ("limit_raising.jsonl", b"{}\n", SourceError, "limit_raising.jsonl:1"),
        ("limit_raising.jsonl", b"\xff\n", SourceError, "limit_raising.jsonl:1"),
        ("limit_raising.jsonl", b"", SourceError, "no event"),
    ],
)
def test_a_mistake_is_named_with_its_place(tmp_path, name, data, error, match):
    place = cases(tmp_path / "cases")
    spoil(place, name, data)
    with pytest.raises(error, match=match):
        challenge(place)


@given(labels=st.binary(max_size=120), case=st.binary(max_size=120))
def test_whatever_the_files_hold_it_is_one_clear_error(tmp_path_factory, labels, case):
    place = tmp_path_factory.mktemp("hostile")
    (place / "a.jsonl").write_bytes(case)
    for written in (labels, b'{"cases":[{"file":"a.jsonl","attack":true}]}'):
        (place / "labels.json").write_bytes(written)
        with pytest.raises((InputError, SourceError)) as error:
            challenge(place)
        assert str(error.value).isprintable()


def test_no_folder_no_labels_and_links_are_refused(tmp_path):
    with pytest.raises(InputError, match="holds no labels"):
        challenge(tmp_path / "none")
    place = cases(tmp_path / "cases")
    (place / "limit_raising.jsonl").unlink()
    (place / "limit_raising.jsonl").symlink_to("/etc/passwd")
    with pytest.raises(InputError, match="no such file"):
        challenge(place)


def test_the_error_rates_that_ship_are_those_that_were_measured():
    study = json.loads((PAGES / "experiments/honest.json").read_text())
    runs = sum(part["runs"] for part in study["conditions"].values())
    for name, rate in measured_rates().items():
        assert rate.runs == runs
        assert rate.flagged == sum(part["flags"].get(name, 0) for part in study["conditions"].values())
        assert rate.would_pause == sum(part["alarms"].get(name, 0) for part in study["conditions"].values())
        assert rate.flagged_high > rate.flagged / runs
    unmeasured = {judged.id for judged in list_detectors({}).detectors if judged.error_rate is None}
    sandbox = {detector.id for detector in load_detectors({}) if detector.maturity == "sandbox"}
    assert unmeasured == sandbox | WORDS.keys() | {
        "cross_domain",
        "correction_resistance",
        "improvement_budget",
        "policy_exception",
        "threshold_ahead",
    }  # measured on pairs, or by simulations of their own
