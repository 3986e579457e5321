"""Losses of the unmixing problem, one a file."""
