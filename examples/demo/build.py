"""Writes the data of the demo: real digits from scikit-learn (`pip install 'subcritical[demo]'`)."""

from pathlib import Path

from subcritical.loop.tasks import make_digits

HERE = Path(__file__).resolve().parent
SEED = 7

if __name__ == "__main__":
    task = make_digits(HERE / "built", SEED)
    print(f"wrote {task.workspace.relative_to(HERE)} and {task.directory.relative_to(HERE)}/data")
