"""Which engine serves: the fastest that can be imported, and all of them give the same ids.

The two libraries are optional (extra `fast`); they are imported here and nowhere else.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Iterable

from subcritical.errors import InputError
from subcritical.matching.patterns import Matcher, Pattern, compiled
from subcritical.matching.plain import PlainMatcher

ENGINES = ("hyperscan", "aho-corasick", "re")
"""Fastest first."""
_MODULES = {"hyperscan": "hyperscan", "aho-corasick": "ahocorasick_rs"}


def compile_matcher(patterns: Iterable[Pattern], *, engine: str | None = None) -> Matcher:
    """Make a matcher.

    Args:
        patterns: Any number; none is allowed, and then nothing is ever found.
        engine: One of `ENGINES`, or None for the first whose library is installed.

    Raises:
        InputError: No such engine, its library is not installed, or a pattern is unusable.

    Cost: about 5 ms a pattern with hyperscan.
    """
    if engine is None:
        engine = next(name for name in ENGINES if _installed(name))
    if engine not in ENGINES:
        raise InputError(f"no engine {engine!r}: one of {', '.join(ENGINES)}")
    if not _installed(engine):
        raise InputError(f"engine {engine!r} needs the package {_MODULES[engine]}: install subcritical[fast]")
    ready = compiled(patterns)
    if engine == "hyperscan":
        from subcritical.matching.hyperscan_engine import HyperscanMatcher  # noqa: PLC0415 - an optional extra

        return HyperscanMatcher(ready)
    if engine == "aho-corasick":
        from subcritical.matching.aho_corasick import AhoCorasickMatcher  # noqa: PLC0415 - an optional extra

        return AhoCorasickMatcher(ready)
    return PlainMatcher(ready)


def _installed(engine: str) -> bool:
    return engine not in _MODULES or importlib.util.find_spec(_MODULES[engine]) is not None
