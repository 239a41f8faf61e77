"""Numeric kernels: arrays in, numbers out. No events, no files, no clock."""

from subcritical.stats.acceleration import Hinge, hinge, sequential_hinge
from subcritical.stats.anticipation import BURN_IN, Anticipation, anticipate
from subcritical.stats.e_detectors import Alarm, BettingSR, GaussianTrendSR, TrendSR
from subcritical.stats.glr import (
    BASELINE,
    THRESHOLD_PAIR,
    Jump,
    glr_last,
    glr_last_gaussian,
    jump_pair,
    line_dispersion,
)
from subcritical.stats.increments import increments_ratio
from subcritical.stats.intervals import (
    Interval,
    binomial_upper_tail,
    clopper_pearson,
    difference_interval,
    fisher_greater,
    normal_quantile,
    normal_tail,
    paired_greater,
    spending,
    two_proportion_z,
    wilson,
)
from subcritical.stats.line import bootstrap_slope
from subcritical.stats.order_bets import OrderBets
from subcritical.stats.prediction import ahead_of_line
from subcritical.stats.rasch import rasch_ability
from subcritical.stats.ratio import bootstrap_ratio, fieller_from_moments, fieller_ratio
from subcritical.stats.segments import segments
from subcritical.stats.selection import (
    SelectionNull,
    search_errors,
    simulate_selection,
    simulate_selection_gaussian,
    step_correlation,
)
from subcritical.stats.similarity import NEAR, near_duplicates, subset_overlaps, weighted_overlap
from subcritical.stats.statespace import Trend, local_trend, time_to_level
from subcritical.stats.trend import (
    Dispersion,
    TrendSettings,
    TrendState,
    TrendStep,
    logistic,
    pearson_dispersion,
    pooled_dispersion,
    trend_predict,
    trend_start,
    trend_step,
)

__all__ = [
    "BASELINE",
    "BURN_IN",
    "NEAR",
    "THRESHOLD_PAIR",
    "Alarm",
    "Anticipation",
    "BettingSR",
    "Dispersion",
    "GaussianTrendSR",
    "Hinge",
    "Interval",
    "Jump",
    "OrderBets",
    "SelectionNull",
    "Trend",
    "TrendSR",
    "TrendSettings",
    "TrendState",
    "TrendStep",
    "ahead_of_line",
    "anticipate",
    "binomial_upper_tail",
    "bootstrap_ratio",
    "bootstrap_slope",
    "clopper_pearson",
    "difference_interval",
    "fieller_from_moments",
    "fieller_ratio",
    "fisher_greater",
    "glr_last",
    "glr_last_gaussian",
    "hinge",
    "increments_ratio",
    "jump_pair",
    "line_dispersion",
    "local_trend",
    "logistic",
    "near_duplicates",
    "normal_quantile",
    "normal_tail",
    "paired_greater",
    "pearson_dispersion",
    "pooled_dispersion",
    "rasch_ability",
    "search_errors",
    "segments",
    "sequential_hinge",
    "simulate_selection",
    "simulate_selection_gaussian",
    "spending",
    "step_correlation",
    "subset_overlaps",
    "time_to_level",
    "trend_predict",
    "trend_start",
    "trend_step",
    "two_proportion_z",
    "weighted_overlap",
    "wilson",
]
