"""The engine: records in, requests out. No clock, no disk, no handle; the caller owns time.

What this does not protect against: a rule that is missing. A run without rules is never paused,
whatever the detectors say.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from subcritical.errors import InputError
from subcritical.schema import Action, Event, Finding, Heartbeat, Measurement, Order, Receipt, Record, visible
from subcritical.tripwires.rules import ANY_SEVERITY, Request, Rule

_NOTICES_PER_RULE = 64
_NANOSECONDS = 1_000_000_000
_TICKS_PER_SILENCE = 3


class _Fired(msgspec.Struct):
    """A rule that has fired and is not armed again until a resume. `acted`: its action is recorded."""

    request: Request
    acted: bool = False


class Tripwires:
    """Latching rules.

    A rule fires once; it is armed again by a confirmed `resume`. `notify` is no latch: it fires
    once for each distinct title. Not thread-safe: the pipeline serialises the calls.
    """

    def __init__(self, rules: Sequence[Rule], *, producers: Sequence[str] = ()) -> None:
        """Arm `rules`; `producers` are expected to send heartbeats even before the first one came.

        Raises:
            InputError: Two rules share an id.
        """
        ids = [rule.id for rule in rules]
        if len(set(ids)) != len(ids):
            raise InputError("two tripwires share an id; give each its own")
        self.rules = tuple(rules)
        self._fired: dict[str, _Fired] = {}
        self._noticed: dict[str, set[str]] = {}
        self._producers = frozenset(producers)
        self._expected: set[str] = set(producers)
        self._heard: set[str] = set()
        self._silent_ns: dict[tuple[str, str], int] = {}
        self._last_tick_ns: int | None = None

    def observe(self, records: Sequence[Record]) -> list[Request]:
        """What the rules ask for after `records`; at most one request that latches per rule.

        A crash inside a rule is a request to pause: a rule that cannot be judged may have held.
        """
        for record in records:
            self._follow(record)
        judged = [record for record in records if isinstance(record, Finding | Measurement)]
        requests: list[Request] = []
        for rule in self.rules if judged else ():
            try:
                requests += self._judge(rule, judged)
            except Exception as error:  # noqa: BLE001 - unknown is unsafe: whatever it was, it trips
                requests += self._crashed(rule, error)
        return requests

    def tick(self, now_ns: int, *, paused: bool = False) -> list[Request]:
        """What silence asks for at `now_ns` (CLOCK_BOOTTIME nanoseconds, never going back).

        While the run is `paused` nobody has to speak: time passes without counting.

        A producer is silent while no record of its came between two ticks. One late tick counts
        for at most a third of the limit: after the machine slept, producers get the time to speak,
        while a supervisor that is starved of time still trips after three silent ticks.
        """
        gap_ns = 0 if self._last_tick_ns is None else max(0, now_ns - self._last_tick_ns)
        self._last_tick_ns = now_ns
        requests: list[Request] = []
        for rule in self.rules:
            if paused or rule.on.silence_s is None:
                continue
            try:
                requests += self._silence(rule, gap_ns)
            except Exception as error:  # noqa: BLE001 - unknown is unsafe: whatever it was, it trips
                requests += self._crashed(rule, error)
        self._heard.clear()
        return requests

    def recover(self, records: Sequence[Record]) -> list[Request]:
        """Fold the records of an earlier process; what was requested then but never recorded as an action.

        A crash between a finding and its action would otherwise leave a rule latched that never acted.
        Who spoke in that process is not expected to speak in this one.
        """
        for record in records:
            self.observe([record])
        self._heard.clear()
        self._expected = set(self._producers)
        return [fired.request for fired in self._fired.values() if not fired.acted]

    def armed(self, rule: str) -> bool:
        """Whether the rule with this id would fire."""
        return rule not in self._fired

    def _follow(self, record: Record) -> None:
        """Keep what the rules need to know: who speaks, and which latches were released."""
        if isinstance(record, Event):
            self._heard.add(record.producer)
            if isinstance(record.data, Heartbeat):
                (self._expected.discard if record.data.end else self._expected.add)(record.producer)
        elif isinstance(record, Action):
            for fired in self._fired.values():
                fired.acted = fired.acted or fired.request.by == record.by
        elif isinstance(record, Receipt) and record.order is Order.RESUME and record.outcome == "confirmed":
            self._fired.clear()
            self._silent_ns.clear()

    def _judge(self, rule: Rule, records: Sequence[Finding | Measurement]) -> list[Request]:
        if rule.on.silence_s is not None:
            return []
        if rule.on.measure is not None:
            return self._measured(rule, [record for record in records if isinstance(record, Measurement)])
        return self._found(rule, [record for record in records if isinstance(record, Finding)])

    def _found(self, rule: Rule, findings: Sequence[Finding]) -> list[Request]:
        matching = [finding for finding in findings if _holds(rule, finding)]
        if rule.action is Order.NOTIFY:
            return self._notices(rule, matching, "")
        any_severity = rule.action in ANY_SEVERITY
        grave = [finding for finding in matching if any_severity or finding.severity.may_pause]
        light = [finding for finding in matching if not any_severity and not finding.severity.may_pause]
        why = f"; the rule asks for {rule.action}, which takes severity high or above"
        requests = self._notices(rule, light, why)
        if grave:
            requests += self._fire(rule, _reason(rule, grave), grave)
        return requests

    def _measured(self, rule: Rule, measurements: Sequence[Measurement]) -> list[Request]:
        requests: list[Request] = []
        for measurement in measurements:
            if measurement.name != rule.on.measure or rule.on.above is None:
                continue
            # A two-sided interval at level L leaves (1 - L) / 2 below its lower end.
            confidence = (1 + measurement.level) / 2
            if measurement.low is None or not measurement.low > rule.on.above:
                continue
            if confidence < rule.on.confidence:
                text = (
                    f"{measurement.name} looks above {rule.on.above:g}, but its interval holds only at {confidence:g}"
                )
                requests += self._notice(rule, text, "level", ())
                continue
            reason = (
                f"{measurement.name} lies above {rule.on.above:g}: at least {measurement.low:g} {measurement.unit} "
                f"at confidence {confidence:g}"
            )
            requests += self._fire(rule, reason, ())
        return requests

    def _silence(self, rule: Rule, gap_ns: int) -> list[Request]:
        limit_ns = int((rule.on.silence_s or 0) * _NANOSECONDS)
        requests: list[Request] = []
        for producer in sorted(self._expected if rule.on.producer is None else {rule.on.producer}):
            key = (rule.id, producer)
            silent = (
                0
                if producer in self._heard
                else self._silent_ns.get(key, 0) + min(gap_ns, limit_ns // _TICKS_PER_SILENCE + 1)
            )
            self._silent_ns[key] = silent
            if silent >= limit_ns:
                requests += self._fire(rule, f"nothing heard from {producer} for {rule.on.silence_s:g} s", ())
        return requests

    def _fire(self, rule: Rule, reason: str, findings: Sequence[Finding]) -> list[Request]:
        if rule.action is Order.NOTIFY:
            return self._notice(rule, reason, rule.on.text, findings)
        if rule.id in self._fired:
            return []
        request = Request(
            rule=rule.id,
            order=rule.action,
            reason=reason,
            findings=tuple(finding.id for finding in findings),
            argument=rule.argument,
        )
        self._fired[rule.id] = _Fired(request)
        return [request]

    def _notices(self, rule: Rule, findings: Sequence[Finding], why: str) -> list[Request]:
        requests: list[Request] = []
        for finding in findings:
            text = f"{_reason(rule, [finding])}{why}"
            requests += self._notice(rule, text, f"{finding.detector} {finding.title}", [finding])
        return requests

    def _notice(self, rule: Rule, reason: str, kind: str, findings: Sequence[Finding]) -> list[Request]:
        """One notice per kind, so that a guest that repeats itself cannot flood the operator."""
        seen = self._noticed.setdefault(rule.id, set())
        if kind in seen or len(seen) > _NOTICES_PER_RULE:
            return []
        seen.add(kind)
        if len(seen) > _NOTICES_PER_RULE:
            reason = f"{reason}; further notices of this rule are only in the journal"
        return [
            Request(rule=rule.id, order=Order.NOTIFY, reason=reason, findings=tuple(f.id for f in findings)),
        ]

    def _crashed(self, rule: Rule, error: Exception) -> list[Request]:
        if rule.id in self._fired:
            return []
        reason = f"the rule crashed, so it may have held: {type(error).__name__}: {visible(str(error), 300)}"
        request = Request(rule=rule.id, order=Order.PAUSE, reason=reason)
        self._fired[rule.id] = _Fired(request)
        return [request]


def _holds(rule: Rule, finding: Finding) -> bool:
    on = rule.on
    blind_to = str(finding.facts.get("blind_to", "")).split()
    technique = on.technique is None or finding.technique == on.technique or on.technique in blind_to
    detector = on.detector is None or finding.detector == on.detector
    return technique and detector and (on.severity is None or finding.severity.rank >= on.severity.rank)


def _reason(rule: Rule, findings: Sequence[Finding]) -> str:
    first = findings[0]
    more = f" and {len(findings) - 1} more" if len(findings) > 1 else ""
    return f"{rule.on.text}: {first.severity} finding {first.id} of {first.detector}{more}"
