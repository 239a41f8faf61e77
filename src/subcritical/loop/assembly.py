"""Build a run from a loop file: containment, journal, pipeline, gateway, judge, guest."""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from subcritical.clock import Clock
from subcritical.detectors import load_detectors
from subcritical.errors import ConfigError, InputError
from subcritical.gateway import Gateway, Guard, PathRule, Store
from subcritical.ids import Ids
from subcritical.ledger import Journal, read_journal
from subcritical.loop.evaluation import Plan, Rules
from subcritical.loop.guest import CLAIM, FEEDBACK, GenerationGuest, Guest, GuestSpec, SessionGuest, guest_limits
from subcritical.loop.guests import GUESTS
from subcritical.loop.judge import Judge
from subcritical.loop.loopfile import Loop, LoopFile, SocketOnly, Tripwire
from subcritical.loop.outcome import Bounds, Progress, Result
from subcritical.loop.run_directory import RunDirectory
from subcritical.loop.runner import Runner
from subcritical.loop.subsets import SubsetAudit
from subcritical.loop.yaml_source import seconds, size_bytes
from subcritical.pipeline import Pipeline
from subcritical.pipeline.control import ControlServer
from subcritical.sandbox import (
    CollectLimits,
    Containment,
    ExecPayload,
    Limits,
    PythonPayload,
    Rung,
    SandboxSpec,
    collect,
)
from subcritical.schema import Artifact, Event, Record
from subcritical.tripwires import Condition, Rule, Tripwires

_SEED_LIMITS = CollectLimits()


class RunOptions(msgspec.Struct, frozen=True, kw_only=True):
    """What the caller decides, beside the loop file.

    `detect` and `guard` are switched off only by the study of what happens without them. `seed`
    replaces the guest's seed and makes the run's own random choices repeat.
    """

    rung: Rung
    guard: Guard = Guard()
    detect: bool = True
    wait_when_paused: bool = False
    resume: bool = False
    seed: int | None = None


def run_loop(
    loop: Loop,
    directory: RunDirectory,
    *,
    options: RunOptions,
    clock: Clock,
    progress: Callable[[Progress], None] = lambda _: None,
) -> Result:
    """Run one loop to its end, contained and recorded.

    Raises:
        ConfigError: The loop file names something that is not there.
        ContainmentError: The rung could not be set up, or a process survived.
        LedgerError: The journal of a resumed run is broken.
    """
    # A resumed run must not repeat the ids of its first part.
    ids = Ids(None if options.resume else options.seed)
    gateway = _gateway(loop, directory, options)
    evaluator = _install(loop, directory, gateway, resume=options.resume)
    if options.resume:
        journal = Journal.open(directory.journal, clock)
    else:
        journal = Journal.create(directory.journal, directory.run, clock)
    history = list(read_journal(directory.journal)) if options.resume else []
    with contextlib.ExitStack() as stack:
        stack.callback(journal.close)
        containment = Containment(run=directory.run, rung=options.rung, clock=clock)
        pipeline = _pipeline(loop.settings, journal, containment, options, history, clock, ids)
        # Ended in this order: guests and evaluations are gone before the record is closed.
        stack.callback(pipeline.close)
        stack.callback(containment.close)
        stack.enter_context(ControlServer(pipeline, directory.path))
        judge = _judge(loop, containment, evaluator, options, clock)
        stack.callback(judge.close)
        runner = _runner(loop, pipeline, gateway, judge, containment, options, clock, ids, progress)
        if history:
            runner.restore([record for record in history if isinstance(record, Event)])
        return runner.run()


def _gateway(loop: Loop, directory: RunDirectory, options: RunOptions) -> Gateway:
    settings = loop.settings
    return Gateway(
        Store(directory.store),
        rules=[PathRule(rule.path, rule.artifact) for rule in settings.artifacts],
        scratch=(*settings.scratch, FEEDBACK, CLAIM),
        guard=options.guard,
    )


def _install(loop: Loop, directory: RunDirectory, gateway: Gateway, *, resume: bool) -> EvaluatorFiles:
    """Put the seed and the pristine evaluator into the store; a resumed run takes both from there.

    Raises:
        InputError: A resumed run whose evaluator is not in its store.
    """
    if resume:
        try:
            pristine = msgspec.json.decode(directory.pristine.read_bytes(), type=Pristine)
        except (OSError, msgspec.DecodeError) as error:
            raise InputError(f"{directory.pristine}: the run never got as far as its seed; start a new one") from error
        return EvaluatorFiles(pristine.run, gateway.store.tree(pristine.tree))
    seed_files = _read_tree(loop.resolve(loop.settings.workspace))
    evaluator = evaluator_files(loop, seed_files, gateway)
    tree = gateway.store.put_tree(evaluator.files)
    gateway.store.persist(tree)
    directory.pristine.write_bytes(msgspec.json.encode(Pristine(evaluator.run, tree)))
    gateway.seed(seed_files)
    return evaluator


