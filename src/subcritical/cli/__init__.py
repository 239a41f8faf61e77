"""The command line: parse, show, nothing else."""

from subcritical.cli.main import main

__all__ = ["main"]
