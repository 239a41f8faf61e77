"""Checks an audit bundle. One file, Python >= 3.11 and `cryptography` only: read it, copy it, run it alone.

    python verify_bundle.py BUNDLE [--policy FILE] [--seen CHECKPOINT] [--silence SECONDS] [--json]

BUNDLE is a directory or a zip file. `--policy` holds the keys that *you* trust (C2SP tlog-policy); without it the
bundle's own keys are used, which shows only that the bundle agrees with itself. `--seen` is a checkpoint of the same
log that you kept earlier. Exit status: 0 all checks passed, 2 usage, 7 something is broken.

Order: keys and quorum, manifest, log, continuation of what was seen, numbering and signs of life, journal, statements.
Every check runs even if an earlier one failed, and the report says from which entry on nothing can be believed.

Formats: C2SP signed-note, tlog-checkpoint, tlog-cosignature, tlog-tiles, tlog-policy; RFC 6962 hashing.
What this cannot show: that everything was recorded, and that the detectors are right (`subcritical audit replay` runs
them again). An erased record is counted and its commitment checked; what it said is gone.
"""

from __future__ import annotations

import argparse
import base64
import binascii
import hashlib
import json
import re
import stat
import sys
import zipfile
import zlib
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

FILES_MAX, FILE_BYTES_MAX, TOTAL_BYTES_MAX = 100_000, 1 << 30, 4 << 30
MANIFEST, SIGNED_MANIFEST = "MANIFEST.json", "MANIFEST.note"
MANIFEST_TITLE = "subcritical audit bundle v1"
CHECKPOINT, POLICY = "checkpoint", "policy.tlog"
LOG, JOURNAL, STATEMENTS = "log/", "journal/", "statements/"
STATEMENT_TYPE = "https://in-toto.io/Statement/v1"
WIDTH = 256
NOTE = "note"
LOG_KEY, COSIGNER, LATTICE = 0x01, 0x04, 0x06


class BrokenError(Exception):
    """A check failed: in which file, what is wrong, and from which entry on nothing is proven (None: all of it)."""

    def __init__(self, file: str, what: str, first_entry: int | None = None) -> None:
        """Keep the three."""
        super().__init__(f"{file}: {what}")
        self.file = file
        self.what = what
        self.first_entry = first_entry


# --- 1. The files ----------------------------------------------------------------------------------------------------


def read_bundle(path: Path) -> dict[str, bytes]:
    """Every file of a bundle by its name; names that lead out, links, doubles and bombs are refused."""
    if path.is_dir():
        return _checked_names(_read_directory(path))
    try:
        with zipfile.ZipFile(path) as archive:
            return _checked_names(_read_zip(archive))
    except (zipfile.BadZipFile, zlib.error, RuntimeError, EOFError, OSError) as error:
        raise BrokenError(path.name, f"not a readable zip file ({error})") from error


def _read_directory(root: Path) -> Iterator[tuple[str, bytes]]:
    total = 0
    for path in sorted(root.rglob("*")):
        mode = path.lstat().st_mode
        name = path.relative_to(root).as_posix()
        if stat.S_ISDIR(mode):
            continue
        if not stat.S_ISREG(mode):
            raise BrokenError(name, "not a plain file")
        total += path.stat().st_size
        _check_total(name, path.stat().st_size, total)
        yield name, path.read_bytes()


def _read_zip(archive: zipfile.ZipFile) -> Iterator[tuple[str, bytes]]:
    total = 0
    for info in archive.infolist():
        if info.is_dir():
            continue
        mode = info.external_attr >> 16
        if info.flag_bits & 1 or (mode and not stat.S_ISREG(mode) and stat.S_IFMT(mode)):
            raise BrokenError(info.filename, "encrypted, or not a plain file")
        total += info.file_size
        _check_total(info.filename, info.file_size, total)
        with archive.open(info) as stream:
            data = stream.read(info.file_size + 1)  # never more than the directory promised
        if len(data) != info.file_size:
            raise BrokenError(info.filename, "its size is not what the zip file says")
        yield info.filename, data


def _check_total(name: str, size: int, total: int) -> None:
    if size > FILE_BYTES_MAX or total > TOTAL_BYTES_MAX:
        raise BrokenError(name, "too large to be a bundle of ours")


