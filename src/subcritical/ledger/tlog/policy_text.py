"""Policies as text, one item a line, so that people can read and compare what they trust."""

from __future__ import annotations

import re
from collections.abc import Callable

from subcritical.ledger.tlog._encoding import check_limit, from_decimal
from subcritical.ledger.tlog.errors import FormatError
from subcritical.ledger.tlog.notes import VKEY_BYTES_MAX, format_verifier_key, parse_verifier_key
from subcritical.ledger.tlog.quorum import NO_QUORUM, Policy, PolicyGroup, PolicyLog, PolicyWitness

POLICY_BYTES_MAX = 1 << 20
_REFUSED = re.compile(rb"[\x00-\x08\x0b-\x1f\x7f]")
_SPACE = re.compile(rb"[ \t]+")
_ALL, _ANY = b"all", b"any"


def parse_policy(data: bytes) -> Policy:
    """A policy from its text.

    Names and URLs are octets to the format. They become `str` by UTF-8 with surrogate escapes, so that two different
    names stay different; one that is not UTF-8 can be compared and formatted, but only printed with `repr`.

    Args:
        data: At most 1 MiB; every line ends in a newline.

    Raises:
        FormatError: A rule is broken; the message names the line, or the entry where it takes the whole file to see.

    Source: tlog-policy, "Policy file syntax and structure".
    """
    check_limit(data, "policy", POLICY_BYTES_MAX)
    found = _REFUSED.search(data)
    if found is not None:
        raise FormatError(f"policy: byte 0x{data[found.start()]:02x} at {found.start()} is not allowed")
    if not data.endswith(b"\n"):
        raise FormatError("policy: no newline at its end")
    reader = _Reader()
    for number, line in enumerate(data[:-1].split(b"\n"), 1):
        words = [word for word in _SPACE.split(line) if word]
        if words and not words[0].startswith(b"#"):
            reader.take(number, words)
    return reader.policy()


def format_policy(policy: Policy) -> bytes:
    """Text of a policy; `parse_policy` gives the same policy back.

    Raises:
        FormatError: A name or URL has a space, a control character, or nothing at all; or the text is too long.
    """
    lines = [[b"log", format_verifier_key(log.key), *_url(log.url)] for log in policy.logs]
    lines += [[b"witness", _word(w.name), format_verifier_key(w.key), *_url(w.url)] for w in policy.witnesses]
    lines += [[b"group", _word(g.name), _threshold(g), *(_word(name) for name in g.members)] for g in policy.groups]
    lines.append([b"quorum", NO_QUORUM.encode() if policy.quorum is None else _word(policy.quorum)])
    data = b"".join(b" ".join(words) + b"\n" for words in lines)
    check_limit(data, "policy", POLICY_BYTES_MAX)
    return data


class _Reader:
    """Collects the items of the lines, and sees to it that each names only what stands above it."""

    def __init__(self) -> None:
        self._logs: list[PolicyLog] = []
        self._witnesses: list[PolicyWitness] = []
        self._groups: list[PolicyGroup] = []
        self._quorum: str | None = None
        self._closed = False
        self._defined: set[str] = set()
        self._takers: dict[bytes, tuple[int, int | None, Callable[[list[bytes]], None]]] = {
            b"log": (1, 2, self._take_log),
            b"witness": (2, 3, self._take_witness),
            b"group": (3, None, self._take_group),
            b"quorum": (1, 1, self._take_quorum),
        }

    def take(self, number: int, words: list[bytes]) -> None:
        keyword, items = words[0], words[1:]
        if keyword not in self._takers:
            raise FormatError(f"policy, line {number}: {keyword!r} is not log, witness, group or quorum")
        least, most, taker = self._takers[keyword]
        if len(items) < least or (most is not None and len(items) > most):
            raise FormatError(f"policy, line {number}: {len(items)} items after {_text(keyword)!r}")
        try:
            taker(items)
        except FormatError as error:
            raise FormatError(f"policy, line {number}: {error}") from None

    def policy(self) -> Policy:
        if not self._closed:
            raise FormatError("policy: no quorum line; write 'quorum none' if no witness is asked for")
        return Policy(tuple(self._logs), tuple(self._witnesses), tuple(self._groups), self._quorum)

    def _take_log(self, items: list[bytes]) -> None:
        self._logs.append(PolicyLog(parse_verifier_key(items[0]), _text(b"".join(items[1:]))))

    def _take_witness(self, items: list[bytes]) -> None:
        name = self._define(items[0])
        self._witnesses.append(PolicyWitness(name, parse_verifier_key(items[1]), _text(b"".join(items[2:]))))

    def _take_group(self, items: list[bytes]) -> None:
        members = tuple(_text(item) for item in items[2:])
        for member in members:
            self._check_defined(member)
        if items[1] == _ALL:
            threshold = len(members)
        elif items[1] == _ANY:
            threshold = 1
        else:
            threshold = from_decimal(items[1], "group threshold", most=len(members))
        self._groups.append(PolicyGroup(self._define(items[0]), threshold, members))

    def _take_quorum(self, items: list[bytes]) -> None:
        if self._closed:
            raise FormatError("a second quorum; exactly one is allowed")
        self._closed = True
        name = _text(items[0])
        if name != NO_QUORUM:
            self._check_defined(name)
            self._quorum = name

    def _define(self, item: bytes) -> str:
        name = _text(item)
        if name == NO_QUORUM or name in self._defined:
            raise FormatError(f"{name!r} is already defined")
        self._defined.add(name)
        return name

    def _check_defined(self, name: str) -> None:
        if name not in self._defined:
            raise FormatError(f"{name!r} is not defined above it")


def _threshold(group: PolicyGroup) -> bytes:
    if group.threshold == len(group.members):
        return _ALL
    return _ANY if group.threshold == 1 else b"%d" % group.threshold


def _text(item: bytes) -> str:
    return item.decode("utf-8", "surrogateescape")


def _url(url: str) -> list[bytes]:
    return [_word(url)] if url else []


def _word(text: str) -> bytes:
    try:
        word = text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        raise FormatError(f"policy: {text!r} has no bytes") from None
    if not word or len(word) > VKEY_BYTES_MAX or _REFUSED.search(word) or b"\n" in word or _SPACE.search(word):
        raise FormatError(f"policy: {text!r} is not one word without control characters")
    return word
