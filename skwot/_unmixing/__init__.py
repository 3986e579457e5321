"""The wing of :class:`skwot.WassersteinUnmixer`."""
