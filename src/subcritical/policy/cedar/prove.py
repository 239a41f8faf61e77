"""Proves of a policy, for every request of its schema: what it allows, a gate's ALLOW covers.

The fragment that is encoded: comparisons, equality, and/or/not and literals over the required attributes of the
schema. Those cannot err, so Cedar's skipping of a rule that errs does not arise; strict validation comes first.
Anything else is UNKNOWN, and UNKNOWN is not PROVED. Two solvers must agree. A counterexample is replayed on the
real engine. What is *not* proved: that everything which grants autonomy asks this policy, and that the facts are true.
"""

from __future__ import annotations

import importlib
import json
import time
from collections.abc import Iterator
from typing import Any, Literal

import cedarpy
import msgspec

from subcritical.errors import InputError
from subcritical.policy.cedar.engine import AutonomyRequest, autonomy_policy, check_policy, permits

Verdict = Literal["PROVED", "VIOLATED", "UNKNOWN"]
TEXTS = ("digest", "verdict", "verdict_subject")
NUMBERS = ("autonomy", "day", "verdict_autonomy", "verdict_expires")
INVARIANTS = {
    "verdict-allows": '(= verdict "ALLOW")',
    "level-covered": "(<= autonomy verdict_autonomy)",
    "same-bytes": "(= verdict_subject digest)",
    "not-expired": "(<= day verdict_expires)",
}
"""What must hold of every allowed request, in SMT-LIB."""

_LONG = 2**63
_TIMEOUT_MS = 20_000
_COMPARED = {"==": "=", "<": "<", "<=": "<=", ">": ">", ">=": ">="}


class Invariant(msgspec.Struct, frozen=True, kw_only=True):
    """One invariant's outcome; `why` says what was not understood, or that the policy allows nothing at all."""

    id: str
    verdict: Verdict
    solver_agreement: bool
    counterexample: AutonomyRequest | None
    replayed: bool | None
    ms: float
    why: str = ""


class _UnsupportedError(Exception):
    """Something outside the fragment."""


