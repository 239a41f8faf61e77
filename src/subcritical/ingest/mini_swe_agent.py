"""Trajectories of mini-swe-agent (`*.traj.json`): one document a run."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from subcritical.errors import SourceError
from subcritical.ingest._bounded import cut, decode, document, mapping, sequence, whole, without
from subcritical.ingest._chat import chat_events
from subcritical.ingest._times import time_ns
from subcritical.ingest.records import Broken, FileReader, Place, Seen
from subcritical.schema import EventData, ModelCall, ToolCall, ToolResult


class MiniSweAgent(FileReader):
    """`messages[]` in the provider's shape; the commands that ran are in `extra.actions[].command`."""

    name = "mini_swe_agent"

    def claims(self, path: Path, head: bytes) -> bool:
        """By its marker near the end or the beginning; the ending of the name is what users have."""
        return path.name.endswith(".traj.json") or (path.suffix == ".json" and b'"mini-swe-agent' in head)

    def read(self, path: Path) -> Iterator[Seen | Broken]:
        """At least one event a message, and one for each command."""
        record = decode(document(path))
        messages = mapping(record).get("messages")
        if not isinstance(messages, list):
            raise SourceError("holds no list of messages")
        system = cut(record.get("instance_id"))
        config = mapping(mapping(record.get("info")).get("config"))
        name = cut(mapping(config.get("model")).get("model_name"))
        for number, message in enumerate(messages):
            place = Place(path=str(path), part=f"messages[{number}]")
            if not isinstance(message, dict):
                yield Broken(place=place, why="a message that is not an object")
                continue
            extra = mapping(message.get("extra"))
            for data in _events(message, extra, name):
                yield Seen(
                    data=data,
                    place=place,
                    time_ns=time_ns(extra.get("timestamp")),
                    system=system,
                    extra=without(message, "role", "content", "tool_calls", "extra"),
                )


def _events(message: dict[str, Any], extra: dict[str, Any], model: str) -> Iterator[EventData]:
    actions = [action for action in sequence(extra.get("actions")) if isinstance(action, dict)]
    if actions:  # what ran, rather than what was asked for
        message = without(message, "tool_calls")
    code = whole(extra.get("returncode"))
    for data in chat_events(message, model=model):
        if isinstance(data, ToolResult):
            failed = cut(extra.get("exception_info"))
            yield ToolResult(tool="bash", text=data.text, call=data.call, error=failed, exit_code=code)
        elif isinstance(data, ModelCall):
            usage = mapping(mapping(extra.get("response")).get("usage"))
            yield ModelCall(
                model=data.model,
                text=data.text,
                reasoning=data.reasoning,
                input_tokens=whole(usage.get("prompt_tokens")),
                output_tokens=whole(usage.get("completion_tokens")),
            )
        else:
            yield data
    for action in actions:
        yield ToolCall(tool="bash", arguments=cut(action.get("command")), call=cut(action.get("tool_call_id")))
