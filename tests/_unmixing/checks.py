"""What has to hold for every solution of an unmixing problem."""

import numpy as np
import torch
from numpy.testing import assert_allclose
from scipy import sparse

from skwot._unmixing.problem import Marginals
from tests.watching import Watching


def check_solution(problem, cost, found):
    """Check weights and certificate with nothing but the definition of the problem."""
    weights, marginals = found.weights, problem.marginals
    assert_allclose(weights.sum(), 1, rtol=1e-14)
    assert ((weights == 0) | (weights >= 1e-12)).all()
    assert (found.alpha[:, None] + found.beta <= cost + 1e-13 * cost.max()).all()
    bound = marginals.bound(found.alpha, found.beta)
    assert_allclose(found.lower_bound, bound, rtol=1e-11, atol=1e-12 * cost.mean())
    assert found.lower_bound <= found.value


def check_gradient(objective):
    """Check the gradient of a loss against finite differences."""
    n_sources = objective.marginals.n_weights
    logits = torch.arange(n_sources, dtype=torch.float64) / 10

    def value(logits):
        return objective.differentiable(torch.softmax(logits, 0))[0]

    assert torch.autograd.gradcheck(value, [logits.requires_grad_()])


def check_planes_below(planes, objective, atol=1e-12):
    """Check that planes are nowhere above the loss, at random weights."""
    n_sources = objective.marginals.n_weights
    for weights in np.random.default_rng(2).dirichlet(np.ones(n_sources), size=10):
        value = objective(weights).value
        for plane in planes:
            assert plane.slope @ weights + plane.offset <= value + atol


def check_watch(solve, n_steps):
    """Check that a solver, given a watch, tells of each step and stops when asked."""
    every, some = Watching(), Watching(n_steps)
    whole, found = solve(every), solve(some)
    assert [len(one.curve) for one in every.told] == [
        1 + i for i in range(len(whole.curve))
    ]
    assert len(some.told) == len(found.curve) == n_steps
    for one, other in zip(some.told, every.told, strict=False):
        assert_allclose(one.value, other.value, rtol=1e-9)
        assert_allclose(one.value, one.curve.min(), rtol=1e-14)
        assert isinstance(one.converged, bool | np.bool_)
    assert_allclose(found.value, some.told[-1].value, rtol=1e-14)
    assert found.lower_bound <= whole.value * (1 + 1e-12)


def without_some_atoms(marginals):
    """Marginals of which two source atoms and the first target atoms have no mass."""
    masses, target, surcharges = marginals
    dense = masses.toarray()
    dense[[0, 4]], target = 0.0, target * (np.arange(len(target)) > 2)
    return Marginals(
        sparse.csr_array(dense / dense.sum(axis=0)), target / target.sum(), surcharges
    )
