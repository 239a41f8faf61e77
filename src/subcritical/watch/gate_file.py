"""The gate file: what is what in an agent's project, and what happens there."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec

from subcritical.gateway import PathRule
from subcritical.schema import Artifact, Order, Severity
from subcritical.tripwires import Trigger, Tripwire, check_tripwires
from subcritical.yaml_source import read

Text = Annotated[str, msgspec.Meta(min_length=1, max_length=400)]


class GateRule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the paths that match are; first match wins."""

    path: Text
    artifact: Artifact = msgspec.field(name="is")


class GateFile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The whole file.

    Attributes:
        system: Name of the agent.
        root: Its project; relative to this file, which must lie outside it.
        artifacts: Globs below `root`. What nothing matches is `other`.
        other: Class of every other path below `root`.
        elsewhere: Globs of absolute paths outside `root` that may be written; others are denied.
        mode: `enforce`; `warn` and `monitor` let pass what the policy refuses, and record it.
        unclear: Commands whose effect cannot be read from their text (a program, an interpreter).
        tripwires: As in a loop file.
    """

    system: Text
    root: Text
    artifacts: tuple[GateRule, ...]
    other: Artifact = Artifact.CODE
    elsewhere: tuple[Text, ...] = ("/tmp/**",)  # noqa: S108 - what agents use as their scratch space
    mode: Literal["enforce", "warn", "monitor"] = "enforce"
    unclear: Literal["approve", "reject"] = "approve"
    tripwires: tuple[Tripwire, ...] = (Tripwire(on=Trigger(severity=Severity.CRITICAL), action=Order.PAUSE),)
    detectors: dict[str, dict[str, Any]] = {}


class GateSettings(msgspec.Struct, frozen=True, kw_only=True):
    """A gate file and the places it means."""

    file: GateFile
    path: Path
    root: Path
    rules: tuple[PathRule, ...]


def load_gate(path: Path) -> GateSettings:
    """Read, validate and cross-check a gate file.

    Raises:
        ConfigError: With file and line; nothing was started.
    """
    source = read(path)
    file = source.convert(GateFile)
    root = (path.resolve().parent / file.root).resolve()
    if not root.is_dir():
        raise source.error(f"root: `{file.root}` is not a directory", ("root",))
    if path.resolve().is_relative_to(root):
        raise source.error("the gate file lies inside `root`, where the agent can write it; move it out", ("root",))
    check_tripwires(source, file.tripwires)
    rules = tuple(PathRule(rule.path, rule.artifact) for rule in file.artifacts)
    return GateSettings(file=file, path=path, root=root, rules=(*rules, PathRule("**", file.other)))
