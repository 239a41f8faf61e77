"""Which words of a command name what it may change. By the program's name; strict where the name says nothing."""

from __future__ import annotations

import os
import posixpath
import shlex
from pathlib import Path

import msgspec

from subcritical.detectors import Act


def _set(text: str) -> frozenset[str]:
    return frozenset(text.split())


_READS = _set(
    "ls cat head tail less more grep egrep fgrep rg ag wc echo printf pwd stat file du df diff cmp uniq cut tr nl "
    "which type true false test [ date whoami id uname hostname env printenv basename dirname realpath readlink "
    "tree export md5sum sha256sum sha1sum jq column cd pushd popd sleep read set ps kill wait source . : for case "
    "xxd strings"
)
"""Programs that write nothing but what they are redirected to."""
_GIT_READS = _set("status log diff show blame rev-parse ls-files grep describe add commit push fetch")
_RUNS = _set(
    "python python3 pytest node npm npx yarn pnpm bash sh zsh dash uv poetry make cargo go ruff mypy pip pip3 tox "
    "java gcc g++ cc clang rustc deno bun ruby conda torchrun accelerate jupyter"
)
"""Programs that are given files to run or to read; what they do with others cannot be read from their words."""
_COPIES = _set("cp mv install ln rsync scp")
_SURE = _set("rm dd tee truncate sed perl chmod chown chattr touch patch shred unlink rmdir mkdir")
"""Programs that change what they are given."""
_FIND_ACTS = ("-delete", "-exec", "-execdir", "-ok", "-fprint", "-fls")


class Word(msgspec.Struct, frozen=True):
    """A word that may name what a command changes. `sure`: its program changes what it is given."""

    text: str
    sure: bool = True


def changed_by(act: Act, cwd: Path) -> list[Word]:
    """Words of a `run` act."""
    words = _split(act.arguments)
    operands = [word for word in words if not word.startswith("-")]
    if act.program in _COPIES:
        return _copied(_target_last(words), cwd, moves=act.program == "mv")
    if act.program in _RUNS or _only_reads(act.program, words):
        return []
    if "xargs" in act.via:
        operands.append("*")  # what it is given stands nowhere
    valued = [word.split("=", 1)[1] for word in words if "=" in word]
    return [Word(word, act.program in _SURE or act.program == "git") for word in (*operands, *valued) if word]


def unclear(act: Act) -> bool:
    """Whether a command may do what its words do not say."""
    known = act.program in _COPIES or act.program in _SURE or _only_reads(act.program, _split(act.arguments))
    return act.kind == "run" and not known


def moves_about(act: Act) -> bool:
    """Whether relative paths after it, or in it, may begin somewhere else."""
    return act.kind == "run" and (
        act.program in {"cd", "pushd", "find", "xargs"} or "-C" in act.options or "xargs" in act.via
    )


def _only_reads(program: str, words: list[str]) -> bool:
    if program == "find":
        return not any(word.startswith(_FIND_ACTS) and not _starts_a_reader(words, at) for at, word in enumerate(words))
    if program in {"sed", "perl"}:
        return not any(word.startswith(("-i", "--in-place", "-pi", "-ni")) for word in words)
    if program == "sort":
        return not any(word.startswith(("-o", "--output")) for word in words)
    if program == "git":
        return next((word for word in words if not word.startswith("-")), "") in _GIT_READS
    return program in _READS


def _starts_a_reader(words: list[str], at: int) -> bool:
    """Whether `find ... -exec PROGRAM` names, at `at`, a program that only reads."""
    return words[at].startswith(("-exec", "-ok")) and at + 1 < len(words) and words[at + 1] in _READS


def _target_last(words: list[str]) -> list[str]:
    """Operands of a copy, its target at the end also where an option names it."""
    operands, target = list[str](), list[str]()
    for before, word in zip(["", *words], words, strict=False):
        if before in {"-t", "--target-directory"}:
            target.append(word)
        elif word.startswith("--target-directory="):
            target.append(word.partition("=")[2])
        elif not word.startswith("-"):
            operands.append(word)
    return [*operands, *target]


def _copied(operands: list[str], cwd: Path, *, moves: bool) -> list[Word]:
    """Where copies go, name by name; a folder that is copied may put anything below its target."""
    if len(operands) < 2:  # noqa: PLR2004 - a source and a target
        return [Word(word) for word in operands]
    *sources, target = operands
    found = [Word(source) for source in sources] if moves else []
    folder = (cwd / target).is_dir()
    for source in sources:
        if folder and not (cwd / source).is_dir():
            found.append(Word(posixpath.join(target, posixpath.basename(source))))
        else:
            found.append(Word(target))
    return found


def _split(arguments: str) -> list[str]:
    """Words as they were joined; quotes that were part of a word are only parted where they pair."""
    try:
        return [*arguments.split(), *(word for word in shlex.split(arguments) if " " in word and os.sep in word)]
    except ValueError:
        return arguments.split()
