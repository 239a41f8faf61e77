"""Open a gate: journal, detectors, tripwires, sockets; and keep it open."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path

from subcritical.clock import Clock
from subcritical.detectors import load_detectors
from subcritical.ids import Ids
from subcritical.ledger import Journal, read_journal
from subcritical.pipeline import Pipeline
from subcritical.pipeline.control import ControlServer
from subcritical.schema import Message, RunState
from subcritical.tripwires import Tripwires, tripwire_rules
from subcritical.watch.gate import Gate
from subcritical.watch.gate_file import GateSettings
from subcritical.watch.holding import Holding
from subcritical.watch.integrity import Integrity
from subcritical.watch.reach import Reach
from subcritical.watch.server import GateServer

_BEAT_S = 1.0
_OVER = (RunState.KILLING, RunState.KILLED, RunState.FINISHED)


def keep_open(
    settings: GateSettings,
    *,
    journal: Path,
    directory: Path,
    besides: Sequence[Path],
    beside: Callable[[Pipeline], AbstractContextManager[None]],
    clock: Clock,
    opened: Callable[[Path], None],
    ended: threading.Event,
) -> bool:
    """Serve until `ended`, or until somebody stops the run.

    Args:
        settings: The gate file.
        journal: Where the record goes; made, or gone on with.
        directory: The run's; both sockets appear in it.
        besides: Files outside the project that must not change, such as the host's settings.
        beside: What is in force while the gate is open, such as a watch over the signer of its record.
        clock: The source of time.
        opened: Called with the gate's socket when it serves.
        ended: Set by whoever closes the gate.

    Returns:
        Whether it was closed orderly; False where the run was stopped.

    Raises:
        InputError: A socket cannot be made, or a detector's settings are wrong.
        LedgerError: The journal cannot be written.
    """
    run = directory.name
    with contextlib.ExitStack() as stack:
        known = journal.exists()  # a gate that was open before: what held it holds it still
        record = Journal.open(journal, clock) if known else Journal.create(journal, run, clock)
        stack.callback(record.close)
        pipeline = Pipeline(
            record,
            load_detectors(settings.file.detectors),
            Tripwires(tripwire_rules(settings.file.tripwires)),
            Holding(clock),
            clock,
            ids=Ids(),
            run=run,
            history=list(read_journal(journal)) if known else (),
        )
        stack.callback(pipeline.close)
        stack.enter_context(beside(pipeline))
        reach = Reach(settings.root, settings.rules, settings.file.elsewhere)
        integrity = Integrity(settings.root, reach.protected, besides, directory / "protected.json")
        gate = Gate(settings, pipeline, reach, integrity)
        protected = len(reach.protected())
        pipeline.event(
            Message(source="gate", text=f"{protected} protected files; mode {settings.file.mode}"), generation=0
        )
        pipeline.start(by="gate", reason=f"the gate of {settings.file.system} is open")
        gate.alive()  # what changed while it was closed is said before anybody can let it go on
        stack.enter_context(ControlServer(pipeline, directory))
        server = stack.enter_context(GateServer(gate.decide, directory))
        opened(server.path)
        while not ended.wait(_BEAT_S):
            gate.alive()
            if pipeline.state in _OVER:
                return False
        return True
