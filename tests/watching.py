"""A watch that remembers what it was told."""


class Watching:
    """Keep the snapshots of all steps, and ask for an end at one of them."""

    def __init__(self, end=None):
        self.told, self._end = [], end

    @property
    def stopped(self):
        return len(self.told) == self._end

    def __call__(self, snapshot):
        self.told.append(snapshot())
        return self.stopped
