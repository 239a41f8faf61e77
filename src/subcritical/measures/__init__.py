"""Events to numbers with intervals; one file per indicator. 'Cannot tell' is an answer, with its reason."""

from subcritical.measures.data_overlap import data_overlap
from subcritical.measures.gain_ratio import gain_ratio
from subcritical.measures.held_out_gain import held_out_gain, held_out_gain_p
from subcritical.measures.holdout_gap import expected_selection_gap, holdout_gap
from subcritical.measures.k import STARTS_MIN, k, no_k
from subcritical.measures.selection_inflation import selection_inflation

__all__ = [
    "STARTS_MIN",
    "data_overlap",
    "expected_selection_gap",
    "gain_ratio",
    "held_out_gain",
    "held_out_gain_p",
    "holdout_gap",
    "k",
    "no_k",
    "selection_inflation",
]
