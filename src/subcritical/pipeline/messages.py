"""What crosses a run's control socket: one line of JSON each way."""

from __future__ import annotations

import msgspec

from subcritical.errors import SubcriticalError
from subcritical.pipeline.status import Status
from subcritical.schema import Receipt


class Message(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a client sends: an `Order`, `status`, `review`, `vote` or `correct`.

    Long texts are cut where they are recorded.
    """

    order: str
    by: str = ""
    reason: str = ""
    findings: tuple[str, ...] = ()
    argument: str = ""
    dry_run: bool = False
    signed: str = ""


class Reply(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What the server answers: exactly one of the four."""

    receipt: Receipt | None = None
    status: Status | None = None
    told: str = ""
    error: str = ""


class WaitsError(SubcriticalError):
    """The order is signed and counted; it is carried out when another person orders the same."""

    exit_code = 0
