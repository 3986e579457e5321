"""Mixtures fitted by optimal transport, as scikit-learn estimators."""

from skwot._flow import GMMFlowFitter
from skwot._plot.flow import GMMFlowDisplay
from skwot._plot.unmixing import UnmixingDisplay
from skwot._quantize import quantize
from skwot._unmixer import WassersteinUnmixer
from skwot._unmixing.results import (
    BootstrapResult,
    ConfidenceInterval,
    GoodnessOfFitResult,
    QuantizationResult,
    UnmixingResult,
)
from skwot._unmixing.sources import stack_sources

__all__ = [
    "BootstrapResult",
    "ConfidenceInterval",
    "GMMFlowDisplay",
    "GMMFlowFitter",
    "GoodnessOfFitResult",
    "QuantizationResult",
    "UnmixingDisplay",
    "UnmixingResult",
    "WassersteinUnmixer",
    "quantize",
    "stack_sources",
]

__version__ = "0.1.0.dev0"
