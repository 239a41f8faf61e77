"""A finished run with its bundle, made once a session."""

import pytest
from audit_cases import BundleMaker


@pytest.fixture(scope="session")
def made(tmp_path_factory):
    """A bundle of a run with findings of real detectors, and what it was made from."""
    return BundleMaker(tmp_path_factory.mktemp("bundle"))


@pytest.fixture(scope="session")
def other(tmp_path_factory):
    """The bundle of another run under the same key."""
    return BundleMaker(tmp_path_factory.mktemp("other"), run="run-2", turns=7)
