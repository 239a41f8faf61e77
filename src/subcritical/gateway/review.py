"""Review a proposal: what did it touch, may it, and which bytes exactly were looked at."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import msgspec

from subcritical.errors import GatewayError, InputError, QuarantineError
from subcritical.gateway import _apply
from subcritical.gateway.ballot_box import Tally
from subcritical.gateway.classify import PathRule, classify, matches, rule_of
from subcritical.gateway.content import ContentClasses, only_tightens
from subcritical.gateway.diffs import diff_of
from subcritical.gateway.quorum import Quorum
from subcritical.gateway.store import Head, Store
from subcritical.gateway.weights import WeightsStore, read_weights, with_weights
from subcritical.schema import PROTECTED, Artifact, FileChange, Proposal


class Guard(msgspec.Struct, frozen=True, kw_only=True):
    """Which guards are in force. A product run has both; the study of a missing guard drops them.

    `enforce`: protected and unlisted paths are refused. `pristine_evaluator`: versions are judged by
    the evaluator as it was at the start, not by the copy in the workspace.
    """

    enforce: bool = True
    pristine_evaluator: bool = True


class Reviewed(msgspec.Struct, frozen=True, kw_only=True):
    """A proposal bound to its exact bytes: `tree` was stored before anything was decided.

    Attributes:
        refusals: Why it is not applied, whoever approves.
        demands: Approvals that it needs, one line a file; empty where it may be applied as it is.
        waived: What the policy would have refused, where it is not enforced.
    """

    proposal: Proposal
    base: str
    tree: str
    refusals: tuple[str, ...] = ()
    demands: tuple[str, ...] = ()
    waived: tuple[str, ...] = ()

    @property
    def allowed(self) -> bool:
        """Whether it may be applied: at once, or when people have met its demands."""
        return not self.refusals


class Gateway:
    """Reviews and applies. The only writer of accepted versions.

    Args:
        store: Where versions lie.
        rules: What each path is; first match wins.
        scratch: Patterns of workspace paths that belong to no version.
        limit_names: Globs of names that are limits in files of every class, beside those that are usual in code.
        weights: Where the bytes of weights lie that a version names by reference.
        quarantine: Patterns of paths whose artifacts are in quarantine now.
        guard: Which guards are in force.
        quorum: The policy and who could vote; by default the shipped policy, and nobody.
    """

    def __init__(
        self,
        store: Store,
        *,
        rules: Sequence[PathRule],
        scratch: Sequence[str] = (),
        limit_names: Sequence[str] = (),
        weights: WeightsStore | None = None,
        quarantine: Callable[[], Sequence[str]] = tuple,
        guard: Guard | None = None,
        quorum: Quorum | None = None,
    ) -> None:
        """Bind the gateway to a store and its rules."""
        self.store = store
        self.guard = guard or Guard()
        self.quorum = quorum or Quorum()
        self._rules = tuple(rules)
        self._scratch = tuple(scratch)
        self._content = ContentClasses(limit_names)
        self._weights = weights or WeightsStore(None)
        self._quarantine = quarantine

    def seed(self, files: Mapping[str, bytes]) -> Head:
        """Apply the first version: the operator's own files, before any guest ran."""
        tree = self.store.put_tree(files)
        self.store.persist(tree)
        head = in_force(_apply.apply(self.store, base=None, tree=tree, proposal="seed"))
        self.read_ahead()
        return head

    def read_ahead(self) -> None:
        """Read the content of the version in force, so that the first review need not."""
        head = self.store.head()
        if head is not None:
            self._content.read(self.store.entries(head.tree), get=self.store.get, class_of=self.classify)

    def review(
        self,
        files: Mapping[str, bytes],
        *,
        proposal: str,
        requester: str,
        claim: str = "",
        reported: float | None = None,
        refused_paths: Sequence[tuple[str, str]] = (),
    ) -> Reviewed:
        """Store the proposed bytes, compare them with the version in force, and decide.

        Args:
            files: Relative path to content, read once; exactly these bytes are stored and may run.
            proposal: Id of the proposal.
            requester: Who asks.
            claim: What the requester says the change does (hostile text).
            reported: The score the requester claims for it.
            refused_paths: What the collector would not read, with reasons; each refuses the proposal.

        Raises:
            GatewayError: No version is in force yet.
        """
        head = self.store.head()
        if head is None:
            raise GatewayError("no version is in force: apply the seed first")
        kept = {p: data for p, data in files.items() if not any(matches(p, s) for s in self._scratch)}
        refused = tuple((p, why) for p, why in refused_paths if not any(matches(p, s) for s in self._scratch))
        tree = self.store.put_tree(kept)
        weights, unusable = self._weights_in(kept)
        changes = self._compare(self.store.entries(head.tree), self.store.entries(tree), kept, weights)
        record = Proposal(
            proposal=proposal,
            base=head.tree,
            tree=tree,
            requester=requester,
            changes=changes,
            claim=claim,
            reported=reported,
            refused_paths=(*refused, *unusable),
        )
        return self._judged(Reviewed(proposal=record, base=head.tree, tree=tree))

    def review_correction(self, tree: str, *, proposal: str, owner: str) -> Reviewed:
        """Review a stored tree that a person wants in force. What takes more people than one is refused.

        One person may make a limit stricter; what else is protected stays as it was at the start.

        Raises:
            GatewayError: No version is in force yet.
        """
        reviewed = self.review(self.store.tree(tree), proposal=proposal, requester=owner)
        refusals = [f"{path}: {why}" for path, why in reviewed.proposal.refused_paths]
        for change in reviewed.proposal.changes:
            tightens = change.artifact is Artifact.LIMIT and self._tightens(change)
            if (change.artifact in PROTECTED and not tightens) or change.artifact is Artifact.UNLISTED:
                refusals.append(f"{change.path}: {change.artifact} is not corrected in a run; change it and start anew")
                continue
            missing = self.quorum.missing(
                change.artifact,
                self._least(change),
                Tally(),
                by_person=True,
                tightens=tightens,
                quarantined=self.in_quarantine(change.path),
            )
            if missing:
                refusals.append(f"{change.path}: {missing}; change it and start anew")
        if not reviewed.proposal.changes:
            refusals.append("nothing is changed")
        return msgspec.structs.replace(reviewed, refusals=tuple(refusals), demands=(), waived=())

    def in_quarantine(self, path: str) -> bool:
        """Whether nothing may change a path now, whoever asks."""
        return any(matches(path, pattern) for pattern in self._quarantine())

    def quarantined(self, reviewed: Reviewed) -> tuple[str, ...]:
        """What of a proposal is in quarantine now, one line a file."""
        return tuple(
            f"{change.path}: {change.artifact} is in quarantine; nothing changes it until people lift that"
            for change in reviewed.proposal.changes
            if self.in_quarantine(change.path)
        )

    def missing(self, reviewed: Reviewed, tally: Tally) -> tuple[str, ...]:
        """What a proposal still lacks by these votes, one line a file; nothing where nothing was demanded.

        Votes about another proposal, or other bytes, are no votes.
        """
        if not reviewed.demands:
            return ()
        about = (tally.proposal, tally.base, tally.tree) == (reviewed.proposal.proposal, reviewed.base, reviewed.tree)
        counted = tally if about else Tally()
        lines = (self._lacks(change, counted) for change in reviewed.proposal.changes)
        return tuple(line for line in lines if line)

    def apply(
        self, reviewed: Reviewed, tally: Tally | None = None, *, last_step: _apply.Unless = _apply.at_once
    ) -> Head | None:
        """Make a reviewed proposal the version in force.

        Args:
            reviewed: What to apply.
            tally: The votes by which it was accepted, where it needed some.
            last_step: Given the one step that makes it the version in force; may decline it and return False.

        Returns:
            The new head, None where the last step was declined.

        Raises:
            QuarantineError: What it changes is in quarantine, also where that came in between.
            GatewayError: It was refused, its demands are not met, or the base moved since the review.
        """
        reasons = (*reviewed.refusals, *self.missing(reviewed, tally or Tally()))
        if reasons:
            raise GatewayError(f"proposal {reviewed.proposal.proposal} was refused: {'; '.join(reasons)}")
        self._check_quarantine(reviewed)
        self.store.persist(reviewed.tree)

        def unless_quarantined(move: Callable[[], None]) -> bool:
            def checked() -> None:
                self._check_quarantine(reviewed)
                move()

            return last_step(checked)

        return _apply.apply(
            self.store,
            base=reviewed.base,
            tree=reviewed.tree,
            proposal=reviewed.proposal.proposal,
            last_step=unless_quarantined,
        )

    def _check_quarantine(self, reviewed: Reviewed) -> None:
        reasons = self.quarantined(reviewed)
        if reasons:
            raise QuarantineError("; ".join(reasons))

    def runnable(self, tree: str) -> dict[str, bytes]:
        """The files of a stored tree as they run: with the bytes of weights that it names by reference.

        Raises:
            InputError: Such bytes are missing, or others.
        """
        return with_weights(self.store.tree(tree), lambda path: self.classify(path) is Artifact.WEIGHTS, self._weights)

    def artifacts(self, tree: str, artifact: Artifact) -> dict[str, bytes]:
        """The files of one class in a stored tree."""
        return {p: self.store.get(d) for p, d in self.store.entries(tree).items() if self.classify(p) is artifact}

    def classify(self, path: str) -> Artifact:
        """What a path is under this gateway's rules."""
        return classify(path, self._rules)

    def _compare(
        self,
        before: Mapping[str, str],
        after: Mapping[str, str],
        files: Mapping[str, bytes],
        weights: Mapping[str, str],
    ) -> tuple[FileChange, ...]:
        changed = sorted(p for p in before.keys() | after.keys() if before.get(p) != after.get(p))
        stricter = self._content.stricter(before, after, get=self.store.get, class_of=self.classify)
        return tuple(
            FileChange(
                path=path,
                artifact=stricter[path][0] if path in stricter else self.classify(path),
                note=stricter[path][1] if path in stricter else weights.get(path, ""),
                before=before.get(path),
                after=after.get(path),
                size=len(files.get(path, b"")),
                diff=diff_of(path, self.store.get(before[path]) if path in before else b"", files.get(path, b"")),
            )
            for path in changed
        )

    def _weights_in(self, files: Mapping[str, bytes]) -> tuple[dict[str, str], list[tuple[str, str]]]:
        """What each file of weights holds, and which may not be used, with reasons."""
        weights = {path: data for path, data in files.items() if self.classify(path) is Artifact.WEIGHTS}
        described: dict[str, str] = {}
        unusable: list[tuple[str, str]] = []
        for path in weights:
            try:
                described[path] = read_weights(path, weights, self._weights)
            except InputError as error:
                unusable.append((path, str(error)))
        return described, unusable

    def _tightens(self, change: FileChange) -> bool:
        if change.before is None or change.after is None:
            return False
        return only_tightens(change.path, self.store.get(change.before), self.store.get(change.after))

    def _judged(self, reviewed: Reviewed) -> Reviewed:
        if not self.guard.enforce:
            return reviewed
        refusals = [f"{path}: {why}" for path, why in reviewed.proposal.refused_paths]
        refusals += self.quarantined(reviewed)
        demands, waived = [], []
        for change in reviewed.proposal.changes:
            lacks = self._lacks(change, Tally())
            if change.artifact in PROTECTED:
                why = f" ({change.note})" if change.note else ""
                refusals.append(f"{change.path}: {change.artifact} is protected; no guest may change it{why}")
            elif change.artifact is Artifact.UNLISTED:
                refusals.append(f"{change.path}: no artifact rule names this path")
            elif lacks and self.quorum.mode != "enforce":
                waived.append(lacks)
            elif lacks and self.quorum.reachable(change.artifact, self._least(change)):
                demands.append(lacks)
            elif lacks:
                refusals.append(f"{lacks}, and not enough owners are enrolled to change that; change it yourself")
        return msgspec.structs.replace(reviewed, refusals=tuple(refusals), demands=tuple(demands), waived=tuple(waived))

    def _lacks(self, change: FileChange, tally: Tally) -> str:
        missing = self.quorum.missing(change.artifact, self._least(change), tally)
        return f"{change.path}: {missing}" if missing else ""

    def _least(self, change: FileChange) -> int:
        return rule_of(change.path, self._rules).approvals


def in_force(head: Head | None) -> Head:
    """The head that was made with no last step that could decline it."""
    if head is None:
        raise GatewayError("the version was not put in force")
    return head
