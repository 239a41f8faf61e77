"""A reward function with the signature that TRL's trainers call (GRPO, RLOO)."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from subcritical.errors import InputError
from subcritical.utility.price import Price

TaskReward = Callable[..., Sequence[float | None]]
Flags = Callable[..., Sequence[int]]


class PenalisedReward:
    """Task reward minus `price.weight` per flagged change, for each completion.

    Every batch is observed by the price: completions are sampled from the policy as it is, so there is no
    exploration to leave out. One instance per process: with several, each tunes a weight of its own.
    """

    def __init__(self, task_reward: TaskReward, flags: Flags, price: Price) -> None:
        """Both functions are called with `prompts=`, `completions=` and whatever columns the trainer passes.

        Args:
            task_reward: One number per completion; None where it does not apply, which stays None.
            flags: How many unauthorised changes each completion was flagged for, >= 0.
            price: What one costs, in units of the reward.
        """
        self._task_reward = task_reward
        self._flags = flags
        self.price = price
        self.__name__ = f"penalised_{getattr(task_reward, '__name__', 'reward')}"  # trainers log by this name

    def __call__(self, prompts: Sequence[Any], completions: Sequence[Any], **columns: Any) -> list[float | None]:
        """Rewards, one per completion.

        Raises:
            InputError: Either function answers with another number of values, or with one that is not finite.
        """
        rewards = list(self._task_reward(prompts=prompts, completions=completions, **columns))
        flags = list(self._flags(prompts=prompts, completions=completions, **columns))
        if not len(rewards) == len(flags) == len(completions):
            raise InputError(f"{len(completions)} completions, {len(rewards)} rewards and {len(flags)} flag counts")
        if not all(reward is None or math.isfinite(reward) for reward in rewards):
            raise InputError("a task reward is not a finite number")
        if not all(isinstance(count, int) and count >= 0 for count in flags):
            raise InputError("the flags of a completion must be a count, 0 or more")
        weight = self.price.weight
        for count in flags:
            self.price.observe(count > 0)
        return [None if r is None else r - weight * count for r, count in zip(rewards, flags, strict=True)]
