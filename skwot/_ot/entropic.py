"""Entropic transport and the Sinkhorn divergence, with potentials to rounding.

For probability masses a and b, a cost c and a temperature eps > 0,

    OT_eps(a, b) = min_P <c, P> + eps KL(P | a b^T)
                 = max_g <a, softmin(g)> + <b, g>,

where ``softmin(g)_i = -eps log sum_j b_j exp((g_j - c_ij) / eps)``. The debiased
form (Feydy et al., 2019) is

    S_eps(a, b) = OT_eps(a, b) - OT_eps(a, a) / 2 - OT_eps(b, b) / 2.

Sinkhorn's iteration converges the more slowly the smaller eps is. It is only the
fallback here: the semi-dual above is smooth, and a Newton step on it needs the
conditional plan, which Sinkhorn's iteration computes as well.
"""

from typing import NamedTuple

import torch

Tensor = torch.Tensor

# Marginals (of total mass one) are exact up to this sum of absolute errors.
MARGINAL_ERROR = 1e-13
# An error below this that Newton's method cannot lower any more is rounding.
_ROUNDING_ERROR = 100 * MARGINAL_ERROR
_MAX_ITER = 500
_WARM_ITER = 30  # a given start that needs more steps is worse than none
_SCALING = 4.0  # fall of the temperature from one stage of a cold start to the next
_RIDGE = 1e-13  # keeps the Newton system definite where the plan falls into blocks
_RADIUS = 4.0  # temperatures by which a failed Newton step is cut before its next try
_BLOCK_ENTRIES = 1_000_000  # of the costs of which a softmin is taken at a time
_TINY = 1e-300  # replaces sums of zero in quotients


class EntropicTransport(NamedTuple):
    """Potentials of an entropic transport problem.

    Attributes
    ----------
    f : tensor of shape (n,)
        The softmin of `g`: also where `a` has no mass.
    g : tensor of shape (m,)
    error : float
        Sum of the absolute errors of the plan's column sums.
    """

    f: Tensor
    g: Tensor
    error: float


class SymmetricScaling(NamedTuple):
    """Scaling of a symmetric kernel K to given marginals, ``mu * (K mu) = a``.

    Attributes
    ----------
    mu : tensor of shape (n,)
        ``a exp(p / eps)`` for the potential p of the transport from `a` to itself.
    k_mu : tensor of shape (n,)
        ``exp(-p / eps)``, also where `a` has no mass.
    error : float
        Sum of the absolute errors of the marginals.
    """

    mu: Tensor
    k_mu: Tensor
    error: float


