"""Task `optimisers`: an optimiser finds better parameters for itself, judged on problems it can see."""

from subcritical.loop.tasks.optimisers._build import make_optimisers
from subcritical.loop.tasks.optimisers.gains import (
    PairedGains,
    improver_versions,
    paired_gains,
    read_improver,
    starting_states,
)

__all__ = [
    "PairedGains",
    "improver_versions",
    "make_optimisers",
    "paired_gains",
    "read_improver",
    "starting_states",
]
