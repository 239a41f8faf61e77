"""The monitor names every file that was changed, every gap in the numbers, and every second history it is shown."""

from __future__ import annotations

import json
import os
import random
import shutil
import stat

import pytest
from log_cases import DirectSigner, new_journal, write_batches
from witness_world import ForgetfulWitness, WitnessProcess, log_of, policy_of, witnesses

from subcritical.app.monitoring import monitor as app_monitor
from subcritical.canonical import canonical_json
from subcritical.clock import FakeClock
from subcritical.errors import ConfigError, InputError, LedgerError
from subcritical.ledger.files import OsFiles
from subcritical.ledger.monitor.monitor import NOT_SHOWN, Monitor
from subcritical.ledger.monitor.split_view import PrefixProof, check_split_view
from subcritical.ledger.publication import Publication
from subcritical.ledger.run_log import RunLog
from subcritical.ledger.tlog import (
    Checkpoint,
    LogSigner,
    Note,
    Policy,
    PolicyLog,
    Tree,
    format_checkpoint,
    format_note,
    format_policy,
    format_verifier_key,
    leaf_hash,
    open_note,
    parse_checkpoint,
    parse_note,
)
from subcritical.ledger.witness.client import collect

ORIGIN = "subcritical/run/run-1"
LOG = LogSigner(ORIGIN, bytes([1]) * 32)
START_NS = 1_700_000_000_000_000_000
SECOND = 1_000_000_000
POLICY = Policy((PolicyLog(LOG.verifier_key),), (), (), None)


def entries_of(batches, *, tag="a", step_s=1.0, kind="event.heartbeat"):
    """Three entries a batch, as a journal gives them: a heartbeat, a finding, the batch."""
    made = []
    for at in range(batches):
        first = 4 * at + 1
        common = {"run": "run-1", "v": 1, "number": at + 1}
        time_ns = str(START_NS + int(at * step_s * SECOND))
        for offset, (actor, type_) in enumerate((("loop", kind), ("d", "finding"))):
            made.append(
                {**common, "actor": actor, "type": type_, "commitment": f"sha256:{tag} {at}"}
                | {"seq": first + 2 + offset, "time_ns": time_ns}
            )
        made.append(
            {**common, "actor": "journal", "type": "batch", "digest": f"sha256:{tag} {at}"}
            | {"first": first, "last": first + 3}
        )
    return made


def encoded(entries):
    return [entry if isinstance(entry, bytes) else canonical_json(entry) for entry in entries]


def tree_of(entries):
    return Tree(leaf_hash(entry) for entry in encoded(entries))


def note_of(tree, size=None, log=LOG):
    size = tree.size if size is None else size
    text = format_checkpoint(Checkpoint(log.verifier_key.name, size, tree.root(size)))
    return format_note(Note(text, (log.sign(text),)))


def publish(directory, entries, size=None, note=None):
    tree = tree_of(entries)
    Publication(directory).publish(tree, encoded(entries), note or note_of(tree, size))
    return tree


def republish(directory, entries, size=None):
    """What an operator can do who rewrites what he has published."""
    shutil.rmtree(directory, ignore_errors=True)
    return publish(directory, entries, size)


class World:
    def __init__(self, root):
        self.root, self.log, self.home = root, root / "log", root / "home"
        self.clock = FakeClock(START_NS)

    def monitor(self, **more):
        return Monitor(self.home, self.log, more.pop("policy", POLICY), self.clock, **more)

    def evidence(self):
        return sorted((self.home / "evidence").iterdir()) if (self.home / "evidence").exists() else []


@pytest.fixture
def world(tmp_path):
    return World(tmp_path)


def whats(findings):
    return [finding.what for finding in findings]


def checked_evidence(place):
    """What a stranger can check with the log's key alone."""
    one, two = (place / "one.note").read_bytes(), (place / "two.note").read_bytes()
    for note in (one, two):
        open_note(note, [LOG.verifier_key])
    proof = place / "proof.json"
    shown = PrefixProof(**json.loads(proof.read_bytes())) if proof.exists() else None
    return check_split_view(one, two, shown)


