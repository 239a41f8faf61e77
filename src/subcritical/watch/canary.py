"""A call that must be denied, made as the host would make it: protection is claimed only after it was."""

from __future__ import annotations

import json
import os
import subprocess
import time
from pathlib import Path

import msgspec

from subcritical.watch import ask
from subcritical.watch.hooks import HOST_TIMEOUT_S, Host, commands_of, may_be_written_by_others

CANARY = "subcritical-canary"
_BLOCKS = 2
_PASSED = ("PATH", "HOME", "LANG")  # no secrets of ours go into a hook


class Check(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that must hold; `detail` says what was seen."""

    name: str
    holds: bool
    detail: str


def try_hook(host: Host, settings: Path, *, root: Path, gate_socket: Path) -> list[Check]:
    """Run what the host would run for a write to a place that is never allowed, and look at who could change it.

    Args:
        host: Whose settings these are.
        settings: The host's settings.
        root: The agent's project.
        gate_socket: The gate that must be behind it.

    Raises:
        InputError: The settings cannot be read.
    """
    commands = commands_of(settings)
    if not commands:
        return [Check(name="hook", holds=False, detail=f"{settings} names no command for PreToolUse")]
    ours = [command for command in commands if "gate-hook" in command]
    if not ours:
        return [Check(name="hook", holds=False, detail=f"none of the {len(commands)} commands in {settings} is ours")]
    command = ours[0]
    wrapper = Path(command.strip("'\""))
    checks = [_denied(host, command, root, settings.parent), _answers(gate_socket)]
    for place in (settings, wrapper):
        inside = place.resolve().is_relative_to(root.resolve())
        open_to = place.exists() and may_be_written_by_others(place.resolve())
        seen = "lies inside the project" if inside else "others can write it or a folder above it" if open_to else "yes"
        checks.append(
            Check(name=f"out of reach: {place}", holds=place.exists() and not inside and not open_to, detail=seen)
        )
    if host == "codex":
        said = (
            "Codex runs hooks only where they are trusted: start it with --dangerously-bypass-hook-trust, or trust them"
        )
        checks.append(Check(name="trusted", holds=True, detail=f"not checked here: {said}"))
    return checks


def _denied(host: Host, command: str, root: Path, cwd: Path) -> Check:
    event = {
        "session_id": CANARY,
        "hook_event_name": "PreToolUse",
        "tool_name": "Write",
        "tool_input": {"file_path": f"/{CANARY}/must-not-be-written", "content": ""},
        "tool_use_id": CANARY,
        "cwd": str(root),
    }
    began = time.monotonic()
    try:
        ran = subprocess.run(
            ["/bin/sh", "-c", command],
            input=json.dumps(event).encode(),
            capture_output=True,
            timeout=HOST_TIMEOUT_S,
            cwd=cwd,
            env={name: os.environ[name] for name in _PASSED if name in os.environ},
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return Check(name="canary denied", holds=False, detail=f"{host} would let it run: {type(error).__name__}")
    said = ran.stderr.decode(errors="replace").strip()
    took = f"exit {ran.returncode} after {time.monotonic() - began:.1f} s: {said[:200]}"
    return Check(name="canary denied", holds=ran.returncode == _BLOCKS and bool(said), detail=took)


def _answers(gate_socket: Path) -> Check:
    """A gate that denies everything because it is not there protects, and is of no use: say so."""
    may, verdict, reason = ask.ask(str(gate_socket), {"host": "canary", "asks": "go_on"})
    return Check(name="gate open", holds=may, detail="it answers" if may else f"{verdict}: {reason}")
