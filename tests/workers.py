"""A small cluster of dask."""

from contextlib import contextmanager

from distributed import Client, LocalCluster


@contextmanager
def two_workers():
    """Two processes of one thread each; the dashboard takes any port that is free."""
    with (
        LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=":0") as made,
        Client(made) as client,
    ):
        yield client