# --- nothing is wrong


def test_a_log_that_grows_gives_no_finding_in_one_monitor_or_in_many(world):
    entries = entries_of(300)
    watch = world.monitor(silence_s=10_000)
    for size in (0, 1, 3, 255, 256, 257, 511, 512, 700, 700, 900):
        publish(world.log, entries, size)
        assert watch.round() == []
        assert world.monitor(mirrors=[world.log]).round() == []
    assert world.evidence() == []
    for path in (world.home, *world.home.rglob("*")):
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600), path


def test_the_log_of_a_real_journal_gives_no_finding(tmp_path, world):
    signer = DirectSigner(tmp_path / "signer")
    journal = new_journal(tmp_path / "journal")
    watch = Monitor(world.home, world.log, Policy((PolicyLog(signer.key(ORIGIN)),), (), (), None), FakeClock())
    log = RunLog(tmp_path / "journal")
    for _ in range(3):
        log.follow()
        Publication(world.log).publish(log.tree, log.entries, log.seal(signer))
        assert watch.round() == []
        write_batches(journal, 40)
    journal.close()


# --- files


def published_files(directory):
    return sorted(path for path in directory.rglob("*") if path.is_file())


@pytest.mark.parametrize("seed", range(6))
def test_a_flipped_bit_in_any_published_file_is_named(world, seed):
    chance = random.Random(seed)
    publish(world.log, entries_of(200))
    paths = published_files(world.log)
    names = {str(path.relative_to(world.log)) for path in paths}
    assert names >= {"checkpoint", "tile/entries/002.p/88", "tile/0/001", "tile/1/000.p/2"}
    for path in paths:
        good = path.read_bytes()
        bad = bytearray(good)
        bad[chance.randrange(len(bad))] ^= 1 << chance.randrange(8)
        path.write_bytes(bad)
        findings = world.monitor().round()
        assert whats(findings)[0] == ("signature" if path.name == "checkpoint" else "changed"), findings
        assert str(path) in findings[0].detail
        assert len([finding for finding in findings if finding.what in {"changed", "missing", "signature"}]) == 1
        path.write_bytes(good)
    assert world.monitor().round() == []


@pytest.mark.parametrize("how", ["missing", "cut", "longer", "link", "pipe", "directory", "empty"])
def test_a_spoilt_file_is_named_with_the_first_entry_it_concerns(world, how):
    publish(world.log, entries_of(200))
    firsts = {"tile/entries/001": 256, "tile/0/002.p/88": 512, "tile/1/000.p/2": 0, "checkpoint": None}
    for name, first in firsts.items():
        path = world.log / name
        good = path.read_bytes()
        path.unlink()
        if how in {"cut", "longer", "empty"}:
            path.write_bytes({"cut": good[:-1], "longer": good + b"x", "empty": b""}[how])
        elif how == "link":
            (world.root / "elsewhere").write_bytes(good)
            path.symlink_to(world.root / "elsewhere")
        elif how == "pipe":
            os.mkfifo(path)
        elif how == "directory":
            path.mkdir()
        findings = world.monitor().round()
        assert len(findings) == 1, findings
        assert findings[0].what in {"missing", "changed", "signature"}
        assert str(path) in findings[0].detail
        assert findings[0].first_entry == first
        path.rmdir() if path.is_dir() else path.unlink(missing_ok=True)
        path.write_bytes(good)


def test_a_rewritten_entry_is_named_by_its_number(world):
    entries = entries_of(200)
    publish(world.log, entries)
    other = [*entries]
    other[300] = {**other[300], "commitment": "sha256:other"}
    forged = world.root / "forged"
    publish(forged, other)
    shutil.copy(forged / "tile/entries/001", world.log / "tile/entries/001")
    (finding,) = world.monitor().round()
    assert (finding.what, finding.first_entry) == ("changed", 300)
    # With its tile as well, the two agree with each other and not with what was signed.
    shutil.copy(forged / "tile/0/001", world.log / "tile/0/001")
    findings = world.monitor().round()
    assert whats(findings) == ["root"]
    # A checkpoint with a root that its files do not give is remembered until it can be compared.
    assert whats(world.monitor().round()) == ["root"]


