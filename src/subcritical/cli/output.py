"""How answers and errors leave the command line: data on stdout, talk on stderr, one envelope for JSON."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Mapping
from typing import Any, ParamSpec

import click
import msgspec

from subcritical.errors import (
    BlindError,
    ConfigError,
    ContainmentError,
    GatewayError,
    InputError,
    LedgerError,
    SourceError,
    SubcriticalError,
)
from subcritical.schema import visible

P = ParamSpec("P")

_KINDS: tuple[tuple[type[SubcriticalError], str], ...] = (
    (ConfigError, "config"),
    (InputError, "input"),
    (SourceError, "source"),
    (BlindError, "blind"),
    (ContainmentError, "containment"),
    (GatewayError, "gateway"),
    (LedgerError, "ledger"),
)

as_json = click.option("--json", "as_json", is_flag=True, help="One JSON object on stdout; talk on stderr.")


def say(text: str) -> None:
    """One line of talk, on stderr, with hostile characters made visible."""
    click.echo(visible(text, 10_000), err=True)


def show(text: str) -> None:
    """Data for people, on stdout."""
    click.echo(text)


def show_json(value: Any) -> None:
    """One JSON object on stdout."""
    click.echo(msgspec.json.format(msgspec.json.encode(value), indent=2).decode())


def errors_end_here(command: Callable[P, None]) -> Callable[P, None]:
    """Turn our errors into one clear line (or a JSON envelope) and an exit code, never a traceback."""

    @functools.wraps(command)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            command(*args, **kwargs)
        except SubcriticalError as error:
            _fail(error, wants_json=bool(kwargs.get("as_json")))
        except KeyboardInterrupt:
            say("stopped by the operator")
            sys.exit(130)
        except BrokenPipeError:
            sys.exit(141)
        except Exception as error:
            if click.get_current_context().find_root().params.get("debug"):
                raise
            say(f"internal error: {type(error).__name__}: {error} (--debug shows where; please report it)")
            sys.exit(3)

    return wrapped


def _fail(error: SubcriticalError, *, wants_json: bool) -> None:
    if error.exit_code == 0:  # nothing is wrong: it waits for another person
        show_json({"waits": str(error)}) if wants_json else show(str(error))
        sys.exit(0)
    kind = next((name for cls, name in _KINDS if isinstance(error, cls)), "internal")
    if wants_json:
        envelope: Mapping[str, Any] = {"error": {"kind": kind, "message": str(error), "exit_code": error.exit_code}}
        show_json(envelope)
    say(f"error: {error}")
    sys.exit(error.exit_code)
