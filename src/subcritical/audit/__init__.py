"""Evidence for outsiders: a bundle of a run, its verifier, and the detectors run again on what was recorded."""

from subcritical.audit.bundle import make_bundle, pack
from subcritical.audit.replay import Difference, Replay, replay_journal

__all__ = ["Difference", "Replay", "make_bundle", "pack", "replay_journal"]
