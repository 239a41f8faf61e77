"""`findings`: what people decided about findings; who, why, until when.

Marks are lines appended to a file of the operator's, which no system that is watched may be able to write: a mark is
not signed. A silence ends by itself; nothing is ever deleted from a result.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Literal

import msgspec

from subcritical.clock import Clock, SystemClock
from subcritical.errors import InputError
from subcritical.ledger import read_journal
from subcritical.loop.run_directory import RunDirectory
from subcritical.schema import Finding, Severity

LONGEST_S = 90 * 86_400.0
"""A silence of more than 90 days is no decision any more; it must be taken again."""
_RESULT_MAX = 256 << 20
_LINE_MAX = 1 << 16
State = Literal["acknowledged", "silenced"]


class Mark(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One decision. Times are seconds since 1970; `until` None means without end, for acknowledgements only."""

    finding: str
    state: State
    owner: str
    reason: str
    made: float
    until: float | None = None


class _Listed(msgspec.Struct):
    """What a finding in a result must have for people to decide about it."""

    id: str
    severity: Severity
    title: str
    detector: str
    evidence: list[dict[str, Any]]


class Triage:
    """The marks of a file."""

    def __init__(self, path: Path, clock: Clock | None = None) -> None:
        """Read it; a file that is not there holds no marks.

        Args:
            path: The file.
            clock: What time it is, asked once.

        Raises:
            InputError: It cannot be read, or a line is no mark.
        """
        self.path = path
        self._now = (clock or SystemClock()).wall_ns() / 1e9
        self._marks: dict[str, Mark] = {}
        try:
            with path.open("rb") as file:
                lines = enumerate(iter(lambda: file.readline(_LINE_MAX), b""), 1)
                self._marks.update(self._mark(line, number) for number, line in lines if line.strip())
        except FileNotFoundError:
            return
        except OSError as error:
            raise InputError(f"{path} cannot be read: {error.strerror}") from None

    def _mark(self, line: bytes, number: int) -> tuple[str, Mark]:
        try:
            mark = msgspec.json.decode(line, type=Mark)
            _check(mark)
        except (msgspec.DecodeError, RecursionError, InputError) as error:
            raise InputError(f"{self.path}:{number}: no mark: {error}; mend or remove that line") from None
        return mark.finding, mark

    def of(self, finding: str) -> Mark | None:
        """The mark that holds now, if there is one; the last of a finding counts."""
        mark = self._marks.get(finding)
        return mark if mark is not None and (mark.until is None or self._now < mark.until) else None

    def silenced(self, findings: Iterable[str]) -> frozenset[str]:
        """Those of some findings that are silenced now."""
        marks = ((finding, self.of(finding)) for finding in findings)
        return frozenset(finding for finding, mark in marks if mark is not None and mark.state == "silenced")

    def mark(
        self, findings: Sequence[str], state: State, *, owner: str, reason: str, for_s: float | None
    ) -> list[Mark]:
        """Append a mark for each finding, on disk when this returns.

        Args:
            findings: Their ids.
            state: What they are from now on.
            owner: Who answers for it.
            reason: Why.
            for_s: Seconds it holds; None for ever.

        Raises:
            InputError: An owner or reason is missing, a silence has no end or too late a one, or the file cannot be
                written.
        """
        until = None if for_s is None else self._now + for_s
        marks = [
            Mark(finding=finding, state=state, owner=owner, reason=reason, made=self._now, until=until)
            for finding in findings
        ]
        for mark in marks:
            _check(mark)
        lines = b"".join(msgspec.json.encode(mark) + b"\n" for mark in marks)
        try:
            handle = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                os.write(handle, lines)
                os.fdatasync(handle)
            finally:
                os.close(handle)
        except OSError as error:
            raise InputError(f"{self.path} cannot be written: {error.strerror}") from None
        self._marks.update((mark.finding, mark) for mark in marks)
        return marks


def _check(mark: Mark) -> None:
    if not mark.owner.strip() or not mark.reason.strip():
        raise InputError("a mark needs an owner and a reason")
    if mark.until is not None and mark.until <= mark.made:
        raise InputError("the mark would have ended already; name a later time")
    if mark.state == "silenced" and (mark.until is None or mark.until - mark.made > LONGEST_S):
        raise InputError("a silence needs an end within 90 days; silence it again then, or mend what it points at")


def triage_outside(path: Path, roots: Sequence[Path]) -> Triage:
    """The marks of a file that does not lie in what is watched: what is watched could silence findings about itself.

    Raises:
        InputError: It does, or it cannot be read.
    """
    for root in roots:
        if root.is_dir() and path.resolve().is_relative_to(root.resolve()):
            raise InputError(
                f"{path} lies within {root}, which is scanned: whoever writes there could silence findings"
            )
    return Triage(path)


def load_findings(source: str, *, runs: Path) -> list[dict[str, Any]]:
    """Findings of a scan's JSON result, or of a run.

    Args:
        source: A file that `scan --json` wrote, a run's name, its folder, or `latest`.
        runs: Folder of runs.

    Raises:
        InputError: There is no such thing, or it holds no findings list.
        LedgerError: The run's journal is broken.
    """
    path = Path(source)
    if not path.is_file():
        try:
            directory = RunDirectory.find(source, runs)
        except InputError as error:
            raise InputError(f"{source} is no file, and {error}") from None
        records = read_journal(directory.journal)
        return [_of_run(record) for record in records if isinstance(record, Finding)]
    if path.stat().st_size > _RESULT_MAX:
        raise InputError(f"{path} is larger than {_RESULT_MAX >> 20} MiB")
    try:
        findings = msgspec.json.decode(path.read_bytes(), type=dict[str, Any])["findings"]
        msgspec.convert(findings, list[_Listed])
    except (OSError, KeyError, msgspec.DecodeError, RecursionError) as error:
        raise InputError(f"{path} is no result of `subcritical scan --json`: {error}") from None
    listed: list[dict[str, Any]] = findings
    return listed


def _of_run(finding: Finding) -> dict[str, Any]:
    plain: dict[str, Any] = msgspec.to_builtins(finding)
    return {**plain, "system": finding.run}


def find_id(known: Sequence[str], wanted: str) -> str:
    """The id that `wanted` is, or begins.

    Raises:
        InputError: None, or more than one.
    """
    fitting = [one for one in known if one == wanted] or sorted({one for one in known if one.startswith(wanted)})
    if len(fitting) != 1:
        what = "no finding" if not fitting else f"{len(fitting)} findings"
        raise InputError(f"{what} with the id {wanted!r}; `subcritical findings list` names them")
    return fitting[0]
