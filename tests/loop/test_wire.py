"""Frames survive the round trip, and nothing malformed survives the reader."""

import io
import json
import math
import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from subcritical.loop.evaluation.inside import wire

plain = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**60), 2**60)
    | st.floats(allow_nan=False)
    | st.text(max_size=20)
    | st.binary(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(max_size=8).filter(lambda k: k not in ("$array", "$bytes")), inner, max_size=4)
    ),
    max_leaves=12,
)


def round_trip(value):
    stream = io.BytesIO(wire.encode(value))

    def take(count):
        data = stream.read(count)
        if len(data) != count:
            raise wire.WireError("short")
        return data

    return wire.receive(take)


def frame(document, buffers=b""):
    text = document if isinstance(document, bytes) else json.dumps(document).encode()
    return struct.pack("!II", len(text), len(buffers)) + text + buffers


def receive(data):
    stream = io.BytesIO(data)

    def take(count):
        part = stream.read(count)
        if len(part) != count:
            raise wire.WireError("short")
        return part

    return wire.receive(take)


@given(plain)
def test_plain_values_come_back(value):
    assert round_trip(value) == value


@given(st.sampled_from(sorted(wire.DTYPES)), st.lists(st.integers(0, 4), max_size=4))
def test_arrays_come_back(dtype, shape):
    array = np.arange(math.prod(shape)).reshape(shape).astype(dtype)
    back = round_trip({"a": array, "b": [1, array]})
    assert back["a"].dtype == array.dtype
    assert back["a"].shape == array.shape
    assert np.array_equal(back["b"][1], array)


@pytest.mark.parametrize("value", [object(), np.array([object()]), np.array(["x"]), {"$array": 1}, {1: 2}, {1, 2}])
def test_what_has_no_form_is_refused(value):
    with pytest.raises(wire.WireError):
        wire.encode(value)


@pytest.mark.parametrize(
    "data",
    [
        frame(b"not json"),
        frame(b"[" * 100_000),
        frame({"$array": 8, "dtype": "object", "shape": [1]}, b"x" * 8),
        frame({"$array": 8, "dtype": "float64", "shape": [2]}, b"x" * 8),
        frame({"$array": 8, "dtype": "float64", "shape": [-1]}, b"x" * 8),
        frame({"$array": 8, "dtype": "float64", "shape": [2**62, 2**62]}, b"x" * 8),
        frame({"$array": 8, "dtype": "float64", "shape": [1] * 9}, b"x" * 8),
        frame({"$array": 16, "dtype": "float64", "shape": [2]}, b"x" * 8),
        frame({"$bytes": -1}, b"x"),
        frame({"$bytes": True}, b"x"),
        frame({"$bytes": 1}, b"xy"),
        frame([{"$bytes": 0}] * (wire.MAX_ITEMS + 1)),
        struct.pack("!II", wire.MAX_JSON + 1, 0),
        struct.pack("!II", 2, wire.MAX_BUFFERS + 1),
        struct.pack("!II", 10, 0) + b"{}",
    ],
)
def test_malformed_frames_are_refused(data):
    with pytest.raises(wire.WireError):
        receive(data)


@settings(max_examples=300)
@given(st.binary(max_size=200))
def test_any_bytes_are_a_value_or_a_wire_error(data):
    try:
        receive(struct.pack("!II", min(len(data), 40), max(0, len(data) - 40)) + data)
    except wire.WireError:
        return
