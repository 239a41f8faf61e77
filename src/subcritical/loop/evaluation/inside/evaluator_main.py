"""Runs inside the evaluator's sandbox: loads the evaluator and one split, judges one candidate, ends.

Stand-alone: standard library and `wire` only. With `isolation: split` the candidate is another process
behind a pipe. With `isolation: shared` the candidate's files are imported here, so a hostile candidate
can write the verdict itself: that promise is weaker, and every report says so.

Arguments: one JSON object with `run`, `data`, `module`, `isolation`.
"""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import json
import os
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

ANSWERS, REQUESTS, ORDERS, VERDICT = 3, 4, 5, 6
READY = b"ready\n"
_MAX_ERROR = 4000


class CandidateError(Exception):
    """The candidate failed, or its answer could not be read."""


class RemoteCandidate:
    """The candidate in its own sandbox."""

    def __init__(self, wire: Any, files: dict[str, bytes]) -> None:
        """Talk over the two pipes; `files` are the approved bytes, from the supervisor."""
        self._wire = wire
        self._files = files

    def call(self, name: str, *args: Any, **kwargs: Any) -> Any:
        """Call a function of the candidate's module with JSON values and arrays.

        Raises:
            CandidateError: It raised, ended, or sent something that is not a frame.
        """
        return self._ask({"name": name, "args": args, "kwargs": kwargs})

    def read(self, path: str) -> bytes:
        """The approved bytes of one of the candidate's files: its process has no say in them.

        Raises:
            CandidateError: There is no such file.
        """
        if path not in self._files:
            raise CandidateError(f"the candidate has no file {path}")
        return self._files[path]

    def _ask(self, request: dict[str, Any]) -> Any:
        try:
            self._wire.write(REQUESTS, request)
            answer = self._wire.read(ANSWERS)
        except (EOFError, OSError) as error:
            raise CandidateError("the candidate's process ended") from error
        except self._wire.WireError as error:
            raise CandidateError(f"the candidate's answer is unreadable: {error}") from error
        if not isinstance(answer, dict) or answer.get("ok") is not True:
            raise CandidateError(str(answer.get("error") if isinstance(answer, dict) else "no answer"))
        return answer.get("value")


class LocalCandidate:
    """The candidate in this interpreter (`isolation: shared`)."""

    def __init__(self, module: str, directory: Path) -> None:
        """Import lazily, so that a broken candidate fails at its first call."""
        self._module = module
        self._directory = directory

    def call(self, name: str, *args: Any, **kwargs: Any) -> Any:
        """Call a function of the candidate's module."""
        return getattr(importlib.import_module(self._module), name)(*args, **kwargs)

    def read(self, path: str) -> bytes:
        """The bytes of one of the candidate's files."""
        return (self._directory / path).read_bytes()


def main() -> None:
    """Warm up, wait for the evaluator, wait for the order, judge, write one record."""
    settings = json.loads(sys.argv[1])
    wire: Any = importlib.import_module("wire")
    sys.path.remove(str(Path(__file__).parent))
    data = load_data(settings["data"])
    if settings["isolation"] == "split":
        wire.read(ANSWERS)  # the candidate's process is warm; it has seen no candidate byte yet
    home = Path.cwd() / "evaluator"
    write_files(home, wire.read(ORDERS))
    evaluate: Callable[..., Any] | None = None
    failure = ""
    try:
        evaluate = load_evaluator(home / settings["run"])
    except BaseException:  # noqa: BLE001 - said when a candidate is to be judged
        failure = "evaluator cannot be loaded: " + traceback.format_exc(limit=-4)
    os.write(VERDICT, READY)
    order = wire.read(ORDERS)
    record: dict[str, Any] = {"nonce": order["nonce"]}
    try:
        if evaluate is None:
            raise RuntimeError(failure)  # noqa: TRY301 - one exit for every failure
        record.update(judge(evaluate, order, data, settings, wire))
    except BaseException as error:  # noqa: BLE001 - every failure is a record, never an exit code
        record["error"] = f"{type(error).__name__}: {error}"[:_MAX_ERROR]
    text = json.dumps(record, default=plain_number).encode("utf-8")
    view = memoryview(text + b"\n")
    while view:
        view = view[os.write(VERDICT, view) :]


def judge(
    evaluate: Callable[..., Any], order: dict[str, Any], data: dict[str, Any], settings: dict[str, Any], wire: Any
) -> dict[str, Any]:
    """Run the evaluator once per seed. An evaluator that takes `seed` gets fresh randomness each time."""
    directory = Path.cwd() / "candidate"
    if settings["isolation"] == "shared":
        write_files(directory, order["files"])
        sys.path.insert(0, str(directory))
        candidate: Any = LocalCandidate(settings["module"], directory)
    else:
        candidate = RemoteCandidate(wire, order["files"])
    parameters = inspect.signature(evaluate).parameters
    seeded = "seed" in parameters
    required = [p for p in parameters.values() if p.default is p.empty and p.name != "seed"]
    program = settings["isolation"] == "shared" and len(required) == 1
    arguments: tuple[Any, ...] = (str(directory / f"{settings['module']}.py"),) if program else (candidate, data)
    verdicts = [evaluate(*arguments, **({"seed": seed} if seeded else {})) for seed in order["seeds"]]
    return {"verdicts": [as_verdict(verdict) for verdict in verdicts], "seeded": seeded}


def as_verdict(result: Any) -> Any:
    """Accept a verdict as it is; a flat mapping of numbers (OpenEvolve) becomes one."""
    result = getattr(result, "metrics", result)
    if isinstance(result, dict) and "metrics" not in result:
        numbers = {k: v for k, v in result.items() if isinstance(v, int | float) or hasattr(v, "__float__")}
        return {"metrics": {name: {"value": float(value)} for name, value in numbers.items()}, "primary": ""}
    return result


def load_data(path: str) -> dict[str, Any]:
    """Arrays of an `.npz` (pickle refused); for any other file `{"path": ...}`."""
    if not path.endswith(".npz"):
        return {"path": path}
    numpy = importlib.import_module("numpy")
    with numpy.load(path, allow_pickle=False) as archive:
        return {name: archive[name] for name in archive.files}


def load_evaluator(path: Path) -> Callable[..., Any]:
    """The function `evaluate` of the evaluator's file."""
    sys.path.insert(0, str(path.parent))
    spec = importlib.util.spec_from_file_location("subcritical_evaluator", path)
    if spec is None or spec.loader is None:
        raise RuntimeError(f"{path.name} is not a Python file")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    function = getattr(module, "evaluate", None)
    if not callable(function):
        raise TypeError(f"{path.name} defines no function evaluate(candidate, data)")
    return function  # type: ignore[no-any-return]


def write_files(directory: Path, files: dict[str, bytes]) -> None:
    """Write files below `directory`."""
    for path, data in files.items():
        target = directory / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)


def plain_number(value: Any) -> Any:
    """Turn numpy scalars into JSON numbers."""
    if hasattr(value, "item"):
        return value.item()
    raise TypeError(f"a verdict cannot hold a {type(value).__name__}")


if __name__ == "__main__":
    main()
