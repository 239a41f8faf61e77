"""Helpers of the ingest tests: where the real data lies, and reading a source to its end."""

import os
from pathlib import Path

from subcritical.errors import SourceError
from subcritical.ingest import Broken, Seen, by_patterns, find, readers
from subcritical.schema import Artifact

SHARED = Path(os.environ.get("SUBCRITICAL_DATA", Path(__file__).parents[2].parent / "shared" / "data"))
READERS = readers(by_patterns([("evaluate.py", Artifact.EVALUATOR)]), ["Change-Id"])
BY_NAME = {reader.name: reader for reader in READERS}


def read(path, *, only=None):
    """Everything in and below a path: facts, and what was broken."""
    seen, broken = [], []
    for source in find([Path(path)], READERS, only=only):
        if isinstance(source, Broken):
            broken.append(source)
            continue
        try:
            for item in source.reader.read(source.path):
                (seen if isinstance(item, Seen) else broken).append(item)
        except SourceError as error:
            broken.append(error)
    return seen, broken


def formats(path):
    """Names of the formats found at and below a path, in order."""
    return [source.reader.name for source in find([Path(path)], READERS) if not isinstance(source, Broken)]
