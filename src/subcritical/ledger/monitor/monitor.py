"""Follows a published log from outside: does it only grow, is everything there, is there a second history?

HOME/
├── lock          held while a round runs
├── state.json    latest checkpoint seen in each directory, and signed ones that could not be compared yet
└── evidence/     split views: both notes, and a proof where their sizes differ

Each round reads the checkpoint first and then what it needs, so a log that grows meanwhile does no harm. A new monitor
object hashes the whole log once, later rounds only what came since: a file that changes after it was read is noticed
by the next monitor, not by this one.

Not protected: this sees what is published and what it is handed. A second history that is shown only to others stays
unseen until a mirror, a witness or somebody's copy of a checkpoint brings it here. Whoever can write the home can make
the monitor forget.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

from subcritical.clock import Clock
from subcritical.errors import InputError
from subcritical.ledger._own_folder import claim as claim_folder
from subcritical.ledger.files import OsFiles
from subcritical.ledger.monitor._entry_checks import EntryChecks, MonitorFinding
from subcritical.ledger.monitor._rehash import read_bundle, rehash
from subcritical.ledger.monitor._state import (
    EVIDENCE,
    OURS,
    PENDING_MAX,
    Claim,
    Gathered,
    State,
    load_state,
    remembered,
    save_state,
)
from subcritical.ledger.monitor.split_view import keep_split_view, prefix_proof
from subcritical.ledger.publication import CHECKPOINT
from subcritical.ledger.tlog import TILE_WIDTH, Policy, TlogError, Tree, bundles_for_size, leaf_hash
from subcritical.ledger.tlog.notes import NOTE_BYTES_MAX
from subcritical.schema import visible

__all__ = ["NOT_SHOWN", "Monitor", "MonitorFinding"]

NOT_SHOWN = (
    "that everything was recorded: only what its maker numbered can be missed",
    "whether a run that wrote its END had anything more to say",
    "a second history that is in no mirror and was not handed in, unless witnesses stand between",
)
"""What no round can find, to be said beside every result."""

MIRRORS_MAX = 32
_SHOWN = 300
_NANOSECONDS = 1_000_000_000


class Monitor:
    """Follows one log. Not for several threads; several processes take turns on one home."""

    def __init__(
        self,
        home: Path,
        directory: Path,
        policy: Policy,
        clock: Clock,
        *,
        mirrors: Sequence[Path] = (),
        silence_s: float | None = None,
    ) -> None:
        """Nothing is read yet.

        Args:
            home: Folder of the monitor's own, made if need be.
            directory: The published log.
            policy: Keys that are trusted. Its quorum, if it has one, is asked of the checkpoint in `directory`.
            clock: For silence.
            mirrors: Up to 32 other published copies of the same log, best those that others keep.
            silence_s: Seconds without an entry that are a finding, > 0; None for no limit.

        Raises:
            InputError: Too many mirrors, or a limit that is not above 0.
        """
        if len(mirrors) > MIRRORS_MAX or (silence_s is not None and not silence_s > 0):
            raise InputError(f"monitor: at most {MIRRORS_MAX} mirrors, and a silence above 0 s, not {silence_s}")
        self._home = home
        self._directory = directory.absolute()
        self._mirrors = tuple(mirror.absolute() for mirror in mirrors)
        self._policy = policy
        self._logs = Policy(policy.logs, (), (), None)
        self._clock = clock
        self._checks = EntryChecks(None if silence_s is None else int(silence_s * _NANOSECONDS))
        self._checked = 0
        self._verified: tuple[Tree, Claim] | None = None

    def round(self, notes: Sequence[Path] = ()) -> list[MonitorFinding]:
        """Look once.

        Args:
            notes: Signed checkpoints of this log that somebody else has, as files.

        Returns:
            What is wrong; empty if nothing is. What concerns new entries is reported once, what concerns the log as a
            whole every time it is so.

        Raises:
            LedgerError: The monitor's own state is unreadable, or cannot be stored.
            InputError: Another monitor works in this home, or it holds something else.
        """
        lock = claim_folder(self._home, OURS, "monitor home")
        try:
            return self._round(notes)
        finally:
            lock.release()

    def _round(self, notes: Sequence[Path]) -> list[MonitorFinding]:
        now = Gathered(load_state(self._home))
        current = {str(place): self._current(now, place) for place in (self._directory, *self._mirrors)}
        for path in notes:
            self._claim(now, path, "given")
        main = current[str(self._directory)]
        self._follow(now, main)
        self._read_mirrors(now, current)
        unchecked = self._compare(now)
        self._adopt(now, main)
        self._check_entries(now)
        self._save(now, current, unchecked)
        return now.all_findings()

    def _current(self, now: Gathered, directory: Path) -> Claim | None:
        """The checkpoint of a directory, if a trusted key has signed it."""
        path = directory / CHECKPOINT
        claim = self._claim(now, path, "current")
        if claim is not None and directory == self._directory and self._policy.quorum is not None:
            try:
                self._policy.check(claim.note)
            except TlogError as error:
                now.find("quorum", None, f"{path}: {visible(str(error), _SHOWN)}")
        seen = now.before.seen.get(str(directory))
        if claim is not None and seen is not None:
            size, last = claim.checkpoint.size, remembered(seen, "seen", "").checkpoint.size
            if size < last:
                now.find("rollback", size, f"{path}: size {size}, but size {last} was published there before")
        return claim

    def _claim(self, now: Gathered, path: Path, kind: Literal["current", "given"]) -> Claim | None:
        """Read and open a note, and put it among the claims."""
        try:
            with OsFiles().reader(path) as stream:
                note = stream.read(NOTE_BYTES_MAX + 1)
        except OSError as error:
            now.find("missing", None, f"{path}: {error.strerror or error}")
            return None
        try:
            checkpoint = self._logs.check(note).checkpoint
        except TlogError as error:
            now.find("signature", None, f"{path} is not to be believed: {visible(str(error), _SHOWN)}")
            return None
        now.origin = now.origin or checkpoint.origin
        if checkpoint.origin != now.origin:
            names = visible(checkpoint.origin, _SHOWN), visible(now.origin, _SHOWN)
            now.find("other-log", None, f"{path} is of the log {names[0]}, this monitor follows {names[1]}")
            return None
        claim = Claim(str(path), kind, checkpoint, note)
        now.claims.append(claim)
        return claim

    def _follow(self, now: Gathered, main: Claim | None) -> None:
        """Hash what is new in the directory, or everything where that does not continue what was hashed before."""
        base = Tree()
        if self._verified is not None:
            now.trees.append(self._verified)
            base = self._verified[0]
            if main is None or main.checkpoint.size < base.size or main.tree == self._verified[1].tree:
                return
        if main is None:
            return
        found = rehash(self._directory, main.checkpoint, base)
        if found.tree is None and base.size:
            found = rehash(self._directory, main.checkpoint, Tree())
        now.add(found.findings)
        if found.tree is not None:
            now.trees.append((found.tree, main))

    def _read_mirrors(self, now: Gathered, current: Mapping[str, Claim | None]) -> None:
        """Hash a mirror only where it is ahead: otherwise the root of its checkpoint says all there is to compare."""
        for mirror in self._mirrors:
            claim, largest = current[str(mirror)], now.largest()
            if claim is not None and (largest is None or claim.checkpoint.size > largest[0].size):
                found = rehash(mirror, claim.checkpoint, Tree())
                now.add(found.findings)
                if found.tree is not None:
                    now.trees.append((found.tree, claim))

    def _compare(self, now: Gathered) -> list[Claim]:
        """Compare every claim with the largest tree that was confirmed; claims about more than that are returned."""
        largest = now.largest()
        unchecked: dict[int, Claim] = {}
        # Of several claims to the same the current one stays, which stands first but for those out of the state.
        for claim in {
            claim.tree: claim for claim in sorted(now.claims, key=lambda claim: claim.kind != "given")
        }.values():
            size, root = claim.tree
            if largest is not None and size <= largest[0].size:
                if largest[0].root(size) != root:
                    self._convict(now, claim, largest[1], largest[0])
            elif size in unchecked:
                self._convict(now, claim, unchecked[size], None)
            else:
                unchecked[size] = claim
        known = largest[0].size if largest is not None else 0
        for claim in unchecked.values():
            if claim.kind in {"given", "pending"}:
                now.find(
                    "unpublished",
                    known,
                    f"{claim.where}: size {claim.checkpoint.size} was signed, but only {known} entries can be read: "
                    "not yet published, withheld or rolled back",
                )
        return list(unchecked.values())

    def _convict(self, now: Gathered, one: Claim, two: Claim, tree: Tree | None) -> None:
        """Report a split view and keep what proves it. `tree` is that of `two`, which is not the smaller one."""
        now.convicted |= {one.tree, two.tree}
        sizes = one.checkpoint.size, two.checkpoint.size
        proof = prefix_proof(tree, *sizes) if tree is not None and sizes[0] < sizes[1] else None
        try:
            place = keep_split_view(self._home / EVIDENCE, one.note, two.note, proof)
            kept = f"evidence in {place}" if place else "no more evidence is kept"
        except OSError as error:
            kept = f"the evidence could not be kept: {error}"
        own = next((known for known, claim in now.trees if claim.tree == one.tree), None)
        first = None if own is None or tree is None else _first_difference(own, tree)
        now.find(
            "split-view",
            first,
            f"one log signed two histories: size {sizes[0]} ({one.where}) and size {sizes[1]} ({two.where}); {kept}",
        )

    def _adopt(self, now: Gathered, main: Claim | None) -> None:
        """Go on from the directory's tree if it continues what was known of the directory before."""
        tree = next((tree for tree, claim in now.trees if claim is main), None)
        if tree is None or main is None:
            return
        earlier = [self._verified[1]] if self._verified is not None else []
        seen = now.before.seen.get(str(self._directory))
        if seen is not None:
            earlier.append(remembered(seen, "seen", ""))
        if all(_continues(tree, claim) for claim in earlier):
            self._verified = tree, main._replace(where=f"seen before in {self._directory}", kind="seen")

    def _check_entries(self, now: Gathered) -> None:
        """Read the entries once more, now that it is known which are the signed ones."""
        if self._verified is None:
            return
        tree, now_ns = self._verified[0], self._clock.wall_ns()
        if self._checked < tree.size:
            self._feed(now, tree, now_ns)
        silence = self._checks.silent(tree.size, now_ns)
        now.add([silence] if silence is not None else [])

    def _feed(self, now: Gathered, tree: Tree, now_ns: int) -> None:
        for bundle in bundles_for_size(tree.size, self._checked - self._checked % TILE_WIDTH):
            entries = read_bundle(self._directory, bundle)
            if isinstance(entries, MonitorFinding):
                self._checks.skip()
                continue
            for index, entry in enumerate(entries, bundle.index * TILE_WIDTH):
                if index < self._checked:
                    continue
                if leaf_hash(entry) != tree.leaf(index):
                    self._checks.skip()
                else:
                    now.add(self._checks.feed(index, entry, now_ns))
        self._checked = tree.size

    def _save(self, now: Gathered, current: Mapping[str, Claim | None], unchecked: Sequence[Claim]) -> None:
        """Remember what is consistent, and what could not be compared; a history that was convicted changes nothing."""
        open_claims = {claim.tree for claim in unchecked}
        seen = dict(now.before.seen)
        for place, claim in current.items():
            if claim is None or claim.tree in now.convicted or claim.tree in open_claims:
                continue
            last = remembered(seen[place], "seen", "").checkpoint.size if place in seen else 0
            if claim.checkpoint.size >= last:
                seen[place] = claim.note.decode()
        pending = [
            claim.note.decode() for claim in unchecked if claim.kind != "seen" and claim.tree not in now.convicted
        ]
        state = State(origin=now.origin, seen=seen, pending=tuple(pending[:PENDING_MAX]))
        if state != now.before:
            save_state(self._home, state)


def _continues(tree: Tree, claim: Claim) -> bool:
    size, root = claim.tree
    return size <= tree.size and tree.root(size) == root


def _first_difference(one: Tree, two: Tree) -> int:
    """First entry in which two trees differ, which do differ within the smaller one. Cost: O(log^2 size)."""
    least, most = 0, min(one.size, two.size)  # the first `least` are the same, the first `most` are not
    while most - least > 1:
        middle = (least + most) // 2
        if one.root(middle) == two.root(middle):
            least = middle
        else:
            most = middle
    return least
