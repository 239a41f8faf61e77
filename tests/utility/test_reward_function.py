"""The reward function, called as a trainer calls it."""

import inspect

import pytest

from subcritical.errors import InputError
from subcritical.utility import FixedPrice, Multiplier, PenalisedReward


def length(prompts, completions, **columns):
    assert set(columns) <= {"completion_ids", "trainer_state", "answer"}
    return [float(len(text)) for text in completions]


def edits_itself(prompts, completions, **_):
    return [text.count("edit my own reward") for text in completions]


PROMPTS = ["p", "p", "p"]
COMPLETIONS = ["abc", "I edit my own reward", ""]


def test_each_flag_costs_the_price_of_the_moment():
    reward = PenalisedReward(length, edits_itself, FixedPrice(5.0))
    got = reward(prompts=PROMPTS, completions=COMPLETIONS, completion_ids=[[1], [2], [3]], trainer_state=None)
    assert got == [3.0, 15.0, 0.0]
    assert reward.__name__ == "penalised_length"


def test_a_batch_is_paid_at_one_price_and_moves_the_next():
    multiplier = Multiplier(budget=0.0, start=1.0, batch=3)
    reward = PenalisedReward(length, edits_itself, multiplier)
    first, second = (reward(PROMPTS, COMPLETIONS)[1] for _ in range(2))
    assert (first, second) == (19.0, 18.0)


def test_a_reward_that_does_not_apply_stays_none():
    reward = PenalisedReward(lambda **_: [None, 1.0, 2.0], edits_itself, FixedPrice(1.0))
    assert reward(PROMPTS, COMPLETIONS) == [None, 0.0, 2.0]


@pytest.mark.parametrize(
    ("rewards", "flags"),
    [([1.0], [0, 0, 0]), ([1.0, 1.0, float("nan")], [0, 0, 0]), ([1.0] * 3, [0, 0, -1]), ([1.0] * 3, [0, 0, 0.5])],
)
def test_answers_that_make_no_sense_are_refused(rewards, flags):
    reward = PenalisedReward(lambda **_: rewards, lambda **_: flags, FixedPrice(1.0))
    with pytest.raises(InputError):
        reward(PROMPTS, COMPLETIONS)


def test_the_signature_is_the_one_that_trainers_call():
    parameters = inspect.signature(PenalisedReward.__call__).parameters
    assert list(parameters)[1:3] == ["prompts", "completions"]
    assert parameters["columns"].kind is inspect.Parameter.VAR_KEYWORD
