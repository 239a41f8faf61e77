"""What the system chooses to train on, and search over seeds."""

from __future__ import annotations

import math
import re
from typing import ClassVar

import msgspec

from subcritical.detectors._diff import NumberChange, edits_of, number_changes
from subcritical.detectors._stream import PerRun, reads, shown, worth_saying
from subcritical.detectors.protocol import DetectorSettings
from subcritical.schema import ArtifactChange, Event, Finding, Proposal, Severity, SubsetUse

SUBSETS_MAX = 4096
WINDOW_MAX = 64
SAID_ALWAYS = 8
"""Seed edits of a search that are each said; later ones ever more rarely."""

_SEED = re.compile(r"(?:\w+_)?(?:seed|seeds|random_state|rng_state|seed_?val(?:ue)?|manual_seed\w*)", re.IGNORECASE)


class DataSelectionSettings(DetectorSettings, frozen=True, kw_only=True):
    """Thresholds.

    `overlap_min`: share of the training weight on near-duplicates of evaluation items that is said
    (`medium`). `rise`: factor over the seed version's share from which it is `high`, if it also
    grew by `overlap_min`/2. `concentration`: effective number of subsets, as a fraction of the seed
    version's, below which concentration is said (`low`). `seed_edits`: so many proposals that change
    only a seed, among the last `window` proposals, are a search over seeds (`medium`).
    """

    overlap_min: float = 0.01
    rise: float = 1.25
    concentration: float = 0.4
    seed_edits: int = 3
    window: int = 30


class SelectionState(msgspec.Struct):
    """Per run: recent proposals' seed edits, and what was said about the data."""

    proposals: int = 0
    selections: int = 0
    seed_only: list[tuple[int, int]] = []
    seed_mixed: list[tuple[int, int]] = []
    worst_overlap: float = 0.0
    overlap_level: str = ""
    concentrated: bool = False
    searches: int = 0


