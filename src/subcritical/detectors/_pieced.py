"""Code that keeps what it does out of its own text: decoded and then run, or put together out of pieces."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import pairwise

from subcritical.detectors._acts import Act

_SHELLS = frozenset({"sh", "bash", "zsh", "dash", "python", "python3", "perl", "node", "ruby", "eval", "source", "php"})
_DECODES = re.compile(
    r"(?i)^(\S*/)?(base64|base32|b64|basenc) .{0,40}(-d|-D|--decode)|^(\S*/)?(xxd .{0,20}-r|rev\b"
    r"|openssl (enc|base64) .{0,60}-d"
    r"|uudecode|tr .{0,10}[a-z]-[a-z].{0,80}[n-z])"
)
_EVALS = re.compile(
    r"(?i)^(?:eval|(?:ba|z|da)?sh -c|source|\.) .{0,400}\b(?:base64|base32|rev|xxd|tr|openssl"
    r"|uudecode)\b|\$\(.{0,200}\b(?:base64 (?:-d|--decode)|rev)\b.{0,20}\)"
)
_POWERSHELL = re.compile(
    r"(?i)\b(?:powershell|pwsh)(?:\.exe)?\b.{0,80}\s-e(?:c|nc|ncodedcommand)?\s+[A-Za-z0-9+/=]{16,}"
)
_RUN = (
    r"(?:\bexec|\beval|\bos\.system|\bpopen|\bos\.popen|\bsubprocess\.\w+|\b__import__|\bIEX"
    r"|\bInvoke-Expression|\bFunction|\bexecSync"
    r"|\bspawnSync|\bcall_user_func|\bsystem|\bRuntime\.getRuntime\(\)\.exec)"
)
_HIDE = (
    r"(?:\b(?:b(?:ase)?(?:64|32|16|85)_?decode|a2b_\w+|unhexlify|fromhex|atob|FromBase64String"
    r"|fromCharCode|marshal\.loads|unescape"
    r"|rot_?13|Base64\.decode\w*|Buffer\.from\([^)\n]{0,200}['\"](?:base64|hex)['\"])|['\"]\[::-1\]"
    r"|map\(\s?chr|chr\(\w+\) for"
    r"|\.reverse\(\)\.join)"
)
_DIRECT = re.compile(rf"{_RUN}\b[^\n;]{{0,160}}?{_HIDE}")
_KEPT = re.compile(rf"([A-Za-z_]\w{{0,30}})\s?=[^\n;=]{{0,160}}?{_HIDE}")
_GIVEN = re.compile(rf"{_RUN}\(\s?([A-Za-z_]\w{{0,30}})")
_CHARACTERS = re.compile(
    r"(?:map\(\s*chr|fromCharCode|bytes\(|bytearray\(|chr\()\W{0,4}(?:\d{2,3}\s?,\s?){5,}\d{2,3}"
    r"|(?:chr\(\d{2,3}\)\s?[+.&]\s?){3,}"
)
_PIECES = re.compile(
    r"(?:__import__|getattr|exec|eval|system|popen|run|Popen|require|window|globalThis|self)\s?[(\[][^)\]\n]{0,80}"
    r"(['\"])[\w./ :-]{1,16}\1\s?\+\s?(['\"])[\w./ :-]{1,16}\2"
)
_ASSIGNED = re.compile(
    r"(?:^|[;&|\n(]\s{0,8}|\b(?:export|local|set|let) )([A-Za-z_]\w{0,20})=(['\"]?)([\w./-]{1,16})\2(?=$|[\s;&|)])"
)
_JOINED = re.compile(r"\$\{?([A-Za-z_]\w{0,20})\}?\$\{?([A-Za-z_]\w{0,20})\}?")
_SUM = re.compile(
    r"[\w.:/]\$\(\(\s?\d{1,6}\s?[-+*/^]\s?\d{1,6}\s?\)\)|\$\(\(\s?\d{1,6}\s?[-+*/^]\s?\d{1,6}\s?\)\)[.:/]\w"
)
_SPLIT = re.compile(
    r"(?:^|[;&|]\s{0,4}|\bsudo )[\w./-]{0,40}[a-z](?:''|\"\"|\\(?=[a-z]))[a-z]|\w\$\{?IFS\}?"
    r"|\$\{IFS\}|\$@[a-z]|[a-z]\$@[a-z]"
)
_TURNED = re.compile(r"\\u(?:202[a-e]|206[6-9]|200[b-f]|2060)|\\xe2\\x80\\x(?:ae|8b|8c|8d|ad)", re.IGNORECASE)
_LEAST = (
    (_POWERSHELL, ("powershell", "pwsh")),
    (_CHARACTERS, ("chr", "fromcharcode", "bytes(", "bytearray(")),
    (_PIECES, ("+",)),
    (_SUM, ("$((",)),
    (_SPLIT, ("''", '""', "\\", "ifs", "$@")),
)
"""Each pattern with words of which its matches hold one, case folded."""
_HIDDEN = (
    "decode", "a2b_", "unhexlify", "fromhex", "atob", "frombase64string", "fromcharcode", "marshal.loads", "unescape",
    "rot", "buffer.from", "[::-1]", "chr", ".reverse()",
)  # fmt: skip
_TURNS = re.compile(r"(?i)\b(?:base64|base32|b64|basenc|xxd|rev|openssl|uudecode|tr)\b|u20[026]|xe2")
_QUOTING = str.maketrans("", "", "'\"\\`")
_NAMES = frozenset({"mv", "cp", "touch", "ln", "mkdir", "git", "install"})


def pieced(acts: Sequence[Act], code: str) -> str:
    """What of a call's acts and code hides what it does, or an empty text."""
    runs = [act for act in acts if act.kind == "run"]
    for first, second in pairwise(runs):
        if _DECODES.search(first.text) and second.program in _SHELLS and not second.path.endswith((".py", ".sh")):
            return f"{first.text[:80]} | {second.text[:40]}"
    for act in runs:
        if _EVALS.search(act.text[:2000]) and (act.program == "eval" or "-c" in act.options):
            return act.text[:160]
        if act.program in _NAMES and _TURNED.search(act.text[:2000]):
            return act.text[:160]
    return _in_code(code)


