"""Proves claims about a Cedar policy, for every request of its schema.

Two solvers must agree. What cannot be encoded is UNKNOWN, and UNKNOWN is not PROVED; a claim about requests of which
the policy allows none is UNKNOWN, too. A counterexample is replayed on the real engine. What is *not* proved: that
everything which grants a right asks this policy, and that the facts in a request are true.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import Literal

import msgspec

from subcritical.policy.cedar.encode import Environment, UnsupportedError, allow, environments
from subcritical.policy.cedar.engine import CedarPolicy, Request
from subcritical.policy.cedar.solvers import Solved, solve

Verdict = Literal["PROVED", "VIOLATED", "UNKNOWN"]


class Claim(msgspec.Struct, frozen=True):
    """What must hold of every allowed request that it is about.

    Attributes:
        id: Name.
        holds: SMT-LIB over paths such as `context.approvals`.
        about: SMT-LIB; requests that it does not hold of are not meant.
        principals, actions: Types and names that are meant; all where empty.
        always: Turned round: every request that is meant must be allowed.
    """

    id: str
    holds: str
    about: str = "true"
    principals: tuple[str, ...] = ()
    actions: tuple[str, ...] = ()
    always: bool = False

    def means(self, where: Environment) -> bool:
        """Whether it speaks of an environment at all."""
        return where.principal in (self.principals or (where.principal,)) and where.action in (
            self.actions or (where.action,)
        )


class Invariant(msgspec.Struct, frozen=True, kw_only=True):
    """One claim's outcome.

    Attributes:
        solver_agreement: Whether both solvers gave the same answer to every question.
        counterexample: A request on which the claim fails.
        replayed: Whether the real engine decides that request as the encoding said.
        why: What was not understood, or where the policy allows nothing.
    """

    id: str
    verdict: Verdict
    solver_agreement: bool
    counterexample: Request | None = None
    replayed: bool | None = None
    ms: float = 0.0
    why: str = ""


def prove(policy: CedarPolicy, claims: Sequence[Claim]) -> tuple[Invariant, ...]:
    """Prove or refute every claim.

    Raises:
        InputError: A solver is not installed (extra `prove`).
    """
    try:
        formulas = [(where, allow(policy.parsed, where)) for where in environments(policy.schema)]
    except (UnsupportedError, KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
        return tuple(_unknown(claim.id, f"outside the fragment: {error}") for claim in claims)
    return tuple(_one(policy, claim, formulas) for claim in claims)


def no_looser(new: CedarPolicy, old: CedarPolicy) -> Invariant:
    """Prove or refute that a policy allows nothing that an earlier one of the same schema denied."""
    name, start = "no-looser", time.perf_counter()
    try:
        asked = [
            (solve(where, allow(new.parsed, where), f"(not {allow(old.parsed, where)})"), True)
            for where in environments(new.schema)
        ]
    except (UnsupportedError, KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
        return _unknown(name, f"outside the fragment: {error}")
    return _verdict(name, new, asked, start)


def _one(policy: CedarPolicy, claim: Claim, formulas: Sequence[tuple[Environment, str]]) -> Invariant:
    start = time.perf_counter()
    meant = [(where, formula) for where, formula in formulas if claim.means(where)]
    possible = [(where, "true" if claim.always else formula) for where, formula in meant]
    if not any(solve(where, formula, claim.about).answer == "sat" for where, formula in possible):
        return _unknown(
            claim.id, "the policy allows nothing that this is about, or no solver can tell: a proof would say nothing"
        )
    return _verdict(claim.id, policy, list(_asked(claim, meant)), start)


def _asked(claim: Claim, meant: Sequence[tuple[Environment, str]]) -> Iterator[tuple[Solved, bool]]:
    for where, formula in meant:
        if claim.always:
            yield solve(where, f"(not {formula})", claim.about, claim.holds), False
        else:
            yield solve(where, formula, claim.about, f"(not {claim.holds})"), True


def _verdict(name: str, policy: CedarPolicy, asked: Sequence[tuple[Solved, bool]], start: float) -> Invariant:
    """One violation is enough; PROVED needs both solvers in every environment."""
    taken = (time.perf_counter() - start) * 1000
    agree = all(solved.answer != "unknown" for solved, _ in asked)
    for solved, allowed in asked:
        if solved.answer == "sat" and solved.example is not None:
            return Invariant(
                id=name,
                verdict="VIOLATED",
                solver_agreement=agree,
                counterexample=solved.example,
                replayed=policy.decide(solved.example).allowed is allowed,
                ms=taken,
            )
    if agree:
        return Invariant(id=name, verdict="PROVED", solver_agreement=True, ms=taken)
    odd = next(solved for solved, _ in asked if solved.answer == "unknown")
    return _unknown(name, f"z3 says {odd.z3}, cvc5 says {odd.cvc5}")


def _unknown(name: str, why: str) -> Invariant:
    return Invariant(id=name, verdict="UNKNOWN", solver_agreement=False, why=why)
