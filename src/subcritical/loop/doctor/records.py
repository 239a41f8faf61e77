"""What the doctor says: roles, producers of the score, holes with file and line, and a loop file."""

from __future__ import annotations

from typing import Literal

import msgspec

from subcritical.schema import Severity

Project = Literal["autoresearch", "openevolve", "shinka", "generic", "loop"]
RoleName = Literal[
    "candidate", "agent", "evaluator", "harness", "guard", "data", "result", "instructions", "settings", "support"
]
Access = Literal["writes", "can_write", "runs_inside", "out_of_reach", "unknown"]


class Place(msgspec.Struct, frozen=True, order=True):
    """A line of a file of the examined tree. `line` is 1-based; `note` says what happens there."""

    file: str
    line: int
    note: str = ""


class Role(msgspec.Struct, frozen=True, kw_only=True):
    """What a file is in the loop, worked out from what the code does, and why we think so."""

    path: str
    role: RoleName
    why: str


class Producer(msgspec.Struct, frozen=True, kw_only=True):
    """A path or a process that the score comes from, and what the guest can do to it."""

    kind: Literal["path", "process"]
    name: str
    file: str
    line: int
    guest: Access
    why: str


class Hole(msgspec.Struct, frozen=True, kw_only=True):
    """One way by which the guest could change its own score or its own limits.

    Attributes:
        id: Kind of hole, stable between versions, such as `evaluator-writable`.
        title: One line.
        file: Where trust is misplaced, relative to the examined directory.
        line: 1-based line in `file`.
        technique: Id of the taxonomy (`RSI-T0300`).
        severity: How much it matters; `high` and above decide the score by themselves.
        why: What the code does that makes this a hole.
        fix: What closes it.
        places: Other lines that belong to it: who writes, who reads, who starts whom.
    """

    id: str
    title: str
    file: str
    line: int
    technique: str
    severity: Severity
    why: str
    fix: str
    places: tuple[Place, ...] = ()


class Unread(msgspec.Struct, frozen=True, order=True):
    """A path that was not read, and why: what is in it is not covered by the answer."""

    path: str
    why: str


class Diagnosis(msgspec.Struct, frozen=True, kw_only=True):
    """The whole answer.

    `unconfined` is what the project's own set-up lets the guest do: empty where a loop file contains it.
    `loop_file` is YAML that would close the holes; `loop_file_notes` says what a person must still do.
    An empty `holes` says that this reading found none, not that there is none.
    """

    directory: str
    project: Project
    roles: tuple[Role, ...]
    producers: tuple[Producer, ...]
    holes: tuple[Hole, ...]
    loop_file: str
    loop_file_notes: tuple[str, ...]
    unconfined: str
    workspace: str
    files_read: int
    unread: tuple[Unread, ...]