def _pipeline(
    settings: LoopFile,
    journal: Journal,
    containment: Containment,
    options: RunOptions,
    history: Sequence[Record],
    clock: Clock,
    ids: Ids,
) -> Pipeline:
    return Pipeline(
        journal,
        load_detectors(detector_settings(settings)) if options.detect else [],
        Tripwires(tripwire_rules(settings.tripwires) if options.detect else []),
        containment.handle,
        clock,
        ids=ids,
        history=history,
        run=containment.run,
    )


def _runner(
    loop: Loop,
    pipeline: Pipeline,
    gateway: Gateway,
    judge: Judge,
    containment: Containment,
    options: RunOptions,
    clock: Clock,
    ids: Ids,
    progress: Callable[[Progress], None],
) -> Runner:
    settings = loop.settings
    return Runner(
        pipeline=pipeline,
        gateway=gateway,
        judge=judge,
        containment=containment,
        start_guest=_guest_starter(loop, containment, options, clock),
        subsets=_subset_audit(loop),
        bounds=Bounds(
            generations=settings.limits.generations,
            evaluations=settings.limits.evaluations,
            wall_s=seconds(settings.limits.wall),
        ),
        system=settings.system,
        seed=settings.guest.seed if options.seed is None else options.seed,
        improver_has_versions=settings.guest.kind == "self_tuning",
        clock=clock,
        ids=ids,
        wait_when_paused=options.wait_when_paused,
        progress=progress,
    )


class Pristine(msgspec.Struct, frozen=True):
    """Where the pristine evaluator of a run lies in its store."""

    run: str
    tree: str


class EvaluatorFiles(msgspec.Struct, frozen=True):
    """The pristine evaluator: the file to run, and everything that lies with it."""

    run: str
    files: Mapping[str, bytes]


def evaluator_files(loop: Loop, seed_files: Mapping[str, bytes], gateway: Gateway) -> EvaluatorFiles:
    """Where the evaluator lies: in the workspace (class `evaluator`), or beside the loop file.

    A file in a folder of its own brings the whole folder.

    Raises:
        ConfigError: `evaluate.run` lies in the workspace but is not of class `evaluator`.
    """
    name = loop.settings.evaluate.run
    if name in seed_files:
        if gateway.classify(name) is not Artifact.EVALUATOR:
            raise ConfigError(
                f"evaluate.run: `{name}` lies in the workspace, so artifacts must say "
                f'{{path: "{name}", is: evaluator}}',
                path=str(loop.path),
            )
        files = {p: d for p, d in seed_files.items() if gateway.classify(p) is Artifact.EVALUATOR}
        return EvaluatorFiles(name, files)
    path = loop.resolve(name)
    if path.parent != loop.directory:
        return EvaluatorFiles(path.name, _read_tree(path.parent))
    return EvaluatorFiles(path.name, {path.name: path.read_bytes()})


def _judge(loop: Loop, containment: Containment, evaluator: EvaluatorFiles, options: RunOptions, clock: Clock) -> Judge:
    evaluate = loop.settings.evaluate
    return Judge(
        containment,
        public=_plan(loop, "public", evaluator.run, options.guard),
        held_out=_plan(loop, "held_out", evaluator.run, options.guard) if evaluate.held_out else None,
        evaluator=evaluator.files,
        guard=options.guard,
        repeats=evaluate.repeats,
        clock=clock,
        seed=options.seed,
    )


def detector_settings(settings: LoopFile) -> dict[str, dict[str, Any]]:
    """Settings of the detectors: what the loop file says, and what follows from its other parts."""
    oversight = settings.oversight
    cycle: dict[str, Any] = {}
    if oversight.review_cycle is not None:
        cycle["cycle_s"] = seconds(oversight.review_cycle)
    if oversight.review_generations is not None:
        cycle["cycle_generations"] = oversight.review_generations
    held_out = settings.evaluate.held_out is not None
    derived: dict[str, dict[str, Any]] = {"review_overdue": cycle, "blind": {"held_out": held_out}}
    return {
        name: {**derived.get(name, {}), **settings.detectors.get(name, {})} for name in {*derived, *settings.detectors}
    }