def _checked_names(files: Iterator[tuple[str, bytes]]) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    folded: set[str] = set()
    for name, data in files:
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*(/[A-Za-z0-9][A-Za-z0-9._-]*)*", name) or ".." in name:
            raise BrokenError(ascii(name), "not a name that a bundle can hold")
        if name.casefold() in folded:
            raise BrokenError(name, "there twice")
        if len(found) >= FILES_MAX:
            raise BrokenError(name, f"more than {FILES_MAX} files")
        folded.add(name.casefold())
        found[name] = data
    return found


def need(files: dict[str, bytes], name: str, first_entry: int | None = None) -> bytes:
    """A file that must be there."""
    if name not in files:
        raise BrokenError(name, "missing", first_entry)
    return files[name]


# --- 2. Notes, keys, quorum ------------------------------------------------------------------------------------------


class Key(NamedTuple):
    """A public key: name, signature type, raw bytes."""

    name: str
    kind: int
    public: bytes

    @property
    def id(self) -> bytes:
        """Key id of signed-note."""
        return hashlib.sha256(self.name.encode() + b"\n" + bytes([self.kind]) + self.public).digest()[:4]


class Policy(NamedTuple):
    """Logs and witnesses by name, groups (members needed, members), and the name of the quorum or None."""

    logs: dict[str, Key]
    witnesses: dict[str, Key]
    groups: dict[str, tuple[int, list[str]]]
    quorum: str | None


def parse_key(text: str, where: str) -> Key:
    """A verifier key `name+id+base64`."""
    try:
        name, key_id, encoded = text.split("+", 2)
        raw = base64.b64decode(encoded, validate=True)
        key = Key(name, raw[0], raw[1:])
    except (ValueError, IndexError) as error:
        raise BrokenError(where, f"not a verifier key: {text[:80]!r}") from error
    sizes = {LOG_KEY: 32, COSIGNER: 32, LATTICE: 1312}
    if sizes.get(key.kind) != len(key.public) or key.id.hex() != key_id:
        raise BrokenError(where, f"verifier key {name[:80]!r}: type, length or id is wrong")
    return key


def parse_policy(data: bytes, where: str) -> Policy:
    """A tlog-policy file."""
    policy, quorum, seen = Policy({}, {}, {}, None), "", set[str]()
    for line in _text(data, where).splitlines():
        words = line.split("#")[0].split()
        if not words:
            continue
        kind, rest = words[0], words[1:]
        if kind == "log" and rest:
            key = parse_key(rest[0], where)
            policy.logs[f"{key.name}+{key.id.hex()}"] = (
                key  # one log may have several keys: before and after a rotation
            )
        elif kind == "witness" and len(rest) >= 2:  # noqa: PLR2004
            key = parse_key(rest[1], where)
            policy.witnesses[rest[0]] = key
        elif kind == "group" and len(rest) >= 3:  # noqa: PLR2004
            _parse_group(policy, rest, where)
        elif kind == "quorum" and len(rest) == 1 and not quorum:
            quorum = rest[0]
        else:
            raise BrokenError(where, f"not a line of a policy: {line[:80]!r}")
        if kind in {"log", "witness"} and key.public.hex() in seen:
            raise BrokenError(where, "one key under two names")
        if kind in {"log", "witness"}:
            seen.add(key.public.hex())
    if not quorum or (quorum != "none" and quorum not in {**policy.witnesses, **policy.groups}):
        raise BrokenError(where, "no quorum line, or one that names nothing")
    return policy._replace(quorum=None if quorum == "none" else quorum)


def _parse_group(policy: Policy, rest: list[str], where: str) -> None:
    name, count, members = rest[0], rest[1], rest[2:]
    known = {**policy.witnesses, **policy.groups}
    taken = {member for _, others in policy.groups.values() for member in others}
    if name in known or len(set(members)) != len(members) or not set(members) <= set(known) - taken:
        raise BrokenError(where, f"group {name[:80]!r}: unknown or doubled members")
    needed = {"any": 1, "all": len(members)}.get(count) or (int(count) if count.isdigit() else 0)
    if not 1 <= needed <= len(members):
        raise BrokenError(where, f"group {name[:80]!r}: {count[:20]!r} of {len(members)}")
    policy.groups[name] = needed, members


