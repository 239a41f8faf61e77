import sys
from pathlib import Path

# The stand-ins for a process tree and a detector are shared with the pipeline's own tests.
sys.path.insert(0, str(Path(__file__).parent.parent / "pipeline"))
sys.path.insert(0, str(Path(__file__).parent.parent / "gateway"))
