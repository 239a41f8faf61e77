"""Where a measured or an assumed process leads: dated curves with intervals, never one line."""

from subcritical.forecast.doublings import Course, Outcome, simulate
from subcritical.forecast.draws import Draws, draw
from subcritical.forecast.loops import BackTest, LoopForecast, forecast_loop
from subcritical.forecast.model import PRESETS, Compression, Ramp, Range, TakeoffModel, preset
from subcritical.forecast.ode import ode_doublings, substepped_doublings
from subcritical.forecast.phases import phase_time
from subcritical.forecast.process import ProcessForecast, forecast_process, simulate_process
from subcritical.forecast.takeoff import Takeoff, forecast_takeoff

__all__ = [
    "PRESETS",
    "BackTest",
    "Compression",
    "Course",
    "Draws",
    "LoopForecast",
    "Outcome",
    "ProcessForecast",
    "Ramp",
    "Range",
    "Takeoff",
    "TakeoffModel",
    "draw",
    "forecast_loop",
    "forecast_process",
    "forecast_takeoff",
    "ode_doublings",
    "phase_time",
    "preset",
    "simulate",
    "simulate_process",
    "substepped_doublings",
]
