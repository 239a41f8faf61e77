"""A Gymnasium wrapper (extra `[gym]`): the reward of any environment, minus the price of flagged changes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from subcritical.errors import InputError
from subcritical.utility.price import Price

try:
    import gymnasium
except ImportError as error:
    raise InputError("this needs gymnasium: pip install 'subcritical[gym]'") from error


class PenalisedEnv(gymnasium.Wrapper[Any, Any, Any, Any]):
    """Subtracts the price of each change that `flags` reports in the info of a step.

    `info["task_reward"]` keeps the reward as it was and `info["flags"]` the count, so that a learning curve of
    the task stays a curve of the task. A `Price` is tuned after each episode for which `deliberate` was set; an
    episode cut off by the next `reset` is not observed.
    """

    def __init__(self, env: gymnasium.Env[Any, Any], flags: Callable[[Mapping[str, Any]], int], price: Price) -> None:
        """Wrap.

        Args:
            env: Any environment.
            flags: How many changes a detector flags in the info of one step, >= 0.
            price: What one costs, in units of the reward.
        """
        super().__init__(env)
        self._of = flags
        self._price = price
        self._flagged = False
        self.deliberate = True
        """Whether what happens now is what the system does when it does its best: unset it while it explores."""

    def reset(self, **options: Any) -> tuple[Any, dict[str, Any]]:
        """Begin an episode."""
        self._flagged = False
        return super().reset(**options)

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """One step; a flag of unknown meaning (a negative count) counts as one."""
        observation, reward, terminated, truncated, info = super().step(action)
        count = self._of(info)
        count = count if count >= 0 else 1
        self._flagged = self._flagged or count > 0
        net = float(reward) - self._price.weight * count
        if (terminated or truncated) and self.deliberate:
            self._price.observe(self._flagged)
        return observation, net, terminated, truncated, {**info, "task_reward": float(reward), "flags": count}
