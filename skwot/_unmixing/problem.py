"""Wasserstein unmixing: the objective, its cutting planes and the certificate.

For sources with masses H (one column each), a target with masses b and a ground
cost c, the objective ``f(w) = OT_c(H w, b)`` is convex and piecewise linear. Each
feasible pair of potentials, ``alpha_i + beta_j <= c_ij``, gives a plane below it,

    f(w) >= b . beta + w . (H^T alpha)    for every w on the simplex,

by weak duality, and the minimum of the maximum of such planes bounds the optimum
from below (Kelley, 1960). Surcharges, a cost ``s . w`` of the weights themselves, are
added to the value and to the slopes; they only have to be non-negative for a relative
gap to mean something.
"""

from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from skwot._ot.measures import Measure, SourceMeasures

Array = NDArray[np.float64]

# Values cannot be told apart below this fraction of the mean ground cost.
ROUNDING = 1e-12


class Plane(NamedTuple):
    """An affine function that is nowhere above the objective.

    Attributes
    ----------
    slope : ndarray of shape (K,)
        ``H^T alpha``.
    offset : float
        ``b . beta``.
    record : ndarray
        What the objective needs to give the potentials back.
    """

    slope: Array
    offset: float
    record: NDArray[np.generic]


class Evaluation(NamedTuple):
    """The objective at one point.

    Attributes
    ----------
    weights : ndarray of shape (K,)
    value : float
    plane : Plane
        Touches the objective at `weights`; its slope is a subgradient.
    """

    weights: Array
    value: float
    plane: Plane


class Objective(Protocol):
    """What a method of descent asks of an unmixing problem.

    Costs are in units of the mean ground cost, so that nothing depends on units.

    Attributes
    ----------
    masses : sparse array of shape (n, K)
        Masses of the sources, one column each.
    target : ndarray of shape (m,)
        Masses of the target.
    unit : float
        The mean ground cost.
    rounding : float
        Values that differ by less cannot be told apart.
    """

    masses: sparse.csr_array
    target: Array
    unit: float
    rounding: float

    def __call__(self, weights: Array) -> Evaluation:
        """Solve the transport problem at `weights`, shape (K,), on the simplex."""

    def free_planes(self) -> list[Plane]:
        """Planes that cost no transport problem; at least one."""

    def initial_weights(self) -> Array:
        """Where descent begins, shape (K,), on the simplex."""

    def potentials(
        self, planes: list[Plane], multipliers: Array
    ) -> tuple[Array, Array]:
        """Feasible potentials whose plane is above this combination of planes."""


class Unmixing(NamedTuple):
    """Weights with their certificate.

    Attributes
    ----------
    weights : ndarray of shape (K,)
    value : float
        Cost of a feasible plan for these weights, and their surcharges.
    lower_bound : float
        No weights cost less: ``b . beta + min_k (H^T alpha + s)_k``.
    alpha : ndarray of shape (n,)
    beta : ndarray of shape (m,)
        Feasible potentials that attain the lower bound.
    curve : ndarray of shape (n_solves,)
        Value of each exact solve.
    converged : bool
    plan_alpha : ndarray of shape (n,), default=None
        Source potential of the entropic plan at `weights`, if there is one.
    temperature : float, default=0.0
        Of the entropic plan.
    """

    weights: Array
    value: float
    lower_bound: float
    alpha: Array
    beta: Array
    curve: Array
    converged: bool
    plan_alpha: Array | None = None
    temperature: float = 0.0

    @property
    def relative_gap(self) -> float:
        """Gap as a fraction of the value."""
        gap = self.value - self.lower_bound
        return gap / self.value if self.value > 0 else gap

    def in_units(self, unit: float) -> "Unmixing":
        """Multiply everything that is a cost."""
        costs = ["value", "lower_bound", "alpha", "beta", "curve", "temperature"]
        if self.plan_alpha is not None:
            costs.append("plan_alpha")
        return self._replace(**{name: unit * getattr(self, name) for name in costs})


def dual_bound(
    masses: sparse.csr_array,
    target: Array,
    alpha: Array,
    beta: Array,
    surcharges: Array | float = 0.0,
) -> float:
    """Lower bound on the optimum from feasible potentials, by weak duality.

    Parameters
    ----------
    masses : sparse array of shape (n, K)
    target : ndarray of shape (m,)
    alpha : ndarray of shape (n,)
    beta : ndarray of shape (m,)
    surcharges : ndarray of shape (K,), default=0.0
        Cost s of a unit of each weight.

    Returns
    -------
    float
        ``b . beta + min_k (H^T alpha + s)_k``.
    """
    return float(target @ beta + (masses.T @ alpha + surcharges).min())


def own_mixture(sources: SourceMeasures, weights: Array) -> tuple[Measure, Unmixing]:
    """Solve for a target that is a mixture of the sources themselves.

    Where staying costs nothing, the plan that leaves all mass where it is is optimal.
    Potentials of zero prove it.

    Parameters
    ----------
    sources : SourceMeasures
    weights : ndarray of shape (K,)

    Returns
    -------
    target : Measure
    solution : Unmixing
    """
    masses = sources.masses @ weights
    kept = masses > 0
    target = Measure(sources.points[kept], masses[kept] / masses.sum())
    zeros = np.zeros(len(masses))
    return target, Unmixing(weights, 0.0, 0.0, zeros, zeros[kept], np.zeros(1), True)


def source_shares(
    masses: sparse.csr_array, target: Array, atoms: NDArray[np.intp]
) -> Array:
    """Distribute the target's masses among the sources of given atoms.

    Parameters
    ----------
    masses : sparse array of shape (n, K)
    target : ndarray of shape (m,)
    atoms : ndarray of shape (m,)
        An atom of the sources for each atom of the target.

    Returns
    -------
    ndarray of shape (K,)
        On the simplex.
    """
    chosen = masses[atoms]
    weights = chosen.T @ (target / chosen.sum(axis=1))
    return weights / weights.sum()
