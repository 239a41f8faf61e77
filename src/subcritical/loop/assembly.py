"""Build a run from a loop file: containment, journal, pipeline, gateway, judge, guest."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any

import msgspec

from subcritical.clock import Clock
from subcritical.detectors import load_detectors, settings_type
from subcritical.errors import InputError
from subcritical.gateway import BallotBox, Gateway, Principals, Quorum, Store, WeightsStore
from subcritical.ids import Ids
from subcritical.ledger import Journal, read_journal
from subcritical.loop.causal_k import causal_k
from subcritical.loop.correcting import Correcting
from subcritical.loop.evaluator_setup import EvaluatorFiles, evaluator_files, make_judge, read_tree
from subcritical.loop.fitness import Fitness
from subcritical.loop.gatekeeping import path_rules, principals_of, quorum_of, said_at_the_start
from subcritical.loop.guest import CLAIM, FEEDBACK
from subcritical.loop.guest_setup import guest_starter
from subcritical.loop.judge import Judge
from subcritical.loop.keeping import Keeping
from subcritical.loop.lineage import Lineage
from subcritical.loop.loopfile import Keep, Loop, LoopFile, Utility
from subcritical.loop.options import RunOptions
from subcritical.loop.outcome import Bounds, Progress, Result
from subcritical.loop.run_directory import RunDirectory
from subcritical.loop.runner import Runner
from subcritical.loop.subsets import SubsetAudit
from subcritical.pipeline import Pipeline
from subcritical.pipeline.control import ControlServer
from subcritical.pipeline.several import Several
from subcritical.sandbox import (
    Containment,
)
from subcritical.schema import PROTECTED, Event, Measurement, Message, Record
from subcritical.tripwires import Tripwires, tripwire_rules
from subcritical.utility import Multiplier
from subcritical.yaml_source import seconds


def run_loop(
    loop: Loop,
    directory: RunDirectory,
    *,
    options: RunOptions,
    clock: Clock,
    progress: Callable[[Progress], None] = lambda _: None,
    beside: Callable[[Pipeline], AbstractContextManager[None]] = lambda _: contextlib.nullcontext(),
) -> Result:
    """Run one loop to its end, contained and recorded.

    Args:
        loop: What to run.
        directory: Where it is recorded.
        options: How.
        clock: The source of time.
        progress: Called after every generation.
        beside: What is in force while guests and evaluations run, such as a watch that can make the run stand still.

    Raises:
        ConfigError: The loop file names something that is not there.
        ContainmentError: The rung could not be set up, or a process survived.
        LedgerError: The journal of a resumed run is broken.
    """
    # A resumed run must not repeat the ids of its first part.
    ids = Ids(None if options.resume else options.seed)
    principals = principals_of(loop)
    gateway = _gateway(loop, directory, options, quorum_of(loop, principals), lambda: pipeline)
    evaluator = _install(loop, directory, gateway, resume=options.resume)
    if options.resume:
        journal = Journal.open(directory.journal, clock)
    else:
        journal = Journal.create(directory.journal, directory.run, clock)
    history = list(read_journal(directory.journal)) if options.resume else []
    with contextlib.ExitStack() as stack:
        stack.callback(journal.close)
        containment = Containment(
            run=directory.run, rung=options.rung, clock=clock, on_connection=lambda name: _connected(pipeline, name)
        )
        pipeline = _pipeline(loop.settings, journal, containment, options, history, clock, ids)
        # Ended in this order: guests and evaluations are gone before the record is closed.
        stack.callback(pipeline.close)
        stack.callback(containment.close)
        stack.enter_context(beside(pipeline))
        pipeline.event(Message(source="gateway", text=said_at_the_start(gateway.quorum, principals)), generation=0)
        box = _box(loop, directory, pipeline, gateway, principals, clock)
        cast = box.cast if box else None
        lineage = Lineage()
        correcting = Correcting(gateway, principals, pipeline, lineage, run=directory.run, clock=clock, ids=ids)
        server = ControlServer(
            pipeline,
            directory.path,
            guest_groups=containment.groups,
            cast=cast,
            correct=correcting.correct if principals.enrolled else None,
            several=_several(loop, directory, pipeline, lineage, principals, clock),
        )
        stack.enter_context(server)
        judge = make_judge(loop, containment, evaluator, options, clock)
        stack.callback(judge.close)
        fitness = fitness_of(loop.settings.utility)
        runner = _runner(
            loop, pipeline, gateway, box, lineage, fitness, judge, containment, options, clock, ids, progress
        )
        if history:
            if fitness:
                fitness.restore(history)
            runner.restore([record for record in history if isinstance(record, Event)])
        return runner.run()


def _gateway(
    loop: Loop, directory: RunDirectory, options: RunOptions, quorum: Quorum, pipeline: Callable[[], Pipeline]
) -> Gateway:
    return Gateway(
        Store(directory.store),
        rules=path_rules(loop),
        scratch=(*loop.settings.scratch, FEEDBACK, CLAIM),
        quarantine=lambda: pipeline().latch.denied,
        limit_names=loop.settings.policy.limit_names,
        weights=WeightsStore(loop.resolve(loop.settings.weights.store) if loop.settings.weights else None),
        guard=options.guard,
        quorum=quorum,
    )


def _box(
    loop: Loop, directory: RunDirectory, pipeline: Pipeline, gateway: Gateway, principals: Principals, clock: Clock
) -> BallotBox | None:
    if not principals.enrolled:
        return None
    return BallotBox(
        principals,
        run=directory.run,
        policy=gateway.quorum.digest,
        clock=clock,
        record=pipeline.by_people,
        system_owner=loop.settings.oversight.owner or "",
    )


def _several(
    loop: Loop,
    directory: RunDirectory,
    pipeline: Pipeline,
    lineage: Lineage,
    principals: Principals,
    clock: Clock,
) -> Several | None:
    oversight = loop.settings.oversight
    if oversight.resume_by == 1:
        return None
    return Several(
        principals,
        needed=oversight.resume_by,
        run=directory.run,
        latch=lambda: pipeline.latch,
        clock=clock,
        record=pipeline.by_people,
        system_owner=oversight.owner or "",
        forward=lineage.is_forward,
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
        gateway.read_ahead()
        return EvaluatorFiles(pristine.run, gateway.store.tree(pristine.tree))
    seed_files = read_tree(loop.resolve(loop.settings.workspace))
    evaluator = evaluator_files(loop, seed_files, gateway)
    tree = gateway.store.put_tree(evaluator.files)
    gateway.store.persist(tree)
    directory.pristine.write_bytes(msgspec.json.encode(Pristine(evaluator.run, tree)))
    gateway.seed(seed_files)
    return evaluator


def _connected(pipeline: Pipeline, name: str) -> None:
    """Record a guest's connection to the one socket it was granted. The relay's thread calls this."""
    pipeline.event(Message(source=f"{name}/socket", text="connected to the granted socket"), generation=0)


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
    box: BallotBox | None,
    lineage: Lineage,
    fitness: Fitness | None,
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
        box=box,
        lineage=lineage,
        fitness=fitness,
        keeping=keeping_of(settings.keep),
        judge=judge,
        containment=containment,
        start_guest=guest_starter(loop, containment, options, clock),
        subsets=_subset_audit(loop),
        bounds=Bounds(
            generations=settings.limits.generations,
            evaluations=settings.limits.evaluations,
            wall_s=seconds(settings.limits.wall),
            approvals_s=seconds(settings.oversight.approvals_within),
        ),
        system=settings.system,
        seed=settings.guest.seed if options.seed is None else options.seed,
        measure_k=_measure_k(loop, gateway.store) if settings.guest.kind == "self_tuning" else None,
        clock=clock,
        ids=ids,
        wait_when_paused=options.wait_when_paused,
        progress=progress,
    )


def fitness_of(utility: Utility | None) -> Fitness | None:
    """What selection goes by, where the loop file says more than the public score.

    Raises:
        ConfigError: It names a detector that there is not.
    """
    if utility is None:
        return None
    detectors = _known(utility.detectors)
    price = Multiplier(
        budget=utility.budget,
        start=utility.start,
        miss_rate=utility.miss_rate,
        false_alarm_rate=utility.false_alarm_rate,
        batch=utility.batch,
    )
    return Fitness(price, detectors)


def keeping_of(keep: Keep | None) -> Keeping | None:
    """When a change in force is taken back, where the loop file says so.

    Raises:
        ConfigError: It names a detector that there is not.
    """
    if keep is None:
        return None
    return Keeping(again=keep.again, detectors=_known(keep.unless))


def _known(detectors: Sequence[str]) -> frozenset[str]:
    """Names of detectors that there are: any other would be a price on nothing, or a guard that never acts."""
    for name in detectors:
        settings_type(name)
    return frozenset(detectors)


def _measure_k(loop: Loop, store: Store) -> Callable[[Sequence[str]], Measurement] | None:
    evaluate = loop.settings.evaluate
    if evaluate.held_out is None:
        return None
    public, held_out = loop.resolve(evaluate.public), loop.resolve(evaluate.held_out)
    return lambda trees: causal_k(store, trees, public=public, held_out=held_out, seed=loop.settings.guest.seed)


class Pristine(msgspec.Struct, frozen=True):
    """Where the pristine evaluator of a run lies in its store."""

    run: str
    tree: str


def detector_settings(settings: LoopFile) -> dict[str, dict[str, Any]]:
    """Settings of the detectors: what the loop file says, and what follows from its other parts."""
    oversight = settings.oversight
    cycle: dict[str, Any] = {}
    if oversight.review_cycle is not None:
        cycle["cycle_s"] = seconds(oversight.review_cycle)
    if oversight.review_generations is not None:
        cycle["cycle_generations"] = oversight.review_generations
    held_out = settings.evaluate.held_out is not None
    guarding = [r.path for r in settings.artifacts if r.artifact in PROTECTED and not set(r.path) & set("*?")]
    derived: dict[str, dict[str, Any]] = {
        "review_overdue": cycle,
        "blind": {"held_out": held_out},
        "evaluator_tampering": {"guarding": guarding},
        "threshold_ahead": {"review_rounds": oversight.review_generations} if oversight.review_generations else {},
    }
    return {
        name: {**derived.get(name, {}), **settings.detectors.get(name, {})} for name in {*derived, *settings.detectors}
    }


def _subset_audit(loop: Loop) -> SubsetAudit | None:
    training = loop.settings.evaluate.training
    return SubsetAudit(loop.resolve(loop.settings.evaluate.public), training) if training else None
