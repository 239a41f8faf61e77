"""A project, its gate file, and a gate that is open while a test runs."""

import contextlib
import json
import socket
import threading
import time
from pathlib import Path

import yaml

from subcritical.clock import SystemClock
from subcritical.ledger import read_journal
from subcritical.watch.ask import ask
from subcritical.watch.gate_file import load_gate
from subcritical.watch.opening import keep_open

RULES = [
    {"path": "evaluate.py", "is": "evaluator"},
    {"path": "tests/hidden/**", "is": "evaluator"},
    {"path": ".claude/**", "is": "policy"},
    {"path": "limits.json", "is": "limit"},
    {"path": "goal.json", "is": "objective"},
    {"path": "prompts/**", "is": "prompt"},
]
FILES = {
    "solution.py": "x = 1\n",
    "evaluate.py": "def evaluate(): return 1\n",
    "tests/hidden/test_a.py": "assert True\n",
    "tests/test_open.py": "assert True\n",
    ".claude/settings.json": "{}\n",
    "limits.json": '{"steps": 5}\n',
    "goal.json": "{}\n",
    "prompts/system.md": "be good\n",
    "data.csv": "1\n",
}


def make_project(directory: Path, **changes) -> Path:
    """Files of a project, and its gate file beside it."""
    root = directory / "project"
    for name, text in FILES.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    gate = directory / "gate.yaml"
    settings = {"system": "agent", "root": "project", "artifacts": RULES, "elsewhere": ["/tmp/scratch/**"], **changes}
    gate.write_text(yaml.safe_dump(settings))
    return gate


MCP_SERVER = """\
import pathlib, sys
from mcp.server import MCPServer

server = MCPServer("files")

@server.tool()
def write_file(path: str, content: str) -> str:
    pathlib.Path(sys.argv[1], path).write_text(content)
    return "written"
"""


class Opened:
    """An open gate."""

    def __init__(self, gate_file: Path, run: Path, besides=()):
        self.settings = load_gate(gate_file)
        self.root, self.run = self.settings.root, run
        self.socket = None
        self.orderly = None
        run.mkdir(parents=True, exist_ok=True)
        self._ended = threading.Event()
        self._began = threading.Event()
        self._thread = threading.Thread(target=self._open, args=(besides,), daemon=True)
        self._thread.start()
        assert self._began.wait(20), "the gate does not open"

    def _open(self, besides):
        def opened(socket):
            self.socket = str(socket)
            self._began.set()

        self.orderly = keep_open(
            self.settings,
            journal=self.run / "journal",
            directory=self.run,
            besides=besides,
            beside=lambda _: contextlib.nullcontext(),
            clock=SystemClock(),
            opened=opened,
            ended=self._ended,
        )

    def ask(self, tool, input=None, **more):  # noqa: A002 - the name on the wire
        return ask(self.socket, {"host": "test", "tool": tool, "input": input, **more}, 20)

    def sh(self, command, **more):
        return self.ask("Bash", {"command": command}, **more)[1]

    def write(self, path, **more):
        return self.ask("Write", {"file_path": str(path), "content": "x"}, **more)[1]

    def close(self):
        self._ended.set()
        self._thread.join(20)
        assert not self._thread.is_alive()

    def wait_until_over(self):
        deadline = time.monotonic() + 20
        while self._thread.is_alive() and time.monotonic() < deadline:
            time.sleep(0.05)
        return self.orderly

    def records(self):
        return list(read_journal(self.run / "journal"))


@contextlib.contextmanager
def opened(directory: Path, besides=(), **changes):
    gate_file = directory / "gate.yaml"
    if not gate_file.exists() or changes:
        make_project(directory, **changes)
    gate = Opened(gate_file, directory / "runs" / "g", besides)
    try:
        yield gate
    finally:
        gate.close()


def event(tool, arguments, cwd="", **more):
    """What a hook gets on stdin."""
    return json.dumps({"session_id": "s", "tool_name": tool, "tool_input": arguments, "cwd": str(cwd), **more}).encode()


BROKEN = ("crashes", "never answers", "garbage", "strange answer", "missing")


@contextlib.contextmanager
def broken_gate(directory: Path, kind: str):
    """The socket of a gate that does not do its work."""
    path = directory / "broken.sock"
    if kind == "missing":
        yield str(path)
        return
    answers = {"garbage": b"\x00\xff{", "strange answer": b'{"decision": "yes"}\n'}
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listening.bind(str(path))
    listening.listen(8)
    kept = []

    def serve():
        with contextlib.suppress(OSError):
            while True:
                peer, _ = listening.accept()
                if kind in answers:
                    peer.sendall(answers[kind])
                if kind == "never answers":
                    kept.append(peer)
                else:
                    peer.close()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield str(path)
    finally:
        listening.shutdown(socket.SHUT_RDWR)
        listening.close()
        thread.join(5)
        for peer in kept:
            peer.close()