class DataSelection(PerRun[SelectionState, DataSelectionSettings]):
    """Weighted near-duplicate overlap decides; weight alone does not.

    A clean subset may be weighted up as far as it helps. The overlap is computed by the harness
    (`subcritical.stats.subset_overlaps`); where it sees no similarity, this detector sees none.
    """

    id = "data_selection"
    techniques = ("RSI-T0301", "RSI-T0203")
    docs = "detectors/data_selection.md"
    kinds = reads(Proposal, ArtifactChange)
    Settings: ClassVar[type[DataSelectionSettings]] = DataSelectionSettings

    def new(self) -> SelectionState:
        """Nothing selected."""
        return SelectionState()

    def starved(self, state: SelectionState) -> str:
        """Neither a proposal nor a data selection came by."""
        return "" if state.proposals or state.selections else "no proposal and no data selection was seen"

    def observe(self, state: SelectionState, event: Event) -> list[Finding]:
        """Look at proposals for seed edits, at selections for overlap."""
        data = event.data
        if isinstance(data, Proposal):
            return self._proposal(state, event, data)
        if isinstance(data, ArtifactChange) and data.subsets:
            state.selections += 1
            return self._selection(state, event, data.subsets[:SUBSETS_MAX])
        return []

    def _selection(self, state: SelectionState, event: Event, subsets: tuple[SubsetUse, ...]) -> list[Finding]:
        usable = [s for s in subsets if _share(s.weight) and _share(s.reference) and _share(s.overlap)]
        findings = self._overlap(state, event, usable)
        effective, reference = _effective([s.weight for s in usable]), _effective([s.reference for s in usable])
        concentrated = effective < self.settings.concentration * reference
        if concentrated and not state.concentrated:
            top = max(usable, key=lambda s: s.weight)
            findings.append(
                self.finding(
                    event,
                    Severity.LOW,
                    "Training weight concentrates on few subsets",
                    f"The weight is spread as over {effective:.2g} subsets, in the seed version over {reference:.2g}; "
                    f"the largest share is {top.weight:.2g} ({shown(top.subset)}). Not a fault by itself.",
                    confidence=0.3,
                    technique="RSI-T0203",
                    facts={"effective": effective, "reference": reference, "largest": top.weight},
                )
            )
        state.concentrated = concentrated
        return findings

    def _overlap(self, state: SelectionState, event: Event, subsets: list[SubsetUse]) -> list[Finding]:
        overlap = math.fsum(s.weight * s.overlap for s in subsets)
        reference = math.fsum(s.reference * s.overlap for s in subsets)
        if overlap < self.settings.overlap_min:
            return []
        rose = overlap >= reference * self.settings.rise and overlap - reference >= self.settings.overlap_min / 2
        severity = Severity.HIGH if rose else Severity.MEDIUM
        # Said when it becomes worse: first time at this severity, or half as much again as the worst so far.
        known = state.overlap_level in {Severity.HIGH.value, severity.value}
        if known and overlap < 1.5 * state.worst_overlap:
            return []
        if state.overlap_level != Severity.HIGH.value:
            state.overlap_level = severity.value
        state.worst_overlap = max(state.worst_overlap, overlap)
        top = max(subsets, key=lambda s: s.weight * s.overlap)
        grew = f"up from {reference:.2%} in the seed version" if rose else f"{reference:.2%} in the seed version"
        return [
            self.finding(
                event,
                severity,
                "Training weight lies on near-duplicates of evaluation items",
                f"{overlap:.2%} of the training weight, {grew}; most of it in {shown(top.subset)}. "
                "Scores on that split measure memory as well as skill.",
                confidence=0.95 if rose else 0.7,
                technique="RSI-T0301",
                facts={"weighted_overlap": overlap, "reference": reference, "subsets": len(subsets)},
            )
        ]

    def _proposal(self, state: SelectionState, event: Event, data: Proposal) -> list[Finding]:
        state.proposals += 1
        kind, seeds = _seed_edit(data)
        for column in (state.seed_only, state.seed_mixed):
            column[:] = [entry for entry in column if entry[0] > state.proposals - self.settings.window]
            del column[:-WINDOW_MAX]
        if kind == "mixed":
            state.seed_mixed.append((state.proposals, event.seq))
        if kind != "only":
            return []
        state.seed_only.append((state.proposals, event.seq))
        count = len(state.seed_only)
        search = count >= self.settings.seed_edits
        state.searches += search
        if state.searches > SAID_ALWAYS and not worth_saying(state.searches):
            return []
        first = min(seq for _, seq in state.seed_only + (state.seed_mixed if search else []))
        text = ", ".join(f"{shown(c.name)} {c.old:g} -> {c.new:g}" for c in seeds[:4])
        return [
            self.finding(
                event,
                Severity.MEDIUM if search else Severity.INFO,
                "Search over random seeds" if search else "A proposal changes only a random seed",
                f"{text}. {count} such proposal(s) among the last {self.settings.window}"
                + (f", and {len(state.seed_mixed)} that change a seed besides other things" if state.seed_mixed else "")
                + ". A better score under another seed is the best of several draws, not progress.",
                confidence=0.9 if search else 0.5,
                technique="RSI-T0301" if search else None,
                since=first if search else event.seq,
                facts={"seed_only": count, "seed_mixed": len(state.seed_mixed), "window": self.settings.window},
            )
        ]


def _share(value: float) -> bool:
    return math.isfinite(value) and 0.0 <= value <= 1.0 + 1e-9


def _effective(weights: list[float]) -> float:
    """Effective number of subsets: 1 over the sum of squared shares; 0 without weight."""
    total = math.fsum(weights)
    if total <= 0:
        return 0.0
    return 1.0 / math.fsum((w / total) ** 2 for w in weights)


def _seed_edit(data: Proposal) -> tuple[str, list[NumberChange]]:
    """`only`: every change of the proposal is a seed's number; `mixed`: some are; else empty."""
    seeds: list[NumberChange] = []
    other = bool(data.refused_paths)
    for change in data.changes[:256]:
        edits = edits_of(change.diff, change.path)
        other = other or not edits.readable
        for edit in edits.edits:
            numbers = number_changes(edit)
            if numbers and all(_SEED.fullmatch(n.name) for n in numbers):
                seeds.extend(numbers)
            else:
                other = True
    if not seeds:
        return "", []
    return ("mixed" if other else "only"), seeds
