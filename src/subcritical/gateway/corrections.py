"""A person corrects the system: other bytes for some of its artifacts, signed, a version of their own."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from subcritical.errors import InputError
from subcritical.gateway.principals import Principals
from subcritical.gateway.signing import DAY_S, Signed, open_signed

_FORBIDDEN = frozenset({"", ".", ".."})


class Correction(Signed, frozen=True, kw_only=True):
    """What a person signs: `base` is in force, `tree` shall be. `mark` is the run's latest order."""

    kind: ClassVar[str] = "correction"

    mark: str
    base: str
    tree: str


def open_correction(
    signed: str, principals: Principals, *, run: str, mark: str, base: str, now: int
) -> tuple[Correction, str]:
    """The correction, and the owner of the key that signed it.

    Args:
        signed: As `sign` writes it.
        principals: Whose signatures count.
        run: The run it must be about.
        mark: The latest order it must know of.
        base: The tree in force.
        now: Unix seconds.

    Raises:
        InputError: It does not count, with the reason.
    """
    correction, principal = open_signed(signed, principals, Correction)
    correction.check(run=run, now=now, most_s=DAY_S)
    for wrong, why in (
        (correction.base != base, "another version is in force than the one that was corrected; look again"),
        (correction.mark != mark, "something was ordered since you looked; look again and sign anew"),
        (not correction.reason.strip(), "a correction needs a reason"),
    ):
        if wrong:
            raise InputError(why)
    return correction, principal.owner


def check_paths(paths: Iterable[str]) -> None:
    """Refuse paths that are not plainly inside a workspace.

    Raises:
        InputError: With the first such path.
    """
    for path in paths:
        if path.startswith("/") or "\\" in path or not path.isprintable() or _FORBIDDEN & set(path.split("/")):
            raise InputError(f"{path!r} is no path inside a workspace: write it like `dir/file.txt`")
