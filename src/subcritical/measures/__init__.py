"""Events to numbers with intervals; one file per indicator. 'Cannot tell' is an answer, with its reason."""

from subcritical.measures.acceleration import acceleration, speed_up
from subcritical.measures.data_overlap import data_overlap
from subcritical.measures.gain_ratio import gain_ratio
from subcritical.measures.held_out_gain import held_out_gain, held_out_gain_p
from subcritical.measures.history import History, Point, Scale
from subcritical.measures.holdout_gap import expected_selection_gap, holdout_gap
from subcritical.measures.k import STARTS_MIN, k, no_k
from subcritical.measures.oversight_ratio import oversight_ratio
from subcritical.measures.remeasured import Remeasured, rebased, remeasured
from subcritical.measures.returns import returns
from subcritical.measures.selection_inflation import selection_inflation
from subcritical.measures.time_to_threshold import time_to_threshold
from subcritical.measures.uplift import uplift
from subcritical.measures.velocity import average_doubling_time, average_velocity, doubling_time, level, velocity

__all__ = [
    "STARTS_MIN",
    "History",
    "Point",
    "Remeasured",
    "Scale",
    "acceleration",
    "average_doubling_time",
    "average_velocity",
    "data_overlap",
    "doubling_time",
    "expected_selection_gap",
    "gain_ratio",
    "held_out_gain",
    "held_out_gain_p",
    "holdout_gap",
    "k",
    "level",
    "no_k",
    "oversight_ratio",
    "rebased",
    "remeasured",
    "returns",
    "selection_inflation",
    "speed_up",
    "time_to_threshold",
    "uplift",
    "velocity",
]
