"""What the entries of a log say about what is missing: numbers that skip, batches that do not join, silence.

An entry holds commitments, not contents. So this cannot see whether a record is true, whether something was never
recorded by anybody.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from subcritical.ledger.entries import END, JOURNAL, VERSION
from subcritical.schema import visible

_AHEAD_NS = 300 * 1_000_000_000
"""An entry dated further ahead of the monitor's clock than this hides silence."""
_NANOSECONDS = 1_000_000_000
_DIGITS_MAX = 19
_SHOWN = 100
_BATCH = "batch"


class MonitorFinding(msgspec.Struct, frozen=True):
    """One thing that is wrong, or cannot be seen.

    `what` is one of: `missing` and `changed` (a published file), `root` (files that do not give the signed tree),
    `signature`, `quorum`, `other-log`, `rollback`, `split-view`, `unpublished` (a signed checkpoint larger than what
    is published), `entry` (not in our format), `numbering`, `sequence`, `silence`, `clock`, `more` (left out here).
    `first_entry` is the first entry that is affected, from 0, or None where that is unknown. `detail` may be shown as
    it is: what files say in it is escaped.
    """

    what: str
    first_entry: int | None
    detail: str


class _Entry(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Both kinds of entry: a batch has digest, first and last, any other the rest."""

    actor: str
    number: int
    run: str
    type: str
    v: int
    commitment: str = ""
    digest: str = ""
    seq: int = 0
    time_ns: str = ""
    first: int = 0
    last: int = 0


class EntryChecks:
    """A fold over the entries of one log, in order, each once."""

    def __init__(self, silence_ns: int | None) -> None:
        """Nothing seen.

        Args:
            silence_ns: Longest time between two entries that is not worth a finding, > 0; None for any.
        """
        self._silence_ns = silence_ns
        self._run: str | None = None
        self._numbers: dict[str, int] = {}
        self._complete = True  # no entry was left out, so that an actor never seen must begin at 1
        self._batch_last: int | None = 0
        self._seq: int | None = None  # of the last entry since the last batch
        self._time_ns: int | None = None
        self._ended = False

    def feed(self, index: int, data: bytes, now_ns: int) -> Iterator[MonitorFinding]:
        """Check the next entry.

        Args:
            index: Its place in the log, from 0.
            data: The entry.
            now_ns: The monitor's clock, nanoseconds since 1970.
        """
        try:
            entry = msgspec.json.decode(data, type=_Entry)
        except (msgspec.MsgspecError, UnicodeError) as error:
            self.skip()
            yield MonitorFinding("entry", index, f"entry {index} is not in our format: {visible(str(error), _SHOWN)}")
            return
        if entry.v != VERSION:
            self.skip()
            yield MonitorFinding("entry", index, f"entry {index} is of version {entry.v}, this monitor reads {VERSION}")
            return
        if self._run not in {None, entry.run}:
            yield MonitorFinding("entry", index, f"entry {index} is of another run, {visible(entry.run, _SHOWN)}")
        self._run = self._run or entry.run
        yield from self._number(index, entry)
        if (entry.type == _BATCH) != (entry.actor == JOURNAL):
            yield MonitorFinding(
                "entry", index, f"entry {index} is a batch by another actor than the journal, or no batch"
            )
        elif entry.type == _BATCH:
            yield from self._close_batch(index, entry)
        else:
            if entry.type.startswith("event."):  # findings about the end may follow it, events may not
                self._ended = entry.type == END
            yield from self._take(index, entry)
            yield from self._time(index, entry, now_ns)

    def skip(self) -> None:
        """Entries are left out that could not be read: what depends on them is not judged, it starts anew."""
        self._numbers.clear()
        self._complete = False
        self._batch_last = self._seq = None

    def silent(self, size: int, now_ns: int) -> MonitorFinding | None:
        """Whether nothing came for too long before now, from a run whose END has not come.

        Args:
            size: Entries of the log.
            now_ns: As in `feed`.
        """
        late = self._time_ns is not None and self._silence_ns is not None and now_ns - self._time_ns > self._silence_ns
        if not late or self._time_ns is None or self._ended:
            return None
        since = (now_ns - self._time_ns) / _NANOSECONDS
        return MonitorFinding("silence", size, f"no entry for {since:.1f} s up to now, and the run has not ended")

    def _number(self, index: int, entry: _Entry) -> Iterator[MonitorFinding]:
        before = self._numbers.get(entry.actor, 0 if self._complete else None)
        self._numbers[entry.actor] = entry.number
        if before is not None and entry.number != before + 1:
            yield MonitorFinding(
                "numbering",
                index,
                f"entry {index}: number {entry.number} of actor {visible(entry.actor, _SHOWN)} follows {before}: "
                + ("entries were left out" if entry.number > before else "the numbers went back"),
            )

    def _take(self, index: int, entry: _Entry) -> Iterator[MonitorFinding]:
        least = self._batch_last if self._seq is None else self._seq
        if least is not None and entry.seq <= least:
            yield MonitorFinding("sequence", index, f"entry {index}: record {entry.seq} after record {least}")
        self._seq = entry.seq

    def _close_batch(self, index: int, entry: _Entry) -> Iterator[MonitorFinding]:
        before, seq = self._batch_last, self._seq
        self._batch_last, self._seq = entry.last, None
        if before is not None and entry.first != before + 1:
            yield MonitorFinding(
                "sequence",
                index,
                f"entry {index}: a batch from record {entry.first} on, the one before ended at {before}",
            )
        if entry.last < entry.first or (seq is not None and seq > entry.last):
            yield MonitorFinding(
                "sequence",
                index,
                f"entry {index}: a batch of records {entry.first} to {entry.last} cannot hold "
                + (f"the record {seq} before it" if seq is not None else "any"),
            )

    def _time(self, index: int, entry: _Entry, now_ns: int) -> Iterator[MonitorFinding]:
        text = entry.time_ns
        if not (text.isascii() and text.isdigit()) or len(text) > _DIGITS_MAX:
            yield MonitorFinding("entry", index, f"entry {index} has no time: {visible(text, _SHOWN)!r}")
            return
        time_ns = int(text)
        before, limit = self._time_ns, self._silence_ns
        self._time_ns = time_ns
        if time_ns > now_ns + _AHEAD_NS:
            yield MonitorFinding(
                "clock",
                index,
                f"entry {index} is dated {(time_ns - now_ns) / _NANOSECONDS:.0f} s ahead of this monitor's clock, "
                "so silence after it cannot be seen",
            )
        if before is None or limit is None:
            return
        if time_ns - before > limit:
            yield MonitorFinding(
                "silence", index, f"no entry for {(time_ns - before) / _NANOSECONDS:.1f} s before entry {index}"
            )
        if before - time_ns > limit:
            yield MonitorFinding(
                "clock",
                index,
                f"entry {index} is dated {(before - time_ns) / _NANOSECONDS:.1f} s before the one before it",
            )