def test_files_that_vanish_while_the_log_grows_are_named_and_the_rest_goes_on(world):
    entries = entries_of(300)
    publish(world.log, entries, 600)
    watch = world.monitor()
    assert watch.round() == []
    publish(world.log, entries, 900)
    (world.log / "tile/entries/002").unlink()
    (finding,) = watch.round()
    assert (finding.what, finding.first_entry) == ("missing", 512)
    assert watch.round() == []  # said once by this monitor, and again by the next
    assert whats(world.monitor().round()) == ["missing"]


def test_a_claimed_size_without_files_ends_soon(world):
    tree = tree_of(entries_of(1))
    text = format_checkpoint(Checkpoint(ORIGIN, 2**63 - 1, tree.root()))
    world.log.mkdir()
    (world.log / "checkpoint").write_bytes(format_note(Note(text, (LOG.sign(text),))))
    findings = world.monitor().round()
    assert set(whats(findings)) == {"missing"}
    assert len(findings) <= 100


# --- checkpoints


def test_a_checkpoint_that_is_gone_or_of_a_stranger_is_no_checkpoint(world):
    assert whats(world.monitor().round()) == ["missing"]
    entries = entries_of(4)
    tree = publish(world.log, entries)
    assert world.monitor().round() == []
    stranger = LogSigner(ORIGIN, bytes([2]) * 32)
    (world.log / "checkpoint").write_bytes(note_of(tree, log=stranger))
    assert whats(world.monitor().round()) == ["signature"]
    (world.log / "checkpoint").unlink()
    assert whats(world.monitor().round()) == ["missing"]


def test_another_log_in_the_place_of_the_one_followed_is_said_to_be_one(world):
    entries = entries_of(4)
    other = LogSigner("subcritical/run/other", bytes([2]) * 32)
    both = Policy((PolicyLog(LOG.verifier_key), PolicyLog(other.verifier_key)), (), (), None)
    publish(world.log, entries)
    assert world.monitor(policy=both).round() == []
    republish(world.log, entries)
    (world.log / "checkpoint").write_bytes(note_of(tree_of(entries), log=other))
    assert whats(world.monitor(policy=both).round()) == ["other-log"]


def test_a_rollback_is_caught_after_a_restart_and_while_running(world):
    entries = entries_of(10)
    publish(world.log, entries)
    watch = world.monitor()
    assert watch.round() == []
    republish(world.log, entries, 21)
    for each in (watch, world.monitor()):
        (finding,) = each.round()
        assert (finding.what, finding.first_entry) == ("rollback", 21)
        assert "size 30 was published" in finding.detail
    republish(world.log, entries)
    assert world.monitor().round() == []


def test_planted_without_its_state_a_rollback_goes_unseen(world):
    entries = entries_of(10)
    publish(world.log, entries)
    assert world.monitor().round() == []
    republish(world.log, entries, 21)
    (world.home / "state.json").unlink()
    assert world.monitor().round() == []


def test_an_unreadable_state_stops_the_monitor(world):
    publish(world.log, entries_of(2))
    assert world.monitor().round() == []
    state = world.home / "state.json"
    for bad in (b"", b"{}x", state.read_bytes()[:-9], b'{"format":2}', b'{"seen":{"x":"no note"}}'):
        state.write_bytes(bad)
        with pytest.raises(LedgerError, match=r"monitor state .*state\.json"):
            world.monitor().round()


def test_a_home_that_is_something_else_is_refused_and_left_as_it_is(world):
    publish(world.log, entries_of(2))
    world.log.chmod(0o755)
    with pytest.raises(InputError, match=r"monitor home .*it holds"):
        Monitor(world.log, world.log, POLICY, world.clock).round()
    assert stat.S_IMODE(world.log.stat().st_mode) == 0o755


