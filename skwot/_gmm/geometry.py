"""The geometry of Gaussian mixtures, as public functions."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_random_state
from torch import Tensor

from skwot._gmm.couplings import interpolate_mixtures
from skwot._gmm.flow import flow_mixture
from skwot._gmm.gaussians import factorise, solve_pairs
from skwot._gmm.given_mixtures import (
    are_several,
    count_features,
    join_mixtures,
    read_mixture,
    read_mixtures,
)
from skwot._gmm.mixtures import Mixture, Target
from skwot._gmm.mw2 import Gradient, differentiate_mw2, gradient_of, solve_between
from skwot._gmm.pair_costs import plan_support
from skwot._gmm.seeding import select_components
from skwot._gmm.settings import Settings
from skwot._ot.transport import Transport
from skwot._warnings import warn_user

_STEPS = 1000  # to a barycentre, and after each swap
_AT_REST = 1e-9  # relative decrease of its mean distance in a step


class MW2Result(NamedTuple):
    """A distance between two Gaussian mixtures.

    Attributes
    ----------
    value : float, or tensor without a dimension
        MW2 squared, in squared units of the data.
    plan : ndarray or tensor of shape (n, m)
        Optimal plan between the components. It has no gradient.

    See Also
    --------
    mw2 : Computes it.

    Examples
    --------
    >>> from skwot.mixtures import mw2
    >>> result = mw2(([1.0], [[0.0]], [[[1.0]]]), ([1.0], [[3.0]], [[[4.0]]]))
    >>> round(result.value, 3)
    10.0
    >>> result.plan
    array([[1.]])
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
    first, second = _read_pair(a, b)
    parts = [*_parts(a), *_parts(b)]
    tensors = [part for part in parts if isinstance(part, Tensor)]
    if not tensors:
        unit, _, _, solved = solve_between(first, second)
        return MW2Result(solved.value * unit * unit, solved.plan)
    return MW2Result(*_Differentiable.apply(first, second, tensors[0], *parts))


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

    See Also
    --------
    mw2 : The distance along the geodesic.
    barycenter : The mean of more than two mixtures.
    skwot.GMMFlowFitter.interpolate : From the start of a fitted flow to its target.

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
    return interpolate_mixtures(*_read_pair(a, b), t)


