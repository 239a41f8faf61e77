"""Shared by every test: no deadline, because machines are noisy and tests assert behaviour."""

from hypothesis import settings

settings.register_profile("house", deadline=None)
settings.load_profile("house")
