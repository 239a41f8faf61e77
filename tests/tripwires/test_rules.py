import pytest

from subcritical.errors import InputError
from subcritical.schema import Order, Severity
from subcritical.tripwires import Condition, Rule


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"technique": "RSI-T0300"}, "technique RSI-T0300"),
        ({"detector": "holdout_gap", "severity": Severity.HIGH}, "detector holdout_gap, severity high or above"),
        ({"measure": "holdout_gap", "above": 0.05, "confidence": 0.99}, "holdout_gap above 0.05 at confidence 0.99"),
        ({"silence_s": 10.0}, "silence 10s"),
        ({"silence_s": 10.0, "producer": "guest"}, "silence 10s of guest"),
    ],
)
def test_a_condition_says_what_it_watches(settings, text):
    assert Condition(**settings).text == text


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"technique": "RSI-T0300", "silence_s": 1.0},
        {"measure": "gap", "above": 0.1, "detector": "gap"},
        {"measure": "gap"},
        {"above": 0.1, "technique": "RSI-T0300"},
        {"measure": "gap", "above": float("nan")},
        {"measure": "gap", "above": float("inf")},
        {"measure": "gap", "above": 0.1, "confidence": 1.0},
        {"measure": "gap", "above": 0.1, "confidence": 0.5},
        {"silence_s": 0.0},
        {"silence_s": float("nan")},
        {"technique": "RSI-T0300", "producer": "guest"},
    ],
)
def test_a_condition_that_could_never_hold_is_refused(settings):
    with pytest.raises(InputError):
        Condition(**settings)


@pytest.mark.parametrize(
    "settings",
    [
        {"id": ""},
        {"id": "x" * 65},
        {"id": "a\x1b[2J"},
        {"action": Order.RESUME},
        {"action": Order.THROTTLE},
        {"action": Order.THROTTLE, "argument": "-1"},
        {"action": Order.THROTTLE, "argument": "off"},
        {"action": Order.THROTTLE, "argument": "9" * 10},
    ],
)
def test_a_rule_that_could_not_be_carried_out_is_refused(settings):
    with pytest.raises(InputError):
        Rule(**({"id": "t", "on": Condition(technique="RSI-T0300"), "action": Order.PAUSE} | settings))
