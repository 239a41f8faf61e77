"""Review a proposal: what did it touch, may it, and which bytes exactly were looked at."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence

import msgspec

from subcritical.errors import GatewayError
from subcritical.gateway import _apply
from subcritical.gateway.classify import PathRule, classify, matches
from subcritical.gateway.store import Head, Store
from subcritical.policy.cedar import ChangeRequest, decide_change
from subcritical.schema import PROTECTED, Artifact, FileChange, Proposal

_MAX_DIFF = 20_000
_MAX_DIFF_INPUT = 200_000


class Guard(msgspec.Struct, frozen=True, kw_only=True):
    """Which guards are in force. A product run has both; the study of a missing guard drops them.

    `enforce`: protected and unlisted paths are refused. `pristine_evaluator`: versions are judged by
    the evaluator as it was at the start, not by the copy in the workspace.
    """

    enforce: bool = True
    pristine_evaluator: bool = True


class Reviewed(msgspec.Struct, frozen=True, kw_only=True):
    """A proposal bound to its exact bytes: `tree` was stored before anything was decided.

    `refusals` is empty where the proposal may be applied.
    """

    proposal: Proposal
    base: str
    tree: str
    refusals: tuple[str, ...]

    @property
    def allowed(self) -> bool:
        """Whether the gateway may apply it."""
        return not self.refusals


class Gateway:
    """Reviews and applies. The only writer of accepted versions.

    Args:
        store: Where versions lie.
        rules: What each path is; first match wins.
        scratch: Patterns of workspace paths that belong to no version.
        guard: Which guards are in force.
    """

    def __init__(
        self, store: Store, *, rules: Sequence[PathRule], scratch: Sequence[str] = (), guard: Guard | None = None
    ) -> None:
        """Bind the gateway to a store and its rules."""
        self.store = store
        self.guard = guard or Guard()
        self._rules = tuple(rules)
        self._scratch = tuple(scratch)

    def seed(self, files: Mapping[str, bytes]) -> Head:
        """Apply the first version: the operator's own files, before any guest ran."""
        tree = self.store.put_tree(files)
        self.store.persist(tree)
        return _apply.apply(self.store, base=None, tree=tree, proposal="seed")

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
        changes = self._compare(self.store.entries(head.tree), self.store.entries(tree), kept)
        record = Proposal(
            proposal=proposal,
            base=head.tree,
            tree=tree,
            requester=requester,
            changes=changes,
            claim=claim,
            reported=reported,
            refused_paths=refused,
        )
        return Reviewed(proposal=record, base=head.tree, tree=tree, refusals=self._refusals(record))

    def apply(self, reviewed: Reviewed) -> Head:
        """Make a reviewed proposal the version in force.

        Raises:
            GatewayError: It was refused, or the base moved since the review.
        """
        if not reviewed.allowed:
            raise GatewayError(f"proposal {reviewed.proposal.proposal} was refused: {'; '.join(reviewed.refusals)}")
        self.store.persist(reviewed.tree)
        return _apply.apply(self.store, base=reviewed.base, tree=reviewed.tree, proposal=reviewed.proposal.proposal)

    def artifacts(self, tree: str, artifact: Artifact) -> dict[str, bytes]:
        """The files of one class in a stored tree."""
        return {p: self.store.get(d) for p, d in self.store.entries(tree).items() if self.classify(p) is artifact}

    def classify(self, path: str) -> Artifact:
        """What a path is under this gateway's rules."""
        return classify(path, self._rules)

    def _compare(
        self, before: Mapping[str, str], after: Mapping[str, str], files: Mapping[str, bytes]
    ) -> tuple[FileChange, ...]:
        changed = sorted(p for p in before.keys() | after.keys() if before.get(p) != after.get(p))
        return tuple(
            FileChange(
                path=path,
                artifact=self.classify(path),
                before=before.get(path),
                after=after.get(path),
                size=len(files.get(path, b"")),
                diff=_diff(path, self.store.get(before[path]) if path in before else b"", files.get(path, b"")),
            )
            for path in changed
        )

    def _refusals(self, proposal: Proposal) -> tuple[str, ...]:
        if not self.guard.enforce:
            return ()
        reasons = [f"{path}: {why}" for path, why in proposal.refused_paths]
        for change in proposal.changes:
            if change.artifact in PROTECTED:
                reasons.append(f"{change.path}: {change.artifact} is protected; no guest may change it")
            elif change.artifact is Artifact.UNLISTED:
                reasons.append(f"{change.path}: no artifact rule names this path")
            elif not decide_change(ChangeRequest(by="Agent", artifact=change.artifact)).allowed:
                reasons.append(
                    f"{change.path}: {change.artifact} needs approvals, and a guest has none; change it yourself"
                )
        return tuple(reasons)


def _diff(path: str, before: bytes, after: bytes) -> str:
    """Unified diff of text, capped; empty for binary or very large content."""
    if len(before) + len(after) > _MAX_DIFF_INPUT:
        return ""
    try:
        old, new = before.decode("utf-8"), after.decode("utf-8")
    except UnicodeDecodeError:
        return ""
    lines = difflib.unified_diff(
        old.splitlines(), new.splitlines(), fromfile=f"a/{path}", tofile=f"b/{path}", lineterm="", n=3
    )
    text = "\n".join(lines)
    return text if len(text) <= _MAX_DIFF else text[:_MAX_DIFF] + "\n… diff cut here"
