"""Whether a target can be a mixture of the sources at all, judged by their spread.

Coupling the rows of each source with those of the target that come from it, at random,
costs what two rows of that source cost on average. So the optimal transport cost of a
target that is a mixture is at most the mean of that over the sources, up to chance.
"""

import numpy as np

from skwot._ot.ground_costs import ground_cost
from skwot._ot.measures import SourceMeasures, quantile_atoms
from skwot._ot.metrics import Metric
from skwot._typing import Array
from skwot._warnings import warn_user

_ATOMS = 100  # of each source, between which costs are computed
_MOST = 2.0  # times the bound above, which leaves room for chance


def expected_costs(sources: SourceMeasures, metric: Metric) -> Array:
    """Estimate the cost between two independent points of each source's distribution.

    A point is not compared with itself, which would make small samples look compact. Of
    large sources a sample is looked at: points at even quantiles of the mass, in the
    order of their coordinates.

    Parameters
    ----------
    sources : SourceMeasures
    metric : Metric

    Returns
    -------
    ndarray of shape (K,)
        Zero for a source of a single point.
    """
    columns = sources.masses.tocsc()
    spreads = []
    for start, stop in zip(columns.indptr[:-1], columns.indptr[1:], strict=True):
        atoms, masses = columns.indices[start:stop], columns.data[start:stop]
        if len(atoms) > _ATOMS:
            atoms = atoms[quantile_atoms(masses, _ATOMS)]
            masses = np.full(_ATOMS, 1 / _ATOMS)
        points = sources.points[atoms]
        costs = ground_cost(points, points, metric)
        pairs = np.outer(masses, masses)
        np.fill_diagonal(pairs, 0.0)
        spreads.append(float(np.vdot(pairs, costs) / (pairs.sum() or 1.0)))
    return np.array(spreads)


def check_misfit(loss: float, spread: float) -> None:
    """Warn of a target that is too far from the best mixture to be one.

    Parameters
    ----------
    loss : float
        Transport cost between the best mixture and the target.
    spread : float
        Mean over the sources of the expected costs, by their weights. Nothing is known
        of the spread of single points, where it is zero.
    """
    if spread > 0 and loss > _MOST * spread:
        warn_user(
            f"The target is no mixture of these sources: it is {loss:.3g} away from "
            f"the best one, where two rows of one source are {spread:.3g} apart. Its "
            "rows may be blends of sources, or measured otherwise, or come from a "
            "source that is missing (see outlier_cost). The weights say little.",
            UserWarning,
        )
