"""Model servers on loopback that say what a script tells them: Anthropic's messages and OpenAI's responses, streamed."""

import contextlib
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class _Handler(BaseHTTPRequestHandler):
    fake = None

    def log_message(self, *_):
        pass

    def do_GET(self):
        self._json({"data": [], "models": []})

    def do_HEAD(self):
        self._json({})

    def do_POST(self):
        raw = self.rfile.read(int(self.headers.get("content-length", 0)))
        path = self.path.split("?")[0]
        if path.endswith("/messages"):
            body = json.loads(raw)
            self._events(anthropic(self.fake.step(body, bool(body.get("tools"))), body), stream=body.get("stream"))
        elif path.endswith("/responses"):
            self._events(responses(self.fake.step(json.loads(raw), has_tools=True)), stream=True)
        else:
            self._json({"input_tokens": 1})

    def _json(self, value):
        data = json.dumps(value).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def _events(self, events, stream):
        if not stream:
            self._json(events[0]["whole"])
            return
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("connection", "close")
        self.end_headers()
        for event in events:
            event.pop("whole", None)
            self.wfile.write(f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode())
        self.close_connection = True


class FakeModels:
    """Answers the n-th model call with the n-th tool call of the script, then with a text."""

    def __init__(self, script):
        self.script = list(script)
        self.seen = []
        self._lock = threading.Lock()
        handler = type("Handler", (_Handler,), {"fake": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def step(self, body, has_tools):
        with self._lock:
            self.seen.append(body)
            return self.script.pop(0) if self.script and has_tools else None

    def close(self):
        self._server.shutdown()
        self._server.server_close()


@contextlib.contextmanager
def fake_models(script):
    fake = FakeModels(script)
    try:
        yield fake
    finally:
        fake.close()


def anthropic(call, body):
    """One message as events; `call` is (tool, arguments) or None."""
    usage = {"input_tokens": 1, "output_tokens": 1}
    if call:
        block = {"type": "tool_use", "id": f"toolu_{abs(hash(str(call)))}", "name": call[0], "input": {}}
        delta = {"type": "input_json_delta", "partial_json": json.dumps(call[1])}
    else:
        block, delta = {"type": "text", "text": ""}, {"type": "text_delta", "text": "done"}
    stop = "tool_use" if call else "end_turn"
    message = {
        "id": "msg_1", "type": "message", "role": "assistant", "model": body.get("model", "m"), "content": [],
        "stop_reason": None, "stop_sequence": None, "usage": usage,
    }  # fmt: skip
    full = {**block, "input": call[1]} if call else {"type": "text", "text": "done"}
    return [
        {"type": "message_start", "message": message, "whole": {**message, "content": [full], "stop_reason": stop}},
        {"type": "content_block_start", "index": 0, "content_block": block},
        {"type": "content_block_delta", "index": 0, "delta": delta},
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": {"stop_reason": stop, "stop_sequence": None}, "usage": {"output_tokens": 1}},
        {"type": "message_stop"},
    ]


def responses(call):
    """One response as events."""
    if call:
        item = {
            "type": "function_call", "id": "fc_1", "call_id": f"call_{abs(hash(str(call)))}", "name": call[0],
            "arguments": json.dumps(call[1]), "status": "completed",
        }  # fmt: skip
    else:
        item = {
            "type": "message", "id": "msg_1", "role": "assistant", "status": "completed",
            "content": [{"type": "output_text", "text": "done", "annotations": []}],
        }  # fmt: skip
    usage = {
        "input_tokens": 1, "input_tokens_details": {"cached_tokens": 0}, "output_tokens": 1,
        "output_tokens_details": {"reasoning_tokens": 0}, "total_tokens": 2,
    }  # fmt: skip
    whole = {"id": "resp_1", "object": "response", "status": "completed", "output": [item], "usage": usage}
    return [
        {"type": "response.created", "response": {**whole, "status": "in_progress", "output": []}, "whole": whole},
        {"type": "response.output_item.done", "output_index": 0, "item": item},
        {"type": "response.completed", "response": whole},
    ]
