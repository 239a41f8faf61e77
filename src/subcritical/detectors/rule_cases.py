"""Cases beside rules: what each rule must and must not match, and whether every clause of it matters.

`NAME.cases.yml` beside `NAME.yml` is a list of cases. A case is one act (`run`: a command line; `write`: path, text,
old; `delete`: a path), the rules it must match (`expect`, empty for a near miss) and, where an operator asked for it,
what was said (`said`): then the finding must be `authorised`.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib.resources.abc import Traversable
from typing import Any

import msgspec
import yaml

from subcritical.detectors._acts import Act, acts_of
from subcritical.detectors._operators import asks
from subcritical.detectors._rule_based import fields_of, packaged_folder
from subcritical.detectors._sigma import Rule, clauses, compile_rule
from subcritical.errors import ConfigError
from subcritical.schema import Event, ToolCall

__all__ = ["Case", "RuleFile", "packaged_folder", "problems_of", "rule_files"]

_FEWEST = 2


class Case(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One case."""

    expect: tuple[str, ...] = ()
    run: str = ""
    write: dict[str, str] = {}
    delete: str = ""
    said: str = ""

    def acts(self) -> list[Act]:
        """What is done in it."""
        if self.run:
            call = ToolCall(tool="bash", arguments=msgspec.json.encode({"command": self.run}).decode())
        elif self.write:
            call = ToolCall(tool="edit", arguments=msgspec.json.encode(_as_arguments(self.write)).decode())
        else:
            call = ToolCall(tool="delete_file", arguments=msgspec.json.encode({"path": self.delete}).decode())
        return acts_of(Event(seq=1, time_ns=0, run="case", producer="case", generation=0, data=call))

    def named(self) -> str:
        """The case in one line."""
        return self.run or self.delete or f"write {self.write.get('path')}"


class RuleFile(msgspec.Struct, frozen=True):
    """One file of rules with its cases."""

    name: str
    sources: tuple[dict[str, Any], ...]
    cases: tuple[Case, ...]

    @property
    def rules(self) -> list[Rule]:
        """Its rules."""
        return [compile_rule(source, where=self.name) for source in self.sources]


def rule_files(folder: Traversable | None = None) -> list[RuleFile]:
    """The files of a folder, or those that come with the package.

    Raises:
        ConfigError: One of them is no rule file, or its cases are none.
    """
    folder = packaged_folder() if folder is None else folder
    entries = {entry.name: entry for entry in folder.iterdir() if entry.name.endswith(".yml")}
    return [_read(name, entries) for name in sorted(entries) if not name.endswith(".cases.yml")]


def _read(name: str, entries: Mapping[str, Traversable]) -> RuleFile:
    try:
        sources = tuple(yaml.safe_load_all(entries[name].read_text(encoding="utf-8")))
        beside = entries.get(f"{name.removesuffix('.yml')}.cases.yml")
        told = yaml.safe_load(beside.read_text(encoding="utf-8")) if beside else []
        return RuleFile(name, sources, msgspec.convert(told, tuple[Case, ...]))
    except (yaml.YAMLError, UnicodeDecodeError, msgspec.ValidationError) as error:
        raise ConfigError(f"not a file of rules and cases: {error}", path=name) from None


def problems_of(file: RuleFile) -> list[str]:
    """What is wrong with a file's rules by its own cases; empty where nothing is."""
    found: list[str] = []
    for source, rule in zip(file.sources, file.rules, strict=True):
        wrong = [case for case in file.cases if _matches(rule, case) is not (rule.id in case.expect)]
        found += [f"{rule.id}: {'misses' if rule.id in case.expect else 'matches'} {case.named()!r}" for case in wrong]
        must = [case for case in file.cases if rule.id in case.expect]
        near = [case for case in file.cases if not case.expect]
        if min(len(must), len(near)) < _FEWEST:
            found.append(f"{rule.id}: fewer than {_FEWEST} cases that it must match, or that are near misses")
        for case in must:
            explained = rule.authorised_by is not None and asks([case.said], rule.authorised_by)
            if explained is not bool(case.said):
                what = "is not explained by" if case.said else "is explained by nothing said in"
                found.append(f"{rule.id}: {what} {case.said or case.named()!r}")
        found += [f"{rule.id}: {clause} could be left out" for clause in clauses(source) if _dead(source, clause, file)]
    return found


def _matches(rule: Rule, case: Case) -> bool:
    return any(rule.test(fields_of(act)) for act in case.acts())


def _dead(source: Mapping[str, Any], clause: str, file: RuleFile) -> bool:
    """Whether no case tells the rule from one in which the clause always, or never, holds."""
    for holds in (True, False):
        changed = compile_rule(source, where=file.name, fixed=(clause, holds))
        if all(_matches(changed, case) is (changed.id in case.expect) for case in file.cases):
            return True
    return False


def _as_arguments(write: Mapping[str, str]) -> dict[str, str]:
    old = {"old_string": write["old"]} if "old" in write else {}
    return {"path": write["path"], "content": write.get("text", ""), **old}
