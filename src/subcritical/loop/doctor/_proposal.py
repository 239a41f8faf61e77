"""A loop file that would close the holes, from the roles that were found."""

from __future__ import annotations

import json
import posixpath

import msgspec

from subcritical.loop.doctor._cast import Cast
from subcritical.loop.doctor._program import Program, inside
from subcritical.loop.doctor.records import Role


class Proposal(msgspec.Struct, frozen=True, kw_only=True):
    """YAML, what it takes as the workspace, and what a person must still do."""

    text: str
    workspace: str
    notes: tuple[str, ...]


def propose(program: Program, cast: Cast, roles: tuple[Role, ...], name: str) -> Proposal:
    """Write the loop file of `docs/how-to/doctor.md` for this project."""
    workspace = _workspace(program, cast)
    place = "workspace" if workspace == "." else workspace
    by_role: dict[str, list[str]] = {}
    for role in roles:
        by_role.setdefault(role.role, []).append(role.path)
    evaluator = _evaluator(by_role, cast, program)
    edited = sorted(p for p in cast.candidates if p in program.tree.names and inside(workspace, p))
    notes = _notes(evaluator, by_role, workspace, [*edited, *by_role.get("agent", [])])
    lines = [
        "# yaml-language-server: $schema=./subcritical.schema.json",
        "# Proposed by `subcritical doctor`; it lies beside the examined files.",
        f"system: {_quoted(name or 'system')}",
        *_guest(by_role, workspace),
        f"workspace: {_quoted(place)}",
        "artifacts:                       # first match wins; what nothing matches is denied",
        *_artifacts(program, edited, by_role, workspace, evaluator),
        "evaluate:",
        f"  run: {_quoted(_relative(workspace, evaluator))}",
        "  isolation: split               # the candidate never shares the evaluator's interpreter",
        "  public: data/public.npz        # to be made: what selection sees",
        "  held_out: data/held_out.npz    # to be made: what nobody selects on",
        f"  module: {_quoted(_module(by_role))}",
        "  repeats: 3",
        "  timeout: 60s",
        "limits: {generations: 100, evaluations: 1000, wall: 2h, memory: 2GiB, processes: 64, disk: 256MiB}",
        "# the network stays closed unless `limits: {network: {socket: PATH}}` grants one Unix socket",
        "containment: {minimum: R2}",
        "oversight: {review_cycle: 1d}",
        "tripwires:",
        "  - {on: {technique: RSI-T0300}, action: pause}",
        "  - {on: {severity: critical}, action: pause}",
        "  - {on: {silence: 60s}, action: stop}",
    ]
    return Proposal(text="\n".join(lines) + "\n", workspace=place, notes=notes)


def _workspace(program: Program, cast: Cast) -> str:
    """The folder with the most of the candidates that exist; the examined directory where there is none."""
    counts: dict[str, int] = {}
    for path in cast.candidates:
        if path in program.tree.names:
            folder = posixpath.dirname(path) or "."
            counts[folder] = counts.get(folder, 0) + 1
    if counts:
        best = max(sorted(counts), key=lambda f: counts[f])
        wider = [f for f in cast.certain if inside(f, best) and f in program.tree.folders]
        return min(wider, key=len) if wider else best
    known = [f for f in cast.certain if f in program.tree.folders]
    return known[0] if known else "."


def _guest(by_role: dict[str, list[str]], workspace: str) -> list[str]:
    agents = by_role.get("agent", [])
    program = _relative(workspace, agents[0]) if agents else "agent.py"
    command = ["sh", program] if program.endswith(".sh") else ["python", program]
    return [f"guest: {{kind: command, run: {json.dumps(command)}, mode: generation}}"]


def _artifacts(
    program: Program, edited: list[str], by_role: dict[str, list[str]], workspace: str, evaluator: str
) -> list[str]:
    """Protected classes first, since the first match wins; then what may change."""
    rows: list[tuple[str, str]] = [(evaluator, "evaluator")]
    classes = {"evaluator": "evaluator", "data": "evaluator", "harness": "monitor", "guard": "policy"}
    for role, kind in classes.items():
        rows += [(path, kind) for path in by_role.get(role, []) if inside(workspace, path)]
    rows += [(p, "policy") for p in _hidden(program, workspace)]
    rows += [(p, "code") for p in edited] or [("solution.py", "code")]
    shown: dict[str, str] = {}
    for path, kind in rows:
        shown.setdefault(_relative(workspace, path), kind)
    return [f"  - {{path: {_quoted(path)}, is: {kind}}}" for path, kind in shown.items()]


def _hidden(program: Program, workspace: str) -> list[str]:
    """Settings of other tools, and tests, within the workspace."""
    return [p for p in sorted(program.tree.names) if inside(workspace, p) and _steers(_relative(workspace, p))][:40]


def _steers(path: str) -> bool:
    return posixpath.basename(path) == "conftest.py" or "/." in f"/{path}"


def _evaluator(by_role: dict[str, list[str]], cast: Cast, program: Program) -> str:
    scorers = [p for p in by_role.get("evaluator", []) if p.endswith(".py")]
    verdicts = [v.module.path for v in cast.verdicts]
    for path in [*verdicts, *scorers]:
        if path in program.modules:
            return path
    return "evaluate.py"


def _module(by_role: dict[str, list[str]]) -> str:
    names = [p for p in by_role.get("candidate", []) if p.endswith(".py")]
    return posixpath.splitext(posixpath.basename(names[0]))[0] if names else "solution"


def _notes(evaluator: str, by_role: dict[str, list[str]], workspace: str, moved: list[str]) -> tuple[str, ...]:
    notes = [
        f"`{evaluator}` must offer `evaluate(candidate, data)`, which calls the candidate and returns metrics.",
        "Split the evaluation data into `data/public.npz` and `data/held_out.npz`, outside the workspace.",
    ]
    if not by_role.get("agent"):
        notes.append(
            "No program that proposes changes was found: name it in `guest: {run: [...]}`, or use a built-in guest."
        )
    if workspace == ".":
        what = ", ".join(f"`{p}`" for p in moved[:10]) or "what the guest edits"
        notes.append(f"The guest edits the project's own directory: move {what}, and nothing else, into `workspace/`.")
    return tuple(notes)


def _relative(workspace: str, path: str) -> str:
    return posixpath.relpath(path, workspace) if workspace != "." and inside(workspace, path) else path


def _quoted(text: str) -> str:
    """A YAML scalar that cannot become anything else: JSON text is YAML text."""
    return json.dumps(text)
