"""Asks z3 and cvc5 the same question."""

from __future__ import annotations

import importlib
from typing import Any

import msgspec

from subcritical.errors import InputError
from subcritical.policy.cedar.encode import Environment
from subcritical.policy.cedar.engine import Request, Scalar

_TIMEOUT_MS = 20_000
_ZERO: dict[str, Scalar] = {"String": "", "Int": 0, "Bool": False}


class Solved(msgspec.Struct, frozen=True):
    """Both answers (`sat`, `unsat`, else unknown), and z3's example where there is one."""

    z3: str
    cvc5: str
    example: Request | None

    @property
    def answer(self) -> str:
        """What both say; `unknown` where they differ."""
        return self.z3 if self.z3 == self.cvc5 and self.z3 in ("sat", "unsat") else "unknown"


def solve(where: Environment, *assertions: str) -> Solved:
    """Whether a request of an environment exists that fulfils every assertion.

    Raises:
        InputError: A solver is not installed.
    """
    z3, cvc5 = _solver("z3"), _solver("cvc5")
    problem = where.problem(*assertions)
    first, example = _ask_z3(z3, problem, where)
    return Solved(first, _ask_cvc5(cvc5, problem), example)


def _solver(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise InputError(f"proofs need {name}; `pip install 'subcritical[prove]'`") from error


def _ask_z3(z3: Any, problem: str, where: Environment) -> tuple[str, Request | None]:
    solver = z3.Solver()
    solver.set("timeout", _TIMEOUT_MS)
    try:
        solver.from_string(problem)
        answer = str(solver.check())
    except z3.Z3Exception as error:
        return f"error: {str(error)[:200]}", None
    return answer, _request(solver.model(), where) if answer == "sat" else None


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


def _request(model: Any, where: Environment) -> Request:
    values = {name: _ZERO[sort] for name, sort in where.sorts.items()}
    for name in model.decls():
        value, sort = model[name], where.sorts[name.name()]
        values[name.name()] = (
            value.as_long() if sort == "Int" else str(value) == "True" if sort == "Bool" else value.as_string()
        )
    return Request(principal=where.principal, action=where.action, resource=where.resource, values=values)
