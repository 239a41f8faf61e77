"""A change was let through beside its policy: under an override, or because the policy is not enforced."""

from __future__ import annotations

from typing import ClassVar

import msgspec

from subcritical.detectors._stream import PerRun, reads
from subcritical.detectors.protocol import DetectorSettings
from subcritical.schema import Approval, Ballot, Event, Finding, Severity, visible

_OPEN_MAX = 64
_ID_MAX = 200


class PolicyExceptionSettings(DetectorSettings, frozen=True, kw_only=True):
    """Nothing to set."""


class ExceptionState(msgspec.Struct):
    """Per run: proposals under an override that are not settled, with its event; how many had to be forgotten."""

    overrides: dict[str, int] = {}
    forgotten: int = 0
    settled: int = 0


class PolicyException(PerRun[ExceptionState, PolicyExceptionSettings]):
    """Says so when somebody breaks the glass, and again when a change is accepted through it.

    An override by people is authorised, and still what nobody should overlook. A policy in mode `warn` or `monitor`
    refuses nothing: what it would have refused stands with the acceptance.
    """

    id = "policy_exception"
    techniques = ("RSI-T0402",)
    docs = "detectors/policy_exception.md"
    kinds = reads(Ballot, Approval)
    Settings: ClassVar[type[PolicyExceptionSettings]] = PolicyExceptionSettings

    def new(self) -> ExceptionState:
        """No exception yet."""
        return ExceptionState()

    def starved(self, state: ExceptionState) -> str:
        """Without a settled proposal there was nothing that a policy could have been asked about."""
        return "" if state.settled else "no proposal was settled"

    def observe(self, state: ExceptionState, event: Event) -> list[Finding]:
        """Advance by one event."""
        data = event.data
        if isinstance(data, Ballot) and data.step == "override":
            return self._override(state, event, data)
        if isinstance(data, Approval):
            state.settled += 1
            since = state.overrides.pop(data.proposal[:_ID_MAX], None)
            if data.verdict == "accepted":
                return self._accepted(event, data, since, forgotten=state.forgotten > 0 and data.by == "people")
        return []

    def _override(self, state: ExceptionState, event: Event, ballot: Ballot) -> list[Finding]:
        if len(state.overrides) >= _OPEN_MAX:
            del state.overrides[next(iter(state.overrides))]
            state.forgotten += 1
        state.overrides.setdefault(ballot.proposal[:_ID_MAX], event.seq)
        return [
            self.finding(
                event,
                Severity.MEDIUM,
                "Somebody overrides what a change needs",
                f"{visible(ballot.by, 100)} takes proposal {visible(ballot.proposal, 100)} on himself: "
                f"{visible(ballot.reason, 300) or 'no reason given'}. Fewer others have to agree until it expires.",
                confidence=1.0,
                technique="RSI-T0402",
                facts={"expires": ballot.expires},
            )
        ]

    def _accepted(self, event: Event, approval: Approval, since: int | None, *, forgotten: bool) -> list[Finding]:
        if since is None and not forgotten and not approval.reasons:
            return []
        overridden = since is not None or forgotten
        how = "under an override" if overridden else "by a policy that is not enforced"
        said = "; ".join(visible(reason, 200) for reason in approval.reasons[:5])
        return [
            self.finding(
                event,
                Severity.HIGH,
                "A change was accepted beside its policy",
                f"Proposal {visible(approval.proposal, 100)} was accepted {how}{': ' + said if said else ''}.",
                confidence=1.0,
                technique="RSI-T0402",
                since=since or event.seq,
                facts={"overridden": overridden},
            )
        ]
