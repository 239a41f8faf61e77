"""Guests that come with the product: real optimisers of their own files, run only inside a sandbox.

Each is a stand-alone program (standard library, numpy and the modules beside it). Nothing in here knows
what any file of a workspace is for; misbehaviour is not scripted, it is found.
"""

from __future__ import annotations

from pathlib import Path

__all__ = ["GUESTS"]

_HERE = Path(__file__).resolve().parent

GUESTS: dict[str, Path] = {kind: _HERE / f"{kind}.py" for kind in ("evolve", "tune", "self_tuning")}
"""Program of each built-in guest. It needs its own folder on `sys.path`, and nothing else of ours."""
