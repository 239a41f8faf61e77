"""Events: one observed fact each. The facts a loop produces are typed; `kind` is the tag on the wire.

Times are nanoseconds since 1970 UTC (`time_ns`), as the supervisor's clock read them.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Literal

import msgspec

from subcritical.schema.artifact import Artifact


class Split(StrEnum):
    """Which data a score was taken on, and by whom."""

    REPORTED = "reported"
    """What the guest said about itself. Evidence of a claim, of nothing else."""
    PUBLIC = "public"
    """The trusted evaluator on the public split: answered to the guest, used by selection."""
    HELD_OUT = "held_out"
    """The trusted evaluator on the held-out split: nothing of it reaches the guest."""


Direction = Literal["up", "down"]


class FileChange(msgspec.Struct, frozen=True, kw_only=True):
    """One path of a proposal, compared with its base.

    `before` and `after` are content digests; None means absent. `diff` is a unified diff of text
    (capped, escaped by whoever shows it), empty for binary content. `note`: why `artifact` is
    stricter than the path's own class, where the content made it so, or what weights hold.
    """

    path: str
    artifact: Artifact
    before: str | None = None
    after: str | None = None
    size: int = 0
    diff: str = ""
    note: str = ""


class Proposal(msgspec.Struct, frozen=True, kw_only=True, tag="proposal", tag_field="kind"):
    """A requested self-modification: what the workspace held when the guest asked.

    `refused_paths` are entries the collector would not read (links, devices, over a limit), each
    with its reason.
    """

    proposal: str
    base: str
    tree: str
    requester: str
    changes: tuple[FileChange, ...] = ()
    claim: str = ""
    reported: float | None = None
    refused_paths: tuple[tuple[str, str], ...] = ()


class Approval(msgspec.Struct, frozen=True, kw_only=True, tag="approval", tag_field="kind"):
    """What became of a proposal: `refused` by the gateway, `accepted` as a version, or `not_kept` by selection."""

    proposal: str
    tree: str
    verdict: Literal["accepted", "refused", "not_kept"]
    by: str
    reasons: tuple[str, ...] = ()


class Ballot(msgspec.Struct, frozen=True, kw_only=True, tag="ballot", tag_field="kind"):
    """People are asked about a proposal (`open`), or one of them has voted. What became of it is an `Approval`.

    An order that takes several people is voted on alike: `proposal` says which order after which, `tree` is the digest
    of what was signed, and there is no base and no policy.

    `tree` and `base` are the exact bytes asked about, `policy` the digest of the policy that asks, `epoch` how often
    the guest had been started. `by` is the owner of the key that signed; `expires` is in Unix seconds. `signed` is the
    vote as it was signed, for whoever checks it against the enrolled keys. `demands` say what was missing at the time.
    """

    proposal: str
    base: str
    tree: str
    step: Literal["open", "approve", "reject", "override"]
    by: str
    policy: str
    epoch: int
    expires: int = 0
    reason: str = ""
    signed: str = ""
    demands: tuple[str, ...] = ()


class SubsetUse(msgspec.Struct, frozen=True, kw_only=True):
    """How much of a training pool's weight one subset gets.

    `weight` and `reference` are shares of the whole in [0, 1]; `reference` is the share in the
    seed version. `overlap` is the share of the subset's items that nearly duplicate an item of an
    evaluation split, computed by the harness, in [0, 1].
    """

    subset: str
    weight: float
    reference: float
    overlap: float = 0.0


class ArtifactChange(msgspec.Struct, frozen=True, kw_only=True, tag="artifact_change", tag_field="kind"):
    """An artifact differs from what it was: applied by the gateway, or found changed.

    `pristine` is the digest a protected artifact must have. `proposal` names the approved proposal
    whose digest covers the change, None where there is none. `subsets` says how a data selection
    now weighs the training pool.
    """

    artifact: Artifact
    path: str
    before: str | None = None
    after: str | None = None
    pristine: str | None = None
    proposal: str | None = None
    diff: str = ""
    subsets: tuple[SubsetUse, ...] = ()


class Score(msgspec.Struct, frozen=True, kw_only=True, tag="score", tag_field="kind"):
    """One evaluation of one version on one split.

    `value` is None where nothing could be measured (`status` says why). `n`/`successes` or `se`
    carry the noise. `bounds` are the declared bounds of the metric. `evaluation` counts trusted
    evaluations on this split so far, this one included: the selection pressure. `fresh` means data
    or seeds no earlier evaluation used; `deterministic` means a repeat gives the same number, so a
    repeat says nothing about noise. `repeats` evaluations were combined. `selected_on` means that
    selection reads this number.
    """

    proposal: str
    tree: str
    split: Split
    metric: str
    value: float | None
    direction: Direction = "up"
    n: int | None = None
    successes: int | None = None
    se: float | None = None
    bounds: tuple[float | None, float | None] = (None, None)
    evaluation: int = 0
    repeats: int = 0
    fresh: bool = False
    deterministic: bool = False
    selected_on: bool = False
    status: Literal["ok", "crashed", "timeout", "limit", "invalid"] = "ok"
    detail: str = ""
    duration_s: float = 0.0


class Control(msgspec.Struct, frozen=True, kw_only=True, tag="control", tag_field="kind"):
    """A person or a tripwire ordered something, or the run changed state."""

    order: str
    by: str
    reason: str = ""
    findings: tuple[str, ...] = ()


class Review(msgspec.Struct, frozen=True, kw_only=True, tag="review", tag_field="kind"):
    """A person looked at the run."""

    by: str
    reason: str


class Resource(msgspec.Struct, frozen=True, kw_only=True, tag="resource", tag_field="kind"):
    """A limit and how much of it was used; `hit` where the limit stopped something."""

    what: str
    used: float
    limit: float | None
    unit: str
    hit: bool = False
    where: str = "guest"


class Message(msgspec.Struct, frozen=True, kw_only=True, tag="message", tag_field="kind"):
    """Text from the guest or a sandbox, as received and capped. Hostile: escape before showing."""

    source: str
    text: str
    truncated: bool = False


class ModelCall(msgspec.Struct, frozen=True, kw_only=True, tag="model_call", tag_field="kind"):
    """What a model answered. Hostile text, capped.

    `reasoning` is what it showed of its thinking. Tokens as the provider counted them; None means unknown.
    """

    model: str
    text: str
    reasoning: str = ""
    input_tokens: int | None = None
    output_tokens: int | None = None
    stop: str = ""
    error: str = ""


class ToolCall(msgspec.Struct, frozen=True, kw_only=True, tag="tool_call", tag_field="kind"):
    """A tool was asked for. `arguments` is JSON text, or the command itself where the tool takes one text."""

    tool: str
    arguments: str
    call: str = ""


class ToolResult(msgspec.Struct, frozen=True, kw_only=True, tag="tool_result", tag_field="kind"):
    """What a tool gave back. Hostile text, capped; `call` names the `ToolCall` where the source does."""

    tool: str
    text: str
    call: str = ""
    error: str = ""
    exit_code: int | None = None


class Heartbeat(msgspec.Struct, frozen=True, kw_only=True, tag="heartbeat", tag_field="kind"):
    """The producer is alive; `dropped` counts events it could not deliver since the last one."""

    state: str
    dropped: int = 0
    end: bool = False


EventData = (
    Proposal
    | Approval
    | Ballot
    | ArtifactChange
    | Score
    | Control
    | Review
    | Resource
    | Message
    | ModelCall
    | ToolCall
    | ToolResult
    | Heartbeat
)


class Event(msgspec.Struct, frozen=True, kw_only=True, tag="event", tag_field="record"):
    """One observed fact with its place: `seq` numbers the records of one journal from 1."""

    seq: int
    time_ns: int
    run: str
    producer: str
    generation: int
    data: EventData
