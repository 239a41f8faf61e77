"""From the loop file to a judge: where the pristine evaluator lies, and how it is run on each split."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import msgspec

from subcritical.clock import Clock
from subcritical.errors import ConfigError, InputError
from subcritical.gateway import Gateway, Guard
from subcritical.loop.evaluation import Plan, Rules
from subcritical.loop.judge import Judge
from subcritical.loop.loopfile import Loop
from subcritical.loop.options import RunOptions
from subcritical.sandbox import CollectLimits, Containment, Limits, collect
from subcritical.schema import Artifact
from subcritical.yaml_source import seconds, size_bytes

_SEED_LIMITS = CollectLimits()


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
        return EvaluatorFiles(path.name, read_tree(path.parent))
    return EvaluatorFiles(path.name, {path.name: path.read_bytes()})


def make_judge(
    loop: Loop, containment: Containment, evaluator: EvaluatorFiles, options: RunOptions, clock: Clock
) -> Judge:
    """The judge of a loop: plans for both splits, the pristine evaluator, and the dice of the run."""
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


def read_tree(directory: Path) -> dict[str, bytes]:
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