def prove_autonomy(policy: str | None = None) -> tuple[Invariant, ...]:
    """Prove or refute every invariant of a policy.

    Args:
        policy: Cedar text; the shipped one by default.

    Raises:
        InputError: The policy fails strict validation, or no solver is installed (extra `prove`).
    """
    text = policy or autonomy_policy()
    check_policy(text)
    z3, cvc5 = _solver("z3"), _solver("cvc5")
    try:
        allow = _policy(json.loads(cedarpy.policies_to_json_str(text)))
    except (_UnsupportedError, KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
        return tuple(_unknown(name, f"outside the fragment: {error}") for name in INVARIANTS)
    if _check(z3, cvc5, _problem(allow, "true"))[0] != ("sat", "sat"):
        return tuple(_unknown(name, "the policy allows nothing: a proof would say nothing") for name in INVARIANTS)
    return tuple(_one(name, wanted, allow, z3, cvc5, text) for name, wanted in INVARIANTS.items())


def _solver(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise InputError(f"proofs need {name}; `pip install 'subcritical[prove]'`") from error


def _unknown(name: str, why: str) -> Invariant:
    return Invariant(
        id=name, verdict="UNKNOWN", solver_agreement=False, counterexample=None, replayed=None, ms=0.0, why=why
    )


def _one(name: str, wanted: str, allow: str, z3: Any, cvc5: Any, policy: str) -> Invariant:
    start = time.perf_counter()
    answers, found = _check(z3, cvc5, _problem(allow, f"(not {wanted})"))
    taken = (time.perf_counter() - start) * 1000
    agree = answers[0] == answers[1] and answers[0] in ("sat", "unsat")
    if agree and answers[0] == "unsat":
        verdict: Verdict = "PROVED"
    else:
        verdict = "VIOLATED" if agree else "UNKNOWN"
    replayed = permits(found, policy) if verdict == "VIOLATED" and found is not None else None
    return Invariant(
        id=name,
        verdict=verdict,
        solver_agreement=agree,
        counterexample=found if verdict == "VIOLATED" else None,
        replayed=replayed,
        ms=taken,
        why="" if agree else f"z3 says {answers[0]}, cvc5 says {answers[1]}",
    )


def _problem(allow: str, also: str) -> str:
    lines = ["(set-logic ALL)"]
    lines += [f"(declare-const {name} String)" for name in TEXTS]
    for name in NUMBERS:
        lines += [f"(declare-const {name} Int)", f"(assert (and (<= (- {_LONG}) {name}) (< {name} {_LONG})))"]
    return "\n".join([*lines, f"(assert {allow})", f"(assert {also})"]) + "\n"


def _check(z3: Any, cvc5: Any, problem: str) -> tuple[tuple[str, str], AutonomyRequest | None]:
    """Both solvers' answers, and z3's model where there is one."""
    solver = z3.Solver()
    solver.set("timeout", _TIMEOUT_MS)
    solver.from_string(problem)
    first = str(solver.check())
    found = _request(solver.model()) if first == "sat" else None
    return (first, _ask_cvc5(cvc5, problem)), found


def _ask_cvc5(cvc5: Any, problem: str) -> str:
    solver = cvc5.Solver()
    solver.setOption("tlimit-per", str(_TIMEOUT_MS))
    parser = cvc5.InputParser(solver)
    parser.setStringInput(cvc5.InputLanguage.SMT_LIB_2_6, problem + "(check-sat)\n", "policy")
    answer, symbols = "unknown", parser.getSymbolManager()
    while True:
        command = parser.nextCommand()
        if command.isNull():
            return answer
        answer = (command.invoke(solver, symbols) or answer).strip() or answer


def _request(model: Any) -> AutonomyRequest:
    values: dict[str, Any] = dict.fromkeys(TEXTS, "") | dict.fromkeys(NUMBERS, 0)
    for name in model.decls():
        value = model[name]
        values[name.name()] = value.as_long() if name.name() in NUMBERS else value.as_string()
    return AutonomyRequest(**values)


def _policy(parsed: dict[str, Any]) -> str:
    """Allow: some permit holds and no forbid does."""
    if parsed.get("templates") or parsed.get("templateLinks"):
        raise _UnsupportedError("templates")
    effects: dict[str, list[str]] = {"permit": [], "forbid": []}
    for rule in parsed["staticPolicies"].values():
        effects[rule["effect"]].append(_rule(rule))
    return f"(and {_joined('or', effects['permit'])} (not {_joined('or', effects['forbid'])}))"


def _joined(word: str, parts: list[str]) -> str:
    """Parts under and/or, also where there is one or none."""
    return f"({word} {'true' if word == 'and' else 'false'} {' '.join(parts)})"


def _rule(rule: dict[str, Any]) -> str:
    parts = [*_scope(rule)]
    for condition in rule["conditions"]:
        body = _expression(condition["body"])
        parts.append(body if condition["kind"] == "when" else f"(not {body})")
    return _joined("and", parts)


def _scope(rule: dict[str, Any]) -> Iterator[str]:
    """The one request environment of the schema: scopes that name it hold, 'any' holds, others are not understood."""
    named = {
        "principal": {"op": "is", "entity_type": "Supervisor"},
        "resource": {"op": "is", "entity_type": "System"},
        "action": {"op": "==", "entity": {"type": "Action", "id": "run_at_autonomy"}},
    }
    for part, wanted in named.items():
        if rule[part] not in (wanted, {"op": "All"}):
            raise _UnsupportedError(f"{part} scope {rule[part]}")
        yield "true"


def _expression(node: Any) -> str:
    if not isinstance(node, dict) or len(node) != 1:
        raise _UnsupportedError(str(node)[:80])
    ((operator, inner),) = node.items()
    if operator == "Value":
        return _literal(inner)
    if operator == ".":
        return _attribute(inner)
    if operator == "!":
        return f"(not {_expression(inner['arg'])})"
    if operator in ("&&", "||"):
        word = "and" if operator == "&&" else "or"
        return f"({word} {_expression(inner['left'])} {_expression(inner['right'])})"
    if operator in _COMPARED:
        return f"({_COMPARED[operator]} {_expression(inner['left'])} {_expression(inner['right'])})"
    raise _UnsupportedError(operator)


def _literal(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value) if value >= 0 else f"(- {-value})"
    # Only plain characters: an escape of one language could mean another text in the other.
    if isinstance(value, str) and value.isascii() and value.isprintable() and not set(value) & set('"\\'):
        return f'"{value}"'
    raise _UnsupportedError(f"literal {value!r:.80}")


def _attribute(inner: dict[str, Any]) -> str:
    owner, name = inner["left"].get("Var"), inner["attr"]
    if owner == "context" and name in (*TEXTS, *NUMBERS) and name != "digest":
        return str(name)
    if owner == "resource" and name == "digest":
        return "digest"
    raise _UnsupportedError(f"attribute {owner}.{name}")
