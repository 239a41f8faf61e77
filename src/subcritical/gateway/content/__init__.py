"""What a change is by its content, where that is stricter than what its path says."""

from subcritical.gateway.content.tightening import only_tightens
from subcritical.gateway.content.tree import ContentClasses

__all__ = ["ContentClasses", "only_tightens"]
