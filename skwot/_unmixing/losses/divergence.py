"""The Sinkhorn divergence, a smooth loss with planes that certify its minimum.

For the reweighted sources a = H w and the target b the loss is the Sinkhorn divergence
(Feydy et al., 2019)

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

from copy import copy

import numpy as np
import torch

from skwot._ot.entropic import (
    EntropicTransport,
    SymmetricScaling,
    entropic_transport,
    self_transport,
    softmin,
    symmetric_scaling,
)
from skwot._ot.ground_costs import check_memory, ground_cost
from skwot._ot.metrics import Metric
from skwot._typing import Array, Index
from skwot._unmixing.losses.transport import Solved, TransportLoss
from skwot._unmixing.problem import (
    Marginals,
    Plane,
    Problem,
    Unmixing,
)

Tensor = torch.Tensor

# A kernel with no eigenvalue below minus this counts as positive semidefinite. The
# planes can then be above the objective by this fraction of the temperature.
_INDEFINITE = 1e-10
_MATRICES = 6  # between all atoms, which are held at once; measured in a bootstrap
_UNDERFLOW = 1e-280  # smaller sums of kernel entries have lost digits
# Marginals are met to 1e-11, and an error in them costs at most a few mean costs.
_ROUNDING = 1e-10


class DivergenceLoss(TransportLoss):
    """The Sinkhorn divergence between the reweighted sources and the target.

    The value is an upper bound on the divergence and the planes are lower bounds, so
    that the gap certifies the minimum of the Sinkhorn divergence, as that of the exact
    loss does for the Wasserstein distance. It says nothing about the distance without
    entropy. A plane's record holds g, and mu on the sources' and the target's atoms.

    Parameters
    ----------
    problem : Problem
        Without an outlier cost. Its metric is symmetric.
    reg : float
        Temperature, as a fraction of the mean ground cost.
    temperature : float, default=None
        Temperature in the units of the ground cost, in place of `reg`.
    device : str or torch.device, default=None
        Where to compute, in double precision. The processor if None.

    Attributes
    ----------
    eps : float
        Temperature in this objective's unit, the mean ground cost.

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

    def __init__(
        self,
        problem: Problem,
        reg: float,
        temperature: float | None = None,
        device: str | torch.device | None = None,
    ) -> None:
        points = np.concatenate([problem.sources.points, problem.target.points])
        check_memory(len(points), len(points), _MATRICES)
        cost = ground_cost(points, points, problem.metric)
        n = len(problem.sources.points)
        unit = float(cost[:n, n:].mean()) or 1.0
        cost /= unit
        self.eps = reg if temperature is None else temperature / unit
        self._device = torch.device("cpu" if device is None else device)
        costs = self._tensor(cost)
        kernel = (costs / -self.eps).exp_()
        _check_convex(costs, kernel, problem.metric, self.eps)
        self._set_points(costs, kernel, n)
        super().__init__(problem.marginals, unit, _ROUNDING)

    def _set_points(self, costs: Tensor, kernel: Tensor, n: int) -> None:
        """Hold the costs and the kernel between all atoms, the first n the sources'."""
        self._costs, self._kernels = costs, kernel
        self._cost = costs[:n, n:].contiguous()
        self._kernel = kernel[:n, :n].contiguous()
        self._transport: EntropicTransport | None = None
        self._scaling: SymmetricScaling | None = None

    def _set_masses(self) -> None:
        n = len(self._cost)
        self._b = self._tensor(self.marginals.target)
        self._of_target = symmetric_scaling(self._b, self._kernels[n:, n:].contiguous())

    def _solve(self, a: Array) -> Solved:
        masses = self._tensor(a)
        transport = self._transport = self._solve_transport(masses)
        start = None if self._scaling is None else self._scaling.k_mu
        self._scaling = scaling = symmetric_scaling(masses, self._kernel, start)
        p = self._self_potential(scaling)
        square = float(scaling.mu @ scaling.k_mu)
        alpha, beta = self._debias(transport.f, transport.g, p, square)
        record = torch.cat([transport.g, scaling.mu, torch.zeros_like(self._b)])
        value = self._transport_above(masses, transport)
        for own, solved in ((masses, scaling), (self._b, self._of_target)):
            value -= self_transport(own, solved, self.eps) / 2
        # The divergence is not negative, but may be rounded to less than zero.
        return Solved(
            max(value, 0.0), _as_array(alpha), float(self._b @ beta), _as_array(record)
        )

    def _known_planes(self) -> list[Plane]:
        """State that the divergence is at least zero.

        The potentials of the transport from the target to itself, continued to the
        sources, cancel.
        """
        mu = self._of_target.mu
        g = self.eps * (mu / self._b).log()
        return [self._plane(torch.cat([g, self._b.new_zeros(len(self._cost)), mu]))]

    def _plane(self, record: Tensor) -> Plane:
        alpha, beta = self._potentials(record)
        slope = self.marginals.slope(_as_array(alpha))
        return Plane(slope, float(self._b @ beta), _as_array(record))

    def _nearest_atoms(self) -> Index:
        return self._cost.argmin(dim=0).cpu().numpy()

    def potentials(
        self, planes: list[Plane], multipliers: Array
    ) -> tuple[Array, Array]:
        """Debiased potentials f - p and g - q whose plane is above the combination.

        They certify. What assigns points to sources is the plan's own potential, see
        :meth:`complete`.
        """
        record = multipliers @ np.array([plane.record for plane in planes])
        alpha, beta = self._potentials(self._tensor(record))
        return _as_array(alpha), _as_array(beta)

    def reweighted(
        self, marginals: Marginals, around: list[Plane], start: Array
    ) -> "DivergenceLoss":
        """See :meth:`Objective.reweighted`. Atoms without mass are left out.

        The potentials depend on the target's masses, so the planes' are computed anew
        from what the records hold, which suits any masses.
        """
        rows = np.flatnonzero(marginals.masses.sum(axis=1))
        columns = np.flatnonzero(marginals.target)
        n = len(self._cost)
        kept = torch.from_numpy(np.concatenate([rows, n + columns])).to(self._device)
        other = copy(self)
        square = kept[:, None], kept
        other._set_points(self._costs[square], self._kernels[square], len(rows))
        other.marginals = marginals._replace(
            masses=marginals.masses[rows], target=marginals.target[columns]
        )
        other._set_masses()
        m = len(self._b)
        used = np.concatenate([columns, m + rows, m + n + columns])
        other._start = start
        other._free = [
            other._plane(other._tensor(plane.record[used])) for plane in around
        ]
        return other

    def complete(self, found: Unmixing) -> Unmixing:
        """Add the source potential f of the entropic plan at the weights found.

        By it :func:`skwot._unmixing.assignment.assign_entropic` shares the target in
        proportion to the weights.
        """
        masses = self.marginals.masses @ found.weights
        transport = self._solve_transport(self._tensor(masses / masses.sum()))
        return found._replace(
            plan_alpha=self.unit * _as_array(transport.f),
            temperature=self.unit * self.eps,
        )

    def _tensor(self, array: Array) -> Tensor:
        return torch.as_tensor(array, dtype=torch.float64, device=self._device)

    def _solve_transport(self, a: Tensor) -> EntropicTransport:
        start = None if self._transport is None else self._transport.g
        return entropic_transport(a, self._b, self._cost, self.eps, start)

    def _transport_above(self, a: Tensor, transport: EntropicTransport) -> float:
        """Dual value, and by how much a concave function can still rise.

        At most the product of its gradient, the error of the marginals, and the way to
        the solution, whose range no cost exceeds.
        """
        g = transport.g
        reach = float(g.max() - g.min() + self._cost.max())
        dual = float(a @ transport.f + self._b @ g)
        return dual + transport.error * reach / 2

    def _self_potential(self, scaling: SymmetricScaling) -> Tensor:
        if float(scaling.k_mu.min()) > _UNDERFLOW:
            return -self.eps * scaling.k_mu.log()
        n = len(scaling.mu)
        return softmin(self._costs[:n, :n], scaling.mu.log(), self.eps)

    def _potentials(self, record: Tensor) -> tuple[Tensor, Tensor]:
        """Planes' potentials from g and a mu on the sources' and target's atoms."""
        m = len(self._b)
        g, mu = record[:m], record[m:]
        f = softmin(self._cost, self._b.log() + g / self.eps, self.eps)
        everywhere = softmin(self._costs, mu.log(), self.eps)
        square = float(mu @ torch.exp(-everywhere / self.eps))
        return self._debias(f, g, everywhere[:-m], square)

    def _debias(
        self, f: Tensor, g: Tensor, p: Tensor, square: float
    ) -> tuple[Tensor, Tensor]:
        own = self._of_target
        constant = 2 - square - float(own.mu @ own.k_mu)
        q = -self.eps * own.k_mu.log()
        return f - p, g - q + self.eps * constant / 2


def _as_array(tensor: Tensor) -> Array:
    return np.asarray(tensor.cpu().numpy(), dtype=np.float64)


def _check_convex(cost: Tensor, kernel: Tensor, metric: Metric, reg: float) -> None:
    asymmetry = float((cost - cost.T).abs_().max())
    if asymmetry > _INDEFINITE:
        raise ValueError(
            'loss="sinkhorn" needs a symmetric ground cost; got '
            f"metric={metric!r}, whose two directions differ by up to "
            f"{asymmetry:.3g} of the mean cost."
        )
    shifted = kernel.clone()
    shifted.diagonal().add_(_INDEFINITE)
    if torch.linalg.cholesky_ex(shifted).info:
        raise ValueError(
            'loss="sinkhorn" needs a ground cost c with a positive semidefinite kernel '
            "exp(-c / eps), such as 'euclidean', 'sqeuclidean' or 'cityblock'; "
            f"got metric={metric!r}, whose kernel has negative eigenvalues at "
            f"reg={reg!r}. A smaller reg or another metric helps."
        )
