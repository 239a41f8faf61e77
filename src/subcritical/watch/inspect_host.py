"""Inspect AI: an approver that asks the gate before each tool call, and a hook that waits while the gate is held.

Found by Inspect through its entry points (extra `[inspect]`). In an approval policy:

    approvers: [{name: subcritical/gate, tools: "*", socket: /path/to/gate.sock}]

The hook looks at `SUBCRITICAL_GATE_SOCKET`; `INSPECT_REQUIRED_HOOKS=subcritical/gate_hold` makes it mandatory. An agent
whose own code opens another approval block goes round an approver: pair each tool event with its approval afterwards.
"""

from __future__ import annotations

import asyncio
import os
from typing import Any, Literal

from subcritical.errors import InputError
from subcritical.watch.ask import ask

try:
    from inspect_ai.approval import Approval, Approver, approver
    from inspect_ai.hooks import BeforeModelGenerate, Hooks, hooks
    from inspect_ai.util import LimitExceededError
except ImportError as error:
    raise InputError("this needs Inspect AI: pip install 'subcritical[inspect]'") from error

SOCKET = "SUBCRITICAL_GATE_SOCKET"
_POLL_S = 0.5
_DECISIONS: dict[str, Literal["approve", "reject", "terminate"]] = {
    "approve": "approve",
    "reject": "reject",
    "terminate": "terminate",
}


@approver(name="gate")
def gate(socket: str) -> Approver:
    """Asks the gate at `socket`; waits while it is paused; whatever else is not an approval rejects."""

    async def approve(message: str, call: Any, view: Any, history: list[Any]) -> Approval:
        del message, view, history
        question = {"host": "inspect", "tool": str(call.function), "input": call.arguments, "call": str(call.id)}
        while True:
            _, verdict, reason = await asyncio.to_thread(ask, socket, question)
            if verdict != "pause":
                return Approval(decision=_DECISIONS.get(verdict, "reject"), explanation=f"subcritical: {reason}")
            await _until_open(socket)

    return approve


@hooks(name="gate_hold", description="waits before each model call while the gate is held")
class GateHold(Hooks):
    """Ends the sample where the gate is stopped or gives no answer; an exception of another kind would be swallowed."""

    def enabled(self) -> bool:
        """Where a gate is named."""
        return bool(os.environ.get(SOCKET))

    async def on_before_model_generate(self, data: BeforeModelGenerate) -> None:
        """Wait, or end the sample."""
        del data
        try:
            why = await _until_open(os.environ[SOCKET])
        except Exception as error:  # noqa: BLE001 - anything but a limit would let the call through
            why = f"the hook crashed: {type(error).__name__}"
        if why:
            raise LimitExceededError("custom", value=1, limit=0, message=f"subcritical: {why}")


async def _until_open(socket: str) -> str:
    """Wait while the gate is paused; why the agent may not go on at all, or nothing."""
    while True:
        may, verdict, reason = await asyncio.to_thread(ask, socket, {"host": "inspect", "asks": "go_on"})
        if may:
            return ""
        if verdict != "pause":
            return f"{verdict}: {reason}"
        await asyncio.sleep(_POLL_S)
