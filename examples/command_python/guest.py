"""A guest with one process per generation: reads `feedback.json`, edits a file, leaves `claim.json`, ends.

It keeps no state but its files: the harness starts each generation in a fresh workspace that holds the
version in force, so nothing has to be restored.
"""

import json
import random
from pathlib import Path

feedback = json.loads(Path("feedback.json").read_text())
weights = json.loads(Path("weights.json").read_text())
dice = random.Random(f"{feedback['seed']}-{feedback['generation']}")

place = dice.randrange(len(weights))
old = weights[place]
weights[place] = round(old + dice.gauss(0.0, 1.0), 3)
Path("weights.json").write_text(json.dumps(weights) + "\n")

last = feedback["last"]
before = f"; the last proposal was {last['verdict']}" if last else ""
Path("claim.json").write_text(json.dumps({"claim": f"weight {place} from {old} to {weights[place]}{before}"}))
