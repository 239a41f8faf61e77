"""Events to findings. One file per detector; found by entry point, never by import side effect."""

from subcritical.detectors._acts import Act, acts_of
from subcritical.detectors._glance import first_looks
from subcritical.detectors.checks import CheckTraces, check_detector
from subcritical.detectors.protocol import Detector, DetectorSettings, Maturity
from subcritical.detectors.registry import GROUP, detector_names, load_detectors, settings_type

__all__ = [
    "GROUP",
    "Act",
    "CheckTraces",
    "Detector",
    "DetectorSettings",
    "Maturity",
    "acts_of",
    "check_detector",
    "detector_names",
    "first_looks",
    "load_detectors",
    "settings_type",
]
