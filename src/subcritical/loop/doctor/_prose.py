"""What instructions for a language model say may be edited, and which commands they and shell scripts run.

Only words about acts count (edit, record, read-only), and the files that exist in the tree.
"""

from __future__ import annotations

import ast
import posixpath
import re
from itertools import pairwise, takewhile

from subcritical.loop.doctor._facts import SECRET, Fact, Spawn
from subcritical.loop.doctor._program import Program
from subcritical.loop.doctor._spawns import split_command
from subcritical.loop.doctor.records import Place

_EDIT = re.compile(r"(?i)\b(modif(y|ies)|edit|editable|change|rewrite|improve|evolve|mutate|tune|hack|update)\b")
_FORBID = re.compile(r"(?i)(\bnot\b|n't\b|\bnever\b|read-only|\bcannot\b|\bforbidden\b|\bwithout (changing|editing)\b)")
_FORBIDS_IT = re.compile(
    r"(?i)(\bread-only\b|\b(do not|don't|never|must not|cannot) (modify|edit|change|touch|alter)\b)"
)
_RECORD = re.compile(
    r"(?i)\b(record|log|append|write|report|save|store|add)\b.*?\b(result|score|metric|val|loss|accuracy|tsv|csv|row|it)\b"
)
_NO_RECORD = re.compile(
    r"(?i)\b(do not|don't|never|must not|cannot) (record|log|append|write|report|save|store|add|edit|touch)"
)
_SENTENCE_END = re.compile(r"(?<=[.;:!])\s")
_POINTS_BACK = re.compile(r"(?i)\b(it|this|that|them|these|those)\b")
_NAME = re.compile(r"[\w./-]+\.[A-Za-z]{1,6}\b")
_PROSE = (".md", ".txt", ".rst", ".mdc")
_SHELL = (".sh", ".bash", ".zsh", ".mk", ".just")
_READS = frozenset(["grep", "egrep", "rg", "awk", "jq", "tail", "head", "cat", "cut", "sed"])
AGENTS = frozenset(
    [
        "claude",
        "codex",
        "aider",
        "opencode",
        "gemini",
        "goose",
        "cursor-agent",
        "amp",
        "qwen",
        "sweagent",
        "openhands",
        "llm",
        "crush",
    ]
)
"""Command lines of agents: names by which other people's programs are called."""
_MAX_LINES = 5_000
_LONG_TEXT = 60
_LONG_NAME = 120


class Prose:
    """Statements of instruction files.

    Attributes:
        editable: Files of the tree that the guest is told to change, and where it says so.
        forbidden: Files that it is told not to change: a norm, not a boundary.
        records: Result files that the guest is told to write itself.
        files: Instruction files that say any of this.
    """

    def __init__(self, program: Program) -> None:
        """Read all prose of the tree, and long texts in the source."""
        self.editable: dict[str, Place] = {}
        self.forbidden: dict[str, Place] = {}
        self.records: dict[str, Place] = {}
        self.files: set[str] = set()
        for path, text in program.tree.files.items():
            if path.endswith(_PROSE):
                self._text(program, path, 1, text)
        for module in program.modules.values():
            for node in module.nodes:
                if not isinstance(node, ast.Constant) or isinstance(module.parents.get(node), ast.Expr):
                    continue  # a docstring instructs nobody
                if isinstance(node.value, str) and len(node.value) > _LONG_TEXT:
                    self._text(program, module.path, node.lineno, node.value)
        for spawn in program.spawns:
            words = spawn.command()
            if words and words[0] in AGENTS:
                where = program.cwd(spawn)[0] if spawn.cwd else None
                told = " ".join(w for w in words[1:] if not w.startswith("-"))
                self._text(program, spawn.module, spawn.line, told, where)

    def _text(self, program: Program, path: str, first: int, text: str, where: str | None = None) -> None:
        for number, line in enumerate(text.split("\n")[:_MAX_LINES], start=first):
            for names, context in _statements(line[:400]):
                self._sentence(program, Place(path, number, " ".join(context.split())[:120]), context, names, where)

    def _sentence(self, program: Program, place: Place, sentence: str, names: list[str], where: str | None) -> None:
        for name in names:
            known = self._known(program, place.file, name, where)
            if known is not None and _FORBID.search(sentence) and (_EDIT.search(sentence) or "read-only" in sentence):
                self.forbidden.setdefault(known, place)
            elif (
                known is not None
                and _EDIT.search(sentence)
                and known.endswith((".py", ".sh", ".json", ".yaml", ".txt"))
            ):
                self.editable.setdefault(known, place)
            elif (
                name.endswith((".tsv", ".csv", ".json", ".jsonl"))
                and _RECORD.search(sentence)
                and not _NO_RECORD.search(sentence)
            ):
                self.records.setdefault(name, place)
            else:
                continue
            self.files.add(place.file)

    @staticmethod
    def _known(program: Program, path: str, name: str, where: str | None) -> str | None:
        folder = posixpath.dirname(path) if where is None else where
        for candidate in (posixpath.normpath(posixpath.join(folder, name)), posixpath.normpath(name)):
            if candidate in program.tree.names and candidate != path:
                return candidate
        return None


