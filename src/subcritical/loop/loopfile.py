"""The loop file: one YAML file that says what may change, what judges it, and where it must stop.

Every key here is built, and an unknown one is refused: a limit that is read and not enforced is worse than none.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec

from subcritical.loop.fitness import SEE_HELD_OUT
from subcritical.schema import Artifact, Direction, Order, Severity
from subcritical.tripwires import Trigger, Tripwire, check_tripwires
from subcritical.yaml_source import Duration, Size, Source, read

Count = Annotated[int, msgspec.Meta(ge=1)]
Name = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]


class _Part(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A section of the loop file."""


class Guest(_Part, frozen=True, kw_only=True):
    """Which program improves itself, and how it is driven.

    `command` runs your program; `evolve`, `tune` and `self_tuning` are built in. `mode: session` is one
    long-lived process that speaks the JSON-lines protocol; `mode: generation` starts it once per
    generation and takes what it left in its workspace.
    """

    kind: Literal["command", "evolve", "tune", "self_tuning"]
    run: tuple[str, ...] = ()
    mode: Literal["session", "generation"] = "session"
    seed: int = 0
    arguments: tuple[str, ...] = ()
    env: dict[str, str] = {}


class ArtifactRule(_Part, frozen=True, kw_only=True):
    """What the paths that match are. First match wins; a path that nothing matches is denied.

    `approvals`: distinct owners who must approve a change, whatever the policy asks for.
    """

    path: Name
    artifact: Artifact = msgspec.field(name="is")
    approvals: Annotated[int, msgspec.Meta(ge=0, le=100)] = 0


class Training(_Part, frozen=True, kw_only=True):
    """Arrays of the public split by which a guest's choice of training data can be audited.

    `weights` is the workspace file (JSON object: subset -> weight >= 0) by which the guest chooses;
    the others name arrays: training items (rows), the subset of each item, and the evaluation items.
    """

    weights: Name
    items: Name
    subset: Name
    evaluation_items: Name


class Evaluate(_Part, frozen=True, kw_only=True):
    """What judges a version. Paths are relative to the loop file; `bounds` are hard limits of a metric.

    `preload` names modules that a candidate's sandbox imports before the candidate's bytes arrive.
    """

    run: Name
    public: Name
    held_out: Name | None = None
    isolation: Literal["split", "shared"] = "split"
    module: Name = "solution"
    repeats: Count = 1
    timeout: Duration = "20s"
    preload: tuple[str, ...] = ("numpy",)
    primary: str | None = None
    direction: Direction | None = None
    bounds: dict[str, tuple[float | None, float | None]] = {}
    memory: Size = "1GiB"
    training: Training | None = None


class SocketOnly(_Part, frozen=True, kw_only=True):
    """The one host Unix socket a guest may reach."""

    socket: Name


class Limits(_Part, frozen=True, kw_only=True):
    """Where the run ends. They belong to the supervisor; a guest's copy of them changes nothing."""

    generations: Count = 100
    evaluations: Count = 10_000
    wall: Duration = "1h"
    cpu: Duration = "1h"
    memory: Size = "1GiB"
    processes: Count = 64
    disk: Size = "256MiB"
    inodes: Count = 10_000
    output: Size = "1MiB"
    proposal_timeout: Duration = "10m"
    network: Literal["none"] | SocketOnly = "none"


class Containment(_Part, frozen=True, kw_only=True):
    """Refuse to run below this rung, and, with `proof: required`, by a policy without a signed proof."""

    minimum: Literal["R1", "R2", "R3"] = "R2"
    proof: Literal["none", "required"] = "none"


class PolicyChoice(_Part, frozen=True, kw_only=True):
    """The policy of changes: the shipped one, or a file of yours, and whether it is enforced (docs/how-to/policy.md).

    `proof` is an attestation that `policy prove --attest` made; a principal signed it. `limit_names` are globs of names
    that are limits wherever an allowed file says them, beside those that are usual in code (docs/how-to/policy.md).
    """

    file: Name | None = None
    mode: Literal["enforce", "warn", "monitor"] = "enforce"
    proof: Name | None = None
    limit_names: tuple[Name, ...] = ()


class Oversight(_Part, frozen=True, kw_only=True):
    """How often a person is expected to look. `review: assumed` says that nobody will, and the report says so.

    `principals` is the file of people whose votes count, `owner` the owner of the system, who cannot approve its
    changes; a proposal that needs approvals waits `approvals_within` for them. `resume_by` people must sign an order
    that lets the system do more: resume, a wider throttle; with 2 or more, a review is signed, too. To hold takes one.
    """

    review: Literal["expected", "assumed"] = "expected"
    review_cycle: Duration | None = None
    review_generations: Count | None = None
    principals: Name | None = None
    owner: Name | None = None
    approvals_within: Duration = "1h"
    resume_by: Annotated[int, msgspec.Meta(ge=1, le=10)] = 1


