"""A person corrects the system: other bytes for some of its artifacts, signed, a version of their own."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from subcritical.canonical import canonical_json
from subcritical.errors import InputError
from subcritical.gateway.principals import Principals
from subcritical.gateway.votes import REASON_MAX, open_vote

LIFETIME_MAX_S = 86_400
_CONTEXT = b"subcritical correction v1\n"
_FORBIDDEN = frozenset({"", ".", ".."})


class Correction(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a person signs: `base` is in force, `tree` shall be. `mark` is the run's latest order."""

    run: str
    mark: str
    base: str
    tree: str
    expires: int
    reason: str

    def signed_bytes(self) -> bytes:
        """The message of the signature."""
        return _CONTEXT + canonical_json(self)


def open_correction(
    signed: str, principals: Principals, *, run: str, mark: str, base: str, now: int
) -> tuple[Correction, str]:
    """The correction, and the owner of the key that signed it.

    Args:
        signed: As `sign_vote` writes it.
        principals: Whose signatures count.
        run: The run it must be about.
        mark: The latest order it must know of.
        base: The tree in force.
        now: Unix seconds.

    Raises:
        InputError: It does not count, with the reason.
    """
    correction, principal = open_vote(signed, principals, Correction)
    left = correction.expires - now
    for wrong, why in (
        (correction.run != run, f"the correction is for run {correction.run}"),
        (correction.base != base, "another version is in force than the one that was corrected; look again"),
        (correction.mark != mark, "something was ordered since you looked; look again and sign anew"),
        (left <= 0, "the correction has expired; sign a new one"),
        (left > LIFETIME_MAX_S, f"a correction lives at most {LIFETIME_MAX_S} s; sign a shorter one"),
        (not correction.reason.strip(), "a correction needs a reason"),
        (len(correction.reason) > REASON_MAX, f"a reason has at most {REASON_MAX} characters"),
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
