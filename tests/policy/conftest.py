"""The loops of the loop tests, for runs under a gate."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "loop"))
