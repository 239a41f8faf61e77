"""Every planted tree: the hole is named with file and line; closed, it is gone; renamed and moved, the answer follows."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from subcritical.loop.doctor import Diagnosis, examine

TREES = sorted((Path(__file__).parent / "trees").glob("*.tree"))
MARK = re.compile(r"#\s*HOLE ([a-z-]+)(?: (-?\d+))?")


def unpack(bundle: Path, variant: str) -> dict[str, str]:
    files: dict[str, list[str]] = {}
    current: list[str] | None = None
    for line in bundle.read_text().splitlines():
        match = re.fullmatch(r"--- (open|closed|both): (.+)", line)
        if match:
            current = files.setdefault(match.group(2), []) if match.group(1) in {variant, "both"} else None
        elif current is not None:
            current.append(line)
    return {path: "\n".join(lines) + "\n" for path, lines in files.items()}


def marks(files: dict[str, str]) -> set[tuple[str, str, int]]:
    found = set()
    for path, text in files.items():
        for number, line in enumerate(text.split("\n"), start=1):
            for match in MARK.finditer(line):
                found.add((match.group(1), path, number + int(match.group(2) or 0)))
    return found


def planted(bundle: Path) -> set[tuple[str, str, int]]:
    found = marks(unpack(bundle, "open"))
    # A steering file cannot carry a comment: it is planted by being there.
    if bundle.stem == "hooks_in_workspace":
        found = {("settings-in-workspace", "plot/.claude/settings.json", 1)}
    return found


def write(files: dict[str, str], folder: Path) -> Path:
    for path, text in files.items():
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(MARK.sub("#", text))
    return folder


def keys(diagnosis: Diagnosis) -> set[tuple[str, str, int]]:
    return {(h.id, h.file, h.line) for h in diagnosis.holes}


@pytest.mark.parametrize("bundle", TREES, ids=lambda b: b.stem)
def test_planted_hole_is_named_with_file_and_line(bundle: Path, tmp_path: Path) -> None:
    wanted = planted(bundle)
    assert wanted, "the bundle plants nothing"
    diagnosis = examine(write(unpack(bundle, "open"), tmp_path))
    assert wanted <= keys(diagnosis), [f"{h.id} {h.file}:{h.line}" for h in diagnosis.holes]


@pytest.mark.parametrize("bundle", TREES, ids=lambda b: b.stem)
def test_closed_hole_is_gone(bundle: Path, tmp_path: Path) -> None:
    kinds = {kind for kind, _, _ in planted(bundle)}
    diagnosis = examine(write(unpack(bundle, "closed"), tmp_path))
    left = [f"{h.id} {h.file}:{h.line} {h.why}" for h in diagnosis.holes if h.id in kinds]
    assert not left


def renamed(files: dict[str, str], prefix: str) -> tuple[dict[str, str], dict[str, str]]:
    """The same program under other names: files, folders, functions, result files; all moved one folder down."""
    words = new_words(files, prefix)
    pattern = re.compile(r"(?<![\w-])(" + "|".join(sorted(map(re.escape, words), key=len, reverse=True)) + r")\b(?!=)")

    def change(text: str) -> str:
        return pattern.sub(lambda m: words[m.group(1)], text)

    paths = {p: "/".join(q if q.startswith(".") else change(q) for q in p.split("/")) for p in files}
    return {paths[path]: change(text) for path, text in files.items()}, paths


def new_words(files: dict[str, str], prefix: str) -> dict[str, str]:
    words: dict[str, str] = {}
    fixed = {
        "Makefile",
        "run",
        "__init__",
        "README",
        "instructions",
        "conftest",
        "settings",
        "claude",
        "test_lib",
        "lib",
    }
    for path in files:
        for part in path.split("/"):
            stem = part.split(".")[0]
            if stem and stem not in fixed and not part.startswith("."):
                words.setdefault(stem, f"{prefix}{len(words)}q")
    for text in files.values():
        for name in re.findall(r"^\s*def (\w+)\(", text, re.MULTILINE):
            if not name.startswith("test") and name not in fixed:
                words.setdefault(name, f"{prefix}fn{len(words)}")
        for name in re.findall(r"\b([a-z]\w+)\.(?:jsonl?|tsv|npy|out)\b", text):
            if name not in fixed:
                words.setdefault(name, f"{prefix}{len(words)}d")
    return words


@pytest.mark.parametrize("prefix", ["zebra", "kiwi"])
@pytest.mark.parametrize("bundle", TREES, ids=lambda b: b.stem)
def test_answer_follows_renamed_files_and_functions(bundle: Path, prefix: str, tmp_path: Path) -> None:
    files = unpack(bundle, "open")
    moved, paths = renamed(files, prefix)
    diagnosis = examine(write(moved, tmp_path))
    wanted = {(kind, paths[path], line) for kind, path, line in planted(bundle)}
    assert wanted <= keys(diagnosis), [f"{h.id} {h.file}:{h.line}" for h in diagnosis.holes]
