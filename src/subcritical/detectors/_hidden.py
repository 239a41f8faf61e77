"""Characters that show nothing, turn the direction of text, or look like others."""

from __future__ import annotations

import re
import unicodedata

_TAGS = re.compile("[\U000e0020-\U000e007f]{2,}")
_SELECTORS = re.compile("[\ufe00-\ufe0f\U000e0100-\U000e01ef]{4,}|[\U000e0100-\U000e01ef]{2,}")
_INVISIBLE = "\u200b\u200c\u200d\u2060\ufeff\u180e\u00ad\u034f\u2061\u2062\u2063\u2064\u115f\u3164"
_ZERO_WIDTH = re.compile("[\u200b\u200c\u200d\u2060\ufeff\u180e\u2061-\u2064]{3,}")
_SPACES = re.compile("[\u2000-\u200a\u202f\u205f](?:[ \u2000-\u200a\u202f\u205f]){5,}")
_SPLIT_WORD = re.compile(f"(?<=[A-Za-z0-9])[{_INVISIBLE}]+(?=[A-Za-z0-9])")
_BIDI = re.compile("[\u202a-\u202e\u2066-\u2069]")
_OVERRIDE = re.compile("[\u202d\u202e]")
_RIGHT_TO_LEFT = re.compile("[\u0590-\u08ff]")
_MIXED = re.compile(
    r"\b\w*[\u0400-\u04ff\u0370-\u03ff]\w*[A-Za-z]\w*\b|\b\w*[A-Za-z]\w*[\u0400-\u04ff\u0370-\u03ff]\w*\b"
)
_MIXED_MIN = 3
_LOOK_ALIKE = re.compile(
    "[\u0430\u0435\u043e\u0440\u0441\u0443\u0445\u0456\u0458\u0455\u0501\u04bb\u04cf\u0410\u0412\u0415\u041a\u041c"
    "\u041d\u041e\u0420\u0421\u0422\u0425\u03bf\u03bd\u039f\u0391\u0392\u0395]"
)
_STYLED = re.compile(
    "[\U0001d400-\U0001d7ff]{3,}|(?<![\u3000-\u9fff\uff00-\uffef])[\uff41-\uff5a]{3,}(?![\u3000-\u9fff])"
)
_LATIN_MIN = 2


def hidden(text: str, *, written: bool) -> list[tuple[str, str]]:
    """Kinds of hidden text; in what is `written` rather than said, one changed word is enough."""
    found: list[tuple[str, str]] = []
    tags = _TAGS.search(text)
    if tags:
        found.append(("tag characters", "".join(chr(ord(c) - 0xE0000) for c in tags[0])))
    if text.isascii():
        return found
    for kind, pattern in (("variation selectors", _SELECTORS), ("zero-width characters", _ZERO_WIDTH)):
        match = pattern.search(text)
        if match:
            found.append((kind, _named(match[0])))
    split = _SPLIT_WORD.search(text)
    if split and written and not any(kind == "zero-width characters" for kind, _ in found):
        found.append(("zero-width characters", _named(split[0])))
    spaces = _SPACES.search(text)
    if spaces and len(set(spaces[0])) > 1:
        found.append(("a row of odd spaces", _named(spaces[0])))
    bidi = _OVERRIDE.search(text) or (None if _RIGHT_TO_LEFT.search(text) else _BIDI.search(text))
    if bidi:
        found.append(("bidirectional controls", unicodedata.name(bidi[0], "a control")))
    mixed = _mixed(text, written=written)
    if mixed:
        found.append(("look-alike letters", " ".join(mixed[:4])))
    return found


def _named(characters: str) -> str:
    return " ".join(f"U+{ord(c):04X}" for c in characters[:12])


def _mixed(text: str, *, written: bool) -> list[str]:
    """Words of two scripts: several of any kind, or one whose foreign letters all look like Latin ones."""
    words = [match.group() for match in _MIXED.finditer(text)]
    if len(words) >= _MIXED_MIN:
        return words
    alike = [word for word in words if _poses(word)]
    styled = [match.group() for match in _STYLED.finditer(text)]
    return (alike + styled) if written else []


def _poses(word: str) -> bool:
    foreign = [c for c in word if not c.isascii()]
    latin = [c for c in word if c.isascii() and c.isalpha()]
    return len(latin) >= _LATIN_MIN and bool(foreign) and all(_LOOK_ALIKE.match(c) for c in foreign)