class Keep(_Part, frozen=True, kw_only=True):
    """When a change that has been put in force is taken back by itself, to the version before it.

    `again`: it is evaluated once more on the public split and must be better again. `unless`: detectors whose finding
    of high severity or above about the change takes it back.
    """

    again: bool = False
    unless: tuple[Name, ...] = ()


class Weights(_Part, frozen=True, kw_only=True):
    """Where the bytes lie that a `*.ref.json` of class `weights` names: files named by their SHA-256."""

    store: Name


class Utility(_Part, frozen=True, kw_only=True):
    """Selection by the public score minus a tuned price for each flagged change (docs/explain/utility.md).

    Flagged is what the policy would have refused, where it is not enforced, and what `detectors` find. `budget`:
    tolerated share of proposals with an unauthorised change. `start`: the first price, in units of the score.
    """

    detectors: tuple[Name, ...] = ()
    budget: Annotated[float, msgspec.Meta(ge=0.0, lt=1.0)] = 0.02
    start: Annotated[float, msgspec.Meta(gt=0.0)] = 0.001
    miss_rate: Annotated[float, msgspec.Meta(ge=0.0, lt=1.0)] = 0.0
    false_alarm_rate: Annotated[float, msgspec.Meta(ge=0.0, lt=1.0)] = 0.0
    batch: Count = 10


DEFAULT_TRIPWIRES = (
    Tripwire(on=Trigger(severity=Severity.CRITICAL), action=Order.PAUSE),
    Tripwire(on=Trigger(silence="60s"), action=Order.STOP),
)


class Autonomy(_Part, frozen=True, kw_only=True):
    """How much the loop may do between two reviews, by what a scaling gate allows (docs/how-to/gate.md).

    `changes` says how many accepted self-changes between two reviews autonomy level 1, 2, ... of the gate is worth. The
    level in force is the highest that is allowed and not above `level`; it can fall and never rises by itself.
    """

    gate: Name
    evidence: Name
    subject: Name
    digest: Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{64}$", description="SHA-256 of the subject")]
    level: Count
    changes: Annotated[tuple[Count, ...], msgspec.Meta(min_length=1, max_length=100)]
    effective_compute: float | None = None
    signers: Name | None = None
    log: Name | None = None


class LoopFile(_Part, frozen=True, kw_only=True):
    """The whole loop file."""

    system: Name
    guest: Guest
    workspace: Name
    artifacts: tuple[ArtifactRule, ...]
    evaluate: Evaluate
    scratch: tuple[str, ...] = ("__pycache__/**", "**/__pycache__/**")
    limits: Limits = Limits()
    containment: Containment = Containment()
    oversight: Oversight = Oversight()
    policy: PolicyChoice = PolicyChoice()
    autonomy: Autonomy | None = None
    utility: Utility | None = None
    keep: Keep | None = None
    weights: Weights | None = None
    tripwires: tuple[Tripwire, ...] = DEFAULT_TRIPWIRES
    detectors: dict[str, dict[str, Any]] = {}


class Loop(msgspec.Struct, frozen=True, kw_only=True):
    """A loop file and where it lies: relative paths resolve against `directory`."""

    settings: LoopFile
    path: Path
    directory: Path

    def resolve(self, name: str) -> Path:
        """The path that `name` in the loop file means."""
        return (self.directory / name).resolve()


def load_loop(path: Path) -> Loop:
    """Read, validate and cross-check a loop file.

    Raises:
        ConfigError: With file and line; nothing was started.
    """
    source = read(path)
    settings = source.convert(LoopFile)
    loop = Loop(settings=settings, path=path, directory=path.resolve().parent)
    _check_paths(source, loop)
    _check_guest(source, settings)
    _check_people(source, loop)
    _check_selection(source, settings)
    check_tripwires(source, settings.tripwires)
    return loop


def loop_schema() -> dict[str, Any]:
    """JSON Schema of the loop file, for editors."""
    return msgspec.json.schema(LoopFile)


