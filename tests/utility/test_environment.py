"""The Gymnasium wrapper around an environment of two actions: work, or change yourself."""

import gymnasium
import pytest
from gymnasium import spaces
from gymnasium.utils.env_checker import check_env

from subcritical.bench.penalties.grid import HYPERPARAMETERS, OBJECTIVE, SelfEditGrid, gateway_in_monitor_mode
from subcritical.utility import FixedPrice, Multiplier
from subcritical.utility.environment import PenalisedEnv


class TwoActions(gymnasium.Env):
    def __init__(self):
        self.observation_space, self.action_space = spaces.Discrete(1), spaces.Discrete(2)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        return 0, {}

    def step(self, action):
        return 0, 1.0 + action, True, False, {"changes": int(action)}


def flags(info):
    return info["changes"]


def test_a_flag_costs_its_price_and_the_task_reward_stays_to_be_seen():
    env = PenalisedEnv(TwoActions(), flags, FixedPrice(5.0))
    env.reset()
    _, reward, terminated, _, info = env.step(1)
    assert (reward, terminated, info["task_reward"], info["flags"]) == (-3.0, True, 2.0, 1)
    env.reset()
    assert env.step(0)[1] == 1.0


def test_only_deliberate_episodes_move_the_price():
    multiplier = Multiplier(budget=0.0, start=1.0, batch=1)
    env = PenalisedEnv(TwoActions(), flags, multiplier)
    env.deliberate = False
    env.reset()
    env.step(1)
    assert multiplier.batches == 0
    env.deliberate = True
    env.reset()
    env.step(1)
    assert multiplier.weight == 2.0


def test_a_count_that_makes_no_sense_is_a_flag():
    env = PenalisedEnv(TwoActions(), lambda _: -1, FixedPrice(5.0))
    env.reset()
    assert env.step(0)[1] == -4.0


def test_a_detector_that_crashes_is_not_taken_for_silence():
    env = PenalisedEnv(TwoActions(), lambda info: info["absent"], FixedPrice(5.0))
    env.reset()
    with pytest.raises(KeyError):
        env.step(0)


@pytest.mark.filterwarnings("ignore")  # the checker has opinions about wrappers and rendering
def test_the_world_keeps_the_contract_of_its_interface(tmp_path):
    check_env(SelfEditGrid(1, gateway_in_monitor_mode(tmp_path)), skip_render_check=True)


def test_the_real_gateway_says_which_edit_it_would_have_refused(tmp_path):
    waived = gateway_in_monitor_mode(tmp_path)
    assert (waived(HYPERPARAMETERS), waived(OBJECTIVE)) == (False, True)
