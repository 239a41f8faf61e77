"""`ledger monitor`: watch a published log from outside."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from subcritical.app.policies import read_policy
from subcritical.clock import SystemClock
from subcritical.errors import InputError
from subcritical.ledger.log_keys import read_log_keys
from subcritical.ledger.monitor.monitor import Monitor, MonitorFinding
from subcritical.ledger.tlog import Policy, PolicyLog


def monitor(
    directory: Path,
    *,
    home: Path,
    keys: Path | None = None,
    policy: Path | None = None,
    mirrors: Sequence[Path] = (),
    notes: Sequence[Path] = (),
    silence_s: float | None = None,
    every_s: float | None = None,
) -> Iterator[list[MonitorFinding]]:
    """Follow a log; one list of findings for each round. Say `ledger.monitor.NOT_SHOWN` beside them.

    Args:
        directory: The published log.
        home: Folder of the monitor's own state and evidence.
        keys: File of the log's verifier keys, one a line; nobody outside vouches for the log then.
        policy: tlog-policy file with log keys, witnesses and quorum; give this or `keys`.
        mirrors: Other published copies of the same log.
        notes: Checkpoints of it that somebody else has.
        silence_s: Seconds without an entry that are a finding, > 0; None for no limit.
        every_s: Seconds between rounds, > 0, without end; None for a single round.

    Raises:
        InputError: An argument is unusable. This and `LedgerError` are raised at once or by the round they concern.
        LedgerError: The monitor's own state cannot be read or stored.
    """
    if (keys is None) == (policy is None):
        raise InputError("monitor: give either a file of the log's keys or a policy file")
    if every_s is not None and not every_s > 0:
        raise InputError(f"monitor: {every_s} s between rounds; give more than 0")
    trusted = read_policy(policy) if policy is not None else _only_keys(keys)
    watch = Monitor(home, directory, trusted, SystemClock(), mirrors=mirrors, silence_s=silence_s)
    return _rounds(watch, notes, every_s)


def _rounds(watch: Monitor, notes: Sequence[Path], every_s: float | None) -> Iterator[list[MonitorFinding]]:
    yield watch.round(notes)
    while every_s is not None:
        time.sleep(every_s)
        yield watch.round(notes)


def _only_keys(path: Path | None) -> Policy:
    return Policy(tuple(PolicyLog(key) for key in read_log_keys(path)) if path is not None else (), (), (), None)
