"""Where the events of a source stand and whose they are, in a few bytes an event: sources have millions of them."""

from __future__ import annotations

from array import array

from subcritical.ingest import Place, Seen


class Places:
    """Places and systems by the number of the event, from 1."""

    def __init__(self, path: str) -> None:
        """Start empty for the source at `path`."""
        self._path = path
        self._lines, self._first, self._last = array("q"), array("q"), array("q")
        self._whole: dict[int, Place] = {}
        self._names: dict[str, int] = {"": 0}
        self._systems = array("i")

    def __len__(self) -> int:
        """How many events there are."""
        return len(self._systems)

    def add(self, seen: Seen) -> int:
        """Keep where an event stands; its number."""
        place = seen.place
        line, first, last = place.line, place.first_byte, place.last_byte
        if line is None or first is None or last is None or place.commit or place.part or place.path != self._path:
            self._whole[len(self._systems) + 1] = place
            line = first = last = 0
        self._lines.append(line)
        self._first.append(first)
        self._last.append(last)
        self._systems.append(self._names.setdefault(seen.system, len(self._names)))
        return len(self._systems)

    def place(self, seq: int) -> Place | None:
        """Where the event of that number stands; None where there is none."""
        if not 0 < seq <= len(self._systems):
            return None
        at = seq - 1
        return self._whole.get(seq) or Place(
            path=self._path, line=self._lines[at], first_byte=self._first[at], last_byte=self._last[at]
        )

    def system(self, seq: int) -> str:
        """Whose the event of that number is; empty where the source does not say."""
        return list(self._names)[self._systems[seq - 1]] if 0 < seq <= len(self._systems) else ""
