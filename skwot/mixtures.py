"""Gaussian mixtures as plain arrays."""

from skwot._gmm.mixtures import Mixture

__all__ = ["Mixture"]
