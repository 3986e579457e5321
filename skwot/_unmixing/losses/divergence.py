"""The unmixing objective with a debiased entropic loss.

For the reweighted sources a = H w and the target b the objective is the Sinkhorn
divergence (Feydy et al., 2019)

    S_eps(a, b) = OT_eps(a, b) - OT_eps(a, a) / 2 - OT_eps(b, b) / 2,

convex in w as long as the kernel K = exp(-c / eps) is positive semidefinite on the
atoms. What is certified does not depend on how far the potentials are solved:

- ``OT_eps(a, b) >= <a, f> + <b, g>`` for any g, with f the softmin of g;
- ``-OT_eps(a, a) / 2 >= <a, eps log K mu> + eps (1 - <mu, K mu>) / 2`` for any
  positive mu. This is the dual of ``-OT_eps(a, a) / 2 = min_mu eps (<a, log(a / mu)>
  + <mu, K mu> / 2 - 1 / 2)``, which is convex in (a, mu) together.

Both right sides are affine in a, so that they hold at every w: they are the planes.
They are concave in g and mu, so that an average of potentials gives at least the
average of the planes. Solving the potentials closes the gap at one w.
"""

import numpy as np
import torch
from numpy.typing import NDArray

from skwot._ot.entropic import (
    EntropicTransport,
    SymmetricScaling,
    entropic_transport,
    self_transport,
    softmin,
    symmetric_scaling,
)
from skwot._ot.ground_costs import Metric, ground_cost
from skwot._ot.measures import Measure, SourceMeasures
from skwot._unmixing.problem import Evaluation, Plane, source_shares

Array = NDArray[np.float64]
Tensor = torch.Tensor

# A kernel with no eigenvalue below minus this counts as positive semidefinite; the
# planes can be above the objective by this fraction of the temperature.
_INDEFINITE = 1e-10
_UNDERFLOW = 1e-280  # kernel sums below this have lost digits