def split_note(data: bytes, where: str) -> tuple[bytes, list[tuple[str, bytes, bytes]]]:
    """Text of a note, and (name, key id, signature) of each line."""
    divide = data.rfind(b"\n\n")
    if divide < 0 or not data.endswith(b"\n"):
        raise BrokenError(where, "not a signed note")
    signatures = []
    for line in _text(data[divide + 2 :], where).splitlines():
        dash, name, encoded = ([*line.split(" "), "", ""])[:3]
        try:
            raw = base64.b64decode(encoded, validate=True)
        except binascii.Error as error:
            raise BrokenError(where, "a signature line that is none") from error
        if dash != "\u2014" or base64.b64encode(raw).decode() != encoded or line.count(" ") != 2:  # noqa: PLR2004
            raise BrokenError(where, "a signature line that is none")
        signatures.append((name, raw[:4], raw[4:]))
    return data[: divide + 1], signatures


def open_note(data: bytes, keys: list[Key], where: str) -> tuple[bytes, list[Key]]:
    """Text of a note and which of `keys` have signed it. A false signature of a known key breaks the note."""
    text, signatures = split_note(data, where)
    known = {(key.name, key.id): key for key in keys}
    signed = []
    for name, key_id, raw in signatures:
        key = known.get((name, key_id))
        if key is None:
            continue
        if not _verifies(key, text, raw):
            raise BrokenError(where, f"the signature of {name[:80]!r} is false")
        signed.append(key)
    return text, signed


def _verifies(key: Key, text: bytes, raw: bytes) -> bool:
    try:
        if key.kind == LOG_KEY:
            Ed25519PublicKey.from_public_bytes(key.public).verify(raw, text)
        elif key.kind == COSIGNER:
            time = int.from_bytes(raw[:8], "big")
            if time == 0:
                return False
            Ed25519PublicKey.from_public_bytes(key.public).verify(
                raw[8:], b"cosignature/v1\ntime %d\n%b" % (time, text)
            )
        else:
            _verify_lattice(key, text, raw)
    except (InvalidSignature, ValueError):
        return False
    return True


def _verify_lattice(key: Key, text: bytes, raw: bytes) -> None:
    try:
        from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PublicKey  # noqa: PLC0415 - newer than Ed25519
    except ImportError as error:
        raise BrokenError(CHECKPOINT, "an ML-DSA-44 witness: this needs cryptography >= 50") from error
    origin, size, root = parse_checkpoint(text, CHECKPOINT)
    named = [bytes([len(part)]) + part for part in (key.name.encode(), origin.encode())]
    end = bytes(8) + size.to_bytes(8, "big") + root
    signed = b"subtree/v1\n\x00" + named[0] + raw[:8] + named[1] + end
    try:
        MLDSA44PublicKey.from_public_bytes(key.public).verify(raw[8:], signed)
    except UnsupportedAlgorithm as error:
        raise BrokenError(CHECKPOINT, "an ML-DSA-44 witness: this needs cryptography >= 50") from error


def parse_checkpoint(text: bytes, where: str) -> tuple[str, int, bytes]:
    """Origin, size and root."""
    lines = _text(text, where).split("\n")
    try:
        size, root = int(lines[1]), base64.b64decode(lines[2], validate=True)
    except (ValueError, IndexError) as error:
        raise BrokenError(where, "not a checkpoint") from error
    if str(size) != lines[1] or not 0 <= size < 2**63 or len(root) != 32 or base64.b64encode(root).decode() != lines[2]:  # noqa: PLR2004
        raise BrokenError(where, "not a checkpoint")
    return lines[0], size, root


def check_quorum(policy: Policy, signed: list[Key], where: str) -> str:
    """Say which witnesses signed; break where the policy's quorum is not met."""
    present = {name for name, key in policy.witnesses.items() if key in signed}

    def met(name: str) -> bool:
        if name in policy.witnesses:
            return name in present
        needed, members = policy.groups[name]
        return sum(met(member) for member in members) >= needed

    if policy.quorum is not None and not met(policy.quorum):
        raise BrokenError(
            where, f"quorum {policy.quorum!r} is not met; signed by: {', '.join(sorted(present)) or 'no witness'}"
        )
    return ", ".join(sorted(present)) or "no witness: self-consistent only"


def _text(data: bytes, where: str) -> str:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise BrokenError(where, "not UTF-8") from error


# --- 3. The log ------------------------------------------------------------------------------------------------------


def leaf_hash(data: bytes) -> bytes:
    """RFC 6962."""
    return hashlib.sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """RFC 6962."""
    return hashlib.sha256(b"\x01" + left + right).digest()