def may_be_pieced(text: str) -> bool:
    """Whether `pieced` could find anything in a call that holds this text; a cheap look before a dear one."""
    bare = text.translate(_QUOTING)
    return bool(_TURNS.search(bare)) or bool(_TURNS.search(text)) or any(_there(text))


def _there(code: str) -> Iterator[re.Pattern[str] | bool]:
    """Patterns of which the words that each of them needs are in a code."""
    folded = code.casefold()
    for pattern, words in _LEAST:
        if any(word in folded for word in words):
            yield pattern
    if any(word in folded for word in _HIDDEN) and (_DIRECT.search(code) or _KEPT.search(code)):
        yield True
    if code.count("$") > 1 and _JOINED.search(code):
        yield True


def _in_code(code: str) -> str:
    patterns = list(_there(code))
    for pattern in patterns:
        match = pattern.search(code) if isinstance(pattern, re.Pattern) else None
        if match:
            return match[0][:160]
    if True not in patterns:
        return ""
    direct = _DIRECT.search(code)
    if direct:
        return direct[0][:160]
    given = set(_GIVEN.findall(code))
    kept = next((match for match in _KEPT.finditer(code) if match[1] in given), None)
    if kept:
        return kept[0][:160]
    return _joined(code)


def _joined(code: str) -> str:
    """Two short texts kept in variables of a shell and written next to each other, with nothing in between."""
    pieces = {name: value for name, _, value in _ASSIGNED.findall(code) if value.isalpha()}
    for match in _JOINED.finditer(code):
        if match[1] in pieces and match[2] in pieces:
            return f"{pieces[match[1]]} and {pieces[match[2]]}: {match[0]}"
    return ""
