"""Paths that stand for another: look-alikes of protected files, modules that an import finds before the meant one."""

from __future__ import annotations

import re
import sys
import unicodedata
from collections.abc import Iterable

from subcritical.gateway.content.names import folded

_OWN_LETTERS = re.compile(
    r"(?:CJK|HIRAGANA|KATAKANA|HANGUL|ARABIC|HEBREW|DEVANAGARI|THAI|BENGALI|TAMIL) "
    r"|LATIN (?:SMALL|CAPITAL) LETTER (?:. WITH |SHARP S)"
)
"""Letters that nobody takes for those of ASCII: of other scripts, and with marks."""
_RUN_BY_ITSELF = frozenset({"sitecustomize", "usercustomize", "conftest"})
_READ_BY_TOOLS = frozenset({"pytest.ini", ".pytest.ini", "tox.ini", "entry_points.txt"})
"""Files by which a test runner, or Python's own lookup of plug-ins, is told what to run."""
_RUN_ENDINGS = (".pth", ".pyc", ".so", ".pyd", ".egg")


def look_alike(path: str, *, protected: bool) -> str:
    """Why a path may be taken for a protected one, or nothing.

    Args:
        path: Relative path.
        protected: Whether it is one of a protected class when it is read without regard to case.
    """
    path = unicodedata.normalize("NFC", path)
    strange = [c for c in path if not c.isascii() and not _OWN_LETTERS.match(unicodedata.name(c, ""))]
    if strange:
        return f"its name holds U+{ord(strange[0]):04X}, which may be taken for another letter"
    if any(part != part.lstrip(" ").rstrip(" .") for part in path.split("/")):
        return "a part of its name begins or ends with what some systems drop"
    return "its name is that of a protected file but for case" if protected else ""


def shadows(path: str, meant: Iterable[str]) -> str:
    """Why a new file is found before what an evaluator imports, or is run without being asked; else nothing.

    Args:
        path: Relative path.
        meant: Folded names of modules that evaluators are, or import, and which are other files.
    """
    parts = folded(path).split("/")
    stem, _, ending = parts[-1].partition(".")
    if parts[-1].endswith(_RUN_ENDINGS):
        return "Python runs it without being asked, or in place of a source file"
    if parts[-1] in _READ_BY_TOOLS:
        return "it tells tools what to run without being asked"
    if ending not in ("py", "pyi", "pyw"):
        return ""
    if stem in _RUN_BY_ITSELF:
        return "Python or its tools run it without being asked"
    module = parts[-2] if stem == "__init__" and len(parts) > 1 else stem
    if module in set(meant):
        return f"an evaluator imports `{module}`, and may find this in its place"
    at_the_top = len(parts) == 1 or (stem == "__init__" and len(parts) == 2)  # noqa: PLR2004
    return f"it takes the place of Python's own `{module}`" if at_the_top and module in sys.stdlib_module_names else ""