def _check_paths(source: Source, loop: Loop) -> None:
    settings = loop.settings
    if not loop.resolve(settings.workspace).is_dir():
        raise source.error(f"workspace `{settings.workspace}` is not a directory", ("workspace",))
    for field in ("run", "public", "held_out"):
        name = getattr(settings.evaluate, field)
        if name is None:
            continue
        inside = loop.resolve(settings.workspace) / name
        if not loop.resolve(name).is_file() and not (field == "run" and inside.is_file()):
            raise source.error(f"evaluate.{field}: no file `{name}` beside the loop file", ("evaluate", field))
    if settings.evaluate.held_out is not None:
        same = loop.resolve(settings.evaluate.public) == loop.resolve(settings.evaluate.held_out)
        if same:
            raise source.error("the held-out split is the public split", ("evaluate", "held_out"))
    weights = settings.weights
    if weights and not loop.resolve(weights.store).is_dir():
        raise source.error(
            f"weights.store: no directory `{weights.store}` beside the loop file; make it, or correct the name",
            ("weights", "store"),
        )
    _check_reach(source, loop)


def _check_reach(source: Source, loop: Loop) -> None:
    """Refuse data inside the workspace: the guest would be given the held-out split to read."""
    workspace = loop.resolve(loop.settings.workspace)
    if loop.settings.weights and loop.resolve(loop.settings.weights.store).is_relative_to(workspace):
        raise source.error("weights.store lies inside the workspace, which the guest writes", ("weights", "store"))
    for field in ("public", "held_out"):
        name = getattr(loop.settings.evaluate, field)
        if name is not None and loop.resolve(name).is_relative_to(workspace):
            raise source.error(
                f"evaluate.{field}: `{name}` lies inside the workspace, where the guest reads it; move it out",
                ("evaluate", field),
            )


def _check_guest(source: Source, settings: LoopFile) -> None:
    guest = settings.guest
    if guest.kind == "command" and not guest.run:
        raise source.error("a command guest needs `run: [program, argument, ...]`", ("guest",))
    if guest.kind != "command" and guest.run:
        raise source.error(f"the built-in guest `{guest.kind}` takes no `run`", ("guest", "run"))
    if guest.kind != "command" and guest.mode != "session":
        raise source.error(f"the built-in guest `{guest.kind}` runs in mode session", ("guest", "mode"))
    oversight = settings.oversight
    if oversight.review == "expected" and oversight.review_cycle is None and oversight.review_generations is None:
        raise source.error(
            "say how often a person reviews the run, {review_cycle: 1d}, or {review: assumed} if nobody will",
            ("oversight",),
        )


def _check_selection(source: Source, settings: LoopFile) -> None:
    utility, keep = settings.utility, settings.keep
    if keep and (leaking := sorted(SEE_HELD_OUT.intersection(keep.unless))):
        raise source.error(
            f"keep.unless: {', '.join(leaking)} look at held-out scores, which the verdict would tell",
            ("keep", "unless"),
        )
    if utility is None:
        return
    if not utility.detectors and settings.policy.mode == "enforce":
        raise source.error("utility.detectors: name one, where the policy is enforced", ("utility", "detectors"))
    if leaking := sorted(SEE_HELD_OUT.intersection(utility.detectors)):
        raise source.error(
            f"utility.detectors: {', '.join(leaking)} look at held-out scores, which the price would tell",
            ("utility", "detectors"),
        )
    if utility.miss_rate + utility.false_alarm_rate >= 1.0:
        raise source.error("utility: miss_rate and false_alarm_rate must add up to less than 1", ("utility",))


def _check_people(source: Source, loop: Loop) -> None:
    settings, oversight = loop.settings, loop.settings.oversight
    workspace = loop.resolve(settings.workspace)
    for section, field, name in (
        ("oversight", "principals", oversight.principals),
        ("policy", "file", settings.policy.file),
        ("policy", "proof", settings.policy.proof),
    ):
        if name is None:
            continue
        path = loop.resolve(name)
        if not path.is_file():
            raise source.error(f"{section}.{field}: no file `{name}` beside the loop file", (section, field))
        if path.is_relative_to(workspace):
            raise source.error(f"{section}.{field}: `{name}` lies inside the workspace; move it out", (section, field))
    if oversight.principals is None:
        if oversight.resume_by > 1:
            raise source.error("resume_by needs people: name `oversight.principals`", ("oversight", "resume_by"))
        for index, rule in enumerate(settings.artifacts):
            if rule.approvals:
                raise source.error("approvals need people: name `oversight.principals`", ("artifacts", index))
    if settings.containment.proof == "required" and (settings.policy.proof is None or oversight.principals is None):
        raise source.error(
            "a required proof needs `policy.proof`, and `oversight.principals` to say whose signature counts; "
            "make one with `subcritical policy prove --attest FILE --key KEY`",
            ("containment", "proof"),
        )
