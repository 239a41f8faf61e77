"""The line of accepted versions with scores and diffs, and the proposals that were refused."""

from __future__ import annotations

from subcritical.report._diffs import file_change
from subcritical.report._figures import NONE, bounded_text, count, number, short, version_name
from subcritical.report._markup import Markup, element, foreign, joined
from subcritical.report._tables import ROWS_MAX, row, section, table
from subcritical.report.story import Attempt, Story, Version, bounded

_REFUSED_MAX = 100
_REFUSED_FILES = 3
_REFUSED_CHARACTERS = 3_000
_VERSIONS_MAX = 60
_FILES_MAX = 20
_DIFFS_CHARACTERS = 400_000


def lineage_section(story: Story) -> Markup:
    """Table of all versions, then their diffs."""
    if not story.versions:
        return section("versions", "Versions", element("p", "No version was scored or accepted.", class_="empty"))
    heads = [
        ("version", ""),
        ("generation", "num"),
        ("public", "num"),
        ("held-out, 95 % interval", "num"),
        ("reported", "num"),
        ("what changed", "wide"),
        ("tree", ""),
    ]
    in_force = story.in_force
    rows = [_row(version, current=version is in_force) for version in story.versions[:ROWS_MAX]]
    lead = element(
        "p",
        "A version is accepted if the trusted evaluator scores it strictly better on the public split than the version "
        "in force. The reported score is what the guest said; no decision uses it.",
        class_="soft lead",
    )
    return section("versions", "Versions", lead, table(heads, rows, len(story.versions)), _diffs(story))


def _row(version: Version, *, current: bool) -> Markup:
    name = version_name(version)
    mark = " in force" if current else " rolled back" if version.rolled_back else ""
    paths = [change.path for change in version.proposal.changes] if version.proposal else []
    what = foreign(", ".join(paths), 300) if paths else Markup(NONE)
    return row(
        (joined(element("b", name), element("small", mark)), "tight"),
        (str(version.generation), "num"),
        (number(version.public_value), "num"),
        (bounded_text(bounded(version.held_out)), "num"),
        (number(version.reported), "num"),
        (what, ""),
        (element("code", short(version.tree)), "tight"),
        kind="out" if version.rolled_back else "",
    )


def _diffs(story: Story) -> Markup:
    changed = [version for version in story.versions if version.proposal is not None]
    budget = _DIFFS_CHARACTERS
    blocks = []
    # The newest matter most where not all fit.
    for version in reversed(changed[-_VERSIONS_MAX:]):
        block, budget = _version_block(version, budget)
        blocks.append(block)
    left_out = len(changed) - len(blocks)
    rest = element("p", f"{count(left_out, 'older version')} only in the journal.", class_="soft") if left_out else None
    heading = element("h3", "What the accepted versions changed, newest first") if blocks else None
    return joined(heading, *blocks, rest)


def _version_block(version: Version, budget: int) -> tuple[Markup, int]:
    proposal = version.proposal
    assert proposal is not None  # noqa: S101 - the caller chose those that have one
    files = []
    for change in proposal.changes[:_FILES_MAX]:
        shown, budget = file_change(change, budget)
        files.append(shown)
    more = len(proposal.changes) - _FILES_MAX
    claim = element("p", "The guest's claim: ", foreign(proposal.claim, 600)) if proposal.claim else None
    head = element(
        "div",
        element("b", version_name(version)),
        f" · generation {version.generation} · {proposal.proposal} · #{version.seq}",
    )
    rest = element("p", f"{count(more, 'further file')} in the journal only.", class_="soft") if more > 0 else None
    return element("div", head, claim, *files, rest, class_="version"), budget


def attempts_section(story: Story) -> Markup:
    """Proposals that wanted what no guest may change, other refusals, and what people were asked about."""
    shown = [one for one in story.attempts.values() if one.protected or one.votes or one.verdict == "refused"]
    if not shown:
        said = f"None of {count(len(story.attempts), 'proposal')} touched a protected artifact or was refused."
        return section("attempts", "What the guest could not change alone", element("p", said, class_="empty"))
    heads = [
        ("generation", "num"),
        ("protected paths touched", "text"),
        ("outcome", ""),
        ("reasons, and what it wanted to change", "wide"),
        ("record", "num"),
    ]
    rows = [_attempt(attempt) for attempt in shown[:_REFUSED_MAX]]
    return section("attempts", "What the guest could not change alone", table(heads, rows, len(shown)))


def _attempt(attempt: Attempt) -> Markup:
    verdict = attempt.verdict.replace("_", " ") or "open"
    files = [
        file_change(change, _REFUSED_CHARACTERS, closed=True)[0] for change in attempt.proposal.changes[:_REFUSED_FILES]
    ]
    through = attempt.protected and attempt.verdict == "accepted"
    return row(
        (str(attempt.generation), "num"),
        (foreign(", ".join(attempt.protected), 300) if attempt.protected else NONE, ""),
        (element("b", verdict, class_="bad" if through else None), ""),
        (joined(foreign("; ".join((*attempt.votes, *attempt.reasons)), 1000), *files), ""),
        (f"#{attempt.seq}", "num"),
    )
