"""Gaussian mixtures as plain arrays, and their optimal transport."""

from skwot._gmm.geometry import MW2Result, barycenter, interpolate, mw2
from skwot._gmm.mixtures import Mixture

__all__ = ["MW2Result", "Mixture", "barycenter", "interpolate", "mw2"]
