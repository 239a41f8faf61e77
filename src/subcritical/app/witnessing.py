"""`witness`: cosign the checkpoints of other people's logs."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path

from subcritical.clock import SystemClock
from subcritical.errors import InputError
from subcritical.ledger.log_keys import read_log_keys
from subcritical.ledger.tlog import KeyType, format_verifier_key
from subcritical.ledger.witness.server import WitnessServer
from subcritical.ledger.witness.witness import Witness

_KINDS = {KeyType.COSIGNER_ED25519: "ed25519", KeyType.COSIGNER_ML_DSA_44: "ml-dsa-44"}


@contextlib.contextmanager
def open_witness(
    *, home: Path, logs: Path, listen: str, name: str | None, log: Callable[[str], None]
) -> Iterator[WitnessServer]:
    """A witness with its port bound; call `serve_forever` on it.

    Args:
        home: Folder of keys and records, made on first use.
        logs: File of the verifier keys of the logs it answers for, one a line.
        listen: `HOST:PORT`, an IPv4 address; port 0 takes any free one.
        name: Name of its keys; None for the one it has, or a random one.
        log: Takes one line about each request.

    Raises:
        InputError: An argument is unusable, or another process uses the home.
        LedgerError: Keys cannot be read or made.
        SourceError: The port cannot be had.
    """
    host, port = _address(listen)
    keys = read_log_keys(logs)
    with (
        Witness(home, keys, SystemClock(), name=name) as witness,
        WitnessServer(witness, host, port, log=log) as server,
    ):
        yield server


def policy_lines(server: WitnessServer) -> Iterator[str]:
    """What to copy into a policy, as tlog-policy writes it. The group makes the two keys count as one witness."""
    keys = {f"{key.name}/{_KINDS[key.kind]}": key for key in server.witness.verifier_keys}
    for named, key in keys.items():
        yield f"witness {named} {format_verifier_key(key).decode()} {server.url}"
    yield f"group {server.witness.verifier_keys[0].name} any {' '.join(keys)}"


def _address(listen: str) -> tuple[str, int]:
    host, colon, port = listen.rpartition(":")
    if not colon or not (port.isascii() and port.isdigit()) or len(port) > 5:  # noqa: PLR2004 - digits of 65535
        raise InputError(f"--listen {listen!r}: write an IPv4 address and a port, such as 127.0.0.1:8400")
    return host, int(port)