class EntropicObjective:
    """The Sinkhorn divergence between the reweighted sources and the target.

    Implements :class:`skwot._unmixing.problem.Objective`. The value is an upper bound
    on the divergence and the planes are lower bounds, so that the gap certifies the
    minimum of the Sinkhorn divergence, as that of the exact loss does for the
    Wasserstein distance. It says nothing about the distance without entropy.

    Parameters
    ----------
    sources : SourceMeasures
    target : Measure
    metric : str or callable
        See :func:`skwot._ot.ground_costs.ground_cost`. Symmetric.
    reg : float
        Temperature, as a fraction of the mean ground cost.
    device : str or torch.device, default=None
        Where to compute, in double precision. The processor if None.
    reg_unit : float, default=None
        The ground cost of which `reg` is a fraction, if not the mean.

    Attributes
    ----------
    eps : float
        Temperature in the units of the ground cost.

    Raises
    ------
    ValueError
        If the metric is not symmetric, or the kernel not positive semidefinite.

    References
    ----------
    Feydy, J., Séjourné, T., Vialard, F.-X., Amari, S., Trouvé, A., & Peyré, G.
    (2019). Interpolating between optimal transport and MMD using Sinkhorn
    divergences. AISTATS. Theorem 1 and its proof.
    """

    # Marginals are met to 1e-11, and an error in them costs at most a few costs.
    rounding = 1e-10

    def __init__(
        self,
        sources: SourceMeasures,
        target: Measure,
        metric: Metric,
        reg: float,
        device: str | torch.device | None = None,
        reg_unit: float | None = None,
    ) -> None:
        points = np.concatenate([sources.points, target.points])
        cost = ground_cost(points, points, metric)
        n = len(sources.points)
        self.unit = float(cost[:n, n:].mean()) or 1.0
        cost /= self.unit
        if reg_unit is not None:
            reg *= reg_unit / self.unit
        self.eps = reg * self.unit
        self.masses = sources.masses
        self.target = target.masses
        self._reg = reg
        self._device = torch.device("cpu" if device is None else device)
        self._every_cost = self._tensor(cost)
        self._cost = self._every_cost[:n, n:].contiguous()
        kernel = torch.exp(-self._every_cost / reg)
        _check_convex(self._every_cost, kernel, metric, reg)
        self._kernel = kernel[:n, :n].contiguous()
        self._b = self._tensor(self.target)
        self._of_target = symmetric_scaling(self._b, kernel[n:, n:].contiguous())
        self._transport: EntropicTransport | None = None
        self._scaling: SymmetricScaling | None = None

    def __call__(self, weights: Array) -> Evaluation:
        """Solve both transport problems at `weights`, shape (K,), on the simplex."""
        a = self._reweighted(weights)
        found = self._solve_transport(a)
        start = None if self._scaling is None else self._scaling.k_mu
        self._scaling = scaling = symmetric_scaling(a, self._kernel, start)
        p = self._self_potential(scaling)
        square = float(scaling.mu @ scaling.k_mu)
        alpha, beta = self._debias(found.f, found.g, p, square)
        record = torch.cat([found.g, scaling.mu, torch.zeros_like(self._b)])
        plane = self._plane(alpha, beta, record)
        value = self._transport_above(a, found)
        for masses, own in ((a, scaling), (self._b, self._of_target)):
            value -= self_transport(masses, own, self._reg) / 2
        # The divergence is not negative, but may be rounded to less than zero.
        return Evaluation(weights, max(value, 0.0), plane)

    def free_planes(self) -> list[Plane]:
        """State that the divergence is at least zero.

        The potentials of the transport from the target to itself, continued to the
        sources, cancel.
        """
        mu = self._of_target.mu
        g = self._reg * (mu / self._b).log()
        record = torch.cat([g, self._b.new_zeros(len(self._cost)), mu])
        return [self._plane(*self._potentials(record), record)]

    def initial_weights(self) -> Array:
        """Share of the target whose nearest atom belongs to each source, (K,)."""
        atoms = self._cost.argmin(dim=0).cpu().numpy()
        return source_shares(self.masses, self.target, atoms)

    def potentials(
        self, planes: list[Plane], multipliers: Array
    ) -> tuple[Array, Array]:
        """Debiased potentials f - p and g - q whose plane is above the combination.

        They certify. What assigns points to sources is :meth:`transport_potential`.
        """
        record = multipliers @ np.array([plane.record for plane in planes])
        alpha, beta = self._potentials(self._tensor(record))
        return _as_array(alpha), _as_array(beta)

    def transport_potential(self, weights: Array) -> Array:
        """Source potential f of the entropic plan onto the target, (n,).

        For :func:`skwot._unmixing.assignment.assign_entropic`, which then shares the
        target in proportion to `weights`. In units of the mean ground cost.
        """
        return _as_array(self._solve_transport(self._reweighted(weights)).f)

    def _tensor(self, array: Array) -> Tensor:
        return torch.as_tensor(array, dtype=torch.float64, device=self._device)

    def _reweighted(self, weights: Array) -> Tensor:
        masses = self.masses @ weights
        return self._tensor(masses / masses.sum())

    def _solve_transport(self, a: Tensor) -> EntropicTransport:
        start = None if self._transport is None else self._transport.g
        self._transport = entropic_transport(a, self._b, self._cost, self._reg, start)
        return self._transport

    def _transport_above(self, a: Tensor, found: EntropicTransport) -> float:
        """Dual value, and by how much a concave function can still rise.

        At most the product of its gradient, the error of the marginals, and the way to
        the solution, whose range no cost exceeds.
        """
        reach = float(found.g.max() - found.g.min() + self._cost.max())
        dual = float(a @ found.f + self._b @ found.g)
        return dual + found.error * reach / 2

    def _self_potential(self, scaling: SymmetricScaling) -> Tensor:
        if float(scaling.k_mu.min()) > _UNDERFLOW:
            return -self._reg * scaling.k_mu.log()
        n = len(scaling.mu)
        return softmin(self._every_cost[:n, :n], scaling.mu.log(), self._reg)

    def _potentials(self, record: Tensor) -> tuple[Tensor, Tensor]:
        """Planes' potentials from g and a mu on the sources' and target's atoms."""
        m = len(self._b)
        g, mu = record[:m], record[m:]
        f = softmin(self._cost, self._b.log() + g / self._reg, self._reg)
        everywhere = softmin(self._every_cost, mu.log(), self._reg)
        square = float(mu @ torch.exp(-everywhere / self._reg))
        return self._debias(f, g, everywhere[:-m], square)

    def _debias(
        self, f: Tensor, g: Tensor, p: Tensor, square: float
    ) -> tuple[Tensor, Tensor]:
        own = self._of_target
        constant = 2 - square - float(own.mu @ own.k_mu)
        q = -self._reg * own.k_mu.log()
        return f - p, g - q + self._reg * constant / 2

    def _plane(self, alpha: Tensor, beta: Tensor, record: Tensor) -> Plane:
        slope = self.masses.T @ _as_array(alpha)
        return Plane(slope, float(self._b @ beta), _as_array(record))


def _as_array(tensor: Tensor) -> Array:
    return np.asarray(tensor.cpu().numpy(), dtype=np.float64)


def _check_convex(cost: Tensor, kernel: Tensor, metric: Metric, reg: float) -> None:
    asymmetry = float((cost - cost.T).abs().max())
    if asymmetry > _INDEFINITE:
        raise ValueError(
            f"reg > 0 needs a symmetric ground cost; got metric={metric!r}, whose two "
            f"directions differ by up to {asymmetry:.3g} of the mean cost."
        )
    shifted = kernel.clone()
    shifted.diagonal().add_(_INDEFINITE)
    if torch.linalg.cholesky_ex(shifted).info:
        raise ValueError(
            f"reg > 0 needs a ground cost c with a positive semidefinite kernel "
            f"exp(-c / eps), such as 'euclidean', 'sqeuclidean' or 'cityblock'; "
            f"got metric={metric!r}, whose kernel has negative eigenvalues at "
            f"reg={reg!r}. A smaller reg or another metric helps."
        )
