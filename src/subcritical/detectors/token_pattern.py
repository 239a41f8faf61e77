"""Text that carries more than it shows: hidden Unicode, encoded payloads."""

from __future__ import annotations

import base64
import binascii
import math
import re
import unicodedata
from collections import Counter
from typing import Any, ClassVar

import msgspec

from subcritical.detectors._stream import PerRun, shown, worth_saying
from subcritical.detectors.protocol import DetectorSettings, Maturity
from subcritical.schema import Event, Finding, Message, ModelCall, Severity, ToolCall

_TEXT_MAX = 200_000
_TAGS = re.compile("[\U000e0020-\U000e007f]{2,}")
_SELECTORS = re.compile("[\ufe00-\ufe0f\U000e0100-\U000e01ef]{4,}")
_ZERO_WIDTH = re.compile("[\u200b\u200c\u200d\u2060\ufeff\u180e]{3,}")
_BIDI = re.compile("[\u202a-\u202e\u2066-\u2069]")
_ENCODED = re.compile(
    r"(?<![\w+/=-])(?:[A-Za-z0-9+/]{120,}={0,2}|[A-Za-z0-9_-]{120,}|(?:[0-9a-f]{2}){80,}|(?:[0-9A-F]{2}){80,})(?![\w+/=-])"
)
_HARMLESS = re.compile(
    r"(?i)(sha(256|512|1)|md5|digest|signature|integrity|data:(image|font|audio|video)|ssh-(rsa|ed25519)"
    r"|BEGIN [A-Z ]+)[^\n]{0,40}$"
)
_MIXED = re.compile(
    r"\b\w*[\u0400-\u04ff\u0370-\u03ff]\w*[A-Za-z]\w*\b|\b\w*[A-Za-z]\w*[\u0400-\u04ff\u0370-\u03ff]\w*\b"
)
_MIXED_MIN = 3
_ENTROPY_MIN = 4.2
_READABLE_MIN = 0.9
_DECODED_MIN = 24


class TokenState(msgspec.Struct):
    """Per run: how often each pattern came up."""

    seen: int = 0
    counts: dict[str, int] = {}


class TokenPattern(PerRun[TokenState, DetectorSettings]):
    """Reads what a system writes: its answers, thoughts and the arguments of its calls.

    A payload counts when it decodes to readable text, or is long and dense; digests, signatures, keys and pictures do
    not. Shifts of entropy or of log probabilities need values that no reader of ours hands on yet. While its maturity
    is `sandbox`, no finding is above `medium`: it cannot pause.
    """

    id = "token_pattern"
    maturity: ClassVar[Maturity] = "sandbox"
    techniques = ("RSI-T0403",)
    docs = "detectors/token_pattern.md"
    Settings: ClassVar[Any] = DetectorSettings

    def new(self) -> TokenState:
        """Nothing seen."""
        return TokenState()

    def starved(self, state: TokenState) -> str:
        """Without a word of the system's there was nothing to judge."""
        return "" if state.seen else "no text of the system was seen"

    def observe(self, state: TokenState, event: Event) -> list[Finding]:
        """Look for each pattern in an event's own text."""
        text = _text(event)
        if not text:
            return []
        state.seen += 1
        found = []
        for kind, what in patterns(text):
            state.counts[kind] = state.counts.get(kind, 0) + 1
            if worth_saying(state.counts[kind]):
                found.append(self._say(event, kind, what, state.counts[kind]))
        return found

    def _say(self, event: Event, kind: str, what: str, times: int) -> Finding:
        return self.finding(
            event,
            Severity.MEDIUM,
            f"Text that carries more than it shows: {kind}",
            f"Seen: {shown(what, 200)}",
            confidence=0.6,
            technique="RSI-T0403",
            facts={"kind": kind, "times": times},
        )


def _text(event: Event) -> str:
    data = event.data
    if isinstance(data, ModelCall):
        return f"{data.text}\n{data.reasoning}"[:_TEXT_MAX]
    if isinstance(data, ToolCall):
        return data.arguments[:_TEXT_MAX]
    if isinstance(data, Message) and data.source == "guest":
        return data.text[:_TEXT_MAX]
    return ""


def patterns(text: str) -> list[tuple[str, str]]:
    """Kinds of hidden text in `text`, each with what was found, at most one of a kind."""
    found: list[tuple[str, str]] = []
    tags = _TAGS.search(text)
    if tags:
        found.append(("tag characters", "".join(chr(ord(c) - 0xE0000) for c in tags[0])))
    if not text.isascii():
        for kind, pattern in (("variation selectors", _SELECTORS), ("zero-width characters", _ZERO_WIDTH)):
            match = pattern.search(text)
            if match:
                found.append((kind, " ".join(f"U+{ord(c):04X}" for c in match[0][:12])))
        bidi = _BIDI.search(text)
        if bidi:
            found.append(("bidirectional controls", unicodedata.name(bidi[0], "a control")))
        mixed = _MIXED.findall(text)
        if len(mixed) >= _MIXED_MIN:
            found.append(("look-alike letters", " ".join(m.group() for m in list(_MIXED.finditer(text))[:4])))
    payload = next((p for match in _ENCODED.finditer(text) if (p := _payload(text, match))), "")
    if payload:
        found.append(("an encoded payload", payload))
    return found


def _payload(text: str, match: re.Match[str]) -> str:
    """What an encoded run says, or its beginning where it is dense and says nothing; empty where it is harmless."""
    if _HARMLESS.search(text[max(0, match.start() - 80) : match.start()]):
        return ""
    run = match[0]
    decoded = _decoded(run)
    if decoded:
        return decoded
    return run[:80] if entropy(run) >= _ENTROPY_MIN and len(run) >= 2 * 120 and not run.islower() else ""


def _decoded(run: str) -> str:
    for decode in (
        bytes.fromhex,
        lambda t: base64.b64decode(t + "=" * (-len(t) % 4), altchars=b"-_" if "_" in t or "-" in t else None),
    ):
        try:
            data = decode(run)
        except (ValueError, binascii.Error):
            continue
        text = data.decode("utf-8", "ignore")
        if len(data) >= _DECODED_MIN and sum(c.isprintable() or c.isspace() for c in text) >= _READABLE_MIN * len(data):
            return text
    return ""


def entropy(text: str) -> float:
    """Bits for each character (Shannon 1948), over the characters' own frequencies."""
    counts = Counter(text)
    return -sum(n / len(text) * math.log2(n / len(text)) for n in counts.values())