def test_two_monitors_take_turns(world):
    publish(world.log, entries_of(2))
    watch = world.monitor()
    watch.round()
    lock = OsFiles().lock(world.home / "lock")
    with pytest.raises(InputError, match="another process uses it"):
        watch.round()
    lock.release()
    assert watch.round() == []


def test_a_quorum_that_is_missing_is_a_finding_and_the_log_is_followed_all_the_same(tmp_path, world):
    log = log_of(ORIGIN)
    assert log.verifier_key == LOG.verifier_key
    processes = [WitnessProcess(tmp_path / name, [LOG]) for name in ("w0", "w1", "w2")]
    with witnesses(*processes):
        named = policy_of(processes)
        policy = Policy((PolicyLog(LOG.verifier_key),), named.witnesses, named.groups, named.quorum)
        entries = entries_of(5)
        tree = publish(world.log, entries)
        watch = world.monitor(policy=policy)
        (finding,) = watch.round()
        assert finding.what == "quorum"
        assert "needs 2 and has 0" in finding.detail
        got = collect(note_of(tree), tree, policy, timeout_s=60)
        publish(world.log, entries, note=got.note)
        assert watch.round() == []


# --- split views


def test_a_split_view_by_a_mirror_is_caught_with_its_first_entry_and_its_evidence(world):
    a, b = entries_of(200), entries_of(100) + entries_of(200, tag="b")[300:]
    mirror = world.root / "mirror"
    for size_a, size_b in ((600, 600), (600, 450), (450, 600)):
        republish(world.log, a, size_a)
        republish(mirror, b, size_b)
        fresh = World(world.root / f"{size_a}-{size_b}")
        fresh.log = world.log
        for _ in range(2):  # it stays a finding, and is kept once
            findings = fresh.monitor(mirrors=[mirror]).round()
            assert whats(findings) == ["split-view"], findings
        (place,) = fresh.evidence()
        assert checked_evidence(place)
        assert str(place) in findings[0].detail
        if size_a < size_b:
            assert findings[0].first_entry == 300


def test_a_mirror_that_lags_or_leads_is_no_split_view(world):
    entries = entries_of(200)
    mirror = world.root / "mirror"
    watch = world.monitor(mirrors=[mirror])
    for size, mirrored in ((300, 3), (300, 290), (300, 450), (450, 600), (600, 600)):
        publish(world.log, entries, size)
        publish(mirror, entries, mirrored)
        assert watch.round() == []
        assert world.monitor(mirrors=[mirror]).round() == []


def test_a_history_rewritten_in_place_is_a_split_view_by_memory(world):
    a, b = entries_of(20), entries_of(3) + entries_of(40, tag="b")[9:]
    publish(world.log, a)
    watch = world.monitor()
    assert watch.round() == []
    for size in (60, 45, 120):
        republish(world.log, b, size)
        findings = watch.round()
        assert whats(findings) == (["rollback"] if size < 60 else []) + ["split-view"]
    assert findings[-1].first_entry == 9
    assert len(world.evidence()) == 3
    assert all(checked_evidence(place) for place in world.evidence())
    # The next monitor knows only the checkpoint it had seen, and that suffices.
    assert whats(world.monitor().round()) == ["split-view"]
    republish(world.log, a)
    assert world.monitor().round() == []


def test_a_checkpoint_that_somebody_hands_in_is_compared(world):
    a, b = entries_of(20), entries_of(3) + entries_of(40, tag="b")[9:]
    publish(world.log, a)
    given = world.root / "given.note"
    for entries, size, expected in (
        (a, 60, []),
        (a, 5, []),
        (b, 9, []),
        (b, 10, ["split-view"]),
        (b, 60, ["split-view"]),
        (b, 61, ["unpublished"]),
    ):
        given.write_bytes(note_of(tree_of(entries), size))
        assert whats(world.monitor().round([given])) == expected, size
    # It was remembered: when the directory reaches that size with another history, the two convict the log.
    assert whats(world.monitor().round()) == ["unpublished"]
    publish(world.log, a + entries_of(21)[60:])
    assert whats(world.monitor().round()) == ["split-view"]
    given.write_bytes(b"nonsense")
    assert whats(world.monitor().round([given, world.root / "absent"])) == ["signature", "missing"]