def root_of(leaves: list[bytes]) -> bytes:
    """Merkle tree head of RFC 6962 section 2.1 over leaf hashes."""
    if not leaves:
        return hashlib.sha256().digest()
    level = leaves
    while len(level) > 1:  # An odd last node moves up as it is: the same tree as splitting at the largest power of two.
        paired = [node_hash(level[i], level[i + 1]) for i in range(0, len(level) - 1, 2)]
        level = paired + level[len(level) & ~1 :]
    return level[0]


def tile_name(kind: str, index: int, width: int) -> str:
    """Path of a tile or bundle, as tlog-tiles names it."""
    digits = f"{index:03d}" if index < 1000 else ""  # noqa: PLR2004
    if not digits:
        groups = []
        while index:
            index, part = divmod(index, 1000)
            groups.append(f"{part:03d}")
        digits = "/".join([f"x{g}" for g in reversed(groups[1:])] + [groups[0]])
    return f"{LOG}tile/{kind}/{digits}" + (f".p/{width}" if width < WIDTH else "")


def read_log(files: dict[str, bytes], size: int, root: bytes) -> list[bytes]:
    """All entries, each tile compared with them, the root compared with the checkpoint's."""
    entries: list[bytes] = []
    for index, width in _tiles(size):
        name = tile_name("entries", index, width)
        entries += split_entries(need(files, name, WIDTH * index), width, name, WIDTH * index)
    level, hashes = 0, [leaf_hash(entry) for entry in entries]
    while hashes:
        for index, width in _tiles(len(hashes)):
            name, first = tile_name(str(level), index, width), WIDTH ** (level + 1) * index
            if need(files, name, first) != b"".join(hashes[WIDTH * index : WIDTH * index + width]):
                if level == 0 and _tiles_give(files, size, root):  # then it is the entries that were changed
                    name = tile_name("entries", index, width)
                raise BrokenError(name, "entries and hashes do not fit each other", first)
        full = len(hashes) // WIDTH
        level, hashes = level + 1, [root_of(hashes[WIDTH * i : WIDTH * (i + 1)]) for i in range(full)]
    if root_of([leaf_hash(entry) for entry in entries]) != root:
        raise BrokenError(CHECKPOINT, "the entries do not give its root", 0)
    return entries


def _tiles_give(files: dict[str, bytes], size: int, root: bytes) -> bool:
    """Whether the leaf hashes in the tiles, whatever the entries are, give the checkpoint's root."""
    data = b"".join(files.get(tile_name("0", index, width), b"") for index, width in _tiles(size))
    return root_of([data[at : at + 32] for at in range(0, len(data), 32)]) == root