def barycenter(
    mixtures: Sequence[Any],
    weights: Any = None,
    *,
    n_components: int | None = None,
    init: Any = None,
    fixed_weights: bool = False,
    n_init: int = 1,
    random_state: int | np.random.RandomState | None = None,
) -> Mixture:
    """Barycentre of several Gaussian mixtures for MW2.

    It is a mixture of so many components with the least mean of squared distances to
    the mixtures [1]_. From each start, the steps of the fixed point of Gaussian
    barycentres [2]_ are made until the mean is at rest, and swaps of components leave
    local minima; the lowest mean of all is not guaranteed. Of two mixtures, with enough
    components, the barycentre is the point of the geodesic, and known.

    Parameters
    ----------
    mixtures : sequence of Mixture, (weights, means, covariances) or fitted mixture
        See :func:`mw2`.
    weights : array-like of shape (n_mixtures,), default=None
        How much each mixture counts; they are positive, and divided by their sum. Equal
        if None.
    n_components : int, default=None
        Of the barycentre. The largest number that a mixture has, if None.
    init : mixture, default=None
        Where to start from, in place of components of the mixtures.
    fixed_weights : bool, default=False
        Whether the weights of the components stay those of the start.
    n_init : int, default=1
        Number of starts, drawn from the components of the mixtures by k-means++.
    random_state : int, RandomState instance or None, default=None
        Seed of the starts.

    Returns
    -------
    Mixture
        Of `n_components` components.

    Raises
    ------
    ValueError
        If a parameter is out of range, or see :func:`mw2`.

    Warns
    -----
    ConvergenceWarning
        If the mean is not at rest after a thousand steps.

    See Also
    --------
    interpolate : The barycentres of two mixtures.
    skwot.GMMFlowFitter : Flows to a barycentre if it is given several targets.

    References
    ----------
    .. [1] Delon, J., & Desolneux, A. (2020). A Wasserstein-type distance in the
       space of Gaussian mixture models. SIAM Journal on Imaging Sciences, 13(2),
       936-970.
    .. [2] Álvarez-Esteban, P. C., del Barrio, E., Cuesta-Albertos, J. A., & Matrán, C.
       (2016). A fixed-point approach to barycenters in Wasserstein space. Journal of
       Mathematical Analysis and Applications, 441(2), 744-762.

    Examples
    --------
    >>> from skwot.mixtures import barycenter
    >>> left = ([0.5, 0.5], [[0.0], [10.0]], [[[1.0]], [[1.0]]])
    >>> right = ([0.5, 0.5], [[2.0], [12.0]], [[[9.0]], [[9.0]]])
    >>> middle = barycenter([left, right], random_state=0)
    >>> sorted(middle.means.ravel().round(6).tolist())
    [1.0, 11.0]
    >>> middle.covariances.ravel().round(6)
    array([4., 4.])
    """
    if not are_several(mixtures):
        raise ValueError(
            "mixtures must be a list of mixtures, each fitted or a tuple (weights, "
            f"means, covariances); got {mixtures!r}."
        )
    n_features = count_features(mixtures[0], "mixtures[0]")
    read = read_mixtures(mixtures, "mixtures", n_features, "full")
    joined, sizes = join_mixtures(read, weights, "weights")
    size = max(sizes) if n_components is None else n_components
    if n_init < 1:
        raise ValueError(f"n_init must be at least 1; got {n_init}.")
    if init is not None:
        if n_components is not None or n_init > 1:
            raise ValueError(
                "n_components and n_init belong to starts that are drawn, and init is "
                f"one; got n_components={n_components}, n_init={n_init}."
            )
        starts = [read_mixture(init, "init", n_features)]
    elif 1 <= size < sum(sizes):
        rng = check_random_state(random_state)
        starts = select_components(joined, size, n_init, rng)
    elif size == sum(sizes):
        starts = [joined]
    else:
        raise ValueError(
            f"n_components must be at most {sum(sizes)}, the number of components of "
            f"all mixtures, and at least 1; got {n_components}."
        )
    if len(read) == 2 and init is None:
        t = float(joined.weights[sizes[0] :].sum())
        on_the_way = interpolate_mixtures(read[0], read[1], t)
        if len(on_the_way.weights) <= size:
            return _split(on_the_way, size)
    settings = Settings(
        solver="bures",
        max_iter=_STEPS,
        tol=_AT_REST,
        fixed_weights=fixed_weights,
        swaps=True,
        record_path=False,
    )
    flows = [flow_mixture(start, joined, settings, sizes) for start in starts]
    best = min(flows, key=lambda flow: float(flow.losses.min()))
    if not best.converged:
        warn_user(
            f"The barycentre is not at rest after {_STEPS} steps.",
            ConvergenceWarning,
        )
    return best.best


def check_time(t: float) -> None:
    """Refuse a time that is not between 0 and 1.

    Raises
    ------
    ValueError
    """
    if not 0 <= t <= 1:
        raise ValueError(f"t must be between 0 and 1, got {t!r}.")


def _read_pair(a: Any, b: Any) -> tuple[Mixture, Mixture]:
    n_features = count_features(a, "a")
    return read_mixture(a, "a", n_features), read_mixture(b, "b", n_features)


def _split(mixture: Mixture, size: int) -> Mixture:
    """Split the heaviest components in two equal ones, until there are so many."""
    weights = mixture.weights
    rows = np.arange(len(weights))
    while len(rows) < size:
        heaviest = int(weights.argmax())
        half = weights[heaviest] / 2
        weights = np.append(weights, half)
        weights[heaviest] = half
        rows = np.append(rows, rows[heaviest])
    return Mixture(weights, mixture.means[rows], mixture.covariances[rows])


def _parts(value: Any) -> Sequence[Any]:
    """Weights, means and covariances as they were given."""
    if isinstance(value, (tuple, list)):
        return value
    return value.weights_, value.means_, value.covariances_


class _Differentiable(torch.autograd.Function):
    """MW2 squared as a function of the parameters of both mixtures."""

    @staticmethod
    def forward(
        ctx: Any, a: Mixture, b: Mixture, like: Tensor, *parts: Any
    ) -> tuple[Tensor, Tensor]:
        ctx.set_materialize_grads(False)
        unit, a, costs, solved = solve_between(a, b)
        # The gradients of a square have the units that are left of it.
        ctx.gradients = [
            left * gradient
            for left, gradient in zip(
                2 * (unit * unit, unit, 1.0),
                (
                    *differentiate_mw2(solved, a.means, costs),
                    *_differentiate_target(solved, a, costs.target),
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
    rows, columns = np.nonzero(plan_support(solved.plan))
    factors, singular = factorise(mixture.covariances, target.order)
    back = solve_pairs(
        target.factors[columns],
        factors[rows],
        singular[rows] | target.singular[columns],
    ).maps
    return gradient_of(
        solved.plan.T, solved.beta, target.means, mixture.means, (columns, rows), back
    )
