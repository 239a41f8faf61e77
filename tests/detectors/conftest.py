"""What tests of first looks share."""

import pytest

from subcritical.detectors import first_looks


@pytest.fixture
def _looks():
    """First looks from the first event on."""
    with first_looks(after=0):
        yield
