"""Places of a source's events, kept small."""

from subcritical.app.placing import Places
from subcritical.ingest import Place, Seen
from subcritical.schema import Message


def seen(place, system=""):
    return Seen(data=Message(source="s", text="t"), place=place, system=system)


def test_places_and_systems_come_back_as_they_were():
    made = [
        (Place(path="f", line=3, first_byte=10, last_byte=19), "a"),
        (Place(path="f", line=4), ""),
        (Place(path="other", line=1, first_byte=0, last_byte=1), "b"),
        (Place(path="f", commit="c0ffee", line=1, first_byte=0, last_byte=1), "a"),
        (Place(path="f", part="row 1"), "b"),
        (Place(path="f", line=1, first_byte=0, last_byte=0), ""),
        (Place(path="f", line=1 << 40, first_byte=1 << 50, last_byte=1 << 51), "z"),
    ]
    places = Places("f")
    for number, (place, system) in enumerate(made, 1):
        assert places.add(seen(place, system)) == number
    assert len(places) == len(made)
    for number, (place, system) in enumerate(made, 1):
        assert places.place(number) == place
        assert places.system(number) == system
    for number in (-1, 0, len(made) + 1):
        assert places.place(number) is None
        assert places.system(number) == ""
