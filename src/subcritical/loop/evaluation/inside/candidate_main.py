"""Runs inside the candidate's sandbox: takes the candidate's files, then answers the evaluator's calls.

Stand-alone: standard library and `wire` only. Nothing here is trusted by anyone: the candidate's code
runs in this interpreter and may do with it what it likes; all it can reach is this pipe.

Arguments: one JSON object with `module` and `preload`.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
from pathlib import Path
from typing import Any

REQUESTS, ANSWERS, FILES = 3, 4, 5
_MAX_ERROR = 2000


def main() -> None:
    """Import what was asked for ahead of time, wait for the files, then serve until the pipe closes."""
    settings = json.loads(sys.argv[1])
    wire: Any = importlib.import_module("wire")
    sys.path.remove(str(Path(__file__).parent))
    for name in settings["preload"]:
        importlib.import_module(name)
    wire.write(ANSWERS, "ready")
    for path, data in wire.read(FILES).items():
        target = Path(path)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)
    os.close(FILES)
    sys.path.insert(0, str(Path.cwd()))
    serve(wire, settings["module"])


def serve(wire: Any, module: str) -> None:
    """Answer one request after another."""
    while True:
        try:
            request = wire.read(REQUESTS)
        except EOFError:
            return
        try:
            frame = wire.encode({"ok": True, "value": answer(module, request)})
        except BaseException as error:  # noqa: BLE001 - whatever the candidate raises is its answer
            frame = wire.encode({"ok": False, "error": f"{type(error).__name__}: {error}"[:_MAX_ERROR]})
        view = memoryview(frame)
        while view:
            view = view[os.write(ANSWERS, view) :]


def answer(module: str, request: dict[str, Any]) -> Any:
    """One call of a function of the candidate's module."""
    function = getattr(importlib.import_module(module), request["name"])
    return function(*request["args"], **request["kwargs"])


if __name__ == "__main__":
    main()
