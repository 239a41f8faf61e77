"""A verdict counts only if it is bound, finite, within bounds and consistent."""

import json

import pytest

from subcritical.errors import SourceError
from subcritical.loop.evaluation import Rules, read_verdicts

RULES = Rules(bounds={"accuracy": (0.0, 1.0)})


def line(**changes):
    verdict = {"metrics": {"accuracy": {"value": 0.5, "n": 10, "successes": 5}}, "primary": "accuracy"}
    return json.dumps({"nonce": "n", "verdicts": [verdict], "seeded": False, **changes}).encode()


def with_metric(**metric):
    return line(verdicts=[{"metrics": {"accuracy": metric}, "primary": "accuracy"}])


def test_a_good_verdict_is_read():
    scored = read_verdicts(line(), nonce="n", rules=RULES)
    assert (scored.value, scored.n, scored.successes, scored.direction) == (0.5, 10, 5, "up")


def test_repeats_add_up():
    verdicts = [
        {"metrics": {"accuracy": {"value": s / 10, "n": 10, "successes": s}}, "primary": "accuracy"} for s in (5, 7)
    ]
    scored = read_verdicts(line(verdicts=verdicts, seeded=True), nonce="n", rules=RULES)
    assert (scored.value, scored.n, scored.successes, scored.fresh, scored.deterministic) == (0.6, 20, 12, True, False)
    assert scored.se == pytest.approx(0.1)


def test_equal_repeats_say_nothing_about_noise():
    verdict = {"metrics": {"loss": {"value": 1.25}}, "primary": "loss", "direction": "down"}
    scored = read_verdicts(line(verdicts=[verdict] * 3), nonce="n", rules=Rules())
    assert scored.deterministic
    assert scored.se is None


@pytest.mark.parametrize(
    ("data", "word"),
    [
        (b"", "JSON"),
        (b"[" * 5000, "JSON"),
        (b'{"nonce": "n", "nonce": "n"}', "twice"),
        (line(nonce="other"), "bound"),
        (line(error="ValueError: x"), "ValueError"),
        (line(verdicts=[]), "no verdict"),
        (line(verdicts=[{"metrics": {}, "primary": "accuracy", "extra": 1}]), "shape"),
        (line(verdicts=[{"metrics": {}, "primary": "accuracy"}]), "no metric"),
        (b'{"nonce": "n", "verdicts": [{"metrics": {"accuracy": {"value": NaN}}, "primary": "accuracy"}]}', "NaN"),
        (b'{"nonce": "n", "verdicts": [{"metrics": {"accuracy": {"value": 1e999}}, "primary": "accuracy"}]}', "finite"),
        (with_metric(value=1e308), "bounds"),
        (with_metric(value=400), "bounds"),
        (with_metric(value=0.9, n=10, successes=5), "contradicts"),
        (with_metric(value=0.5, n=-10, successes=-5), "n = -10"),
        (with_metric(value=0.5, n=10, successes=50), "successes"),
        (with_metric(value=0.5, se=-1.0), "standard error"),
        (with_metric(value="0.5"), "shape"),
        (with_metric(value=10**400), "shape|finite|bounds"),
        (with_metric(value=0.5, n=10**400, successes=1), "shape|contradicts"),
        (b'{"nonce":"n"}' + b" " * (2 << 20), "larger"),
    ],
)
def test_everything_else_measures_nothing(data, word):
    with pytest.raises(SourceError, match=word):
        read_verdicts(data, nonce="n", rules=RULES)


def test_planted_failure_without_bounds_the_rewritten_evaluator_wins():
    """The study of a missing guard switches the checks off: then an accuracy of 400 is a score."""
    scored = read_verdicts(with_metric(value=400, n=10, successes=5), nonce="n", rules=Rules(consistent=False))
    assert scored.value == 400