def softmin(cost: Tensor, log_masses: Tensor, eps: float) -> Tensor:
    """Minimum over the columns of a cost, smoothed by a temperature.

    Parameters
    ----------
    cost : tensor of shape (n, m)
    log_masses : tensor of shape (m,)
    eps : float

    Returns
    -------
    tensor of shape (n,)
        ``-eps log sum_j exp(log_masses_j - cost_ij / eps)``.
    """
    rows = max(1, _BLOCK_ENTRIES // cost.shape[1])
    sums = [torch.logsumexp(log_masses - block / eps, 1) for block in cost.split(rows)]
    return -eps * torch.cat(sums)


def entropic_transport(
    a: Tensor, b: Tensor, cost: Tensor, eps: float, start: Tensor | None = None
) -> EntropicTransport:
    """Solve entropic transport between two measures.

    Newton's method runs on the potential of the measure with fewer atoms. Without
    a start, the temperature falls in stages from the largest cost.

    Parameters
    ----------
    a : tensor of shape (n,)
        Non-negative, sum one.
    b : tensor of shape (m,)
        Positive, sum one.
    cost : tensor of shape (n, m)
    eps : float
        In the units of the cost.
    start : tensor of shape (m,), default=None
        A potential `g` to start from.

    Returns
    -------
    EntropicTransport
    """
    rows = torch.nonzero(a > 0).squeeze(1)
    every = len(rows) == len(a)
    a_used, cost_used = (a, cost) if every else (a[rows], cost[rows])
    log_b = b.log()
    if len(rows) >= len(b):
        g = _solve_potential(a_used, b, cost_used, eps, start)
    else:
        if start is not None:
            start = softmin(cost_used, log_b + start / eps, eps)
        f = _solve_potential(b, a_used, cost_used.T.contiguous(), eps, start)
        g = softmin(cost_used.T, a_used.log() + f / eps, eps)
    f = softmin(cost, log_b + g / eps, eps)
    return EntropicTransport(f, g, _semi_dual(a_used, b, cost_used, eps, g).error)


def _solve_potential(
    a: Tensor, b: Tensor, cost: Tensor, eps: float, start: Tensor | None
) -> Tensor:
    if start is not None:
        found = _maximise_semi_dual(a, b, cost, eps, start, MARGINAL_ERROR, _WARM_ITER)
        if found.error <= _ROUNDING_ERROR:
            return found.g
    potential = torch.zeros_like(b)
    temperature = float(cost.max())
    while temperature > eps:
        potential = _maximise_semi_dual(a, b, cost, temperature, potential, 1e-3).g
        temperature /= _SCALING
    return _maximise_semi_dual(a, b, cost, eps, potential).g


class _SemiDual(NamedTuple):
    g: Tensor
    plan: Tensor  # conditional: rows sum to one
    marginal: Tensor
    error: float
    value: float


def _semi_dual(a: Tensor, b: Tensor, cost: Tensor, eps: float, g: Tensor) -> _SemiDual:
    logits = (b.log() + g / eps) - cost / eps
    log_sums = torch.logsumexp(logits, dim=1)
    plan = logits.sub_(log_sums[:, None]).exp_()
    marginal = a @ plan
    error = float((b - marginal).abs().sum())
    value = float(b @ g - eps * (a @ log_sums))
    return _SemiDual(g, plan, marginal, error, value)


def _maximise_semi_dual(
    a: Tensor,
    b: Tensor,
    cost: Tensor,
    eps: float,
    g: Tensor,
    tol: float = MARGINAL_ERROR,
    max_iter: int | None = None,
) -> _SemiDual:
    """Maximise ``<a, softmin(g)> + <b, g>``, whose gradient is b less the marginal."""
    now = _semi_dual(a, b, cost, eps, g)
    for _ in range(_MAX_ITER if max_iter is None else max_iter):
        if now.error <= tol:
            break
        step = _newton_step(a, b, now, eps)
        reach = float(step.max() - step.min()) / eps
        trial = _semi_dual(a, b, cost, eps, now.g + step)
        # A long step can lower the error by giving up atoms that are far away. They
        # have no mass to speak of where the error is nearly rounding.
        at_end = now.error <= _ROUNDING_ERROR
        longest = _RADIUS if at_end else 1.0
        if not (reach <= longest and trial.error < now.error / 2):
            if at_end:
                break
            trial = _careful_step(a, b, cost, eps, now, step, reach)
        now = trial
    return now


def _careful_step(
    a: Tensor,
    b: Tensor,
    cost: Tensor,
    eps: float,
    now: _SemiDual,
    step: Tensor,
    reach: float,
) -> _SemiDual:
    """Newton's step, as much of it as rises as its model says; or else Sinkhorn's."""
    slope = float((b - now.marginal) @ step)
    shorter = min(0.5, _RADIUS / reach)
    for fraction in (1.0, shorter, shorter / 4, shorter / 16):
        if fraction > 0:  # false if the step is not a number
            trial = _semi_dual(a, b, cost, eps, now.g + fraction * step)
            if trial.value >= now.value + fraction * slope / 4:
                return trial
    scaling = (b / now.marginal.clamp_min(_TINY)).log()
    return _semi_dual(a, b, cost, eps, now.g + eps * scaling)


def _newton_step(a: Tensor, b: Tensor, now: _SemiDual, eps: float) -> Tensor:
    """Solve ``(diag(m) - plan^T diag(a) plan) step = eps (b - m)``.

    In units of sqrt(m) the matrix is one less a matrix whose largest eigenvalue is
    one, for the constant potentials, which the outer product takes away.
    """
    root = now.marginal.clamp_min(_TINY).sqrt()
    joint = now.plan * a.sqrt()[:, None] / root
    system = torch.outer(root, root) - joint.T @ joint
    system.diagonal().add_(1 + _RIDGE)
    factor, failed = torch.linalg.cholesky_ex(system)
    if failed:
        return torch.full_like(b, torch.nan)
    rhs = ((b - now.marginal) / root)[:, None]
    return eps * torch.cholesky_solve(rhs, factor).squeeze(1) / root


def symmetric_scaling(
    a: Tensor, kernel: Tensor, start: Tensor | None = None
) -> SymmetricScaling:
    """Scale a symmetric positive definite kernel to given marginals.

    The scaling minimises ``<mu, K mu> / 2 - <a, log mu>``. In log mu, and in units
    of the marginals, the Hessian is one plus a stochastic matrix. With a positive
    semidefinite K its eigenvalues lie between 1 and 2, whatever the temperature, so
    that steps of 2/3 leave a third of the error.

    Parameters
    ----------
    a : tensor of shape (n,)
        Non-negative, sum one.
    kernel : tensor of shape (n, n)
        ``exp(-c / eps)``.
    start : tensor of shape (n,), default=None
        The product of the kernel and the scaling of similar masses.

    Returns
    -------
    SymmetricScaling
    """
    # K_ii mu_i^2 <= a_i at the solution: so nothing overflows.
    largest = (a / kernel.diagonal()).sqrt()
    mu = largest
    if start is not None:
        mu = torch.minimum(a / start.clamp_min(_TINY), largest)
    for _ in range(_MAX_ITER):
        k_mu = kernel @ mu
        error = float((mu * k_mu - a).abs().sum())
        if error <= MARGINAL_ERROR:
            break
        # The rate is that of small errors; half a step is safe for large ones.
        step = 2 / 3 if error < 0.1 else 0.5
        ratio = (a / k_mu.clamp_min(_TINY)).pow_(step)
        mu = mu.pow(1 - step).mul_(ratio)
    return SymmetricScaling(mu, k_mu, error)


def self_transport(a: Tensor, scaling: SymmetricScaling, eps: float) -> float:
    """Entropic transport cost from a measure to itself, from below.

    The dual at the symmetric potential ``eps log(mu / a)``.

    Parameters
    ----------
    a : tensor of shape (n,)
        Non-negative, sum one.
    scaling : SymmetricScaling
    eps : float

    Returns
    -------
    float
    """
    ratio = torch.where(a > 0, scaling.mu / a, 1.0)
    dual = 2 * (a @ ratio.log()) + 1 - scaling.mu @ scaling.k_mu
    return eps * float(dual)
