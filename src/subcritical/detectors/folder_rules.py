"""Content rules from a user's folder, under one name of their own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from subcritical.detectors._rule_based import RuleBased
from subcritical.detectors._sigma import Rule
from subcritical.detectors.protocol import Maturity


class FolderRules(RuleBased):
    """Matches rules that no detector of ours was measured with: `sandbox`, whatever level they claim."""

    id = "folder_rules"
    maturity: ClassVar[Maturity] = "sandbox"
    docs = "how-to/scan.md"

    def __init__(self, rules: Sequence[Rule]) -> None:
        """Take these rules, whichever detector they name."""
        super().__init__()
        self.rules = tuple(rules)
