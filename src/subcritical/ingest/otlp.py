"""OTLP dumps in JSON: spans of model calls and tools, in the conventions that are in use.

OpenTelemetry's GenAI conventions keep messages in `gen_ai.input.messages` and `gen_ai.output.messages` (one JSON text
or a list), before that in span events (`gen_ai.user.message`, `gen_ai.choice`), and one family of programs numbers
them (`gen_ai.prompt.0.role`). OpenInference numbers them otherwise (`llm.input_messages.0.message.role`). All of them
are read. A conversation is repeated in every call; each of its messages is said once.

No real dump has been read yet: the shape is that of the specifications.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Literal

from subcritical.errors import SourceError
from subcritical.ingest._bounded import (
    LINE_MAX,
    cut,
    decode,
    document,
    lines,
    mapping,
    number,
    place_of,
    sequence,
    whole,
)
from subcritical.ingest._chat import chat_events
from subcritical.ingest.records import Broken, FileReader, Place, Seen
from subcritical.schema import EventData, ModelCall, Score, Split, ToolCall, ToolResult

_DEPTH_MAX = 20
_REMEMBERED = 4096
_NUMBERED = re.compile(
    r"(?:gen_ai\.(?P<g>prompt|completion)\.(?P<gi>\d{1,4})\.(?P<gf>role|content)"
    r"|llm\.(?P<o>input|output)_messages\.(?P<oi>\d{1,4})\.message\.(?P<of>role|content"
    r"|tool_calls\.(?P<ti>\d{1,3})\.tool_call\.(?:function\.(?P<tf>name|arguments)|id)))$"
)
_EVENTS = {
    "gen_ai.system.message": "system",
    "gen_ai.user.message": "user",
    "gen_ai.assistant.message": "assistant",
    "gen_ai.tool.message": "tool",
    "gen_ai.choice": "assistant",
}
Attributes = dict[str, Any]


class Otlp(FileReader):
    """A document or lines with `resourceSpans`."""

    name = "otlp"

    def claims(self, path: Path, head: bytes) -> bool:
        """By its first field."""
        return path.suffix in {".json", ".jsonl", ".ndjson"} and b'"resourceSpans"' in head[:4096]

    def read(self, path: Path) -> Iterator[Seen | Broken]:
        """Every span that is a call of a model or a tool, or an evaluation, in the order of the file."""
        said = _Said()
        for place, record in _records(path):
            if isinstance(record, Broken):
                yield record
                continue
            for number_, span in enumerate(_spans(record)):
                here = Place(path=place.path, line=place.line, part=f"span {number_}")
                if not isinstance(span, dict):
                    yield Broken(place=here, why="a span that is not an object")
                    continue
                yield from _seen(span, here, said)


def _records(path: Path) -> Iterator[tuple[Place, dict[str, Any] | Broken]]:
    if path.suffix == ".json":
        yield Place(path=str(path)), mapping(decode(document(path)))
        return
    for line in lines(path):
        place = place_of(path, line)
        if line.data is None:
            yield place, Broken(place=place, why=f"a line longer than {LINE_MAX >> 20} MiB")
            continue
        try:
            yield place, mapping(decode(line.data))
        except SourceError as error:
            yield place, Broken(place=place, why=str(error))


def _spans(record: dict[str, Any]) -> Iterator[Any]:
    for resource in sequence(record.get("resourceSpans")):
        inner = mapping(resource)
        for scope in sequence(inner.get("scopeSpans") or inner.get("instrumentationLibrarySpans")):
            yield from sequence(mapping(scope).get("spans"))


class _Said:
    """Messages of conversations that were given out already, the oldest forgotten first."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str, str], None] = {}

    def news(self, conversation: str, role: str, text: str) -> bool:
        key = (conversation, role, text[:1000])
        known = key in self._known
        self._known[key] = None
        if len(self._known) > _REMEMBERED:
            del self._known[next(iter(self._known))]
        return not known


def _seen(span: dict[str, Any], place: Place, said: _Said) -> Iterator[Seen]:
    attributes = _attributes(span.get("attributes"))
    conversation = cut(attributes.get("gen_ai.conversation.id") or attributes.get("session.id") or span.get("traceId"))
    system = cut(attributes.get("gen_ai.agent.name") or attributes.get("gen_ai.agent.id")) or conversation
    nanoseconds = _time(span.get("startTimeUnixNano"))
    for data in _data(span, attributes, conversation, said):
        yield Seen(data=data, place=place, time_ns=nanoseconds, system=system, extra={"attributes": attributes})


def _time(value: object) -> int:
    text = cut(value)
    return int(text) if text.isdecimal() and len(text) < 20 else 0  # noqa: PLR2004


def _attributes(value: object) -> Attributes:
    return {cut(mapping(one).get("key")): _value(mapping(one).get("value"), 0) for one in sequence(value)}


def _value(value: object, depth: int) -> Any:
    """What an AnyValue holds; 64-bit whole numbers are texts in JSON."""
    if depth > _DEPTH_MAX:
        return "(nested too deeply)"
    for kind, inner in mapping(value).items():
        if kind == "arrayValue":
            return [_value(one, depth + 1) for one in sequence(mapping(inner).get("values"))]
        if kind == "kvlistValue":
            pairs = (mapping(one) for one in sequence(mapping(inner).get("values")))
            return {cut(pair.get("key")): _value(pair.get("value"), depth + 1) for pair in pairs}
        if kind == "intValue" and isinstance(inner, str):
            return int(inner) if re.fullmatch(r"-?\d{1,19}", inner) else inner
        return inner
    return None


