"""What a text must hold to carry more than it shows: the least of each pattern of `token_pattern`, written to be quick.

What is beyond ASCII is given as whole characters side by side, so that a matcher of bytes finds it too.
"""

from __future__ import annotations

import codecs

from subcritical.detectors._encoded import WORDS
from subcritical.detectors._glance import Group

_WIDE = r"[^\x00-\x7f]"
_W = r"[^\x00-/:-@\[-^`{-\x7f]"
"""A letter, digit or underscore, and whatever is no ASCII."""
_SPACE = rf"(?:\s|{_WIDE}{{1,4}})"


def _range(first: int, last: int) -> str:
    return "|".join(map(chr, range(first, last + 1)))


_SELECTOR = f"(?:{_range(0xFE00, 0xFE0F)}|{_range(0xE0100, 0xE01EF)})"
_EMPTY = "\u200b|\u200c|\u200d|\u2060|\ufeff|\u180e|\u2061|\u2062|\u2063|\u2064"
_ODD = f"(?:{_range(0x2000, 0x200A)}|\u202f|\u205f)"
_FOREIGN = f"(?:{_range(0x0370, 0x03FF)}|{_range(0x0400, 0x04FF)})"
_UNSEEN = (
    f"(?:{_range(0xE0020, 0xE007F)}){{2}}",
    f"{_SELECTOR}{{2}}",
    f"(?:{_EMPTY}){{3}}",
    f"{_ODD}(?: |{_ODD}){{5}}",
    f"{_range(0x202A, 0x202E)}|{_range(0x2066, 0x2069)}",
    rf"[a-z]{_W}*{_FOREIGN}|{_FOREIGN}{_W}*[a-z]",
    "(?-i:\u017f|\u212a)",  # Python takes them for an s and a k
)
_UNSEEN_WRITTEN = (
    f"[a-z0-9](?:{_EMPTY}|\u00ad|\u034f|\u115f|\u3164)+[a-z0-9]",
    f"{_range(0x1D400, 0x1D7FF)}|{_range(0xFF41, 0xFF5A)}",
)
# Of base64 that stands for printable ASCII: the first three of each four characters can only be these, and of every
# twenty bytes one may be something else. Where each second byte is zero (UTF-16) they are fewer still.
_FOUR = "[CDH-Za-f][A-HQ-Xg-nw-z0-3][ABEFIJMNQRUVYZcdghklopstwx014589][A-Za-z0-9+/_-]"
_FOUR_WIDE = "[CDH-Za-f][AQgw][AB][A-Za-z0-9+/_-]A[A-H][AEIMQUYcgkosw048]A"
_RUN = "[A-Za-z0-9+/_-]"
_PAIR = "(?:[2-7][0-9a-f]|0[9-d]|1[c-f])"
_ENCODED = (
    rf"(?-i:(?:^|[^A-Za-z0-9+/_-])(?:{_RUN}{{4}})*(?:{_FOUR}){{3}})",
    rf"(?-i:{_FOUR_WIDE})",
    r"(?-i:[A-Z2-7]{20})",
    rf"(?:{_PAIR}){{10}}|(?:{_PAIR}00){{2}}",
    f"{_RUN}{{120}}",
)
_CODE = r"0?(?:3[2-9]|[4-9]\d)|1[01]\d|12[0-6]"
_DIGIT = rf"(?:\d|{_WIDE}{{2,4}})"
_ROTATED = "|".join(codecs.encode(word, "rot13") for word in WORDS)
_REVERSED = "|".join(word[::-1] for word in WORDS if word != word[::-1])
_SPELT = (
    rf"(?:(?:{_CODE}|{_WIDE}{{2,12}})[, ]{_SPACE}?){{7}}",
    rf"{_DIGIT}[, ]\n(?:[^\n]*\n)*?{_SPACE}?{_DIGIT}{_DIGIT}",
    rf"{_DIGIT}[, ]\".*\"{_SPACE}?{_DIGIT}{_DIGIT}",
    r"[01]{8}[ ,]?[01]{8}",
    r"(?:[a-z](?:[ ._*-]|\u00b7){1,3}){7}[a-z]".replace(r"\u00b7", "\u00b7"),
    rf"(?:^|[^\w-]){_PAIR}{{6}}",
    (
        r"(?:\\x[4-7][0-9a-f]){4}|(?:\\u00[4-7][0-9a-f]){4}|(?:\\1[0-7][0-7]){4}|(?:&#(?:x[4-7][0-9a-f]|\d\d\d?);){4}"
        r"|(?:%[4-7][0-9a-f]){5}"
    ),
    r"\t +\t[ \t]*(?:$|[\n\"])",
    # The last word may be the beginning of another: a long line is cut.
    rf"\b(?:{_ROTATED})\b.*\b(?:{_ROTATED})",
    rf"\b(?:{_REVERSED})\b.*\b(?:{_REVERSED})\b.*\b(?:{_REVERSED})",
)
_HINT = (
    r"\b(?:reads?|looks?|take|mind|note|watch|see|knows? where to look|check|follow|use|find|decode)\b.*\b(?:initials"
    r"|first (?:letters?|words? (?:of|in|on))|left edge|left margin|every (?:second|third|fourth|fifth|nth|other)"
    r" (?:word|letter|line)|between the lines|capital letters|capitals|last letters?|line (?:lengths|endings?|starts?)"
    r"|vertically|diagonally|(?:it|this|them) \(?(?:down|backwards)|trailing spaces|(?:down|along) the (?:left|right"
    r"|margin)|spacing|typos)\b"
)
_TURNS = r"\b(?:base64|base32|b64|basenc|xxd|rev|openssl|uudecode|tr)\b"
_HIDES = (
    r"b(?:ase)?(?:64|32|16|85)_?decode|a2b_|unhexlify|fromhex|atob|frombase64string|fromcharcode|marshal\.loads"
    r"|unescape|rot_?13|base64\.decode|buffer\.from\(|['\"]\[::-1\]|map\(\s?chr|chr\(\w+\) for|\.reverse\(\)\.join"
    rf"|map\({_WIDE}"
)
_STARTS = (
    r"\b(?:exec|eval|os\.system|popen|subprocess\.|iex\b|invoke-expression|function|spawnsync|call_user_func|system"
    r"|runtime\.getruntime)|__import__"
)
_PIECED: tuple[Group, ...] = (
    (_TURNS, r"\b(?:sh|bash|zsh|dash|python3?|perl|node|ruby|eval|source|php)\b"),
    (_TURNS, r"\beval\b|-c\b"),
    r"u20(?:2[a-e]|6[06-9]|0[b-f])|xe2.?x80.?x",
    (r"powershell|pwsh", r"-e(?:c|nc|ncodedcommand)?"),
    (r"chr|fromcharcode|bytes\(|bytearray\(", rf"(?:{_DIGIT}{_DIGIT}{_SPACE}?,{_SPACE}?){{5}}"),
    rf"(?:chr\((?:\d|{_WIDE}){{2,9}}\){_SPACE}?[+.&]{_SPACE}?){{3}}",
    (rf"(?:__import__|getattr|exec|eval|system|popen|run|require|window|globalthis|self){_SPACE}?[(\[]",
     rf"['\"]{_SPACE}?\+{_SPACE}?['\"]"),
    rf"\$\(\({_SPACE}?{_DIGIT}",
    rf"(?:[;&|\n\"]{_SPACE}{{0,4}}|\bsudo )(?:[./-]|{_W})*[a-z](?:''|\"\")[a-z]",
    rf"(?:[;&|\n]{_SPACE}{{0,4}}|\bsudo )(?:[./-]|{_W})*[a-z]\\[a-z]",
    r"\$\{?IFS|\$@",
    (_HIDES, _STARTS),
    rf"\$\{{?{_W}+\}}?\$\{{?{_W}",
)  # fmt: skip
SAID: tuple[Group, ...] = (*_UNSEEN, *_ENCODED, _HINT)
"""Of answers and thoughts."""
DONE: tuple[Group, ...] = (*SAID, *_UNSEEN_WRITTEN, *_SPELT, *_PIECED)
"""Of calls; words in first letters apart, which are no words of the text."""
