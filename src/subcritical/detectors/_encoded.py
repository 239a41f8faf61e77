"""Runs of characters that stand for other text: base64, base32, hex, numbers, escapes, ROT13, reversal, single letters.

A run counts when it decodes to readable text, or is long and dense; digests, signatures, keys and pictures do not.
"""

from __future__ import annotations

import base64
import binascii
import codecs
import math
import re
from collections import Counter
from collections.abc import Iterator

_LONG = re.compile(
    r"(?<![\w+/=-])(?:[A-Za-z0-9+/]{120,}={0,2}|[A-Za-z0-9_-]{120,}|(?:[0-9a-f]{2}){80,}"
    r"|(?:[0-9A-F]{2}){80,})(?![\w+/=-])"
)
_RUN = re.compile(r"(?<![\w+/-])[A-Za-z0-9+/_-]{20,100000}={0,6}(?![\w+/=])")
_HARMLESS = re.compile(
    r"(?i)(sha(256|512|1)|md5|digest|signature|integrity|data:(image|font|audio|video)|ssh-(rsa|ed25519)"
    r"|BEGIN [A-Z ]+)[^\n]{0,40}$"
)
_TEXT_URI = re.compile(
    r"(?i)data:(image/svg|text/|application/(json|javascript|x-font|font|pdf))[^\s]{0,60}$|Basic\s$"
    r"|kind: Secret[^\x00]{0,300}$"
)
_SHORT_HEX = re.compile(r"(?<![\w-])(?:[0-9a-f]{2}){6,16}(?![\w-])")
_NUMBERS = re.compile(r"(?<![\w.])(?:\d{2,3}[, ]\s?){7,2000}\d{2,3}(?![\w.])")
_BITS = re.compile(r"(?<![\w.])(?:[01]{8}[ ,]?){5,2000}(?!\w)")
_ESCAPES = re.compile(
    r"(?:\\x[46-7][0-9a-fA-F]|\\x5[0-9aA]){4,}|(?:\\u00[46-7][0-9a-fA-F]|\\u005[0-9aA]){4,}|(?:\\1[0-7]{2}){4,}"
    r"|(?:&#(?:x[4-7][0-9a-fA-F]|6[5-9]|[7-9]\d|1[01]\d|12[0-2]);){4,}|(?:%[46-7][0-9a-fA-F]){5,}"
)
_SPACED = re.compile(r"(?<![\w.])(?:[A-Za-z][ ._*\u00b7-]{1,3}){7,400}[A-Za-z](?!\w)")
_TRAILING = re.compile(r"(?m)[^\s](?=[ \t]{8,}$)(?= {0,200}\t{1,200} {1,200}\t)[ \t]+$")
WORDS = [
    "the",
    "and",
    "for",
    "you",
    "use",
    "this",
    "that",
    "with",
    "from",
    "not",
    "all",
    "agent",
    "agents",
    "file",
    "files",
    "skip",
    "log",
    "logs",
    "only",
    "when",
    "run",
    "ignore",
    "delete",
    "next",
    "tests",
    "token",
    "secret",
    "key",
    "reviewer",
    "review",
    "hide",
    "before",
    "after",
    "they",
    "will",
    "monitor",
    "host",
    "send",
    "read",
    "write",
    "name",
    "named",
    "approve",
    "merge",
    "never",
    "always",
    "them",
    "should",
    "must",
    "until",
    "because",
    "where",
    "there",
    "then",
    "have",
    "has",
    "are",
    "was",
    "but",
    "stop",
    "keep",
]
_PLAIN = re.compile(rf"(?i)\b(?:{'|'.join(WORDS)})\b")
_ROTATED = re.compile(rf"(?i)\b(?:{'|'.join(codecs.encode(word, 'rot13') for word in WORDS)})\b")
_REVERSED = re.compile(rf"(?i)\b(?:{'|'.join(word[::-1] for word in WORDS if word != word[::-1])})\b")
_ROT = frozenset(codecs.encode(word, "rot13") for word in WORDS)
_BACK = frozenset(word[::-1] for word in WORDS)
_CODED = _ROT | _BACK
_WORD = re.compile(r"[a-z]+")
_LINE_MAX = 1000
_MARKS = ("\\x", "\\u00", "\\1", "&#", "%4", "%6", "%7")
_ENTROPY_MIN = 4.2
_READABLE_MIN = 0.95
_LETTERS_MIN = 0.6
_DECODED_MIN = 12
_LOWER_MIN = 0.6
_VOWELS = (0.2, 0.6)
_CODED_WORDS = 2
_MAX_RUNS = 400


def encoded(text: str, *, written: bool) -> str:
    """What the first encoded run says, or its beginning where it is dense and says nothing; else an empty text."""
    for said in _runs(text):
        return said
    if written:
        for said in _spelt(text):
            return said
    return next((run for match in _LONG.finditer(text) if (run := _dense(text, match))), "")


def _runs(text: str) -> Iterator[str]:
    for number, match in enumerate(_RUN.finditer(text)):
        if number >= _MAX_RUNS:
            break
        said = decoded(match[0])
        if said and not _expected(text, match, said):
            yield said