def _tiles(count: int) -> Iterator[tuple[int, int]]:
    yield from ((index, WIDTH) for index in range(count // WIDTH))
    if count % WIDTH:
        yield count // WIDTH, count % WIDTH


def split_entries(data: bytes, width: int, name: str, first: int) -> list[bytes]:
    """The entries of a bundle: two bytes of length before each."""
    entries, at = [], 0
    for _ in range(width):
        size = int.from_bytes(data[at : at + 2], "big")
        entry = data[at + 2 : at + 2 + size]
        if len(data) < at + 2 or len(entry) != size:
            raise BrokenError(name, "it ends early", first)
        entries.append(entry)
        at += 2 + size
    if at != len(data):
        raise BrokenError(name, "it holds more than it should", first)
    return entries


def check_numbering(entries: list[bytes], silence_s: float) -> list[str]:
    """Gaps break; silence and a missing END are said."""
    counts: dict[str, int] = {}
    notes: list[str] = []
    last_seq, last_ns, ended = 0, 0, False
    for index, entry in enumerate(entries):
        fields = _entry(entry, index)
        actor, number = str(fields.get("actor")), fields.get("number")
        counts[actor] = counts.get(actor, 0) + 1
        if number != counts[actor]:
            raise BrokenError(LOG, f"entry {index}: {actor[:60]!r} counts {number}, expected {counts[actor]}", index)
        if fields["type"] == "batch":
            if fields["first"] != last_seq + 1 or fields["last"] < fields["first"]:
                raise BrokenError(
                    LOG, f"entry {index}: records {last_seq + 1} to {fields['first'] - 1} are missing", index
                )
            last_seq = fields["last"]
            continue
        now = int(fields["time_ns"])
        if last_ns and now - last_ns > silence_s * 1e9:
            notes.append(f"silence of {(now - last_ns) / 1e9:.0f} s before entry {index}")
        last_ns = now
        if str(fields["type"]).startswith("event."):  # findings about the end may follow it, events may not
            ended = fields["type"] == "event.end"
    if not ended:
        notes.append("no END entry at the end: the run goes on, was cut off, or its end was left out")
    return notes


def _entry(entry: bytes, index: int) -> dict[str, Any]:
    try:
        fields = dict(json.loads(entry))
    except (ValueError, TypeError, RecursionError) as error:
        raise BrokenError(LOG, f"entry {index} is not JSON", index) from error
    if fields.get("v") != 1 or canonical(fields) != entry:
        raise BrokenError(LOG, f"entry {index} is not one that this version knows", index)
    return fields


def canonical(fields: dict[str, Any]) -> bytes:
    """RFC 8785 of what entries hold: ASCII keys, texts, and whole numbers below 2^53."""
    return json.dumps(fields, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


# --- 4. The journal --------------------------------------------------------------------------------------------------


def entries_of_journal(files: dict[str, bytes]) -> tuple[list[bytes], int]:
    """The entries that the journal in the bundle gives, and how many of its records were erased."""
    run, previous, entries, erased = "", "", list[bytes](), 0
    counts: dict[str, int] = {}
    batch: list[tuple[bytes, str, str, int, int]] = []
    for name in sorted(name for name in files if name.startswith(JOURNAL)):
        for number, line in enumerate(files[name].split(b"\n")[:-1]):
            where = f"{name}, line {number + 1}"
            kind, payload, salt = _line(line, where)
            body = _json(payload, where)
            if kind == "segment":
                run = body["run"]
                previous = previous or _digest({"format": 2, "run": run})
                if body["format"] != 2 or body["previous"] != previous:  # noqa: PLR2004
                    raise BrokenError(where, "it does not continue what is before it")
            elif kind == "batch":
                link = {k: body[k] for k in ("first", "last", "previous", "records")} | {"run": run}
                records = "sha256:" + hashlib.sha256(b"".join(record[0] for record in batch)).hexdigest()
                if body["records"] != records or body["previous"] != previous or body["digest"] != _digest(link):
                    raise BrokenError(where, "the batch does not fit its records and the chain")
                entries += _batch_entries(run, batch, body, counts)
                previous, batch = body["digest"], []
            else:
                batch.append(_record(kind, payload, salt, body, where))
                erased += kind == "erased"
    return entries, erased


def _record(
    kind: str, payload: bytes, salt: bytes, body: dict[str, Any], where: str
) -> tuple[bytes, str, str, int, int]:
    """Commitment, type, maker, number and time of a record."""
    made, actor = _maker(body)
    if kind not in {"record", "erased"} or (kind == "erased") != (body["record"] == "erased"):
        raise BrokenError(where, "a line of an unexpected kind")
    if kind == "erased" and made not in ERASABLE:
        raise BrokenError(where, f"a {made[:40]} was erased, which is never allowed")
    commitment = hashlib.sha256(salt + payload).digest() if salt else bytes.fromhex(body["commitment"][7:])
    return commitment, made, actor, body["seq"], body["time_ns"]


def _batch_entries(run: str, batch: list[Any], body: dict[str, Any], counts: dict[str, int]) -> Iterator[bytes]:
    def entry(kind: str, actor: str, fields: dict[str, Any]) -> bytes:
        counts[actor] = counts.get(actor, 0) + 1
        return canonical({"actor": actor, "number": counts[actor], "run": run, "type": kind, "v": 1, **fields})

    for commitment, kind, actor, seq, time_ns in batch:
        if kind in ENTERED:
            yield entry(kind, actor, {"commitment": "sha256:" + commitment.hex(), "seq": seq, "time_ns": str(time_ns)})
    yield entry("batch", "journal", {"digest": body["digest"], "first": body["first"], "last": body["last"]})


ENTERED = {"finding", "action", "receipt", "measurement"} | {
    f"event.{kind}" for kind in ("proposal", "approval", "review", "control", "heartbeat", "end")
}

ERASABLE = {"event.proposal", "event.artifact_change", "event.message"}


def _maker(body: dict[str, Any]) -> tuple[str, str]:
    """Type and actor of a record."""
    kind = body["record"]
    if kind == "erased":
        return body["kind"], body["actor"]
    if kind == "event":
        data = body["data"]
        ended = data["kind"] == "heartbeat" and data.get("end")
        return "event.end" if ended else f"event.{data['kind']}", body["producer"]
    actor = {"finding": "detector", "action": "by"}.get(kind)
    return kind, body[actor] if actor else ("actuators" if kind == "receipt" else f"measure {body['name']}")


def _line(line: bytes, where: str) -> tuple[str, bytes, bytes]:
    found = re.fullmatch(rb'\{"crc":"([0-9a-f]{8})",(("salt":"([0-9a-f]{32})",)?"([a-z]+)":(.*))\}', line, re.DOTALL)
    if found is None or int(found[1], 16) != zlib.crc32(found[2]):
        raise BrokenError(where, "a line whose form or checksum is wrong")
    return found[5].decode(), found[6], bytes.fromhex((found[4] or b"").decode())


def _json(payload: bytes, where: str) -> dict[str, Any]:
    """An object; a key given twice has two meanings, so it has none here."""
    try:
        return dict(json.loads(payload, object_pairs_hook=_unique))
    except (ValueError, TypeError, RecursionError) as error:
        raise BrokenError(where, "not JSON") from error


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(dict(pairs)) != len(pairs):
        raise ValueError("a key twice")
    return dict(pairs)


def _digest(fields: dict[str, Any]) -> str:
    return "sha256:" + hashlib.sha256(canonical(fields)).hexdigest()


# --- 5. Statements ---------------------------------------------------------------------------------------------------


def check_statement(
    files: dict[str, bytes], name: str, keys: list[Key], opened: list[Any], entries: list[bytes]
) -> str:
    """It is signed by the log's key, about this log, and repeats records that the log has."""
    origin, size, root = opened
    statement = open_envelope(files[name], name, [key for key in keys if key.name == origin])
    about = [{"name": f"{origin}#{size}", "digest": {"sha256": root.hex()}}]
    if statement["_type"] != STATEMENT_TYPE or statement["subject"] != about:
        raise BrokenError(name, "it is not about this log at this size")
    bodies = _bodies(files)
    for citation in statement["predicate"]["records"]:
        index, record = citation["entry"], citation["record"]
        if not 0 <= index < len(entries) or _entry(entries[index], index).get("seq") != record["seq"]:
            raise BrokenError(name, f"record {record['seq']} is not what entry {index} of the log is about")
        body = bodies.get(record["seq"])
        if bodies and not same({k: str(v) if k.endswith("_ns") else v for k, v in (body or {}).items()}, record):
            raise BrokenError(name, f"record {record['seq']} of the journal says something else")
    shown = "" if bodies else "; without the journal it is not shown that they say this"
    return f"{statement['predicateType']}, {len(statement['predicate']['records'])} records cited{shown}"


def same(one: Any, other: Any) -> bool:
    """Whether two JSON values are equal for every reader: `true` is not 1, while 5 and 5.0 are one number."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    return isinstance(one, bool) == isinstance(other, bool) and bool(one == other)


def open_envelope(data: bytes, where: str, keys: list[Key]) -> dict[str, Any]:
    """The statement in a DSSE envelope that one of `keys` has signed."""
    envelope = _json(data, where)
    payload, kind = base64.b64decode(envelope["payload"], validate=True), envelope["payloadType"].encode()
    if kind != b"application/vnd.in-toto+json":
        raise BrokenError(where, "its payload is not an in-toto statement")
    encoded = b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)
    known = {f"{key.name}+{key.id.hex()}": key for key in keys if key.kind == LOG_KEY}
    for signature in envelope["signatures"]:
        key = known.get(signature["keyid"])
        if key is not None and _verifies(key, encoded, base64.b64decode(signature["sig"], validate=True)):
            return _json(payload, where)
    raise BrokenError(where, "not signed by a trusted key of this log")


def _bodies(files: dict[str, bytes]) -> dict[int, dict[str, Any]]:
    """Records of the journal by number, as they are written; a broken line was reported before."""
    lines = [line for name in files if name.startswith(JOURNAL) for line in files[name].split(b"\n")[:-1]]
    found = [
        _json(payload, JOURNAL) for kind, payload, _ in (_line(line, JOURNAL) for line in lines) if kind == "record"
    ]
    return {body["seq"]: body for body in found}


# --- 6. All of it ----------------------------------------------------------------------------------------------------


class Report:
    """What was checked, in order."""

    def __init__(self) -> None:
        """Nothing yet."""
        self.lines: list[tuple[str, bool, str]] = []
        self.broken: list[BrokenError] = []

    def check(self, name: str, run: Callable[[], Any]) -> Any:
        """Run a check; what it returns, or None where it broke."""
        try:
            result = run()
        except BrokenError as error:
            self.fail(name, error)
            return None
        except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
            # Hostile content of the right outer form: the check did not pass, and that is all there is to say.
            self.fail(name, BrokenError(name, f"content of an unexpected form ({type(error).__name__})"))
            return None
        self.lines.append((name, True, result if isinstance(result, str) else ""))
        return result

    def fail(self, name: str, error: BrokenError) -> None:
        """A check that did not pass."""
        self.broken.append(error)
        self.lines.append((name, False, str(error)))

    def say(self, text: str) -> None:
        """A remark that breaks nothing."""
        self.lines.append((NOTE, True, text))


def verify(
    files: dict[str, bytes], *, policy: bytes | None = None, seen: bytes | None = None, silence_s: float = 120.0
) -> Report:
    """Check a bundle that was read. `policy` and `seen` are the auditor's own files."""
    report = Report()
    where = POLICY if policy is None else "--policy"
    if policy is None:
        report.say("keys not pinned: self-consistent only (give --policy with keys that you have from elsewhere)")
    chosen = report.check("keys", lambda: parse_policy(policy if policy is not None else need(files, POLICY), where))
    keys = [*chosen.logs.values(), *chosen.witnesses.values()] if chosen else []
    opened: list[Any] = []

    def quorum() -> str:
        text, signed = open_note(need(files, CHECKPOINT), keys, CHECKPOINT)
        origin, size, root = parse_checkpoint(text, CHECKPOINT)
        if not any(key.kind == LOG_KEY and key.name == origin for key in signed):
            raise BrokenError(CHECKPOINT, "not signed by a trusted key of its log")
        opened.extend((origin, size, root))
        return f"{origin}, {size} entries; witnesses: " + check_quorum(chosen, signed, CHECKPOINT)

    if chosen:
        report.check("quorum", quorum)
    report.check("manifest", lambda: check_manifest(files, keys))
    for broken in changed_files(files):
        report.fail("files", broken)
    if opened:
        _check_content(report, files, keys, opened, seen, silence_s)
    return report


def _check_content(
    report: Report, files: dict[str, bytes], keys: list[Key], opened: list[Any], seen: bytes | None, silence_s: float
) -> None:
    origin, size, root = opened
    entries = report.check("log", lambda: read_log(files, size, root))
    if entries is None:
        return
    if seen is not None:
        report.check("seen", lambda: check_seen(seen, origin, entries))
    for note in report.check("numbering", lambda: check_numbering(entries, silence_s)) or ():
        report.say(note)
    if any(name.startswith(JOURNAL) for name in files):
        report.check("journal", lambda: check_journal(files, entries))
    else:
        report.say("the bundle holds no journal: entries are proven, what they are about is not shown")
    for name in sorted(name for name in files if name.startswith(STATEMENTS)):
        report.check(name, partial(check_statement, files, name, keys, opened, entries))


def check_manifest(files: dict[str, bytes], keys: list[Key]) -> str:
    """The list of files is the one that the log's key signed, and complete."""
    data = need(files, MANIFEST)
    text, signed = open_note(need(files, SIGNED_MANIFEST), keys, SIGNED_MANIFEST)
    title, origin, digest, *rest = _text(text, SIGNED_MANIFEST).split("\n")
    if title != MANIFEST_TITLE or rest != [""] or not any(key.kind == LOG_KEY and key.name == origin for key in signed):
        raise BrokenError(SIGNED_MANIFEST, "not a bundle's signature by a trusted key of its log")
    if digest != hashlib.sha256(data).hexdigest():
        raise BrokenError(MANIFEST, "not the list of files that was signed")
    listed = set(_json(data, MANIFEST)["files"])
    extra = sorted(set(files) - listed - {MANIFEST, SIGNED_MANIFEST})
    if extra:
        raise BrokenError(extra[0], "not in the list of files that was signed")
    return f"{len(listed)} files"


def changed_files(files: dict[str, bytes]) -> list[BrokenError]:
    """Files that are missing or not what the list of files says."""
    try:
        listed = json.loads(files[MANIFEST])["files"]
        pairs = [(str(name), str(digest)) for name, digest in listed.items()]
    except (KeyError, ValueError, TypeError, AttributeError, RecursionError):
        return [BrokenError(MANIFEST, "missing, or not a list of files")]
    broken = []
    for name, digest in pairs:
        if name not in files:
            broken.append(BrokenError(ascii(name)[1:-1], "missing"))
        elif "sha256:" + hashlib.sha256(files[name]).hexdigest() != digest:
            broken.append(BrokenError(name, "changed: its digest is not the listed one"))
    return broken


def check_seen(seen: bytes, origin: str, entries: list[bytes]) -> str:
    """The log continues the checkpoint that the auditor kept."""
    name, size, root = parse_checkpoint(split_note(seen, "--seen")[0], "--seen")
    if name != origin:
        raise BrokenError("--seen", f"it is of another log, {name[:80]!r}")
    if size > len(entries):
        raise BrokenError(
            CHECKPOINT, f"you saw {size} entries, now there are {len(entries)}: rolled back", len(entries)
        )
    if root_of([leaf_hash(entry) for entry in entries[:size]]) != root:
        raise BrokenError(CHECKPOINT, f"the first {size} entries are not the ones you saw: history was rewritten", 0)
    return f"continues your checkpoint of {size} entries"


def check_journal(files: dict[str, bytes], entries: list[bytes]) -> str:
    """The journal gives exactly the entries of the log."""
    found, erased = entries_of_journal(files)
    for index, (one, other) in enumerate(zip(found, entries, strict=False)):
        if one != other:
            raise BrokenError(JOURNAL, f"it does not give entry {index} of the log", index)
    if len(found) < len(entries):
        raise BrokenError(JOURNAL, f"it gives only {len(found)} of {len(entries)} entries", len(found))
    more = f", and {len(found) - len(entries)} that no checkpoint covers yet" if len(found) > len(entries) else ""
    return f"gives all {len(entries)} entries{more}; {erased} records erased, digest kept"


def main(argv: list[str]) -> int:
    """Check one bundle and print the report."""
    parser = argparse.ArgumentParser(prog="verify_bundle.py", description="Check an audit bundle.")
    parser.add_argument("bundle", type=Path)
    parser.add_argument("--policy", type=Path, help="tlog-policy with the keys that you trust")
    parser.add_argument("--seen", type=Path, help="a checkpoint of this log that you kept earlier")
    parser.add_argument("--silence", type=float, default=120.0, help="seconds between entries that are remarked on")
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args(argv)
    try:
        policy = asked.policy.read_bytes() if asked.policy else None
        seen = asked.seen.read_bytes() if asked.seen else None
        if not asked.bundle.exists():
            parser.error(f"{asked.bundle}: there is nothing")
    except OSError as error:
        parser.error(str(error))
    try:
        report = verify(read_bundle(asked.bundle), policy=policy, seen=seen, silence_s=asked.silence)
    except BrokenError as error:
        report = Report()
        report.fail("bundle", error)
    sys.stdout.write(as_json(report) if asked.json else as_text(report))
    return 7 if report.broken else 0


def as_text(report: Report) -> str:
    """Plain lines, nothing in them can act on a terminal."""
    lines = [_line_of(name, text, good=good) for name, good, text in report.lines]
    if not report.broken:
        lines.append("All checks passed.")
    else:
        lines.append(f"BROKEN. Still proven: {_still_proven(report)}.")
    return "".join("".join(c if c.isprintable() else ascii(c)[1:-1] for c in line) + "\n" for line in lines)


def _line_of(name: str, text: str, *, good: bool) -> str:
    if name == NOTE:
        return text
    return f"{'ok  ' if good else 'FAIL'} {name}{': ' if text else ''}{text}"


def _still_proven(report: Report) -> str:
    if any(error.first_entry is None for error in report.broken):
        return "nothing beyond the checks that passed"
    first = min(error.first_entry or 0 for error in report.broken)
    return f"entries before {first} of the log" if first else "nothing of the log"


def as_json(report: Report) -> str:
    """One object."""
    broken = [{"file": e.file, "what": e.what, "first_entry": e.first_entry} for e in report.broken]
    checks = [{"check": name, "ok": good, "detail": text} for name, good, text in report.lines]
    return json.dumps({"ok": not broken, "broken": broken, "checks": checks}, indent=2) + "\n"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
