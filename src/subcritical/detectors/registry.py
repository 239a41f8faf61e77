"""Detectors by entry point: a package that declares one in `subcritical.detectors` is found; none is named here."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from importlib.metadata import EntryPoint, entry_points
from typing import Any

import msgspec

from subcritical.detectors.protocol import Detector, DetectorSettings
from subcritical.errors import BlindError, ConfigError

GROUP = "subcritical.detectors"


def _found() -> dict[str, EntryPoint]:
    """Entry points by name; two packages with one name are refused rather than shadowed."""
    found: dict[str, EntryPoint] = {}
    for point in entry_points(group=GROUP):
        known = found.get(point.name)
        if known is not None and known.value != point.value:
            raise ConfigError(f"two packages provide the detector {point.name!r}: {known.value} and {point.value}")
        found[point.name] = point
    if not found:
        raise BlindError("no detectors are installed: install the package (pip install .) so that they can be found")
    return dict(sorted(found.items()))


def detector_names() -> list[str]:
    """Names of the installed detectors, sorted.

    Raises:
        BlindError: None is installed.
        ConfigError: Two packages claim one name.
    """
    return list(_found())


def _class(name: str, point: EntryPoint) -> Any:
    try:
        return point.load()
    except (ImportError, AttributeError, SyntaxError) as error:
        raise ConfigError(f"detector {name!r} ({point.value}) could not be loaded: {error}") from error


def settings_type(name: str) -> type[DetectorSettings]:
    """The settings struct of one installed detector, for the JSON Schema of the loop file.

    Raises:
        ConfigError: No detector has that name.
    """
    points = _found()
    if name not in points:
        raise ConfigError(_unknown(name, list(points)))
    kind: type[DetectorSettings] = getattr(_class(name, points[name]), "Settings", DetectorSettings)
    return kind


def _unknown(name: str, known: list[str]) -> str:
    near = difflib.get_close_matches(name, known, n=1)
    hint = f"; did you mean {near[0]!r}?" if near else "."
    return f"unknown detector {name!r}{hint} Installed: {', '.join(known)}"


def load_detectors(settings: Mapping[str, Mapping[str, Any]]) -> list[Detector]:
    """Make every installed detector, in order of its name, with its settings.

    Args:
        settings: Detector name to settings; a name that is left out gets defaults, and
            `{"enabled": False}` leaves the detector out.

    Returns:
        The enabled detectors.

    Raises:
        ConfigError: Unknown detector, unknown or wrong setting, or a detector that cannot be loaded.
        BlindError: No detector is installed, or all are switched off.
    """
    points = _found()
    for name in settings:
        if name not in points:
            raise ConfigError(_unknown(name, list(points)))
    loaded: list[Detector] = []
    for name, point in points.items():
        kind = _class(name, point)
        wanted = getattr(kind, "Settings", DetectorSettings)
        try:
            made = msgspec.convert(dict(settings.get(name, {})), wanted)
        except msgspec.ValidationError as error:
            raise ConfigError(f"settings of detector {name!r}: {error}") from error
        if not made.enabled:
            continue
        detector = kind(made)
        if not isinstance(detector, Detector):
            raise ConfigError(f"detector {name!r} ({point.value}) does not keep the Detector protocol")
        loaded.append(detector)
    if not loaded:
        raise BlindError("every detector is switched off; a run without detectors would be unwatched")
    return loaded
