"""50 simulated power cuts: what was acknowledged is there, the journal verifies, and recording goes on."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from power_cut_files import PowerCut, PowerCutFiles

from subcritical.clock import FakeClock
from subcritical.errors import InputError, LedgerError
from subcritical.ledger import Journal, read_journal, verify_journal
from subcritical.schema import Message, Record

DIRECTORY = Path("/run/journal")
CUTS = 50
SEGMENT_BYTES = 6_000


class Writer:
    """Appends, commits and remembers what `commit` acknowledged."""

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance
        self.clock = FakeClock()
        self.acknowledged: list[Record] = []
        self.appended: list[Record] = []
        self.created = False
        self.dropped = False

    def write(self, journal: Journal, batches: int) -> None:
        for _ in range(batches):
            for _ in range(self.chance.randint(1, 6)):
                text = "x" * self.chance.choice([0, 10, 300, 2_000])
                self.clock.advance(1)
                self.appended.append(journal.event(Message(source="guest", text=text), producer="p", generation=1))
            durable = journal.commit()
            self.acknowledged = self.appended[:durable]

    def run(self, files: PowerCutFiles) -> None:
        journal = Journal.create(DIRECTORY, "run", self.clock, files, segment_bytes=SEGMENT_BYTES)
        self.created = True
        self.write(journal, 12)
        journal.close()

    def resume(self, files: PowerCutFiles, batches: int) -> Journal:
        journal = Journal.open(DIRECTORY, self.clock, files, segment_bytes=SEGMENT_BYTES)
        self.created = True
        self.dropped |= journal.dropped is not None
        self.appended = self.appended[: journal.last_seq]
        self.write(journal, batches)
        return journal


def operations_of_a_run(seed: int) -> int:
    files = PowerCutFiles()
    Writer(random.Random(seed)).run(files)
    return len(files.operations)


def holds(files: PowerCutFiles, writer: Writer) -> None:
    if not writer.created:
        return  # nothing was promised yet
    check = verify_journal(DIRECTORY, files)
    assert check.ok, check.problems
    found = list(read_journal(DIRECTORY, files))
    assert found[: len(writer.acknowledged)] == writer.acknowledged
    assert found == writer.appended[: len(found)], "a record that nobody appended"


def one_cut(seed: int, *, syncs: bool = True, directory_syncs: bool = True) -> str:
    """Cut, check, cut again during recovery, check, go on, check. Returns what the recoveries found."""
    chance = random.Random(seed)
    writer = Writer(chance)
    cut_after = chance.randrange(operations_of_a_run(seed))
    files = PowerCutFiles(cut_after=cut_after, syncs=syncs, directory_syncs=directory_syncs)
    writer.chance = random.Random(seed)
    with pytest.raises(PowerCut):
        writer.run(files)
    files = files.power_back(chance, cut_after=chance.randint(0, 8))
    holds(files, writer)
    try:
        writer.resume(files, 3).close()
    except (PowerCut, InputError, LedgerError) as stop:
        if not isinstance(stop, PowerCut) and writer.created:
            raise
    files = files.power_back(chance)
    holds(files, writer)
    if not writer.created:
        return "not created"
    writer.resume(files, 5).close()
    holds(files, writer)
    assert verify_journal(DIRECTORY, files).last_seq == len(writer.acknowledged) == len(writer.appended)
    return "dropped" if writer.dropped else "whole"


def test_what_was_acknowledged_survives_every_power_cut():
    outcomes = [one_cut(seed) for seed in range(CUTS)]
    print({outcome: outcomes.count(outcome) for outcome in set(outcomes)})
    # The cuts must have hit something: torn batches in a fair share of the runs.
    assert outcomes.count("dropped") >= 5
    assert outcomes.count("whole") >= 5


@pytest.mark.parametrize("broken", [{"syncs": False}, {"directory_syncs": False}])
def test_without_fdatasync_the_same_test_fails(broken):
    failed = 0
    for seed in range(CUTS):
        try:
            one_cut(seed, **broken)
        except (AssertionError, LedgerError, InputError):
            failed += 1
    print(broken, failed, "of", CUTS, "cuts lost acknowledged records or damaged the journal")
    assert failed >= 10


@pytest.mark.sim
def test_two_thousand_power_cuts():
    for seed in range(CUTS, CUTS + 2_000):
        one_cut(seed)


def test_every_point_of_one_run_can_be_cut():
    """No luck involved: each operation of one run is the last one, with several outcomes each."""
    for cut_after in range(operations_of_a_run(7)):
        for outcome in range(4):
            writer = Writer(random.Random(7))
            files = PowerCutFiles(cut_after=cut_after)
            with pytest.raises(PowerCut):
                writer.run(files)
            files = files.power_back(random.Random(1_000 * cut_after + outcome))
            holds(files, writer)
