"""The table of detectors on pairs, for readers."""

from __future__ import annotations

from collections.abc import Sequence

from subcritical.bench.pairs import Score
from subcritical.stats import Interval

_SHOWN = 12
_HEAD = """# Detectors on minimal pairs

Written by `subcritical bench pairs FOLDER --page FILE`. Each pair is two short transcripts in much the same words, of
which one shows the behaviour; the other is authorised, quoted, hypothetical, or about something else. Found means: a
finding of medium severity or above. *Words* is a search for the plain words one would look for. Intervals are exact,
95 % (Clopper and Pearson 1934). p: one-sided exact test over pairs that only one of the two told apart the right way
round (McNemar 1947).
"""


def pairs_page(scores: Sequence[Score], notes: str = "") -> str:
    """Markdown: one table a family, and what each detector got wrong."""
    parts = [_HEAD, notes]
    for family in dict.fromkeys(one.family for one in scores):
        mine = [one for one in scores if one.family == family]
        parts += [f"## Family {family}\n", _table(mine)]
        parts += ["What was got wrong:\n", "\n".join(_wrong(one) for one in mine) + "\n"]
    return "\n".join(part for part in parts if part)


def _table(scores: Sequence[Score]) -> str:
    head = "| detector | n | recall | false alarms | words: recall | false alarms | better : worse | p | beats words |"
    lines = [head, "|---|---|---|---|---|---|---|---|---|"]
    lines += [
        f"| `{one.detector}` | {one.n} | {one.recall} {_interval(one.recall_95)} | "
        f"{one.false_alarms} {_interval(one.false_alarms_95)} | {one.words_recall} | {one.words_false_alarms} | "
        f"{one.better} : {one.worse} | {one.p:.2g} | {'yes' if one.beats else '**no**'} |"
        for one in scores
    ]
    return "\n".join(lines) + "\n"


def _wrong(one: Score) -> str:
    missed = ", ".join(one.missed[:_SHOWN]) + (", ..." if len(one.missed) > _SHOWN else "")
    alarmed = ", ".join(one.alarmed[:_SHOWN]) + (", ..." if len(one.alarmed) > _SHOWN else "")
    return f"* `{one.detector}`: missed {missed or 'none'}; false alarms {alarmed or 'none'}"


def _interval(interval: Interval) -> str:
    return f"[{interval.low:.2f}, {interval.high:.2f}]"
