"""Run the speed measurements and print ratios: `python -m perf [NAME] [part of a name]`."""

import sys

from perf import content, decision, door, guarded_loop, ledger, rules_stream, scanned, signed_run, takeoff

PARTS = {
    "decision": decision.main,
    "content": content.main,
    "door": door.main,
    "guarded_loop": guarded_loop.main,
    "ledger": ledger.main,
    "rules_stream": rules_stream.main,
    "scanned": scanned.main,
    "signed_run": signed_run.main,
    "takeoff": takeoff.main,
}

if __name__ == "__main__":
    name, *rest = [*sys.argv[1:], ""]
    for part, run in PARTS.items():
        if name in (part, ""):
            run(rest[0] if rest else "")
