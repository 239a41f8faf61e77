"""Which names are limits, and which words let a program reach a name that it does not spell."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence

Names = frozenset[str]

_PLAIN = re.compile(
    r"\w*(?:time_?out|budget|quota|deadline|wall_?clock)\w*"
    r"|(?:\w+_)?(?:time_?limit|wall_?time)s?(?:_\w+)?"
    r"|(?:\w+_)?(?:cpu|mem|memory|disk|process|token|cost|call|turn|rate|spend|recursion|generation)_?limits?(?:_\w+)?"
    r"|max_?(?:\w+_)?(?:tokens|turns|calls|attempts|retries|mem(?:ory)?|cost|seconds|time|runtime|generations|spend)"
    r"(?:_\w+)?"
    r"|setrlimit|rlimit_\w+|ulimit|setitimer|alarm"
)
"""What limits are called in the field; compared without regard to case."""

_WORD = re.compile(r"\w+")

RUNS_DATA = frozenset(
    {
        *("exec", "eval", "compile", "runpy", "run_path", "execfile", "pickle", "cpickle", "dill", "cloudpickle"),
        *("marshal", "joblib", "shelve", "zipimport", "spec_from_file_location", "import_module", "__import__"),
    }
)
"""Words by which what lies in a file can become what is run."""
STARTS = frozenset({"subprocess", "system", "popen", "execv", "execvp", "execve", "execl", "execlp", "posix_spawn"})
"""Words by which a program starts another, which may run a file that it names."""
REFLECTIVE = RUNS_DATA | {
    *("globals", "locals", "vars", "setattr", "delattr", "reload", "run_module", "builtins", "ctypes", "get_objects"),
    *("get_referrers", "meta_path", "path_hooks", "path_importer_cache", "_getframe", "currentframe", "settrace"),
    *("setprofile", "attrgetter", "methodcaller", "functiontype", "codetype", "code", "codeop", "imp", "pkgutil"),
    *("gi_frame", "cr_frame", "ag_frame", "tb_frame", "f_back", "f_globals", "f_locals", "f_builtins", "co_consts"),
    *("module_from_spec", "sourcefileloader", "monkeypatch", "timeit", "cprofile", "profile", "pdb", "bdb", "doctest"),
    *("mock", "environ", "putenv"),
}
"""Words by which Python reaches a name that is not written there, or runs text."""


def folded(text: str) -> str:
    """One spelling of what Python takes for the same identifier, and of what differs in case alone."""
    return text.casefold() if text.isascii() else unicodedata.normalize("NFKC", text).casefold()


def words_of(text: str) -> Names:
    """Every word of a text, folded."""
    return frozenset(_WORD.findall(folded(text)))


class LimitNames:
    """Decides whether a folded word is the name of a limit.

    Args:
        declared: Globs (`*`, `?`) of names that are limits in files of every class; case does not matter.
    """

    def __init__(self, declared: Sequence[str] = ()) -> None:
        """Compile the globs."""
        parts = [re.escape(folded(glob)).replace(r"\*", r"\w*").replace(r"\?", r"\w") for glob in declared]
        self._declared = re.compile("|".join(parts)) if parts else None

    def among(self, words: Iterable[str], *, usual: bool) -> Names:
        """Those of the words that are limits.

        Args:
            words: Folded words.
            usual: Whether names that are usual for limits count, beside the declared ones. In a file of
                hyperparameters they do not: there `max_calls` is what the search is for.
        """
        return frozenset(
            word
            for word in words
            if (self._declared is not None and self._declared.fullmatch(word))
            or (usual and _PLAIN.fullmatch(word) is not None)
        )
