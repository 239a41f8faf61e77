"""Measures: estimates, intervals, and when they say that they cannot tell."""

import numpy as np
import pytest

from subcritical.errors import InputError
from subcritical.measures import (
    data_overlap,
    expected_selection_gap,
    gain_ratio,
    held_out_gain,
    held_out_gain_p,
    holdout_gap,
    k,
    no_k,
    selection_inflation,
)
from subcritical.schema import (
    Artifact,
    ArtifactChange,
    Measurement,
    Score,
    Split,
    SubsetUse,
    decode_record,
    encode_record,
)


def score(successes, n=400, *, split=Split.HELD_OUT, tree="t", **extra):
    value = None if successes is None else successes / n
    return Score(
        proposal="p", tree=tree, split=split, metric="accuracy", value=value, n=n, successes=successes, **extra
    )


def sized(value, se, *, split=Split.HELD_OUT, **extra):
    return Score(proposal="p", tree="t", split=split, metric="gain", value=value, se=se, **extra)


def test_every_measure_survives_the_journal():
    made = [
        holdout_gap(score(300, split=Split.PUBLIC), score(280)),
        held_out_gain(score(200), score(280)),
        gain_ratio([score(100), score(200), score(260)]),
        k([2.0, 2.2, 1.8, 2.1, 1.9, 2.0], [1.0, 1.1, 0.9, 1.0, 1.1, 0.9]),
        no_k("the improver has no versions"),
    ]
    for measurement in made:
        assert decode_record(encode_record(measurement)) == measurement
        assert measurement.estimate is not None or measurement.why


def test_k_is_the_ratio_of_paired_gains_with_an_interval():
    rng = np.random.default_rng(1)
    start = rng.normal(0, 0.2, 12)
    after, before = 1.9 + start + rng.normal(0, 0.1, 12), 1.0 + start + rng.normal(0, 0.1, 12)
    for method in ("fieller", "bootstrap"):
        result = k(list(after), list(before), method=method, generation=3)
        assert result.name == "k"
        assert result.low < 1.9 < result.high
        assert (result.n, result.generation, result.unit) == (12, 3, "factor")
    # Pairing is used: broken pairs give a wider interval.
    broken = k(list(after), list(rng.permutation(before)))
    assert broken.high - broken.low > k(list(after), list(before)).high - k(list(after), list(before)).low


def test_k_covers_its_true_value():
    rng = np.random.default_rng(2)
    runs, covered = 400, 0
    for _ in range(runs):
        start = rng.normal(0, 0.3, 8)
        result = k(list(1.9 + start + rng.normal(0, 0.5, 8)), list(1 + start + rng.normal(0, 0.5, 8)))
        covered += result.estimate is None or (
            (result.low is None or result.low <= 1.9) and (result.high is None or result.high >= 1.9)
        )
    print(f"k covers in {covered}/{runs} at 95 %")
    assert 0.92 <= covered / runs <= 0.985


@pytest.mark.parametrize(
    ("gains", "before", "word"),
    [
        ([1.0] * 5, [1.0] * 5, "at least 6"),
        ([1.0] * 6, [-1.0] * 6, "gains nothing"),
        ([1.0, 2, 3, 4, 5, float("nan")], [1.0] * 6, "not finite"),
        ([1.0, -2, 3, -4, 5, -3], [0.1, -0.2, 0.3, 0.05, -0.1, 0.02], "cannot be told from zero"),
    ],
)
def test_k_says_why_it_cannot_be_had(gains, before, word):
    result = k(gains, before)
    assert result.estimate is None
    assert word in result.why


def test_k_is_never_a_point_without_an_interval():
    rng = np.random.default_rng(3)
    unbounded = 0
    for _ in range(300):
        result = k(list(rng.normal(1, 1, 6)), list(rng.normal(0.6, 1, 6)))
        assert isinstance(result, Measurement)
        if result.estimate is None:
            assert result.why
            continue
        assert result.low is not None or result.high is not None
        if result.low is None or result.high is None:
            unbounded += 1
            assert "unbounded" in result.why
    assert unbounded > 10


def test_gain_ratio_is_not_called_k_and_knows_its_noise():
    steady = gain_ratio([score(1000, 4000), score(2000, 4000), score(3000, 4000)])
    assert steady.name == "gain_ratio"
    assert steady.estimate == pytest.approx(1.0)
    assert steady.low < 1 < steady.high
    assert gain_ratio([score(100), score(101), score(250)]).high is None
    assert gain_ratio([score(100), score(101), score(102)]).estimate is None
    assert "are needed" in gain_ratio([score(100), score(200)]).why
    assert gain_ratio([score(100), score(100), score(200)]).estimate is None
    assert "are needed" in gain_ratio([score(i, split=Split.PUBLIC) for i in (100, 200, 300)]).why
    lower = gain_ratio(
        [sized(5.0, 0.1, direction="down"), sized(3.0, 0.1, direction="down"), sized(2.0, 0.1, direction="down")]
    )
    assert lower.estimate == pytest.approx(0.5)


def test_gap_and_gain():
    gap = holdout_gap(score(380, split=Split.PUBLIC), score(320))
    assert gap.estimate == pytest.approx(0.15)
    assert 0 < gap.low < 0.15 < gap.high
    assert holdout_gap(
        score(20, split=Split.PUBLIC, direction="down"), score(80, direction="down")
    ).estimate == pytest.approx(0.15)
    assert held_out_gain(score(200), score(300)).estimate == pytest.approx(0.25)
    assert held_out_gain_p(score(200), score(300)) < 1e-9
    assert held_out_gain_p(sized(1.0, 0.1), sized(2.0, 0.1)) is None
    assert held_out_gain(sized(1.0, 0.1), sized(2.0, 0.1)).low == pytest.approx(1 - 1.96 * 0.1414, abs=1e-3)
    lost = held_out_gain(score(200), score(None, status="timeout"))
    assert lost.estimate is None
    assert "timeout" in lost.why
    with pytest.raises(InputError):
        held_out_gain(score(1, split=Split.PUBLIC), score(1))
    with pytest.raises(InputError):
        holdout_gap(score(1), score(1), level=1.5)


def test_selection_measures():
    inflated = selection_inflation(score(380, split=Split.PUBLIC, selected_on=True), score(330, fresh=True))
    assert inflated.estimate == pytest.approx(0.125)
    assert "not fresh" in selection_inflation(score(380), score(330)).why
    assert "different versions" in selection_inflation(score(380), score(330, tree="u", fresh=True)).why
    expected = expected_selection_gap(score(330, split=Split.PUBLIC), score(320), evaluations=100)
    assert 0.02 < expected.estimate < 0.08
    assert expected == expected_selection_gap(score(330, split=Split.PUBLIC), score(320), evaluations=100)
    assert expected_selection_gap(sized(1, 1), sized(1, 1), evaluations=3).estimate is None


def test_overlap():
    change = ArtifactChange(
        artifact=Artifact.DATA_SELECTION,
        path="selection.json",
        subsets=(
            SubsetUse(subset="a", weight=0.7, reference=0.9),
            SubsetUse(subset="x", weight=0.3, reference=0.1, overlap=0.5),
        ),
    )
    assert data_overlap(change).estimate == pytest.approx(0.15)
    assert data_overlap(ArtifactChange(artifact=Artifact.DATA_SELECTION, path="p")).estimate is None
