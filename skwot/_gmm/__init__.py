"""The wing of :class:`skwot.GMMFlowFitter`."""
