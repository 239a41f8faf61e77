"""`proposals`: what a run was asked for, what became of it, and people's votes about it."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from subcritical.clock import Clock, SystemClock
from subcritical.errors import InputError
from subcritical.gateway import Store, Vote, diff_of, is_cut, sign
from subcritical.gateway.votes import LIFETIME_MAX_S, Verdict
from subcritical.ledger import read_journal
from subcritical.loop.run_directory import RunDirectory
from subcritical.pipeline.control import send_signed
from subcritical.schema import Approval, Ballot, Control, Event, FileChange, Finding, Proposal, Score, Split
from subcritical.tripwires import ROLLED_BACK, START

_NANOSECONDS = 1_000_000_000
SHOWN_MAX = 1_000_000
"""Characters of a diff that are shown to a person; the record holds fewer."""


class Asked(msgspec.Struct, kw_only=True):
    """A proposal with everything recorded about it. Paths, claim and diffs are hostile text.

    Attributes:
        became: `accepted`, `refused`, `not_kept`, `waits` for people, `ended` with its guest, or nothing yet.
        public: Score of the isolated test on the public split.
        findings: Findings of its generation.
        ballots: The question to people, and their votes, in order.
    """

    proposal: Proposal
    generation: int
    became: Literal["", "accepted", "refused", "not_kept", "waits", "ended"] = ""
    by: str = ""
    reasons: tuple[str, ...] = ()
    public: Score | None = None
    findings: tuple[Finding, ...] = ()
    ballots: tuple[Ballot, ...] = ()

    @property
    def question(self) -> Ballot | None:
        """What people were asked, if they were."""
        return next((ballot for ballot in self.ballots if ballot.step == "open"), None)


def proposals(run: str, *, runs: Path) -> list[Asked]:
    """Every proposal of a run, from its journal, oldest first.

    Raises:
        InputError: No such run.
        LedgerError: Its journal is broken.
    """
    found: dict[str, Asked] = {}
    by_generation: dict[int, Asked] = {}
    for record in read_journal(RunDirectory.find(run, runs).journal):
        if isinstance(record, Finding):
            asked = by_generation.get(record.generation)
            if asked is not None:
                asked.findings += (record,)
        elif isinstance(record, Event):
            if isinstance(record.data, Proposal):
                asked = Asked(proposal=record.data, generation=record.generation)
                found[record.data.proposal] = by_generation[record.generation] = asked
            else:
                _note(found, record.data)
    return list(found.values())


def _note(found: dict[str, Asked], data: object) -> None:
    if isinstance(data, Control) and data.order in (START, ROLLED_BACK):
        for asked in found.values():
            asked.became = asked.became if asked.became not in ("", "waits") else "ended"
    if not isinstance(data, Approval | Ballot | Score) or data.proposal not in found:
        return
    asked = found[data.proposal]
    if isinstance(data, Approval):
        asked.became, asked.by, asked.reasons = data.verdict, data.by, data.reasons
    elif isinstance(data, Ballot):
        asked.ballots += (data,)
        asked.became = "waits"
    elif data.split is Split.PUBLIC:
        asked.public = data


def proposal(run: str, name: str, *, runs: Path) -> Asked:
    """One proposal.

    Raises:
        InputError: The run has none of that name.
    """
    every = proposals(run, runs=runs)
    for asked in every:
        if asked.proposal.proposal == name:
            return asked
    last = ", ".join(asked.proposal.proposal for asked in every[-5:]) or "none"
    raise InputError(f"run {run} has no proposal {name!r} (latest: {last})")


def whole_diff(run: str, change: FileChange, *, runs: Path) -> str:
    """The diff of a change as a person must see it who approves it: what the record cut is made again, whole.

    Raises:
        InputError: No such run.
        LedgerError: The bytes in its store are missing or others.
    """
    if not is_cut(change.diff):
        return change.diff
    directory = RunDirectory.find(run, runs)
    store = Store(directory.store)
    before, after = (store.get(name) if name else b"" for name in (change.before, change.after))
    diff = diff_of(change.path, before, after, most=SHOWN_MAX)
    if not is_cut(diff):
        return diff
    files = " and ".join(str(store.path(name)) for name in (change.before, change.after) if name)
    return f"{diff}\nNOT ALL IS SHOWN: compare {files} before you vote"


def vote(
    run: str,
    name: str,
    verdict: Verdict,
    *,
    key: Ed25519PrivateKey,
    lifetime_s: float,
    reason: str,
    runs: Path,
    clock: Clock | None = None,
) -> str:
    """Sign a vote about exactly what the journal shows, and cast it in the live run; what became of it.

    Raises:
        InputError: Nobody asks about that proposal, the run is not alive, or the vote does not count.
    """
    if not 1 <= lifetime_s <= LIFETIME_MAX_S[verdict]:
        raise InputError(f"--for: a vote to {verdict} lives 1 to {LIFETIME_MAX_S[verdict]} seconds")
    directory = RunDirectory.find(run, runs)
    asked = proposal(run, name, runs=runs)
    question = asked.question
    if question is None or asked.became != "waits":
        raise InputError(f"proposal {name} does not wait for people: {asked.became or 'it is being tested'}")
    now = (clock or SystemClock()).wall_ns() // _NANOSECONDS
    signed = sign(
        Vote(
            verdict=verdict,
            run=directory.run,
            proposal=name,
            base=question.base,
            tree=question.tree,
            policy=question.policy,
            epoch=question.epoch,
            expires=now + int(lifetime_s),
            reason=reason,
        ),
        key,
    )
    return send_signed(directory.path, "vote", signed)