def _statements(line: str) -> list[tuple[list[str], str]]:
    """Each sentence that names files, with what the sentences beside it that name none say about them."""
    sentences = [(s, [n for n in _NAME.findall(s) if len(n) < _LONG_NAME]) for s in _SENTENCE_END.split(line)]
    found = []
    for position, (sentence, names) in enumerate(sentences):
        if not names:
            continue
        after = " ".join(s for s, _ in takewhile(lambda pair: not pair[1], sentences[position + 1 :]))
        before = "" if any(named for _, named in sentences[:position]) else " ".join(s for s, _ in sentences[:position])
        said = _FORBIDS_IT.search(sentence) or _EDIT.search(sentence)
        if said and not (_FORBIDS_IT.search(after) and _POINTS_BACK.search(after)):
            found.append((names, sentence))
        else:
            found.append((names, f"{before} {sentence} {after}".strip()))
    return found


def shell_facts(program: Program) -> list[Fact]:
    """Commands of shell scripts, Makefiles and of code blocks in instructions, as facts."""
    found: list[Fact] = []
    for path, text in program.tree.files.items():
        script = path.endswith(_SHELL) or posixpath.basename(path).lower() in {"makefile", "gnumakefile", "justfile"}
        script = script or (text.startswith("#!") and "sh" in text.split("\n", 1)[0] and path not in program.modules)
        prose = path.endswith(_PROSE)
        if script or prose:
            found.extend(_lines(path, text, prose=prose))
    return found


def _lines(path: str, text: str, *, prose: bool) -> list[Fact]:
    found: list[Fact] = []
    limited = "ulimit" in text
    for number, line in enumerate(text.split("\n")[:_MAX_LINES], start=1):
        commands = re.findall(r"`([^`]{3,300})`", line) if prose else [line[:600]]
        for command in commands:
            if not command.lstrip().startswith("#"):
                found.extend(_command(path, number, command, limited=limited))
    return found


def _command(path: str, number: int, command: str, *, limited: bool) -> list[Fact]:
    found: list[Fact] = []
    plain = re.sub(r"\$\(|\)|`", " ; ", command)
    for part in re.split(r"&&|\|\||;|\||\bthen\b|\bdo\b|\bif\b", plain):
        found += [
            Fact(kind="write", module=path, line=number, paths=(_variable(target),), detail="redirect")
            for target in re.findall(r"(?<![0-9&])>{1,2}\s*([\w./$\{\}-]+)", part)
        ]
        words = [w for (w,) in split_command(re.sub(r"[0-9&]?>{1,2}\s*\S+", " ", part))]
        words = [w for w in words if not re.fullmatch(r"[A-Za-z_]\w*=.*|[@-]", w)]
        if not words:
            continue
        program = posixpath.basename(words[0].lstrip("@-"))
        if program in _READS:
            files = [w for w in words[1:] if _NAME.fullmatch(w) and not w.startswith("-")]
            if files:
                found.append(Fact(kind="read", module=path, line=number, paths=(files[-1],), detail=program))
        elif re.fullmatch(
            r"python[0-9.]*|uv|claude|codex|aider|opencode|gemini|goose|docker|podman|timeout|pytest|git|bash|sh|torchrun|bwrap|make|env",
            program,
        ):
            spawn = Spawn(
                kind="spawn",
                module=path,
                line=number,
                detail="shell",
                argv=[(_variable(w),) for w in words],
                env="cleared" if words[:2] == ["env", "-i"] else "inherited",
                env_why="a shell passes its environment on",
                limited=limited or program == "timeout",
            )
            if spawn.command()[0] in {"docker", "podman"}:
                secret = any(f in {"-e", "--env"} and SECRET.search(v) for f, v in pairwise(words))
                spawn.env = "keys" if secret or "--env-file" in words else "cleared"
                spawn.env_why = "a key is passed into the container"
            found.append(spawn)
    return found


def _variable(word: str) -> str:
    return re.sub(r"\$\{?(\w+)\}?", r"<variable:\1>", word)
