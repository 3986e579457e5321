"""Numerics: arrays or tensors in, NamedTuples out."""