def test_two_checkpoints_of_one_size_convict_the_log_without_any_entry(world):
    world.log.mkdir()
    paths = []
    for tag in "ab":
        path = world.root / f"{tag}.note"
        path.write_bytes(note_of(tree_of(entries_of(9, tag=tag))))
        paths.append(path)
    findings = world.monitor().round(paths)
    assert whats(findings) == ["missing", "split-view", "unpublished"]
    assert checked_evidence(world.evidence()[0])


def test_planted_a_witness_that_forgets_lets_a_split_view_pass_and_the_monitor_with_a_mirror_does_not(tmp_path, world):
    processes = [WitnessProcess(tmp_path / name, [LOG], ForgetfulWitness) for name in ("w0", "w1")]
    a, b = entries_of(20), entries_of(20, tag="b")
    policies = []
    for entries in (a, b):
        named = policy_of(processes)
        policy = Policy((PolicyLog(LOG.verifier_key),), named.witnesses, named.groups, named.quorum)
        tree = tree_of(entries)
        note = collect(note_of(tree), tree, policy, timeout_s=60).note
        policies.append((policy, note))
        for process in processes:  # both collude: they come back without memory
            process.kill()
            shutil.rmtree(process.home / "seen")
        if entries is a:
            processes = [WitnessProcess(tmp_path / name, [LOG], ForgetfulWitness) for name in ("w0", "w1")]
    for (policy, note), entries, place in zip(policies, (a, b), (world.log, world.root / "mirror"), strict=True):
        policy.check(note)  # two quorums for two histories
        publish(place, entries, note=note)
    assert whats(world.monitor(mirrors=[world.root / "mirror"]).round()) == ["split-view"]


# --- entries


def spoilt(index, **fields):
    entries = entries_of(20)
    entries[index] = {**entries[index], **fields}
    return entries


@pytest.mark.parametrize(
    ("entries", "what", "first", "said"),
    [
        (
            entries_of(5) + entries_of(20)[18:],
            ["numbering"] * 3 + ["sequence"],
            15,
            "of actor loop follows 5",
        ),
        (spoilt(30, number=99), ["numbering", "numbering"], 30, "entries were left out"),
        (spoilt(30, number=2), ["numbering", "numbering"], 30, "went back"),
        (spoilt(0, number=2), ["numbering", "numbering"], 0, "follows 0"),
        (spoilt(32, first=40), ["sequence"], 32, "from record 40 on, the one before ended at 40"),
        (spoilt(32, first=43), ["sequence"], 32, "from record 43 on"),
        (spoilt(32, last=43), ["sequence", "sequence"], 32, "cannot hold the record 44"),
        (spoilt(31, seq=40), ["sequence"], 31, "record 40 after record 43"),
        (spoilt(30, run="another"), ["entry"], 30, "another run"),
        (spoilt(30, v=2), ["entry"], 30, "version 2"),
        (spoilt(30, extra=1), ["entry"], 30, "not in our format"),
        (spoilt(30, time_ns="-1"), ["entry"], 30, "no time"),
        (spoilt(32, actor="loop"), None, 32, "batch by another actor"),
        ([*entries_of(4), b"\xff\x00\x1b[31m"], ["entry"], 12, "not in our format"),
        (
            spoilt(30, time_ns=str(START_NS + 10**14)),
            ["clock", "silence", "clock"],
            30,
            "ahead of this monitor's clock",
        ),
        (spoilt(30, time_ns=str(START_NS - 10**13)), ["clock", "silence"], 30, "before the one before it"),
    ],
)
def test_what_entries_say_about_what_is_missing(world, entries, what, first, said):
    publish(world.log, entries)
    world.clock.advance(30 * SECOND)
    findings = world.monitor(silence_s=60).round()
    assert what is None or whats(findings) == what, findings
    assert findings[0].first_entry == first
    assert any(said in finding.detail for finding in findings)
    assert all(finding.detail.isprintable() for finding in findings)


