"""Which detectors judged a run, with which settings: what an auditor needs to run them again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from subcritical.detectors import Detector, load_detectors
from subcritical.errors import SourceError

FORMAT = 1


class Judged(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One detector. `docs` is the page with its measured error rates."""

    id: str
    version: int
    techniques: tuple[str, ...]
    docs: str
    settings: dict[str, Any]


class DetectorList(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The file `detectors.json` of a bundle."""

    format: int
    detectors: tuple[Judged, ...]


def list_detectors(settings: Mapping[str, Mapping[str, Any]]) -> DetectorList:
    """The detectors that a run with these settings loads."""
    return DetectorList(
        format=FORMAT,
        detectors=tuple(
            Judged(
                id=detector.id,
                version=detector.version,
                techniques=tuple(detector.techniques),
                docs=detector.docs,
                settings=dict(settings.get(detector.id, {})),
            )
            for detector in load_detectors(settings)
        ),
    )


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
