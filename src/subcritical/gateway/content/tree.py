"""What a change is by its content: a limit raised inside an allowed file is a change of a limit.

A file keeps the class that its path gives it only where both sides were read and nothing that decides about a limit
differs, except a plain number that became smaller. What cannot be read, in the bounds of its reader, gets the
strictest class.

What this does not do: it does not know what code does when it runs. Limits that matter belong to the supervisor,
outside the files of the guest.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from subcritical.gateway.content.comparison import USUAL, Comparison, Side, is_prose
from subcritical.gateway.content.names import LimitNames, Names, folded, words_of
from subcritical.gateway.content.paths import look_alike, shadows
from subcritical.gateway.content.python import module_of
from subcritical.schema import PROTECTED, Artifact

_KNOWN_MAX = 10_000

Why = tuple[Artifact, str]


class ContentClasses:
    """Classifies changed files by what is in them.

    Args:
        declared: Globs of names that are limits in files of every class.
    """

    def __init__(self, declared: Sequence[str] = ()) -> None:
        """Take the names of limits."""
        self._names = LimitNames(declared)
        self._known: dict[tuple[str, bool, bool], Names] = {}

    def read(
        self, version: Mapping[str, str], *, get: Callable[[str], bytes], class_of: Callable[[str], Artifact]
    ) -> None:
        """Read the version in force beforehand: the first review then takes no longer than the later ones."""
        open_to_guest = _open_to_guest({path: class_of(path) for path in version})
        side = Side(version, get, open_to_guest)
        if self._limits_of(side, open_to_guest):
            side.python()

    def stricter(
        self,
        before: Mapping[str, str],
        after: Mapping[str, str],
        *,
        get: Callable[[str], bytes],
        class_of: Callable[[str], Artifact],
    ) -> dict[str, Why]:
        """The changed paths that are something stricter than their path says, and why.

        Args:
            before: Path to digest of the version in force.
            after: The same of the proposed one.
            get: Bytes of a digest.
            class_of: Class that the rules give a path.
        """
        changed = [p for p in sorted(before.keys() | after.keys()) if before.get(p) != after.get(p)]
        classes = {path: class_of(path) for path in before.keys() | after.keys()}
        open_to_guest = _open_to_guest(classes)
        changed = [path for path in changed if path in open_to_guest]
        found: dict[str, Why] = {}
        for path in changed:
            if path in after and path not in before:
                stricter = _by_path(path, before, classes, get, class_of)
                found |= {path: stricter} if stricter else {}
        old, new = Side(before, get, open_to_guest), Side(after, get, open_to_guest)
        limits = self._limits_of(old, open_to_guest)
        if limits:
            try:
                by_content = Comparison(old, new, open_to_guest, limits, self._names)
            except Exception:  # noqa: BLE001 - unknown is unsafe: a reader that fails classes all of it
                why = "what decides about limits could not be followed through the files, or not in time"
                return found | {path: (Artifact.LIMIT, why) for path in changed if path not in found}
            found |= {p: (Artifact.LIMIT, why) for p in changed if p not in found and (why := by_content.why(p))}
        return found

    def _limits_of(self, side: Side, classes: Mapping[str, Artifact]) -> Names:
        """Names of limits that the version in force has: a new limit is nobody's limit yet."""
        names: set[str] = set()
        for path, digest in side.digests.items():
            python = side.is_python(path)
            if python or not is_prose(path, classes[path]):
                key = digest, python, classes[path] in USUAL or python
                if key not in self._known:
                    if len(self._known) >= _KNOWN_MAX:
                        self._known.clear()
                    self._known[key] = self._limits_in(side.data(path), python=python, usual=key[-1])
                names |= self._known[key]
        return frozenset(names)

    def _limits_in(self, data: bytes, *, python: bool, usual: bool) -> Names:
        among = self._names.among(words_of(data.decode("utf-8", "replace")), usual=usual)
        module = module_of(data) if among and python else None
        # Not what comments and docstrings say.
        return among if module is None else among & module.by_word.keys()


def _open_to_guest(classes: Mapping[str, Artifact]) -> dict[str, Artifact]:
    return {p: c for p, c in classes.items() if c not in PROTECTED and c is not Artifact.UNLISTED}


def _by_path(
    path: str,
    before: Mapping[str, str],
    classes: Mapping[str, Artifact],
    get: Callable[[str], bytes],
    class_of: Callable[[str], Artifact],
) -> Why | None:
    """Why a new path is something stricter than the rules say, if it is."""
    protected = {folded(p): c for p, c in classes.items() if c in PROTECTED}
    meant_for = protected.get(folded(path), class_of(folded(path)))
    why = look_alike(path, protected=meant_for in PROTECTED)
    if why:
        return meant_for if meant_for in PROTECTED else Artifact.EVALUATOR, why
    evaluators = [p for p, c in classes.items() if c is Artifact.EVALUATOR and p in before]
    why = shadows(path, _meant(evaluators, before, get))
    return (Artifact.EVALUATOR, why) if why else None


def _meant(evaluators: Iterable[str], before: Mapping[str, str], get: Callable[[str], bytes]) -> set[str]:
    """Modules that evaluators are or import, but for those that the guest's own files are."""
    own = {folded(path).removesuffix("/__init__.py").rsplit("/", 1)[-1].partition(".")[0] for path in before}
    meant: set[str] = set()
    for path in evaluators:
        meant.add(folded(path).rsplit("/", 1)[-1].partition(".")[0])
        module = module_of(get(before[path]))
        statements = module.statements if module else ()
        meant |= {m.split(".")[0] for s in statements for m, _, _ in s.imported} - own
    return meant - {""}
