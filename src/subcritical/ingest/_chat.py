"""Messages of chat interfaces, in the two shapes that most logs hold, as events."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from subcritical.ingest._bounded import TEXT_MAX, cut, mapping, sequence, whole
from subcritical.schema import EventData, Message, ModelCall, ToolCall, ToolResult

_TEXTS = frozenset({"text", "input_text", "output_text"})
_THOUGHTS = frozenset({"thinking", "reasoning", "redacted_thinking"})


def chat_events(message: dict[str, Any], *, model: str = "") -> Iterator[EventData]:
    """Events of one message: what was said first, then what it asked for or gave back.

    Understands a text or a list of content blocks (`text`, `thinking`, `tool_use`, `tool_result`), and the
    fields `tool_calls` and `tool_call_id` of the other family. What it does not know becomes text.
    """
    role = cut(message.get("role"))
    text, reasoning, calls, results = _blocks(message.get("content"))
    if role == "assistant":
        usage = mapping(message.get("usage"))
        yield ModelCall(
            model=cut(message.get("model")) or model,
            text=text,
            reasoning=reasoning or cut(message.get("reasoning_content") or message.get("reasoning")),
            stop=cut(message.get("stop_reason")),
            input_tokens=whole(usage.get("input_tokens", usage.get("prompt_tokens"))),
            output_tokens=whole(usage.get("output_tokens", usage.get("completion_tokens"))),
        )
    elif role == "tool":
        error = message.get("error")
        yield ToolResult(
            tool=cut(message.get("function") or message.get("name")),
            text=text,
            call=cut(message.get("tool_call_id")),
            error=cut(error.get("message") if isinstance(error, dict) else error),
        )
    elif text or not results:
        yield Message(source=role or "unknown", text=text, truncated=len(text) >= TEXT_MAX)
    yield from calls
    yield from results
    for call in sequence(message.get("tool_calls")):
        if isinstance(call, dict):
            yield tool_call(call)


def tool_call(call: dict[str, Any]) -> ToolCall:
    """A call as either family writes it: the function beside its arguments, or an object that holds both."""
    function = call.get("function")
    inner = function if isinstance(function, dict) else call
    name = inner.get("name") if inner is not call else (function or call.get("name") or call.get("tool"))
    arguments = inner.get("arguments", call.get("input"))
    return ToolCall(tool=cut(name), arguments=cut(arguments), call=cut(call.get("id") or call.get("call_id")))


def _blocks(content: object) -> tuple[str, str, list[ToolCall], list[ToolResult]]:
    if not isinstance(content, list):
        return cut(content), "", [], []
    texts, thoughts = [], []
    calls: list[ToolCall] = []
    results: list[ToolResult] = []
    for block in content:
        kind = block.get("type") if isinstance(block, dict) else None
        if not isinstance(block, dict):
            texts.append(cut(block))
        elif kind in _TEXTS:
            texts.append(cut(block.get("text")))
        elif kind in _THOUGHTS:
            thoughts.append(cut(block.get("thinking") or block.get("reasoning") or block.get("summary")))
        elif kind == "tool_use":
            calls.append(tool_call(block))
        elif kind == "tool_result":
            text, _, _, _ = _blocks(block.get("content"))
            failed = "the tool reported an error" if block.get("is_error") else ""
            results.append(ToolResult(tool="", text=text, call=cut(block.get("tool_use_id")), error=failed))
        else:
            texts.append(f"[{cut(kind) or 'unknown'} block]")
    return "\n".join(texts)[:TEXT_MAX], "\n".join(thoughts)[:TEXT_MAX], calls, results