def _data(span: dict[str, Any], attributes: Attributes, conversation: str, said: _Said) -> Iterator[EventData]:
    operation = attributes.get("gen_ai.operation.name")
    kind = attributes.get("openinference.span.kind")
    if operation == "execute_tool" or kind == "TOOL":
        yield from _tool(span, attributes)
    else:
        model = cut(attributes.get("gen_ai.response.model") or attributes.get("gen_ai.request.model")
                    or attributes.get("llm.model_name"))  # fmt: skip
        for message in _messages(span, attributes):
            text = cut(message.get("content"))
            if said.news(conversation, cut(message.get("role")), text + cut(message.get("tool_calls"))):
                for data in chat_events(message, model=model):
                    yield _counted(data, attributes) if isinstance(data, ModelCall) else data
    name = attributes.get("gen_ai.evaluation.name")
    if name is not None:
        value = number(attributes.get("gen_ai.evaluation.score.value"))
        why = cut(attributes.get("gen_ai.evaluation.explanation"))
        status: Literal["ok", "invalid"] = "ok" if value is not None else "invalid"
        yield Score(proposal="", tree="", split=Split.PUBLIC, metric=cut(name), value=value, status=status, detail=why)


def _counted(call: ModelCall, attributes: Attributes) -> ModelCall:
    tokens = [
        next((count for key in keys if (count := whole(attributes.get(key))) is not None), None)
        for keys in (
            ("gen_ai.usage.input_tokens", "gen_ai.usage.prompt_tokens", "llm.token_count.prompt"),
            ("gen_ai.usage.output_tokens", "gen_ai.usage.completion_tokens", "llm.token_count.completion"),
        )
    ]
    return ModelCall(
        model=call.model, text=call.text, reasoning=call.reasoning, stop=call.stop,
        input_tokens=tokens[0], output_tokens=tokens[1],
    )  # fmt: skip


def _first(attributes: Attributes, *names: str) -> Any:
    return next((attributes[name] for name in names if name in attributes), None)


def _tool(span: dict[str, Any], attributes: Attributes) -> Iterator[EventData]:
    name = cut(attributes.get("gen_ai.tool.name") or attributes.get("tool.name") or span.get("name"))
    call = cut(attributes.get("gen_ai.tool.call.id") or span.get("spanId"))
    arguments = _first(attributes, "gen_ai.tool.call.arguments", "tool.parameters", "input.value")
    result = _first(attributes, "gen_ai.tool.call.result", "output.value")
    yield ToolCall(tool=name, arguments=cut(arguments), call=call)
    failed = cut(mapping(span.get("status")).get("message")) or cut(attributes.get("error.type"))
    if result is not None or failed:
        yield ToolResult(tool=name, text=cut(result), call=call, error=failed)


def _messages(span: dict[str, Any], attributes: Attributes) -> Iterator[dict[str, Any]]:
    """Messages in the order of the conversation, what came in before what went out, in every convention."""
    for key in ("gen_ai.system_instructions", "gen_ai.input.messages", "gen_ai.output.messages"):
        role = "system" if key == "gen_ai.system_instructions" else "assistant" if "output" in key else "user"
        for message in _listed(attributes.get(key)):
            yield _parts({"role": role, **message})
    yield from _numbered(attributes)
    for event in sequence(span.get("events")):
        role = _EVENTS.get(cut(mapping(event).get("name")), "")
        if role:
            inner = _attributes(mapping(event).get("attributes"))
            message = mapping(_loaded(inner.get("message") or inner.get("gen_ai.event.content")))
            yield {"role": role, "content": inner.get("content", message.get("content")),
                   "tool_calls": _loaded(inner.get("tool_calls", message.get("tool_calls")))}  # fmt: skip


def _listed(value: object) -> Iterable[dict[str, Any]]:
    return (one for one in sequence(_loaded(value)) if isinstance(one, dict))


def _loaded(value: object) -> Any:
    """A structure, or the structure that a text holds."""
    if not isinstance(value, str) or value[:1] not in "[{":
        return value
    try:
        return decode(value)
    except SourceError:
        return value


def _parts(message: dict[str, Any]) -> dict[str, Any]:
    """A message whose `parts` are texts, calls and answers, as a chat message."""
    if "parts" not in message:
        return message if "role" in message and "content" in message else {**message, "content": message}
    texts, calls = [], []
    for part in sequence(message["parts"]):
        told = mapping(part)
        if told.get("type") == "tool_call":
            calls.append({"id": told.get("id"), "name": told.get("name"), "arguments": told.get("arguments")})
        elif told.get("type") == "tool_call_response":
            texts.append(cut(told.get("response", told.get("result"))))
        else:
            texts.append(cut(told.get("content", part)))
    return {**message, "content": "\n".join(texts), "tool_calls": calls}


def _numbered(attributes: Attributes) -> list[dict[str, Any]]:
    """Messages that attributes number, what came in first."""
    found: dict[tuple[bool, int], dict[str, Any]] = {}
    for key, value in attributes.items():
        match = _NUMBERED.match(key)
        if match is None:
            continue
        out = (match["g"] or match["o"]) in {"completion", "output"}
        message = found.setdefault((out, int(match["gi"] or match["oi"])), {"calls": {}})
        field = match["gf"] or match["of"]
        if match["ti"] is None:
            message[field] = value
        elif match["tf"]:
            message["calls"].setdefault(int(match["ti"]), {})[match["tf"]] = value
    messages = []
    for (out, _), message in sorted(found.items(), key=lambda pair: pair[0]):
        calls = [message["calls"][place] for place in sorted(message["calls"])]
        role = message.get("role") or ("assistant" if out else "user")
        messages.append({"role": role, "content": message.get("content"), "tool_calls": calls})
    return messages
