"""`rules`: what the content rules are, and whether they keep what their cases promise."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from subcritical.detectors.rule_cases import RuleFile, problems_of, rule_files
from subcritical.errors import InputError


class Tried(msgspec.Struct, frozen=True):
    """One file: its rules, how many cases were tried, and what is wrong."""

    file: str
    rules: tuple[str, ...]
    cases: int
    problems: tuple[str, ...]


def find_rules(folder: Path | None) -> list[RuleFile]:
    """The rule files of a folder, or those that come with the package.

    Raises:
        InputError: The folder is missing, or holds no rules.
        ConfigError: A file is no rule file.
    """
    if folder is not None and not folder.is_dir():
        raise InputError(f"{folder} is not a folder; name the one that holds your rules (*.yml)")
    found = rule_files(folder)
    if not found:
        raise InputError(f"{folder} holds no rules: a rule file ends in .yml")
    return found


def list_rules(folder: Path | None) -> list[dict[str, Any]]:
    """Every rule as plain data."""
    return [
        {
            "id": rule.id,
            "title": rule.title,
            "detector": rule.detector,
            "technique": rule.technique,
            "level": str(rule.level),
            "file": file.name,
        }
        for file in find_rules(folder)
        for rule in file.rules
    ]


def try_rules(folder: Path | None) -> list[Tried]:
    """Try every rule on the cases beside it, and every clause of it."""
    return [
        Tried(file.name, tuple(rule.id for rule in file.rules), len(file.cases), tuple(problems_of(file)))
        for file in find_rules(folder)
    ]
