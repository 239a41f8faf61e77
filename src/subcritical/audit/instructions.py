"""The page VERIFY.md of a bundle."""

from __future__ import annotations

_PAGE = """# How to check this bundle, and what that shows

Log: `{origin}`, {size} entries.

## With one Python file

`verify_bundle.py` is in the source of the program that made this bundle (`src/subcritical/audit/`). It needs Python
3.11 and `cryptography`. Take it from a place that you trust, not from whoever gave you this bundle, and read it.

    python verify_bundle.py BUNDLE --policy YOUR-POLICY --seen A-CHECKPOINT-YOU-KEPT

`YOUR-POLICY` (C2SP tlog-policy) holds the log's key and the witnesses that you trust, learned from elsewhere. Without
it the keys in the bundle are used, and the result says only that the bundle agrees with itself.

## With other people's tools

`checkpoint` is a C2SP signed note; `log/` is a log in the C2SP tlog-tiles format. In Go, `note.Open` of
`golang.org/x/mod/sumdb/note` checks the checkpoint with a verifier key from your policy, and
`golang.org/x/mod/sumdb/tlog` checks tiles, inclusion and consistency (its reader expects the tile height in paths: map
`tile/8/` to `log/tile/`). `sha256sum` and `jq -r '.files | to_entries[] | .value + " " + .key' MANIFEST.json` compare
the files with the list; `MANIFEST.note` holds the SHA-256 of the list, signed by the log's key.

`statements/*.dsse.json` are in-toto statements in DSSE envelopes; any DSSE library verifies them with the log's Ed25519
key (the last 32 bytes of the base64 part of the verifier key). `verify_bundle.py` also looks up each record they cite.

## What is shown

* Every file is as it was when the log's key signed the list of files.
* The log has exactly these entries; with `--seen`, nothing in it changed since you last looked; with witnesses in your
  policy, others have seen the same log.
* Entries are numbered without gaps by everyone who made them, and end with an END or the report says that they do not.
{journal}
## What is not shown

* That everything was recorded. Look at heartbeats and at what other systems recorded at the time.
* Without witnesses: that the log's operator did not write a second history under the same key.
* That the detectors are right: `subcritical audit replay BUNDLE` runs them again on the recorded events; their measured
  error rates are on the pages that `detectors.json` names.
* What erased records said. Their place, maker, time and salted digest are kept.
"""

_WITH = "* Each entry is about a record of `journal/`, and each record is what was committed (salted SHA-256).\n"
_WITHOUT = "* The records themselves are not in the bundle; entries hold their salted digests.\n"


def verify_page(origin: str, size: int, *, with_journal: bool) -> str:
    """Text of the page."""
    return _PAGE.format(origin=origin, size=size, journal=_WITH if with_journal else _WITHOUT)
