"""The guest's end of the session protocol: JSON lines on two descriptors.

Stand-alone: it runs inside the sandbox and imports the standard library alone.
"""

from __future__ import annotations

import json
import os
from typing import Any, BinaryIO

REQUEST_VARIABLE = "SUBCRITICAL_REQUEST_FD"
ANSWER_VARIABLE = "SUBCRITICAL_ANSWER_FD"
LINE_BYTES_MAX = 1 << 20


class Session:
    """Asks the harness and waits for its answers. An answer of None means: the harness is gone, stop."""

    def __init__(self, requests: BinaryIO, answers: BinaryIO) -> None:
        """Speak over two open byte streams, unbuffered or flushed by us."""
        self._requests = requests
        self._answers = answers

    def hello(self) -> dict[str, Any] | None:
        """The system's name, the seed version's public score, how many generations are left, and a seed or null."""
        return self._ask({"op": "hello"})

    def propose(self, claim: str, reported: float | None = None) -> dict[str, Any] | None:
        """Ask for a judgement of the workspace as it lies now.

        Args:
            claim: What the change is meant to do, in words.
            reported: The score the guest says it has; None where it says nothing.

        Returns:
            The answer with `verdict`, `score`, `n`, `reason` and `generation`.
        """
        return self._ask({"op": "propose", "claim": claim, "reported": reported})

    def done(self) -> None:
        """Say that no more will come. There is no answer."""
        try:
            self._send({"op": "done"})
        except OSError:
            return  # The harness left first: there is nobody to tell.

    def _ask(self, request: dict[str, Any]) -> dict[str, Any] | None:
        try:
            self._send(request)
            line = self._answers.readline(LINE_BYTES_MAX)
        except OSError:
            return None
        if not line.endswith(b"\n"):
            return None
        answer = json.loads(line)
        return answer if isinstance(answer, dict) else None

    def _send(self, request: dict[str, Any]) -> None:
        self._requests.write(json.dumps(request).encode() + b"\n")
        self._requests.flush()


def session_from_environment() -> Session:
    """The session whose descriptors the environment names.

    Raises:
        KeyError: The process was not started as a long-lived guest.
    """
    requests = os.fdopen(int(os.environ[REQUEST_VARIABLE]), "wb", buffering=0)
    answers = os.fdopen(int(os.environ[ANSWER_VARIABLE]), "rb")
    return Session(requests, answers)
