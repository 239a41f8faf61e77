"""What a system could change about itself, and which of it no guest may ever write."""

from __future__ import annotations

from enum import StrEnum


class Artifact(StrEnum):
    """A class of thing a system could change about itself."""

    CODE = "code"
    PROMPT = "prompt"
    MEMORY = "memory"
    CONSTITUTION = "constitution"
    HYPERPARAMETER = "hyperparameter"
    DATA_SELECTION = "data_selection"
    OBJECTIVE = "objective"
    EVALUATOR = "evaluator"
    WEIGHTS = "weights"
    ARCHITECTURE = "architecture"
    TOOL = "tool"
    POLICY = "policy"
    LIMIT = "limit"
    LOG = "log"
    MONITOR = "monitor"
    UNLISTED = "unlisted"
    """A path that no rule of the loop file names: denied."""


PROTECTED = frozenset({Artifact.EVALUATOR, Artifact.LIMIT, Artifact.LOG, Artifact.MONITOR, Artifact.POLICY})
"""What judges, bounds or records the system. A proposal that touches one of these is refused."""
