"""From the bytes on the private descriptor to a number, or to the reason why there is none.

Everything an evaluator returns is checked: bound to the nonce, one JSON object without duplicate
keys, finite, within declared bounds, and consistent with its own counts.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from subcritical.errors import SourceError
from subcritical.schema import Direction, Metric, Verdict

MAX_VERDICT_BYTES = 1 << 20
_COUNT_TOLERANCE = 1e-6


class Rules(msgspec.Struct, frozen=True, kw_only=True):
    """What a verdict must obey.

    `primary` and `direction` override the verdict's own; `consistent` demands that a value with
    counts equals successes / n. The study of a missing guard switches the checks off.
    """

    primary: str | None = None
    direction: Direction | None = None
    bounds: Mapping[str, tuple[float | None, float | None]] = {}
    consistent: bool = True


class Scored(msgspec.Struct, frozen=True, kw_only=True):
    """One number with its noise, from one or more repeats.

    `value` is the mean over repeats; `n` and `successes` are sums; `se` is a standard error in the
    metric's unit. `deterministic`: repeats agreed exactly, so they say nothing about noise.
    """

    metric: str
    value: float
    direction: Direction
    bounds: tuple[float | None, float | None]
    n: int | None
    successes: int | None
    se: float | None
    repeats: int
    fresh: bool
    deterministic: bool


def read_verdicts(line: bytes, *, nonce: str, rules: Rules) -> Scored:
    """Check one record of the evaluator.

    Raises:
        SourceError: What is wrong with it; such an evaluation measured nothing.
    """
    if len(line) > MAX_VERDICT_BYTES:
        raise SourceError(f"the verdict is larger than {MAX_VERDICT_BYTES} bytes")
    try:
        record = json.loads(line, object_pairs_hook=_once, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise SourceError(f"the verdict is not one JSON object: {error}") from error
    if not isinstance(record, dict) or record.get("nonce") != nonce:
        raise SourceError("the verdict is not bound to this evaluation (nonce missing or wrong)")
    if "error" in record:
        raise SourceError(str(record["error"]))
    try:
        verdicts = msgspec.convert(record.get("verdicts"), list[Verdict])
    except (msgspec.ValidationError, OverflowError) as error:
        raise SourceError(f"the verdict has the wrong shape: {error}") from error
    if not verdicts:
        raise SourceError("the evaluator returned no verdict")
    return _combine(verdicts, rules, fresh=record.get("seeded") is True)


def _combine(verdicts: Sequence[Verdict], rules: Rules, *, fresh: bool) -> Scored:
    name = rules.primary or verdicts[0].primary
    if not name and len(verdicts[0].metrics) == 1:
        name = next(iter(verdicts[0].metrics))
    metrics = [_checked(verdict, name, rules) for verdict in verdicts]
    values = [metric.value for metric in metrics]
    mean = math.fsum(values) / len(values)
    counted = all(metric.n is not None and metric.successes is not None for metric in metrics)
    return Scored(
        metric=name,
        value=mean,
        direction=rules.direction or verdicts[0].direction,
        bounds=rules.bounds.get(name, (None, None)),
        n=sum(metric.n or 0 for metric in metrics) if counted else metrics[0].n,
        successes=sum(metric.successes or 0 for metric in metrics) if counted else None,
        se=_standard_error(metrics, values),
        repeats=len(values),
        fresh=fresh,
        deterministic=len(values) > 1 and len(set(values)) == 1,
    )


def _checked(verdict: Verdict, name: str, rules: Rules) -> Metric:
    if name not in verdict.metrics:
        known = ", ".join(sorted(verdict.metrics)) or "none"
        raise SourceError(f"the verdict has no metric `{name}` (it has: {known}); name it in evaluate.primary")
    metric = verdict.metrics[name]
    if not math.isfinite(metric.value):
        raise SourceError(f"{name} is not finite")
    low, high = rules.bounds.get(name, (None, None))
    if (low is not None and metric.value < low) or (high is not None and metric.value > high):
        raise SourceError(f"{name} = {metric.value:g} is outside its declared bounds [{low}, {high}]")
    if rules.consistent:
        _check_counts(metric, name)
    return metric


def _check_counts(metric: Metric, name: str) -> None:
    if metric.se is not None and not (math.isfinite(metric.se) and metric.se >= 0):
        raise SourceError(f"{name}: the standard error is {metric.se}")
    if metric.n is not None and metric.n <= 0:
        raise SourceError(f"{name}: n = {metric.n}")
    if metric.n is None or metric.successes is None:
        return
    if not 0 <= metric.successes <= metric.n:
        raise SourceError(f"{name}: {metric.successes} successes of {metric.n}")
    if abs(metric.value - metric.successes / metric.n) > _COUNT_TOLERANCE:
        raise SourceError(f"{name} = {metric.value:g} contradicts {metric.successes} of {metric.n}")


def _standard_error(metrics: Sequence[Metric], values: Sequence[float]) -> float | None:
    """Of the mean: from the evaluator's own errors, else from the spread of at least two repeats."""
    own = [metric.se for metric in metrics if metric.se is not None]
    if len(own) == len(metrics):
        return math.sqrt(math.fsum(se * se for se in own)) / len(own)
    if len(set(values)) < 2:  # noqa: PLR2004 - one distinct value has no spread
        return None
    mean = math.fsum(values) / len(values)
    variance = math.fsum((value - mean) ** 2 for value in values) / (len(values) - 1)
    return math.sqrt(variance / len(values))


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        raise ValueError("a key is given twice")
    return result


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is not a JSON number")
