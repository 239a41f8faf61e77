"""The event journal: append, commit, and what was committed survives kill -9 and power cuts.

What it does not protect against: a disk that lies about `fdatasync`, and a person or program that may write the
directory. Such a writer can rebuild the whole chain; only digests kept elsewhere show that.
"""

from __future__ import annotations

import os
import secrets
import threading
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self, TypeVar

import msgspec

from subcritical.clock import Clock
from subcritical.errors import InputError, LedgerError
from subcritical.ledger import _frame
from subcritical.ledger._scan import Scan
from subcritical.ledger.files import FileLayer, Lock, LogFile, OsFiles
from subcritical.schema import Erased, Event, EventData, Record, decode_record, encode_record

RecordT = TypeVar("RecordT", bound=Record)

SEGMENT_BYTES = 64 << 20
"""A segment that has reached this size is followed by a new one."""
_RUN_NAME_MAX = 200
_UNWRITABLE = (msgspec.MsgspecError, UnicodeError, OverflowError, TypeError, ValueError, RecursionError)


class Dropped(NamedTuple):
    """What `Journal.open` cut off: a batch that was being written and that nobody was told about.

    Attributes:
        segment: File it was in.
        offset: Where it began, in bytes.
        size: Bytes dropped.
        records: Whole records among them.
    """

    segment: str
    offset: int
    size: int
    records: int


class _Position(NamedTuple):
    segment: int
    size: int
    last_seq: int
    digest: str


