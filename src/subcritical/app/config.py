"""`config schema`: what a loop file may say."""

from __future__ import annotations

from typing import Any

from subcritical.loop.loopfile import loop_schema


def schema_of_loop_file() -> dict[str, Any]:
    """JSON Schema of the loop file."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **loop_schema()}
