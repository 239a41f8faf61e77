"""A tabular learner: Q-learning (Watkins and Dayan 1992), epsilon-greedy, with regular episodes at its best."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import gymnasium

Table = list[list[float]]

_STEP_SIZE, _STEP_SIZE_LAST = 0.1, 0.005  # falls after the random episodes, so that rare large prices average out
_DISCOUNT = 0.97
_RANDOM_FOR = 0.35
"""Share of the episodes that are played at random, first."""
_PLASTIC_FOR = 0.65
_EXPLORE = 0.15
_TIE = 1e-6  # first values differ by less than any reward does, so that nothing is tied
_GREEDY_EVERY, _RANDOM_EVERY = 4, 5


def learn(
    env: gymnasium.Env[Any, Any], *, episodes: int, seed: int, deliberate: Callable[[bool], None] = lambda _: None
) -> Table:
    """Train on `env`.

    Args:
        env: With discrete observations and actions.
        episodes: Episodes, > 0; every fourth is played without exploration.
        seed: Of the learner and of the environment.
        deliberate: Called before each episode: is this one played without exploration?

    Returns:
        Values by observation and action.
    """
    dice = random.Random(seed)  # noqa: S311 - a simulation
    table = _nothing_known(env, dice)
    env.reset(seed=seed)
    for episode in range(episodes):
        settled = episode >= _RANDOM_FOR * episodes
        best = settled and episode % _GREEDY_EVERY == 0
        deliberate(best)
        explore = 0.0 if best else _EXPLORE if settled and episode % _RANDOM_EVERY else 1.0
        left = min(1.0, (1.0 - episode / episodes) / (1.0 - _PLASTIC_FOR))
        size = _STEP_SIZE_LAST + (_STEP_SIZE - _STEP_SIZE_LAST) * left
        _episode(env, table, explore, size, dice)
    return table


def play(env: gymnasium.Env[Any, Any], table: Table, start: Any) -> list[dict[str, Any]]:
    """One episode at its best from `start`; the infos of its steps."""
    observation, _ = env.reset(options={"start": start})
    infos, over = [], False
    while not over:
        observation, _, terminated, truncated, info = env.step(_best(table[observation]))
        infos.append(info)
        over = terminated or truncated
    return infos


def _nothing_known(env: gymnasium.Env[Any, Any], dice: random.Random) -> Table:
    observations, actions = env.observation_space, env.action_space
    if not isinstance(observations, gymnasium.spaces.Discrete) or not isinstance(actions, gymnasium.spaces.Discrete):
        raise TypeError("a tabular learner needs discrete observations and actions")
    return [[dice.random() * _TIE for _ in range(int(actions.n))] for _ in range(int(observations.n))]


def _episode(env: gymnasium.Env[Any, Any], table: Table, explore: float, size: float, dice: random.Random) -> None:
    """Play, then learn from the end to the beginning, so that a reward at the end reaches the beginning at once."""
    observation, _ = env.reset(options={"anywhere": True} if explore == 1.0 else None)
    steps = []
    over = False
    while not over:
        row = table[observation]
        action = dice.randrange(len(row)) if dice.random() < explore else _best(row)
        observation, reward, terminated, truncated, _ = env.step(action)
        steps.append((row, action, float(reward), None if terminated else table[observation]))
        over = terminated or truncated
    for row, action, reward, ahead in reversed(steps):
        worth = reward + (_DISCOUNT * max(ahead) if ahead else 0.0)
        row[action] += size * (worth - row[action])


def _best(row: list[float]) -> int:
    return row.index(max(row))
