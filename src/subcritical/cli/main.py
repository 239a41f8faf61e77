"""The command `subcritical`."""

from __future__ import annotations

import click

import subcritical
from subcritical.cli.audit import audit
from subcritical.cli.bench import bench
from subcritical.cli.config import config
from subcritical.cli.correct import correct
from subcritical.cli.doctor import doctor
from subcritical.cli.experiment import experiment
from subcritical.cli.findings import findings
from subcritical.cli.forecast import forecast_command
from subcritical.cli.gate import gate
from subcritical.cli.hosts import hook, mcp_proxy_command, watch
from subcritical.cli.ledger import ledger
from subcritical.cli.measure import measure_command
from subcritical.cli.orders import deny, pause, resume, review, roll_back, status, stop, throttle
from subcritical.cli.policy import policy
from subcritical.cli.principals import principals
from subcritical.cli.proposals import proposals
from subcritical.cli.rules import rules
from subcritical.cli.run import run
from subcritical.cli.sandbox import sandbox
from subcritical.cli.scan import scan_command
from subcritical.cli.witness import witness


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(subcritical.__version__, prog_name="subcritical")
@click.option("--debug", is_flag=True, help="Show tracebacks of internal errors.")
def main(debug: bool) -> None:
    r"""Run a self-improving system that cannot touch what judges it: contained, measured, stoppable.

    \b
    Start with:   subcritical doctor DIR          what could the guest tamper with?
                  subcritical run LOOP.yaml       run it contained
                  subcritical status latest       from another terminal
                  subcritical scan PATH           the detectors on logs and histories you have

    \b
    Exit codes: 0 clean, 1 findings at or above --fail-on, 2 usage or configuration, 3 internal error,
    4 blind, 5 tripped and contained, 6 tripped and NOT contained, 7 ledger broken, 130 stopped.
    """


def _keep_lines(command: click.Command) -> None:
    """Have paragraphs keep their lines that click's mark precedes: in raw docstrings it stands as two characters."""
    command.help = (command.help or "").replace("\\b\n", "\b\n")
    for child in command.commands.values() if isinstance(command, click.Group) else ():
        _keep_lines(child)


ORDERS = (pause, resume, throttle, deny, stop, roll_back, review, status)
for command in (
    run,
    *ORDERS,
    correct,
    doctor,
    scan_command,
    findings,
    measure_command,
    forecast_command,
    gate,
    policy,
    principals,
    proposals,
    rules,
    bench,
    experiment,
    sandbox,
    ledger,
    audit,
    witness,
    watch,
    hook,
    mcp_proxy_command,
    config,
):
    main.add_command(command)
_keep_lines(main)
