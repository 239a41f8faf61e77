"""Packs of content rules: one signed statement that carries the files, their digests, and measured error rates.

Who opens a pack decides whose key it must be signed with. A pack changes nothing by itself: it is unpacked into a
folder, and that folder is named to `scan --rules`.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Mapping
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

import msgspec

from subcritical.app.rules import find_rules, try_rules
from subcritical.audit.detector_list import measured_rates
from subcritical.audit.statements import make_statement, signed
from subcritical.audit.verify_bundle import BrokenError, Key, open_envelope, parse_key
from subcritical.detectors.rule_cases import packaged_folder
from subcritical.errors import InputError
from subcritical.ledger.signer import AuditSigner
from subcritical.loop.small_files import read_small

PACKS = "subcritical/rules"
"""Name under which the log's key signs packs."""

TYPE = "urn:subcritical:rule-pack:v1"
BYTES_MAX = 16 << 20
FILES_MAX = 1000


class Pack(msgspec.Struct, frozen=True, kw_only=True):
    """What a pack holds. `error_rates` are by detector; None: not measured, so what the rules say cannot pause."""

    rules: int
    cases: int
    files: dict[str, str]
    error_rates: dict[str, dict[str, Any] | None]


def make_pack(folder: Path | None, target: Path, signer: AuditSigner) -> Pack:
    """Sign the rules of a folder, or those of the package.

    Raises:
        InputError: The target exists, or a rule does not keep what its cases promise.
        ConfigError: A file is no rule file.
        LedgerError: The signer refuses.
    """
    if target.exists():
        raise InputError(f"{target} exists; name a new file")
    broken = [f"{one.file}: {problem}" for one in try_rules(folder) for problem in one.problems]
    if broken:
        raise InputError(
            f"rules that fail their own cases are not packed: {broken[0]} (`subcritical rules test` has all)"
        )
    files = find_rules(folder)
    texts = dict(_texts(folder or packaged_folder(), [file.name for file in files]))
    rates = measured_rates()
    detectors = sorted({rule.detector for file in files for rule in file.rules})
    pack = Pack(
        rules=sum(len(file.rules) for file in files),
        cases=sum(len(file.cases) for file in files),
        files=texts,
        error_rates={name: _rate(rates.get(name)) for name in detectors},
    )
    subjects = {name: hashlib.sha256(text.encode()).hexdigest() for name, text in texts.items()}
    statement = make_statement(TYPE, subjects, msgspec.to_builtins(pack))
    try:
        target.write_bytes(signed(statement, PACKS, signer))
    except OSError as error:
        raise InputError(f"{target}: {error.strerror}; name a file that can be written") from error
    return pack


def _rate(rate: Any) -> dict[str, Any] | None:
    """Numbers of a statement are exact: rates are written as text."""
    if rate is None:
        return None
    fields: Mapping[str, Any] = msgspec.to_builtins(rate)
    return {name: f"{value:.6g}" if isinstance(value, float) else value for name, value in fields.items()}


def _texts(folder: Traversable, names: list[str]) -> list[tuple[str, str]]:
    wanted = [one for name in names for one in (name, f"{name.removesuffix('.yml')}.cases.yml")]
    return [(one, (folder / one).read_text(encoding="utf-8")) for one in wanted if (folder / one).is_file()]


def open_pack(source: Path, key: str) -> Pack:
    """Check a pack: signed by this key, and every file what its digest says.

    Args:
        source: The pack.
        key: The verifier key that its maker gave out of band.

    Raises:
        InputError: It cannot be read, is not signed by the key, or its files are not those that were signed.
    """
    data = read_small(source, BYTES_MAX)
    try:
        statement = open_envelope(data, source.name, [_key(key)])
        pack = msgspec.convert(statement["predicate"], Pack)
        digests = Counter((one["name"], one["digest"]["sha256"]) for one in statement["subject"])
        of_type = statement["predicateType"] == TYPE
    except (BrokenError, msgspec.ValidationError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{source}: not a pack signed by this key: {str(error)[:300]}") from error
    found = Counter((name, hashlib.sha256(text.encode()).hexdigest()) for name, text in pack.files.items())
    if not of_type or found != digests or len(pack.files) > FILES_MAX:
        raise InputError(f"{source}: its files are not those that were signed")
    return pack


def _key(text: str) -> Key:
    return parse_key(text.strip(), "key")


def unpack(source: Path, key: str, folder: Path) -> Pack:
    """Write the files of a checked pack into a new folder, and try them on their own cases.

    Raises:
        InputError: See `open_pack`; or the folder exists, a name is no file name of a rule, or a rule fails its cases.
    """
    pack = open_pack(source, key)
    bad = next((name for name in pack.files if not _is_plain(name)), None)
    if bad is not None:
        raise InputError(f"{source}: {json.dumps(bad)[:100]} is no name of a rule file")
    try:
        folder.mkdir()
        for name, text in pack.files.items():
            (folder / name).write_text(text, encoding="utf-8")
    except OSError as error:
        raise InputError(f"{folder}: {error.strerror}; name a new folder") from error
    broken = [f"{one.file}: {problem}" for one in try_rules(folder) for problem in one.problems]
    if broken:
        raise InputError(f"{source}: unpacked, but do not use it: {broken[0]}")
    return pack


def _is_plain(name: str) -> bool:
    return (
        name.endswith(".yml") and name.replace("_", "").replace("-", "").replace(".", "").isalnum() and name[0] != "."
    )