class Journal:
    """A run's journal, open for appending by this process alone. Thread-safe.

    `append` numbers and buffers; `commit` returns when everything appended before it is on disk. Threads that
    commit at the same time share one sync. After a failed write nothing more is accepted: what the disk
    holds is unknown until `open` has read it again. An exception that a signal handler raises inside
    `commit` counts as such a failure, so handlers should set flags.
    """

    def __init__(
        self, directory: Path, run: str, clock: Clock, files: FileLayer, lock: Lock, *, segment_bytes: int
    ) -> None:
        """For `create` and `open` only."""
        self._directory = directory
        self._run = run
        self._clock = clock
        self._files = files
        self._lock = lock
        self._segment_bytes = segment_bytes
        self._process = os.getpid()
        self._state = threading.Condition(threading.Lock())
        self._lines: list[tuple[bytes, bytes]] = []  # salt and bytes of each record
        self._buffered = 0
        self._last_seq = 0
        self._durable_seq = 0
        self._digest = ""
        self._writing = False
        self._stopped = ""
        self._segment: LogFile | None = None
        self._segment_index = 0
        self._segment_size = 0
        self._mark: LogFile | None = None
        self.dropped: Dropped | None = None

    @classmethod
    def create(
        cls,
        directory: Path,
        run: str,
        clock: Clock,
        files: FileLayer | None = None,
        *,
        segment_bytes: int = SEGMENT_BYTES,
    ) -> Self:
        """Start a new journal in `directory`, which is made for its owner alone (0700, files 0600).

        Args:
            directory: Absent or empty.
            run: Name of the run, 1 to 200 printable characters; every record gets it.
            clock: Source of `time_ns`.
            files: Where it lives; the file system unless a test says otherwise.
            segment_bytes: Size at which a new segment is begun, > 0.

        Raises:
            InputError: The run's name is unusable, or the directory is not empty.
            LedgerError: Another process writes here, or the file system refuses.
        """
        if not run or len(run) > _RUN_NAME_MAX or not run.isprintable():
            raise InputError(f"run name {run!r}: 1 to {_RUN_NAME_MAX} printable characters are needed")
        files = files or OsFiles()
        try:
            if files.exists(directory) and set(files.names(directory)) - {_frame.LOCK_NAME}:
                raise InputError(f"{directory} is not empty: open the journal in it, or choose another directory")
            files.make_directory(directory)
            journal = cls(directory, run, clock, files, _take(directory, files), segment_bytes=segment_bytes)
            try:
                journal._found()
            except BaseException:
                journal._release()
                raise
        except OSError as error:
            raise LedgerError(f"cannot create a journal in {directory}: {error}") from error
        return journal

    @classmethod
    def open(
        cls, directory: Path, clock: Clock, files: FileLayer | None = None, *, segment_bytes: int = SEGMENT_BYTES
    ) -> Self:
        """Continue the journal in `directory`: read all of it, drop a batch that was never committed.

        What was dropped is in `dropped`; no record that `commit` had acknowledged is ever in it.

        Args:
            directory: Holds a journal.
            clock: Source of `time_ns`.
            files: Where it lives; the file system unless a test says otherwise.
            segment_bytes: Size at which a new segment is begun, > 0.

        Raises:
            InputError: There is no journal.
            LedgerError: Another process writes it, the file system refuses, or it is damaged (`JournalDamageError`).
        """
        files = files or OsFiles()
        try:
            Scan(directory, files)  # Before the lock, which would make a file in a directory that is no journal.
            journal = cls(directory, "", clock, files, _take(directory, files), segment_bytes=segment_bytes)
            try:
                journal._continue()
            except BaseException:
                journal._release()
                raise
        except OSError as error:
            raise LedgerError(f"cannot open the journal in {directory}: {error}") from error
        return journal

    @property
    def directory(self) -> Path:
        """Where it lives."""
        return self._directory

    @property
    def run(self) -> str:
        """Name of the run."""
        return self._run

    @property
    def last_seq(self) -> int:
        """Number of the last record appended; 0 for none."""
        return self._last_seq

    @property
    def durable_seq(self) -> int:
        """Number of the last record on disk; 0 for none."""
        return self._durable_seq

    @property
    def digest(self) -> str:
        """Digest of the last batch on disk, the end of the chain."""
        return self._digest

    def append(self, record: RecordT) -> RecordT:
        """Number a record, stamp it with time and run, and buffer it.

        A full buffer is written and synced first, so that memory stays bounded.

        Returns:
            The record as a later reader of the journal will get it (a NaN, for one, becomes null).

        Raises:
            InputError: The record cannot be written so that it reads back (a lone surrogate in a text, NaN where a
                number is required, more than 8 MiB). No number is used up.
            LedgerError: The journal is closed or could not be written.
        """
        with self._state:
            while self._buffered >= _frame.BUFFER_BYTES_MAX or len(self._lines) >= _frame.BUFFER_RECORDS_MAX:
                self._step()
            self._require_usable()
            if isinstance(record, Erased):
                raise InputError("Erased: only `erase` writes what is left of a record")
            numbered = msgspec.structs.replace(
                record, seq=self._last_seq + 1, time_ns=self._clock.wall_ns(), run=self._run
            )
            payload, read_back = _round_trip(numbered)
            self._lines.append((secrets.token_bytes(_frame.SALT_BYTES), payload))
            self._buffered += len(payload)
            self._last_seq += 1
            return read_back

    def event(self, data: EventData, *, producer: str, generation: int) -> Event:
        """Append an event."""
        event = Event(seq=0, time_ns=0, run="", producer=producer, generation=generation, data=data)
        return self.append(event)

    def commit(self) -> int:
        """Return once everything appended before the call is on disk.

        Returns:
            Number of the last durable record, 0 for none.

        Raises:
            LedgerError: The journal is closed or could not be written. What was appended since the last commit may
                or may not be on disk.
        """
        with self._state:
            self._require_usable()
            target = self._last_seq
            while self._durable_seq < target:
                self._step()
            return self._durable_seq

    def close(self) -> None:
        """Commit what is buffered and let the next writer in. Harmless when repeated.

        Raises:
            LedgerError: The last commit failed; the files are closed nevertheless.
        """
        with self._state:
            if self._segment is None:
                return
            try:
                while not self._stopped and self._durable_seq < self._last_seq:
                    self._step()
                while self._writing:
                    self._state.wait()
                if self._mark is not None and not self._stopped:
                    self._mark.sync()
            except OSError as error:
                raise LedgerError(f"the journal in {self._directory} could not be closed: {error}") from error
            finally:
                self._stopped = self._stopped or "it was closed"
                self._release()

    def __enter__(self) -> Self:
        """Use as a context manager."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close."""
        self.close()

    def _step(self) -> None:
        """With the state locked: wait for the sync under way, or do one. Progress or an error, always."""
        self._require_usable()
        if self._writing:
            self._state.wait()
            return
        records, first = self._lines, self._durable_seq + 1
        self._lines, self._buffered, self._writing = [], 0, True
        self._state.release()
        batch, problem = None, "the write was interrupted"
        try:
            batch = self._write(records, first)
        except OSError as error:
            problem = str(error)
        finally:
            self._state.acquire()
            self._writing = False
            if batch is None:
                self._stopped = f"{problem}; record {first} and later ones may be lost"
            else:
                self._durable_seq, self._digest = batch.last, batch.digest
            self._state.notify_all()
        self._require_usable()

    def _write(self, records: Sequence[tuple[bytes, bytes]], first: int) -> _frame.Batch:
        """Write one batch and sync it. Runs in one thread at a time, without the lock.

        A crash in here leaves a torn batch that `open` drops. The mark comes last: it may lag behind what is
        durable, never run ahead of it.
        """
        batch = _frame.seal(self._run, first, self._digest, [_frame.commitment(*record) for record in records])
        lines = [_frame.frame("record", payload, salt) for salt, payload in records]
        lines.append(_frame.frame("batch", msgspec.json.encode(batch)))
        if self._segment_size >= self._segment_bytes:
            self._next_segment(first, batch.previous)
        segment, mark = self._segment, self._mark
        assert segment is not None  # noqa: S101 - our own mistake, not the caller's
        assert mark is not None  # noqa: S101
        data = b"".join(lines)
        segment.append(data)
        segment.sync()
        self._segment_size += len(data)
        mark.overwrite(_frame.mark_bytes(_frame.Mark(last=batch.last, digest=batch.digest)))
        return batch

    def _next_segment(self, first: int, previous: str) -> None:
        """Begin a segment: first line, sync, then the name. A crash leaves a file that `open` removes."""
        head = _frame.Segment(format=_frame.FORMAT, run=self._run, first=first, previous=previous)
        line = _frame.frame("segment", msgspec.json.encode(head))
        if self._segment is not None:
            self._segment.close()
        self._segment_index += 1
        self._segment = self._files.create(self._directory / _frame.segment_name(self._segment_index))
        self._segment.append(line)
        self._segment.sync()
        self._segment_size = len(line)
        self._files.sync_directory(self._directory)

    def _found(self) -> None:
        self._digest = _frame.genesis(self._run)
        self._new_mark()
        self._next_segment(1, self._digest)

    def _continue(self) -> None:
        scan = Scan(self._directory, self._files)
        for _ in scan:
            pass
        self._run, self._digest = scan.run, scan.digest
        self._last_seq = self._durable_seq = scan.last_seq
        self._segment_index, self._segment_size = scan.segments, scan.end
        if scan.unborn:
            self._files.remove(self._directory / _frame.segment_name(scan.segments))
            self._files.sync_directory(self._directory)
            self._segment_index -= 1
        self._segment = self._files.open(self._directory / _frame.segment_name(self._segment_index))
        if scan.torn is not None:
            torn = scan.torn
            self.dropped = Dropped(_frame.segment_name(torn.segment), torn.offset, torn.size, torn.records)
            if not scan.unborn:
                self._segment.truncate(torn.offset)
        # What was read, and the name it was read under, may not have reached the disk yet: the last writer may have
        # been killed before its sync.
        self._segment.sync()
        self._files.sync_directory(self._directory)
        if _frame.MARK_NAME in self._files.names(self._directory):
            self._mark = self._files.open(self._directory / _frame.MARK_NAME)
        else:
            self._new_mark()

    def _new_mark(self) -> None:
        self._mark = self._files.create(self._directory / _frame.MARK_NAME)
        self._mark.append(_frame.mark_bytes(_frame.Mark(last=self._durable_seq, digest=self._digest)))
        self._mark.sync()
        self._files.sync_directory(self._directory)

    def _require_usable(self) -> None:
        if self._stopped:
            raise LedgerError(
                f"nothing more can be recorded in {self._directory}: {self._stopped}", seq=self._durable_seq + 1
            )
        if os.getpid() != self._process:
            raise LedgerError("this journal belongs to the process that opened it, and this is a fork of it")

    def _release(self) -> None:
        for file in (self._segment, self._mark):
            if file is not None:
                file.close()
        self._segment = self._mark = None
        self._lock.release()


def _take(directory: Path, files: FileLayer) -> Lock:
    try:
        return files.lock(directory / _frame.LOCK_NAME)
    except BlockingIOError as error:
        raise LedgerError(f"another process writes the journal in {directory}: one writer at a time") from error


def _round_trip(record: RecordT) -> tuple[bytes, RecordT]:
    """Bytes of a record and what a reader will make of them: a record that cannot be read back is not written."""
    kind = type(record)
    try:
        payload = encode_record(record)
        read_back = decode_record(payload)
    except _UNWRITABLE as error:
        raise InputError(f"{kind.__name__} cannot be recorded: {error}") from error
    if len(payload) > _frame.RECORD_BYTES_MAX:
        raise InputError(f"{kind.__name__} of {len(payload)} bytes: the journal takes {_frame.RECORD_BYTES_MAX}")
    assert isinstance(read_back, kind)  # noqa: S101 - the tag decides the type
    return payload, read_back
