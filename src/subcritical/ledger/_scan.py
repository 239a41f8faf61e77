"""One pass over a journal: every line checked, torn ends told from damage.

At most one batch is ever written but not yet synced, because the next is written only after the sync of the last.
So a power cut can spoil the last batch and nothing before it; whatever else is wrong is damage.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple, TypeVar

import msgspec

from subcritical.errors import InputError, LedgerError
from subcritical.ledger import _frame
from subcritical.ledger.entries import ERASABLE
from subcritical.ledger.files import FileLayer
from subcritical.schema import Erased, Record, decode_record

HASH_PREFIX = "sha256:"
_COMMITMENT = re.compile(r"sha256:[0-9a-f]{64}", re.ASCII)
_SEGMENT = re.compile(r"segment-(\d{6})\.jsonl", re.ASCII)
_UNREADABLE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, OverflowError)

StructT = TypeVar("StructT", bound=msgspec.Struct)


class JournalDamageError(LedgerError):
    """Something in a journal is not what was written.

    Attributes:
        place: File and byte.
        what: What is wrong there.
        seq: First record that cannot be trusted.
    """

    def __init__(self, place: str, what: str, *, seq: int) -> None:
        super().__init__(
            f"journal damaged at {place}: {what}; records from {seq} on cannot be trusted. "
            "Keep the directory as it is and compare it with a copy",
            seq=seq,
        )
        self.place = place
        self.what = what


class _Bad(Exception):  # noqa: N818 - not an error yet: a torn end or damage, decided by where it lies
    def __init__(self, offset: int, what: str, *, torn: bool) -> None:
        super().__init__(what)
        self.offset = offset
        self.what = what
        self.torn = torn
        """Whether a power cut can leave this behind at the end of a journal."""


class _Torn(NamedTuple):
    """Segment, offset and size of an unfinished batch, and how many whole records lie in it."""

    segment: int
    offset: int
    size: int
    records: int


class Committed(NamedTuple):
    """A checked batch, its records, and the commitment of each."""

    batch: _frame.Batch
    records: list[Record]
    commitments: list[bytes]


class _Lines:
    """Lines of one file, up to the size that it had when it was opened (a live writer appends behind that)."""

    def __init__(self, stream: BinaryIO, start: int) -> None:
        self._stream = stream
        self.size = stream.seek(0, 2)
        self.offset = stream.seek(start)

    def next(self) -> bytes:
        line = self._stream.readline(min(_frame.LINE_BYTES_MAX, self.size - self.offset))
        self.offset += len(line)
        return line

    def rest(self, start: int) -> bytes:
        self._stream.seek(start)
        return self._stream.read(self.size - start)


class Scan:
    """Reads a journal from its first line to its last, once (`iter`) or as it grows (`more`).

    Attributes:
        run: Name of the run, once the first segment was read.
        last_seq: Last committed record.
        digest: Digest of the last committed batch.
        batches, segments: How many were read.
        end: Where the last segment's committed part ends, in bytes.
        torn: The unfinished batch behind it, or None.
        unborn: The last segment holds no whole first line: its creation was cut off.
        mark: What was acknowledged at least, or None where the mark is missing or torn.
    """

    def __init__(self, directory: Path, files: FileLayer) -> None:
        """Look at the names only.

        Raises:
            InputError: There is no journal in `directory`.
            JournalDamageError: A segment is missing.
        """
        self._directory = directory
        self._files = files
        self.run = ""
        self.last_seq = 0
        self.digest = ""
        self.batches = 0
        self.end = 0
        self._current = 1
        self._look()

    @property
    def segment(self) -> str:
        """Name of the segment that `end` is in."""
        return _frame.segment_name(self._current)

    def __iter__(self) -> Iterator[Committed]:
        """Yield committed batches in order, of the journal as it is now.

        Raises:
            JournalDamageError: At the first thing that is not what was written.
            LedgerError: A file cannot be read, or the journal's creation was cut off.
        """
        yield from self._read()
        self._check_mark()

    def more(self) -> Iterator[Committed]:
        """Yield committed batches that were not given before. Errors as in `iter`, at the first call at the latest."""
        self._look()
        yield from self._read()
        self._check_mark()

    def _look(self) -> None:
        # Before the names and every segment: a live writer acknowledges more while we read, never less.
        self.mark = self._read_mark()
        self.segments = _segments(self._directory, self._files)
        self.torn: _Torn | None = None
        self.unborn = False
        self._mark_met = self.mark is None or self.mark.last <= self.last_seq

    def _read(self) -> Iterator[Committed]:
        for index in range(self._current, self.segments + 1):
            if index != self._current:
                self._current, self.end = index, 0
            try:
                with self._files.reader(self._directory / _frame.segment_name(index)) as stream:
                    yield from self._segment(index, _Lines(stream, self.end))
            except OSError as error:
                raise LedgerError(f"cannot read the journal: {error}", seq=self.last_seq + 1) from error

    def _segment(self, index: int, lines: _Lines) -> Iterator[Committed]:
        if lines.offset > lines.size:
            raise self._damage(index, lines.size, "the file became shorter while it was read")
        try:
            if lines.offset == 0:
                self._first_line(index, lines)
        except _Bad as bad:
            self._unborn(index, lines, bad)
            return
        while True:
            self.end = start = lines.offset
            try:
                committed = self._batch(lines)
            except _Bad as bad:
                self._torn_end(index, lines, start, bad)
                return
            if committed is None:
                return
            self.last_seq, self.digest = committed.batch.last, committed.batch.digest
            self.batches += 1
            self._meet_mark(index, start)
            yield committed

    def _first_line(self, index: int, lines: _Lines) -> None:
        line = lines.next()
        parsed = _frame.unframe(line)
        if parsed is None or parsed.kind != "segment" or len(line) > _frame.FRAME_BYTES_MAX:
            raise _Bad(0, "no valid first line", torn=True)
        head = _decode(parsed.payload, _frame.Segment, 0)
        if head.format != _frame.FORMAT:
            raise LedgerError(
                f"the journal in {self._directory} is of format {head.format}, this program reads {_frame.FORMAT}: "
                "read it with the version that wrote it",
                seq=1,
            )
        if index == 1:
            self.run, self.digest = head.run, _genesis(head.run)
        expected = _frame.Segment(format=_frame.FORMAT, run=self.run, first=self.last_seq + 1, previous=self.digest)
        if head != expected:
            raise _Bad(0, "the segment does not continue the one before it", torn=False)

    def _batch(self, lines: _Lines) -> Committed | None:
        records: list[Record] = []
        commitments: list[bytes] = []
        while True:
            offset = lines.offset
            line = lines.next()
            if not line:
                if records:
                    raise _Bad(offset, "the file ends inside a batch", torn=True)
                return None
            parsed = _frame.unframe(line)
            if parsed is None:
                raise _Bad(offset, "a line whose form or checksum is wrong", torn=True)
            if parsed.kind == "batch":
                return Committed(self._close(parsed.payload, commitments, offset), records, commitments)
            if parsed.kind not in {"record", "erased"}:
                raise _Bad(offset, "a line of an unexpected kind", torn=False)
            if len(records) >= _frame.BUFFER_RECORDS_MAX + 1:
                raise _Bad(offset, "a batch with more records than a batch can hold", torn=False)
            record = self._record(parsed, self.last_seq + len(records) + 1, offset)
            records.append(record)
            commitments.append(
                bytes.fromhex(record.commitment.removeprefix(HASH_PREFIX))
                if isinstance(record, Erased)
                else _frame.commitment(parsed.salt, parsed.payload)
            )

    def _record(self, line: _frame.Line, seq: int, offset: int) -> Record:
        try:
            record = decode_record(line.payload)
        except _UNREADABLE as error:
            raise _Bad(offset, f"record {seq} cannot be read ({type(error).__name__})", torn=False) from error
        if isinstance(record, Erased) != (line.kind == "erased"):
            raise _Bad(offset, f"record {seq} is of another kind than its line", torn=False)
        if isinstance(record, Erased) and not _COMMITMENT.fullmatch(record.commitment):
            raise _Bad(offset, f"record {seq} was erased and its commitment is none", torn=False)
        if isinstance(record, Erased) and record.kind not in ERASABLE:
            raise _Bad(offset, f"record {seq}, a {record.kind[:40]}, was erased, which is never allowed", torn=False)
        if record.seq != seq:
            raise _Bad(offset, f"record {seq} calls itself {record.seq}", torn=False)
        if record.run != self.run:
            raise _Bad(offset, f"record {seq} is of another run", torn=False)
        return record

    def _close(self, payload: bytes, commitments: list[bytes], offset: int) -> _frame.Batch:
        if not commitments:
            raise _Bad(offset, "a batch without records", torn=False)
        batch = _decode(payload, _frame.Batch, offset)
        if batch != _frame.seal(self.run, self.last_seq + 1, self.digest, commitments):
            raise _Bad(offset, "the batch digest does not match its records and the chain", torn=False)
        return batch

    def _torn_end(self, index: int, lines: _Lines, start: int, bad: _Bad) -> None:
        """Accept `bad` as what a power cut left of the one batch that was in flight, or raise."""
        size = lines.size - start
        whole = bad.torn and index == self.segments and size <= _frame.BATCH_BYTES_MAX
        kinds = _kinds(lines.rest(start)) if whole else []
        if not whole or "batch" in kinds[:-1]:
            raise self._damage(index, bad.offset, bad.what)
        self.torn = _Torn(index, start, size, kinds.count("record") + kinds.count("erased"))

    def _unborn(self, index: int, lines: _Lines, bad: _Bad) -> None:
        """Accept a segment without a first line as one whose creation was cut off, or raise.

        The first line is synced before anything follows it, and a segment is begun only after all before it
        was synced.
        """
        if not bad.torn or index != self.segments or lines.size > _frame.FRAME_BYTES_MAX:
            raise self._damage(index, bad.offset, bad.what)
        if index == 1:
            raise LedgerError(
                "the journal's creation was cut off and it never held a record: remove the directory and start again",
                seq=1,
            )
        self.unborn = True
        self.torn = _Torn(index, 0, lines.size, 0)

    def _meet_mark(self, index: int, offset: int) -> None:
        if self.mark is not None and self.mark.last == self.last_seq:
            self._mark_met = True
            if self.mark.digest != self.digest:
                raise self._damage(index, offset, "the last acknowledged batch has another digest")

    def _check_mark(self) -> None:
        if self.mark is None or self._mark_met:
            return
        if self.mark.last > self.last_seq:
            where = self.torn.offset if self.torn else self.end
            what = f"records up to {self.mark.last} were acknowledged, but the journal ends with {self.last_seq}"
            raise self._damage(self.segments, where, what)
        raise self._damage(self.segments, self.end, f"no batch ends with the acknowledged record {self.mark.last}")

    def _damage(self, index: int, offset: int, what: str) -> JournalDamageError:
        return JournalDamageError(f"{_frame.segment_name(index)}, byte {offset}", what, seq=self.last_seq + 1)

    def _read_mark(self) -> _frame.Mark | None:
        try:
            with self._files.reader(self._directory / _frame.MARK_NAME) as stream:
                return _frame.read_mark(stream.read(_frame.MARK_BYTES))
        except OSError:
            return None


def _kinds(data: bytes) -> list[str]:
    """Kind of each line, "" for one that is broken; what lies behind the last newline counts as a line."""
    lines = data.split(b"\n")
    kinds = [parsed.kind if (parsed := _frame.unframe(line + b"\n")) else "" for line in lines[:-1]]
    return [*kinds, ""] if lines[-1] else kinds


def _genesis(run: str) -> str:
    try:
        return _frame.genesis(run)
    except InputError as error:
        raise _Bad(0, "the run's name is no text", torn=False) from error


def _decode(payload: bytes, kind: type[StructT], offset: int) -> StructT:
    try:
        return msgspec.json.decode(payload, type=kind)
    except _UNREADABLE as error:
        raise _Bad(offset, f"a {kind.__name__.lower()} line that cannot be read", torn=False) from error


def _segments(directory: Path, files: FileLayer) -> int:
    try:
        names = files.names(directory)
    except OSError as error:
        raise InputError(f"no journal in {directory}: {error.strerror or error}") from error
    numbers = [int(match[1]) for name in names if (match := _SEGMENT.fullmatch(name))]
    if not numbers:
        raise InputError(f"no journal in {directory}: it holds no {_frame.segment_name(1)}")
    for index, number in enumerate(numbers, start=1):
        if index != number:
            raise JournalDamageError(_frame.segment_name(index), "the segment is missing", seq=1)
    return len(numbers)
