"""What a detector is. A pure, streaming function with bounded state: no clock, disk or network.

One instance serves any number of streams; what belongs to a stream lies in its state, which the
caller keeps by key. The same code therefore runs inline, in a process of its own, or on a cluster
that stores states beside offsets.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, Protocol, runtime_checkable

import msgspec

from subcritical.schema import Event, Finding

Maturity = Literal["stable", "trial", "sandbox"]


class DetectorSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Settings every detector has. `enabled: false` leaves it out, which the run's record shows."""

    enabled: bool = True


@runtime_checkable
class Detector(Protocol):
    """The contract. `subcritical.detectors.check_detector` tests whether a class keeps it.

    `docs` names its page below `docs/`. `settings` is the struct it was made with, whose class is
    its `Settings`. Events come in the order of the journal; how they are cut into batches must not
    matter.
    """

    id: str
    version: int
    maturity: Maturity
    techniques: tuple[str, ...]
    docs: str

    def key(self, event: Event) -> bytes:
        """The stream an event belongs to, at most 256 bytes."""
        ...

    def new(self) -> Any:
        """An empty state: a msgspec Struct that survives MessagePack and pickle."""
        ...

    def batch(self, states: dict[bytes, Any], events: Sequence[Event]) -> list[Finding]:
        """Look at events in order, update `states` in place, return findings in order of their events."""
        ...
