"""The kinds of holes: title, technique of the taxonomy, severity, and what closes them."""

from __future__ import annotations

import msgspec

from subcritical.loop.doctor.records import Hole, Place
from subcritical.schema import Severity


class Kind(msgspec.Struct, frozen=True):
    """What all holes of one kind have in common."""

    title: str
    technique: str
    severity: Severity
    fix: str


_H, _C, _M, _L = Severity.HIGH, Severity.CRITICAL, Severity.MEDIUM, Severity.LOW

KINDS: dict[str, Kind] = {
    "evaluator-writable": Kind(
        "the guest can rewrite what scores it", "RSI-T0300", _C,
        "keep the evaluator out of all that the guest can write; class it `evaluator`, so that the guest gets a decoy",
    ),
    "scorer-in-guest-process": Kind(
        "the score is computed inside the guest's own process", "RSI-T0300", _C,
        "let a trusted evaluator call the candidate (`isolation: split`), not the candidate the scorer",
    ),
    "candidate-in-evaluator": Kind(
        "the candidate runs inside the interpreter that computes its score", "RSI-T0300", _C,
        "run the candidate in its own process and exchange plain data only (`isolation: split`)",
    ),
    "score-file-by-guest": Kind(
        "the score is read from a file that the guest can write", "RSI-T0300", _C,
        "take the score from a trusted evaluator over a private descriptor, never from a file within the guest's reach",
    ),
    "score-from-output": Kind(
        "the score is parsed from what guest code prints", "RSI-T0300", _C,
        "take the score from a trusted evaluator over a private descriptor; output is no evidence",
    ),
    "score-over-directory": Kind(
        "the score is gathered over every file of a directory that the guest can write", "RSI-T0300", _C,
        "read exactly the results that the trusted evaluator issued, by its own list",
    ),
    "exit-code-evidence": Kind(
        "an exit code of guest code decides", "RSI-T0301", _H,
        "ask for a nonce-bound verdict from a trusted evaluator; any code can exit with zero",
    ),
    "stale-result": Kind(
        "a result that is already there counts as done", "RSI-T0300", _H,
        "bind each result to a fresh nonce or a fresh empty directory, and delete the old one before the evaluation",
    ),
    "metric-unchecked": Kind(
        "a metric is trusted without a check that it is finite and within bounds", "RSI-T0301", _H,
        "refuse what is not finite or out of bounds (`evaluate: {bounds: ...}`); NaN makes every comparison false",
    ),
    "unsafe-load": Kind(
        "data that the guest wrote can run code when it is loaded", "RSI-T0401", _C,
        "exchange JSON, or arrays with allow-listed types; never pickle",
    ),
    "environment-inherited": Kind(
        "guest code inherits the environment, with whatever keys are in it", "RSI-T0600", _M,
        "pass an explicit environment without secrets; a sandbox clears it",
    ),
    "keys-passed": Kind(
        "a key is passed to guest code", "RSI-T0600", _H,
        "keep keys outside; let the guest reach one local socket that adds them",
    ),
    "limit-in-guest": Kind(
        "a limit is kept where the guest can change it", "RSI-T0202", _H,
        "the parent keeps the limit: `limits:` of the loop file",
    ),
    "limit-missing": Kind(
        "guest code is started without any limit of time", "RSI-T0202", _M,
        "give a timeout that the parent enforces: `limits:` and `evaluate: {timeout: ...}` of the loop file",
    ),
    "guard-in-workspace": Kind(
        "a guard lies where the guest can change it", "RSI-T0400", _C,
        "keep guards outside of everything the guest can write",
    ),
    "settings-in-workspace": Kind(
        "a file that steers or guards lies where the guest can write it", "RSI-T0400", _H,
        "keep hooks, policies and settings outside of the workspace, or class them `policy`",
    ),
    "tests-in-workspace": Kind(
        "the tests that judge lie where the guest can write", "RSI-T0300", _C,
        "run pristine tests from a place the guest cannot write, with the guest's code beside them read-only",
    ),
    "log-in-workspace": Kind(
        "the record of the run lies where the guest can write", "RSI-T0402", _H,
        "keep the record outside of the workspace",
    ),
    "evaluation-data-readable": Kind(
        "the guest can read the data that it is scored on", "RSI-T0301", _H,
        "keep evaluation data out of the workspace (`evaluate: {public, held_out}`)",
    ),
    "seed-in-guest": Kind(
        "the guest chooses the seed of what is scored", "RSI-T0301", _M,
        "let the evaluator choose fresh seeds and repeat (`evaluate: {repeats: 3}`)",
    ),
    "best-of-n": Kind(
        "the best of several runs of one candidate counts", "RSI-T0301", _H,
        "use the mean over fresh seeds, and measure on data that selection did not see",
    ),
    "network-open": Kind(
        "guest code is started with the network open", "RSI-T0700", _H,
        "`limits: {network: none}`, or one Unix socket",
    ),
    "shared-isolation": Kind(
        "candidate and evaluator share one interpreter", "RSI-T0300", _H,
        "`isolation: split`",
    ),
    "artifact-rule": Kind(
        "a rule of the loop file lets the guest change what judges or bounds it", "RSI-T0300", _C,
        "give the path a protected class (`evaluator`, `limit`, `log`, `monitor`, `policy`)",
    ),
    "no-held-out": Kind(
        "nothing measures on data that selection did not see", "RSI-T0301", _L,
        "name a held-out split: `evaluate: {held_out: ...}`",
    ),
    "weak-containment": Kind(
        "the loop file accepts a weak sandbox", "RSI-T0401", _L,
        "`containment: {minimum: R2}` or R1",
    ),
    "no-tripwire": Kind(
        "no tripwire pauses or stops this run", "RSI-T0500", _L,
        "keep the default tripwires, or add one that pauses",
    ),
    "protected-by-prose": Kind(
        "only a sentence in the instructions protects this file", "RSI-T0300", _H,
        "class it `evaluator` in a loop file; a sentence is a norm, not a boundary",
    ),
}  # fmt: skip


class Findings:
    """Holes found so far; one per kind and line."""

    def __init__(self) -> None:
        """Start empty."""
        self._holes: dict[tuple[str, str, int], Hole] = {}

    def add(
        self,
        kind: str,
        file: str,
        line: int,
        why: str,
        places: list[Place] | None = None,
        severity: Severity | None = None,
    ) -> None:
        """Add a hole; a second one of the same kind at the same line adds its places only."""
        about = KINDS[kind]
        key = (kind, file, line)
        before = self._holes[key].places if key in self._holes else ()
        merged = tuple(dict.fromkeys([*before, *(places or [])]))[:12]
        self._holes[key] = Hole(
            id=kind, title=about.title, file=file, line=line, technique=about.technique,
            severity=severity or about.severity, why=self._holes[key].why if key in self._holes else why,
            fix=about.fix, places=merged,
        )  # fmt: skip

    def has(self, kind: str, file: str | None = None) -> bool:
        """Whether a hole of this kind was found, in `file` where it is named."""
        return any(k == kind and (file is None or f == file) for k, f, _ in self._holes)

    def holes(self) -> tuple[Hole, ...]:
        """All holes, the worst first."""
        return tuple(sorted(self._holes.values(), key=lambda h: (-h.severity.rank, h.file, h.line, h.id)))
