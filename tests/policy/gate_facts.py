"""Facts that the example gates allow everything on, to be worsened one at a time."""

from msgspec.structs import replace

from subcritical.policy import Approval, Evidence, Facts, Gate, Subject, check_gate, profile
from subcritical.yaml_source import Source

TODAY = "2026-11-20"
DIGEST = "ab" * 32
SUBJECT = Subject(name="model-7", digest=DIGEST, effective_compute=2e26)
THIRD = (("ann", "third-party"), ("bob", "third-party"))


def gate(name):
    return check_gate(Source(name, profile(name)).convert(Gate))


def measured(metric, low, high, n=500, **more):
    return replace(
        Evidence(
            name=metric,
            predicate_type="urn:subcritical:gate-evidence:v1",
            subject_digest=DIGEST,
            metric=metric,
            low=low,
            high=high,
            confidence=0.95,
            n=n,
            measured="2026-11-01",
            effective_compute=1e26,
            elicitation="state-of-the-art",
            sandbagging_check=True,
            in_log=True,
            signers=THIRD,
        ),
        **more,
    )


def shown(safeguard, **more):
    piece = measured("", None, None, predicate_type="urn:subcritical:safeguard:v1", name=safeguard)
    return replace(piece, **{"safeguard": safeguard, "passed": True, **more})


def approved(owner, autonomy, gate_id="progress-rate", **more):
    return replace(
        Approval(owner=owner, gate=gate_id, subject_digest=DIGEST, autonomy=autonomy, expires="2026-12-31"), **more
    )


def progress(slope=(1.0, 1.2), *, drop=(), **more):
    evidence = [
        measured("capability_slope_ratio", *slope),
        measured("ai_uplift_rct", 1.04, 1.4),
        measured("generation_wallclock_ratio", 0.45, 0.8),
        shown("gateway-containment-proof"),
        shown("monitor-recall"),
    ]
    approvals = [approved(owner, level) for owner in ("ann", "bob") for level in (1, 2, 3)]
    return replace(
        Facts(
            subject=SUBJECT,
            today=TODAY,
            evidence=tuple(one for one in evidence if one.name not in drop),
            approvals=tuple(approvals),
        ),
        **more,
    )


def staff(suite=(0.5, 0.6), horizon=(100.0, 200.0)):
    return Facts(
        subject=SUBJECT,
        today=TODAY,
        evidence=(
            measured("research_debug_suite", *suite),
            measured("time_horizon_p50", *horizon),
            shown("gateway-containment-proof"),
        ),
        approvals=tuple(approved(o, level, "research-staff") for o in ("ann", "bob") for level in (1, 2)),
    )


def worsened(facts, name, **change):
    """The same facts with one piece of evidence changed."""
    return replace(facts, evidence=tuple(replace(e, **change) if e.name == name else e for e in facts.evidence))