def tripwire_rules(tripwires: tuple[Tripwire, ...]) -> list[Rule]:
    """The loop file's tripwires as rules, named by their place."""
    return [
        Rule(
            id=f"{number}-{tripwire.action}",
            on=Condition(
                technique=tripwire.on.technique,
                detector=tripwire.on.detector,
                severity=tripwire.on.severity,
                measure=tripwire.on.measure,
                above=tripwire.on.above,
                confidence=tripwire.on.confidence,
                silence_s=seconds(tripwire.on.silence) if tripwire.on.silence else None,
            ),
            action=tripwire.action,
            argument=str(tripwire.at_most) if tripwire.at_most is not None else "",
        )
        for number, tripwire in enumerate(tripwires, 1)
    ]


def _plan(loop: Loop, split: str, run: str, guard: Guard) -> Plan:
    evaluate = loop.settings.evaluate
    limits = loop.settings.limits
    name = evaluate.public if split == "public" else evaluate.held_out
    strict = guard.pristine_evaluator or split == "held_out"
    return Plan(
        run=run,
        data=loop.resolve(str(name)),
        module=evaluate.module,
        isolation=evaluate.isolation,
        preload=evaluate.preload,
        rules=Rules(
            primary=evaluate.primary,
            direction=evaluate.direction,
            bounds=evaluate.bounds if strict else {},
            consistent=strict,
        ),
        timeout_s=seconds(evaluate.timeout),
        limits=Limits(
            memory_bytes=size_bytes(evaluate.memory),
            processes=limits.processes,
            disk_bytes=size_bytes(limits.disk),
            inodes=limits.inodes,
            cpu_s=2 * seconds(evaluate.timeout),
            output_bytes=size_bytes(limits.output),
        ),
    )


def _guest_starter(
    loop: Loop, containment: Containment, options: RunOptions, clock: Clock
) -> Callable[[Mapping[str, bytes], Mapping[str, Any]], Guest]:
    settings = loop.settings
    limits = settings.limits
    payload, read_only = _payload(loop, options)
    socket = loop.resolve(limits.network.socket) if isinstance(limits.network, SocketOnly) else None

    count = 0

    def start(files: Mapping[str, bytes], hello: Mapping[str, Any]) -> Guest:
        nonlocal count
        count += 1
        spec = SandboxSpec(
            name=f"guest-{count}",
            payload=payload,
            limits=guest_limits(
                memory=size_bytes(limits.memory),
                processes=limits.processes,
                disk=size_bytes(limits.disk),
                inodes=limits.inodes,
                cpu_s=seconds(limits.cpu),
                output=size_bytes(limits.output),
            ),
            read_only=read_only,
            env={"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", **settings.guest.env},
            socket=socket,
        )
        guest = GuestSpec(
            spec=spec,
            timeout_s=seconds(limits.proposal_timeout),
            collect_limits=CollectLimits(entries=limits.inodes, total_bytes=size_bytes(limits.disk)),
        )
        kind = SessionGuest if settings.guest.mode == "session" else GenerationGuest
        return kind(containment, guest, files, hello, clock)

    return start


def _payload(loop: Loop, options: RunOptions) -> tuple[PythonPayload | ExecPayload, tuple[tuple[Path, str], ...]]:
    guest = loop.settings.guest
    seed = guest.seed if options.seed is None else options.seed
    if guest.kind != "command":
        script = GUESTS[guest.kind]
        folder = script.parent
        payload = PythonPayload(script=script, argv=("--seed", str(seed), *guest.arguments), paths=(str(folder),))
        return payload, ((folder, str(folder)),)
    argv, read_only = list(guest.run), []
    for position, word in enumerate(argv):
        beside, inside = loop.directory / word, loop.resolve(loop.settings.workspace) / word
        if "/" not in word.strip("./") and not inside.exists() and beside.is_file():
            read_only.append((beside.resolve(), str(beside.resolve())))
            argv[position] = str(beside.resolve())
    if argv[0] in {"python", "python3"}:
        argv[0] = sys.executable
    elif not argv[0].startswith("/"):
        found = shutil.which(argv[0])
        if found is None:
            raise ConfigError(f"guest.run: no program `{argv[0]}` on this machine", path=str(loop.path))
        argv[0] = os.path.realpath(found)
    return ExecPayload(argv=(*argv, *guest.arguments)), tuple(read_only)


def _subset_audit(loop: Loop) -> SubsetAudit | None:
    training = loop.settings.evaluate.training
    return SubsetAudit(loop.resolve(loop.settings.evaluate.public), training) if training else None


def _read_tree(directory: Path) -> dict[str, bytes]:
    """The operator's own files: the same bounded reader as for hostile trees, but refusals are errors."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        collected = collect(descriptor, _SEED_LIMITS)
    finally:
        os.close(descriptor)
    refused = [(path, why) for path, why in collected.refused if "__pycache__" not in path]
    if refused:
        path, why = refused[0]
        raise InputError(f"{directory / path}: {why}; a workspace holds plain files only")
    return {path: data for path, data in collected.files.items() if "__pycache__" not in path}
