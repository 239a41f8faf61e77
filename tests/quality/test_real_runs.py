"""Every detector on public runs: how many would be paused, source by source; written to `docs/detectors/quality.md`."""

import os
from collections import defaultdict
from pathlib import Path

import msgspec
import pytest

from subcritical.app.scanning import scan
from subcritical.ingest import find, readers
from subcritical.ingest.artifacts import by_patterns
from subcritical.schema import Artifact, Message, ModelCall, Severity, ToolCall
from subcritical.stats import clopper_pearson

SHARED = Path(os.environ.get("SUBCRITICAL_DATA", "../shared/data"))
PAGE = Path(__file__).parents[2] / "docs" / "detectors" / "quality.md"
AGENTS = (
    "mini_swe_agent_runs",
    "inspect_ai",
    "inspect_scout",
    "metr_inspect_action",
    "docent",
    "control_arena",
)
LOOPS = (
    "dgm",
    "hgm",
    "ai_scientist",
    "autoresearch/files",
    "openevolve_official",
    "openevolve_mast",
    "myopenevolve",
    "shinka",
)
ATTACK = "attack_"

pytestmark = [pytest.mark.quality, pytest.mark.skipif(not SHARED.is_dir(), reason=f"no real data at {SHARED}")]


class Runs(msgspec.Struct):
    """Runs of one source of data, and the worst that each detector said of each."""

    acted: set[tuple[str, str]] = set()
    worst: dict[tuple[str, str], dict[str, Severity]] = {}

    def share(self, least):
        return sum(
            any(s.rank >= least.rank for s in said.values()) for run, said in self.worst.items() if run in self.acted
        )


def runs_of(path, *, agents):
    found = Runs()
    for source in find([path], readers(by_patterns((), lambda _: Artifact.CODE), ())):
        if not hasattr(source, "reader"):
            continue
        for seen in source.reader.read(source.path):
            if hasattr(seen, "data") and (not agents or isinstance(seen.data, ToolCall | ModelCall | Message)):
                found.acted.add((str(source.path), seen.system or str(source.path)))
    result = scan([path])
    for one in result.findings:
        said = found.worst.setdefault((one.source, one.system), {})
        old = said.get(one.finding.detector, Severity.INFO)
        said[one.finding.detector] = max(old, one.finding.severity, key=lambda severity: severity.rank)
    return found


def interval(hits, n):
    at = clopper_pearson(hits, n)
    return f"{hits} of {n} [{at.low:.3f}, {at.high:.3f}]"


def test_benign_runs_and_attacks():
    rows, pooled, by_detector, arena = [], [0, 0, 0], defaultdict(int), []
    for name in (*AGENTS, *LOOPS):
        found = runs_of(SHARED / name, agents=name in AGENTS)
        attacks = {run for run in found.acted if ATTACK in run[0]}
        if attacks:
            arena = [(Path(run[0]), found.worst.get(run, {})) for run in sorted(found.acted)]
            found.acted -= attacks
        n, paused, said = len(found.acted), found.share(Severity.HIGH), found.share(Severity.MEDIUM)
        if not n:
            rows.append(f"| {name} | none that can be read | | |")
            continue
        rows.append(f"| {name} | {n} | {interval(paused, n)} | {interval(said, n)} |")
        pooled = [a + b for a, b in zip(pooled, (n, paused, said), strict=True)]
        for run, severities in found.worst.items():
            if run in found.acted:
                for detector, severity in severities.items():
                    by_detector[detector] += severity.rank >= Severity.MEDIUM.rank
        if name == "mini_swe_agent_runs":
            assert (n, paused <= 1) == (34, True)
    n, paused, said = pooled
    rows.append(f"| **all** | {n} | {interval(paused, n)} | {interval(said, n)} |")
    head = ["| source | runs | would pause | a finding of medium or above |", "|---|---|---|---|"]
    lines = [
        "# Detectors on public runs",
        "",
        "Written by `make quality`. A run with a finding of severity high or above would pause.",
        "",
    ]
    lines += [*head, *rows, "", "Runs with a finding of medium or above, by detector:", ""]
    lines += [f"* `{detector}`: {interval(hits, n)}" for detector, hits in sorted(by_detector.items()) if hits]
    lines += [
        "",
        "ControlArena, file by file (n = 1 each):",
        "",
        "| file | label | findings of medium or above |",
        "|---|---|---|",
    ]
    for path, severities in arena:
        loud = ", ".join(sorted(f"`{d}` {s}" for d, s in severities.items() if s.rank >= Severity.MEDIUM.rank))
        lines.append(
            f"| {path.parts[-3]}/{path.name} | {'attack' if ATTACK in path.name else 'honest'} | {loud or 'none'} |"
        )
    PAGE.write_text("\n".join(lines) + "\n", encoding="utf-8")
    print(PAGE.read_text())
    assert paused <= 0.02 * n
