"""tlog-policy files that people name on the command line."""

from __future__ import annotations

from pathlib import Path

from subcritical.errors import ConfigError, LedgerError
from subcritical.ledger.files import OsFiles
from subcritical.ledger.tlog import Policy, parse_policy

_POLICY_BYTES_MAX = 1 << 20


def read_policy(path: Path) -> Policy:
    """Keys, witnesses and quorum that somebody trusts.

    Raises:
        ConfigError: It cannot be read, or is not a tlog-policy.
    """
    try:
        with OsFiles().reader(path) as stream:
            return parse_policy(stream.read(_POLICY_BYTES_MAX + 1))
    except OSError as error:
        raise ConfigError(f"policy: {error.strerror or error}", path=str(path)) from error
    except LedgerError as error:
        raise ConfigError(str(error), path=str(path)) from error
