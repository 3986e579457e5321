"""The geometry of Gaussian mixtures, as public functions."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from skwot._gmm.arrays import to_numpy
from skwot._gmm.couplings import interpolate_mixtures
from skwot._gmm.gaussians import factorise, solve_pairs
from skwot._gmm.given_mixtures import count_features, read_mixture
from skwot._gmm.mixtures import (
    Mixture,
    Target,
    extreme_unit,
    in_unit,
    prepare_target,
)
from skwot._gmm.mw2 import Gradient, differentiate_mw2, solve_mw2
from skwot._gmm.pair_costs import pair_costs, plan_support
from skwot._ot.transport import Transport
from skwot._typing import Array


class MW2Result(NamedTuple):
    """A distance between two Gaussian mixtures.

    Attributes
    ----------
    value : float, or tensor without a dimension
        MW2 squared, in squared units of the data.
    plan : ndarray or tensor of shape (n, m)
        Optimal plan between the components. It has no gradient.
    """

    value: Any
    plan: Any


# Its public home, which is what documentation and pickles name.
MW2Result.__module__ = "skwot.mixtures"


def mw2(a: Any, b: Any) -> MW2Result:
    """Squared mixture-Wasserstein distance between two Gaussian mixtures.

    MW2 is the Wasserstein distance restricted to plans that are Gaussian mixtures [1]_:
    optimal transport between the components, whose cost is the squared
    Bures-Wasserstein distance. If an argument holds a tensor, the value is a tensor,
    whose gradient reaches all tensors of both mixtures. It is exact, and finite where
    covariances are equal or singular.

    Parameters
    ----------
    a, b : Mixture, (weights, means, covariances) or fitted mixture
        Of n and m components, with full covariances if they are tuples. A fitted
        mixture has `weights_`, `means_` and `covariances_`. Arrays, or tensors.

    Returns
    -------
    MW2Result
        With the fields `value` and `plan`.

    Raises
    ------
    ValueError
        If an argument is no mixture, if a covariance is not symmetric and positive
        semi-definite, or if the numbers of features differ.

    See Also
    --------
    interpolate : The geodesic between two mixtures.

    References
    ----------
    .. [1] Delon, J., & Desolneux, A. (2020). A Wasserstein-type distance in the
       space of Gaussian mixture models. SIAM Journal on Imaging Sciences, 13(2),
       936-970.

    Examples
    --------
    >>> from skwot.mixtures import mw2
    >>> near = ([1.0], [[0.0]], [[[1.0]]])
    >>> far = ([0.5, 0.5], [[3.0], [3.0]], [[[1.0]], [[4.0]]])
    >>> value, plan = mw2(near, far)
    >>> round(value, 3)
    9.5
    >>> plan
    array([[0.5, 0.5]])

    As a loss of PyTorch:

    >>> import torch
    >>> means = torch.tensor([[0.0]], dtype=torch.float64, requires_grad=True)
    >>> mw2((near[0], means, near[2]), far).value.backward()
    >>> means.grad
    tensor([[-6.]], dtype=torch.float64)
    """
    n_features = count_features(a, "a")
    read = [
        read_mixture(value, name, n_features) for value, name in ((a, "a"), (b, "b"))
    ]
    parts = [*_parts(a), *_parts(b)]
    tensors = [part for part in parts if isinstance(part, Tensor)]
    if not tensors:
        unit = extreme_unit(*read)
        first, second = (in_unit(mixture, unit) for mixture in read)
        solved = solve_mw2(*first, pair_costs(prepare_target(second)))
        return MW2Result(solved.value * unit * unit, solved.plan)
    return MW2Result(*_MW2Function.apply(*read, tensors[0], *parts))


def interpolate(a: Any, b: Any, t: float) -> Mixture:
    """Point of the MW2 geodesic between two Gaussian mixtures.

    Parameters
    ----------
    a, b : Mixture, (weights, means, covariances) or fitted mixture
        The ends; see :func:`mw2`.
    t : float
        Time from 0, at `a`, to 1, at `b`.

    Returns
    -------
    Mixture
        One component for each pair of components that the optimal plan joins, which are
        at most n + m - 1.

    Raises
    ------
    ValueError
        If `t` is not between 0 and 1, or see :func:`mw2`.

    References
    ----------
    .. [1] Delon, J., & Desolneux, A. (2020). A Wasserstein-type distance in the
       space of Gaussian mixture models. SIAM Journal on Imaging Sciences, 13(2),
       936-970.

    Examples
    --------
    >>> from skwot.mixtures import interpolate
    >>> start = ([1.0], [[0.0]], [[[1.0]]])
    >>> end = ([1.0], [[4.0]], [[[9.0]]])
    >>> interpolate(start, end, 0.5).covariances
    array([[[4.]]])
    """
    check_time(t)
    n_features = count_features(a, "a")
    first = read_mixture(a, "a", n_features)
    return interpolate_mixtures(first, read_mixture(b, "b", n_features), t)


def check_time(t: float) -> None:
    """Refuse a time that is not between 0 and 1.

    Raises
    ------
    ValueError
    """
    if not 0 <= t <= 1:
        raise ValueError(f"t must be between 0 and 1, got {t!r}.")


def _parts(value: Any) -> Sequence[Any]:
    """Weights, means and covariances as they were given."""
    if isinstance(value, (tuple, list)):
        return value
    return value.weights_, value.means_, value.covariances_


class _MW2Function(torch.autograd.Function):
    """MW2 squared as a function of the parameters of both mixtures."""

    @staticmethod
    def forward(
        ctx: Any, a: Mixture, b: Mixture, like: Tensor, *parts: Any
    ) -> tuple[Tensor, Tensor]:
        ctx.set_materialize_grads(False)
        unit = extreme_unit(a, b)
        a, target = in_unit(a, unit), prepare_target(in_unit(b, unit))
        costs = pair_costs(target)
        solved = solve_mw2(*a, costs)
        # The gradients of a square have the units that are left of it.
        ctx.gradients = [
            left * gradient
            for left, gradient in zip(
                2 * (unit * unit, unit, 1.0),
                (
                    *differentiate_mw2(solved, a.means, costs),
                    *_differentiate_target(solved, a, target),
                ),
                strict=True,
            )
        ]
        ctx.parts = [part if isinstance(part, Tensor) else None for part in parts]
        plan = like.new_tensor(solved.plan)
        ctx.mark_non_differentiable(plan)
        return like.new_tensor(solved.value * unit * unit), plan

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        if grads[0] is None:
            return (None,) * 9
        scale = grads[0].item()
        return (
            None,
            None,
            None,
            *(
                None if part is None else part.new_tensor(scale * gradient)
                for part, gradient in zip(ctx.parts, ctx.gradients, strict=True)
            ),
        )


def _differentiate_target(
    solved: Transport, mixture: Mixture, target: Target
) -> Gradient:
    """Gradient in the parameters of the target: that of the reversed problem."""
    plan = solved.plan
    rows, columns = np.nonzero(plan_support(plan))
    factors, singular = factorise(mixture.covariances, target.order)
    back = solve_pairs(
        to_numpy(target.factors)[columns],
        factors[rows],
        singular[rows] | target.singular[columns],
    ).maps
    masses = plan[rows, columns]
    mapped = np.zeros_like(to_numpy(target.covariances))
    np.add.at(mapped, columns, masses[:, None, None] * back)
    column_mass: Array = plan.sum(axis=0)
    identity = np.eye(mixture.means.shape[1])
    return Gradient(
        solved.beta - solved.beta.mean(),
        2 * (column_mass[:, None] * to_numpy(target.means) - plan.T @ mixture.means),
        column_mass[:, None, None] * identity - mapped,
    )
