"""Events of short transcripts, and what a detector says of them."""

import json

from subcritical.schema import Event, ModelCall, ToolCall


def run(detector, *data):
    events = [
        Event(seq=number, time_ns=number, run="r", producer="p", generation=number, data=item)
        for number, item in enumerate(data, start=1)
    ]
    return detector.batch({}, events)


def said(text):
    return ModelCall(model="m", text=text)


def call(command, name="bash", number="c"):
    return ToolCall(tool=name, arguments=json.dumps({"command": command}), call=number)


def write(path, text, old=None):
    more = {} if old is None else {"old_string": old}
    return ToolCall(tool="edit", arguments=json.dumps({"path": path, "content": text, **more}))
