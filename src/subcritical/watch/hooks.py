"""Hooks of Claude Code and Codex: the wrapper that fails closed, and the settings that name it.

Both hosts run a tool where its hook crashes, times out or exits 1, so nothing but exit 0 of `ask.py` may come through
as such. The wrapper and the settings must lie where the agent cannot write; the gate compares them at every call.
"""

from __future__ import annotations

import json
import shlex
import sys
from pathlib import Path
from typing import Any, Literal

from subcritical.errors import InputError
from subcritical.watch import ask

Host = Literal["claude-code", "codex"]
WRAPPER = "gate-hook.sh"
HOST_TIMEOUT_S = 30
"""Far above the wrapper's own, because a host that runs out of patience lets the tool run."""
_ASK_TIMEOUT_S = 8

_WRAPPER = """\
#!/bin/sh
# A hook that fails closed: only an answer of the gate lets a tool call run. Written by `subcritical hook install`.
timeout -k 1 {timeout} {python} -I -S {ask} {socket} {host}
code=$?
[ "$code" = 0 ] && exit 0
[ "$code" = 2 ] || echo "subcritical: unavailable: the gate could not be asked (exit $code); nothing runs" >&2
exit 2
"""


def install(host: Host, *, gate_socket: Path, folder: Path, settings: Path) -> list[Path]:
    """Write the wrapper into `folder`, and its entry into the host's `settings` (JSON), beside what is there.

    Args:
        host: Whose hook it is.
        gate_socket: Where the gate will serve.
        folder: Where the agent cannot write.
        settings: `settings.json` of Claude Code or `hooks.json` of Codex; made if it is not there.

    Returns:
        The files written.

    Raises:
        InputError: The settings are no JSON object, or a file cannot be written.
    """
    kept = _read(settings)
    wrapper = folder.resolve() / f"{host}-{WRAPPER}"
    text = _WRAPPER.format(
        timeout=_ASK_TIMEOUT_S,
        python=shlex.quote(sys.executable),
        ask=shlex.quote(ask.__file__),
        socket=shlex.quote(str(gate_socket.absolute())),
        host=host,
    )
    hooks = kept.setdefault("hooks", {})
    if not isinstance(hooks, dict) or not isinstance(hooks.setdefault("PreToolUse", []), list):
        raise InputError(f"{settings}: `hooks.PreToolUse` is not a list; mend it first")
    command = shlex.quote(str(wrapper))
    entry = {"matcher": ".*", "hooks": [{"type": "command", "command": command, "timeout": HOST_TIMEOUT_S}]}
    hooks["PreToolUse"] = [entry, *(one for one in hooks["PreToolUse"] if command not in commands_in(one))]
    try:
        wrapper.parent.mkdir(parents=True, exist_ok=True)
        wrapper.write_text(text, encoding="utf-8")
        wrapper.chmod(0o755)
        settings.parent.mkdir(parents=True, exist_ok=True)
        settings.write_text(json.dumps(kept, indent=2) + "\n", encoding="utf-8")
    except OSError as error:
        raise InputError(
            f"{error.filename}: cannot be written: {error.strerror}; name a place that you can write"
        ) from error
    return [wrapper, settings]


def commands_of(settings: Path) -> list[str]:
    """Commands that the host would run before a tool call, by its settings.

    Raises:
        InputError: The settings cannot be read.
    """
    hooks = _read(settings).get("hooks")
    entries = hooks.get("PreToolUse") if isinstance(hooks, dict) else None
    return [command for entry in entries or () for command in commands_in(entry)]


def commands_in(entry: Any) -> list[str]:
    """Commands of one entry, whatever it is."""
    found = entry.get("hooks") if isinstance(entry, dict) else None
    named = [one.get("command") for one in found or () if isinstance(one, dict)] if isinstance(found, list) else []
    return [command for command in named if isinstance(command, str)]


def may_be_written_by_others(path: Path) -> bool:
    """Whether anybody but its owner and the administrator can write the file, or replace it, by modes of folders."""
    for place in (path, *path.parents):
        mode = place.stat().st_mode
        if mode & 0o022 and not (mode & 0o1000 and place.is_dir()):
            return True
    return False


def _read(settings: Path) -> dict[str, Any]:
    try:
        kept = json.loads(settings.read_bytes())
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise InputError(f"{settings}: cannot be read as JSON: {error}; mend it first") from error
    if not isinstance(kept, dict):
        raise InputError(f"{settings}: this is not a JSON object; mend it first")
    return kept
