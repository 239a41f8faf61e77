"""Which detectors judged a run, with which settings: what an auditor needs to run them again."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import resources
from typing import Any

import msgspec

from subcritical.detectors import Detector, load_detectors
from subcritical.errors import SourceError
from subcritical.stats import clopper_pearson

FORMAT = 1


class ErrorRate(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """False alarms as they were measured: of `runs` of honest guests, so many had a finding of the detector.

    `flagged`: of at least medium severity. `would_pause`: one that may pause. The `_high` are upper ends of 95 %
    intervals (Clopper and Pearson 1934).
    """

    study: str
    runs: int
    flagged: int
    flagged_high: float
    would_pause: int
    would_pause_high: float


class Judged(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One detector. `docs` is the page about it; `error_rate` is None where none was measured."""

    id: str
    version: int
    techniques: tuple[str, ...]
    docs: str
    settings: dict[str, Any]
    error_rate: ErrorRate | None = None


class DetectorList(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The file `detectors.json` of a bundle."""

    format: int
    detectors: tuple[Judged, ...]


def list_detectors(settings: Mapping[str, Mapping[str, Any]]) -> DetectorList:
    """The detectors that a run with these settings loads."""
    rates = measured_rates()
    return DetectorList(
        format=FORMAT,
        detectors=tuple(
            Judged(
                id=detector.id,
                version=detector.version,
                techniques=tuple(detector.techniques),
                docs=detector.docs,
                settings=dict(settings.get(detector.id, {})),
                error_rate=rates.get(detector.id),
            )
            for detector in load_detectors(settings)
        ),
    )


class _Measured(msgspec.Struct, frozen=True):
    study: str
    runs: int
    detectors: dict[str, dict[str, int]]


def measured_rates() -> dict[str, ErrorRate]:
    """The error rates that ship with the detectors, by detector. They hold for default settings."""
    data = resources.files("subcritical.detectors").joinpath("error_rates.json").read_bytes()
    measured = msgspec.json.decode(data, type=_Measured)
    return {
        name: ErrorRate(
            study=measured.study,
            runs=measured.runs,
            flagged=counts["flagged"],
            flagged_high=_high(counts["flagged"], measured.runs),
            would_pause=counts["would_pause"],
            would_pause_high=_high(counts["would_pause"], measured.runs),
        )
        for name, counts in measured.detectors.items()
    }


def _high(successes: int, runs: int) -> float:
    high = clopper_pearson(successes, runs).high
    return 1.0 if high is None else high


def read_list(data: bytes) -> DetectorList:
    """The list in a bundle.

    Raises:
        SourceError: Not such a list, or of a later version.
    """
    try:
        listed = msgspec.json.decode(data, type=DetectorList)
    except msgspec.MsgspecError as error:
        raise SourceError(f"detectors.json: {error}") from error
    if listed.format != FORMAT:
        raise SourceError(f"detectors.json: format {listed.format}, this program reads {FORMAT}; use a later one")
    return listed


def load_listed(listed: DetectorList) -> list[Detector]:
    """The installed detectors of the list, with its settings; all others off.

    Raises:
        ConfigError: One is not installed here, or its settings are not understood.
    """
    wanted = {judged.id: judged.settings for judged in listed.detectors}
    installed = {detector.id for detector in load_detectors({})}
    off = {name: {"enabled": False} for name in installed - set(wanted)}
    return load_detectors({**wanted, **off})