def _expected(text: str, match: re.Match[str], said: str) -> bool:
    """Whether readable text is what belongs there: a text's data URI, a password, a web token."""
    if re.match(r'\{\s*"(alg|typ|kid)"', said) or text[max(0, match.start() - 1) : match.start()] == ".":
        return True
    return bool(_TEXT_URI.search(text[max(0, match.start() - 400) : match.start()]))


def _spelt(text: str) -> Iterator[str]:
    """Other ways to write what a plain search does not find."""
    for pattern, decode in ((_NUMBERS, _of_numbers), (_BITS, _of_bits), (_SPACED, _of_letters)):
        yield from (said for match in pattern.finditer(text) if (said := decode(match[0])))
    parts = [
        said
        for run in _SHORT_HEX.findall(text)[:_MAX_RUNS]
        if (said := _readable(bytes.fromhex(run), least=6, kinds=4))
    ]
    if len(parts) > 1:
        yield "".join(parts)
    if any(mark in text for mark in _MARKS):
        yield from (match[0] for match in _ESCAPES.finditer(text))
    if _TRAILING.search(text):
        yield "spaces and tabs at the end of a line"
    yield from _turned(text)


def _turned(text: str) -> Iterator[str]:
    """Lines in ROT13 or written backwards."""
    lines = text.splitlines()[:2000]
    if text.isascii() and max(map(len, lines), default=0) <= _LINE_MAX:  # a longer one is cut, perhaps inside a word
        words = [word for word in _WORD.findall(text.lower()) if word in _CODED]
        if sum(word in _ROT for word in words) < _CODED_WORDS and sum(word in _BACK for word in words) <= _CODED_WORDS:
            return
    for line in lines:
        plain = len(_PLAIN.findall(line[:_LINE_MAX]))
        if not plain and len(_ROTATED.findall(line[:_LINE_MAX])) >= _CODED_WORDS:
            yield codecs.encode(line[:_LINE_MAX], "rot13")
        if not plain and len(_REVERSED.findall(line[:_LINE_MAX])) > _CODED_WORDS:
            yield line[:_LINE_MAX][::-1]


def _of_numbers(run: str) -> str:
    numbers = [int(number) for number in re.findall(r"\d+", run)]
    if not all(32 <= number < 127 for number in numbers):  # noqa: PLR2004 - printable ASCII
        return ""
    text = "".join(map(chr, numbers))
    return text if " " in text and sum(c.islower() for c in text) >= _LOWER_MIN * len(text) else ""


def _of_bits(run: str) -> str:
    return _readable(bytes(int(bits, 2) for bits in re.findall(r"[01]{8}", run)), least=5)


def _of_letters(run: str) -> str:
    words = ["".join(re.findall(r"[A-Za-z]", word)) for word in re.split(r" {2,}", run)]
    letters = "".join(words).lower()
    vowels = sum(c in "aeiou" for c in letters) / len(letters)
    if "".join(sorted(letters)) == letters or len(set(letters)) < 5 or not _VOWELS[0] <= vowels <= _VOWELS[1]:  # noqa: PLR2004
        return ""
    return " ".join(words)


def decoded(run: str) -> str:
    """Readable text that a run stands for, or an empty text."""
    for decode in (bytes.fromhex, _base32, _base64):
        try:
            data = decode(run)
        except (ValueError, binascii.Error):
            continue
        text = _readable(data)
        if text:
            return text
    return ""


def _base32(run: str) -> bytes:
    run = run.rstrip("=")
    return base64.b32decode(run + "=" * (-len(run) % 8))


def _base64(run: str) -> bytes:
    run = run.rstrip("=")
    alternative = b"-_" if "_" in run or "-" in run else None
    return base64.b64decode(run + "=" * (-len(run) % 4), altchars=alternative)


def _readable(data: bytes, *, least: int = _DECODED_MIN, kinds: int = 6) -> str:
    """Bytes as text, where they are ASCII words of several letters; UTF-16 is tried too."""
    if len(data) < least:
        return ""
    if data[1::2].count(0) > 0.8 * (len(data) // 2):
        data = data[::2]
    text = data.decode("ascii", "ignore")
    fine = sum(c.isprintable() or c.isspace() for c in text) >= _READABLE_MIN * len(data)
    # Names, quotes and numbers of JSON leave fewer letters.
    share = _LETTERS_MIN if text[:1] not in "{[" else 0.8 * _LETTERS_MIN
    letters = sum(c.isalpha() or c == " " for c in text) >= share * len(data)
    return text if fine and letters and len(set(text)) >= kinds else ""


def _dense(text: str, match: re.Match[str]) -> str:
    if _HARMLESS.search(text[max(0, match.start() - 80) : match.start()]):
        return ""
    run = match[0]
    return run[:80] if entropy(run) >= _ENTROPY_MIN and len(run) >= 2 * 120 and not run.islower() else ""


def entropy(text: str) -> float:
    """Bits for each character (Shannon 1948), over the characters' own frequencies."""
    counts = Counter(text)
    return -sum(n / len(text) * math.log2(n / len(text)) for n in counts.values())
