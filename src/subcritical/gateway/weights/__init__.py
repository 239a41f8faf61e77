"""Weights as an artifact: formats that run nothing when they are read, and references to bytes that lie elsewhere."""

from subcritical.gateway.weights.formats import Tensors, tensors_of
from subcritical.gateway.weights.reference import REFERENCE_ENDING, Reference, WeightsStore, read_weights, with_weights

__all__ = ["REFERENCE_ENDING", "Reference", "Tensors", "WeightsStore", "read_weights", "tensors_of", "with_weights"]
