"""Shared by every test: no deadline, because machines are noisy and tests assert behaviour; keys of their own."""

import pytest
from hypothesis import settings

settings.register_profile("house", deadline=None)
settings.load_profile("house")


@pytest.fixture(scope="session", autouse=True)
def own_log_key(tmp_path_factory):
    """Runs in tests sign with a key of their own, never with that of whoever runs the tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))
        yield