def test_a_gap_is_found_in_the_round_in_which_it_comes_and_only_there(world):
    entries = [entry for at, entry in enumerate(entries_of(300)) if at != 601]
    publish(world.log, entries, 600)
    watch = world.monitor()
    assert watch.round() == []
    publish(world.log, entries)
    (finding,) = watch.round()
    assert (finding.what, finding.first_entry) == ("numbering", 603)
    assert watch.round() == []


def test_silence_between_entries_and_before_now(world):
    entries = entries_of(4, step_s=5)
    for at in (9, 10):
        entries[at]["time_ns"] = str(START_NS + 100 * SECOND)
    publish(world.log, entries)
    watch = world.monitor(silence_s=20)
    world.clock.advance(110 * SECOND)
    (finding,) = watch.round()
    assert (finding.what, finding.first_entry) == ("silence", 9)
    assert "90.0 s before entry 9" in finding.detail
    assert watch.round() == []
    world.clock.advance(11 * SECOND)
    for _ in range(2):  # as long as it lasts
        (finding,) = watch.round()
        assert (finding.what, finding.first_entry) == ("silence", 12)
        assert "21.0 s up to now" in finding.detail
        assert "the run has not ended" in finding.detail
    assert Monitor(world.root / "other", world.log, POLICY, world.clock).round() == []


def test_a_run_that_ended_may_be_silent(world):
    entries = [entry for entry in entries_of(4) if entry["actor"] != "d"]
    watch = world.monitor(silence_s=60)
    publish(world.log, entries)
    world.clock.advance(1000 * SECOND)
    assert watch.round()[0].what == "silence"
    ending = [entry for entry in entries if entry["type"] == "event.heartbeat"][-1]
    ending["type"] = "event.end"
    publish(world.root / "ended", entries)
    ended = Monitor(world.root / "other", world.root / "ended", POLICY, world.clock, silence_s=60)
    assert ended.round() == []
    assert any("END" in line for line in NOT_SHOWN)


def test_a_hostile_log_cannot_flood_the_report(world):
    publish(world.log, [b"x"] * 1500)
    findings = world.monitor().round()
    assert len(findings) == 1001
    assert findings[-1].detail == "500 more findings are left out"


# --- for the command line


def test_the_verb_takes_keys_or_a_policy_and_gives_rounds(tmp_path, world):
    entries = entries_of(4)
    publish(world.log, entries)
    keys, policy = tmp_path / "keys.txt", tmp_path / "policy.txt"
    keys.write_bytes(format_verifier_key(LOG.verifier_key) + b"\n")
    policy.write_bytes(format_policy(POLICY))
    assert list(app_monitor(world.log, home=world.home, keys=keys)) == [[]]
    assert list(app_monitor(world.log, home=world.home, policy=policy)) == [[]]
    rounds = app_monitor(world.log, home=world.home, keys=keys, every_s=0.01, silence_s=5)
    assert next(rounds)[0].what == "silence"
    republish(world.log, entries, 3)
    assert whats(next(rounds)) == ["rollback", "silence"]
    for wrong in (
        {},
        {"keys": keys, "policy": policy},
        {"keys": keys, "every_s": 0},
        {"keys": keys, "silence_s": -1.0},
    ):
        with pytest.raises(InputError, match="monitor"):
            app_monitor(world.log, home=world.home, **wrong)
    policy.write_bytes(b"nonsense\n")
    for path in (policy, tmp_path / "absent"):
        with pytest.raises(ConfigError):
            app_monitor(world.log, home=world.home, policy=path)


def test_notes_in_the_state_are_the_ones_that_were_published(world):
    publish(world.log, entries_of(4))
    world.monitor().round()
    state = json.loads((world.home / "state.json").read_bytes())
    assert state["seen"] == {str(world.log): (world.log / "checkpoint").read_text()}
    assert parse_checkpoint(parse_note(state["seen"][str(world.log)].encode()).text).size == 12
    assert state["pending"] == []
