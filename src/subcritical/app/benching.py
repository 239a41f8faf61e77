"""`bench`: how often the installed detectors are right, on pairs and on anybody's labels."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from subcritical.app.scanning import Found, Scan, scan
from subcritical.bench.labels import Label, Quality, Said, measure, read_labels
from subcritical.bench.pairs import Score, read_pairs, score
from subcritical.bench.pairs_page import pairs_page
from subcritical.detectors import load_detectors
from subcritical.errors import InputError
from subcritical.schema import Artifact, Severity


class Measured(msgspec.Struct, frozen=True, kw_only=True):
    """What was compared, and how it came out; `unread` are labelled sources in which nothing was read."""

    labels: int
    sources: int
    unread: tuple[str, ...]
    quality: tuple[Quality, ...]
    scan: Scan


def bench_detectors(
    data: Path, labels_file: Path, *, at: Severity, artifacts: Sequence[tuple[str, Artifact]], trailers: Sequence[str]
) -> Measured:
    """Scan every labelled source below `data` and compare.

    Raises:
        InputError: A folder, file, label or source is missing or wrong.
    """
    if not data.is_dir():
        raise InputError(f"{data} is no folder; --data names the folder that `source` of each label lies below")
    labels = read_labels(labels_file)
    sources = _sources(data, labels, labels_file)
    scans = {name: scan([path], artifacts=artifacts, trailers=trailers) for name, path in sources.items()}
    said = [_said(name, found) for name, one in scans.items() for found in one.findings]
    whole = Scan(
        sources=tuple(source for one in scans.values() for source in one.sources),
        findings=tuple(found for one in scans.values() for found in one.findings),
        blind=tuple(blind for one in scans.values() for blind in one.blind),
        detectors=max(one.detectors for one in scans.values()),
    )
    return Measured(
        labels=len(labels),
        sources=len(sources),
        unread=tuple(name for name, one in scans.items() if not one.events),
        quality=tuple(measure(labels, said, at=at)),
        scan=whole,
    )


def _sources(data: Path, labels: Sequence[Label], labels_file: Path) -> dict[str, Path]:
    root = data.resolve()
    found = {}
    for name in dict.fromkeys(label.source for label in labels):
        path = data / name
        if not path.resolve().is_relative_to(root):
            raise InputError(f"{labels_file}: source {name!r} lies outside of {data}")
        if not path.exists():
            raise InputError(f"{labels_file}: source {name!r} is not there below {data}")
        found[name] = path
    return found


def _said(source: str, found: Found) -> Said:
    finding = found.finding
    return Said(
        source=source,
        system=found.system,
        commits=tuple(place.commit for place in found.places if place.commit),
        technique=finding.technique,
        detector=finding.detector,
        severity=finding.severity,
        change=finding.change,
    )


def bench_pairs(folder: Path) -> list[Score]:
    """Every detector on every family of pairs in a folder: `FAMILY.DETECTOR.jsonl`.

    Raises:
        InputError: The folder holds no pairs, or a line is none.
    """
    files = sorted(folder.glob("*.jsonl"))
    if not files:
        raise InputError(f"{folder} holds no pairs; name a folder of files FAMILY.DETECTOR.jsonl")
    families: dict[str, list[Path]] = {}
    for file in files:
        families.setdefault(file.name.partition(".")[0], []).append(file)
    detectors = load_detectors({})
    return [
        one
        for family, paths in families.items()
        for one in score([pair for path in paths for pair in read_pairs(path)], detectors, family)
    ]


def pairs_data(scores: Sequence[Score]) -> dict[str, Any]:
    """The table as plain data."""
    return {"pairs": msgspec.to_builtins(scores)}


def write_page(scores: Sequence[Score], page: Path) -> None:
    """Write the table for readers.

    Raises:
        InputError: The file cannot be written.
    """
    try:
        page.write_text(pairs_page(scores), encoding="utf-8")
    except OSError as error:
        raise InputError(f"{page} cannot be written: {error.strerror}") from None
