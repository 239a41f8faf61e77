"""Shipped gates: two worked examples, and public frameworks' clauses on self-improvement as we would test them."""

from __future__ import annotations

from importlib import resources

from subcritical.errors import InputError

_SUFFIX = ".yaml"


def profile_names() -> tuple[str, ...]:
    """Names of the shipped gates."""
    files = resources.files(__package__).iterdir()
    return tuple(sorted(one.name.removesuffix(_SUFFIX) for one in files if one.name.endswith(_SUFFIX)))


def profile(name: str) -> str:
    """The text of a shipped gate.

    Raises:
        InputError: There is none of that name.
    """
    if name not in profile_names():
        raise InputError(f"no profile {name!r}; there are: {', '.join(profile_names())}")
    return (resources.files(__package__) / f"{name}{_SUFFIX}").read_text(encoding="utf-8")
