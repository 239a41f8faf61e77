"""Weights by reference: a small file in the workspace names bytes that lie in a directory of the operator.

The reference is the artifact: it is reviewed, approved and rolled back, and by its digest the bytes with it. They are
read and checked again on every use.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Literal

import msgspec

from subcritical.errors import InputError
from subcritical.gateway.weights.formats import Tensors, tensors_of

REFERENCE_ENDING = ".ref.json"
_BYTES_MAX = 4096

Sha256 = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{64}$")]


class Reference(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a file `NAME.ref.json` says: `NAME` is these bytes.

    Attributes:
        kind: A whole network, or an adapter of one.
        sha256: Of the bytes.
        bytes: How many they are.
        base: SHA-256 of the checkpoint that an adapter is of.
    """

    kind: Literal["checkpoint", "adapter"]
    sha256: Sha256
    bytes: Annotated[int, msgspec.Meta(ge=1)]
    base: Sha256 | None = None

    def __post_init__(self) -> None:
        """Check that an adapter has a base, and nothing else has one."""
        if (self.kind == "adapter") != (self.base is not None):
            raise ValueError("an adapter names its base, a checkpoint none")


class WeightsStore:
    """A directory of files that are named by their SHA-256. The gateway reads it and never writes it.

    Args:
        directory: The operator's; None where the loop file names none.
    """

    def __init__(self, directory: Path | None) -> None:
        """Bind to the directory."""
        self._directory = directory

    def read(self, reference: Reference) -> bytes:
        """The bytes that a reference names.

        Raises:
            InputError: They are not there, or are not those.
        """
        if self._directory is None:
            raise InputError("weights by reference need a directory where they lie: say `weights: {store: DIRECTORY}`")
        path = self._directory / reference.sha256
        try:
            with path.open("rb") as file:
                data = file.read(reference.bytes + 1)
        except OSError as error:
            raise InputError(f"weights {reference.sha256} are not in the store: {error.strerror}") from error
        if len(data) != reference.bytes or hashlib.sha256(data).hexdigest() != reference.sha256:
            raise InputError(f"weights {reference.sha256}: the file in the store is not what its name says")
        return data


def reference_of(path: str, data: bytes) -> Reference | None:
    """The reference that a file is; None where its name says that it is none.

    Raises:
        InputError: It does not read as one.
    """
    if not path.endswith(REFERENCE_ENDING):
        return None
    try:
        return msgspec.json.decode(data[:_BYTES_MAX], type=Reference)
    except ValueError as error:
        raise InputError(f"{path}: this is no reference to weights: {error}") from error


def read_weights(path: str, files: Mapping[str, bytes], weights: WeightsStore) -> str:
    """What a file of weights is, in words, when it may be used.

    Args:
        path: A file of class `weights` in a version.
        files: Every file of class `weights` in that version.
        weights: Where referenced bytes lie.

    Raises:
        InputError: It may not: another format, bytes that are missing or others, an adapter of a checkpoint that is not
            in the version.
    """
    reference = reference_of(path, files[path])
    if reference is None:
        return _described("checkpoint", path, files[path])
    if reference.base is not None and reference.base not in _digests(files):
        raise InputError(f"{path}: it is an adapter of {reference.base}, which is not in this version")
    name = path.removesuffix(REFERENCE_ENDING)
    if name in files:
        raise InputError(f"{path}: it names {name}, which is a file of its own")
    what = _described(reference.kind, name, weights.read(reference))
    return f"{what}, by reference {reference.sha256}" + (f", of {reference.base}" if reference.base else "")


def with_weights(
    files: Mapping[str, bytes], is_weights: Callable[[str], bool], weights: WeightsStore
) -> dict[str, bytes]:
    """The files of a version as they run: beside each reference the bytes that it names.

    Raises:
        InputError: They are missing, or others.
    """
    found = dict(files)
    for path, data in files.items():
        reference = reference_of(path, data) if is_weights(path) else None
        if reference is not None:
            found[path.removesuffix(REFERENCE_ENDING)] = weights.read(reference)
    return found


def _digests(files: Mapping[str, bytes]) -> set[str]:
    """Digests of the checkpoints in a version."""
    digests: set[str] = set()
    for path, data in files.items():
        reference = reference_of(path, data)
        if reference is None:
            digests.add(hashlib.sha256(data).hexdigest())
        elif reference.kind == "checkpoint":
            digests.add(reference.sha256)
    return digests


def _described(kind: str, name: str, data: bytes) -> str:
    tensors: Tensors = tensors_of(name, io.BytesIO(data), len(data))
    return f"{kind}: {tensors}"
