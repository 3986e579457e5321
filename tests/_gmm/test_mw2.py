import numpy as np
import ot
import pytest
import torch
from hypothesis import given, settings

from skwot._gmm.mixtures import Mixture, prepare_target
from skwot._gmm.mw2 import differentiate_mw2, mw2, solve_mw2
from skwot._gmm.pair_costs import pair_costs
from tests.generators.gaussians import (
    distance_problems,
    mixture_pairs,
    random_mixture,
)


def solve(source, target):
    return solve_mw2(*source, pair_costs(prepare_target(target)))


def differentiate(source, target):
    costs = pair_costs(prepare_target(target))
    solved = solve_mw2(*source, costs)
    return solved, differentiate_mw2(solved, source.means, costs)


def as_leaves(mixture):
    return [torch.tensor(x, requires_grad=True) for x in mixture]


def pot_arguments(source, target):
    (w_s, m_s, c_s), (w_t, m_t, c_t) = source, target
    return m_s, m_t, c_s, c_t, w_s, w_t


@settings(max_examples=60, deadline=None)
@given(distance_problems)
def test_closed_form_distances(problem):
    solved = solve(problem.source, problem.target)
    # Roots of eigenvalues are known to the root of the rounding of the traces.
    traces = sum(np.trace(m.covariances, axis1=1, axis2=2).sum() for m in problem[:2])
    assert solved.value == pytest.approx(problem.value, rel=1e-7, abs=1e-7 * traces)
    np.testing.assert_allclose(solved.plan.sum(0), problem.target.weights, atol=1e-14)
    np.testing.assert_allclose(solved.plan.sum(1), problem.source.weights, atol=1e-14)
    swapped = solve(problem.target, problem.source)
    assert swapped.value == pytest.approx(solved.value, rel=1e-7, abs=1e-7 * traces)


@settings(max_examples=40, deadline=None)
@given(mixture_pairs())
def test_value_agrees_with_pot(pair):
    expected = ot.gmm.gmm_ot_loss(*pot_arguments(*pair))
    assert solve(*pair).value == pytest.approx(expected, rel=1e-10)


@pytest.mark.parametrize(("sizes", "n_features"), [((3, 2), 2), ((12, 9), 5)])
def test_gradient_agrees_with_autograd_through_pot(sizes, n_features):
    rng = np.random.default_rng(0)
    source, target = (random_mixture(rng, size, n_features) for size in sizes)
    ours, theirs = as_leaves(source), as_leaves(source)
    mw2(*ours, pair_costs(prepare_target(target)))[0].backward()
    w, m, c = theirs
    w_t, m_t, c_t = map(torch.as_tensor, target)
    ot.gmm.gmm_ot_loss(m, m_t, c, c_t, w, w_t).backward()
    for mine, pots in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(mine.grad, pots.grad, atol=1e-11)


def test_gradcheck():
    rng = np.random.default_rng(1)
    source, target = random_mixture(rng, 3, 2), random_mixture(rng, 4, 2)
    costs = pair_costs(prepare_target(target))

    def value(logits, means, factors):
        # Free parameters: the function itself is defined on the simplex and on
        # symmetric matrices only.
        covariances = factors @ factors.mT
        return mw2(torch.softmax(logits, 0), means, covariances, costs)[0]

    roots = np.linalg.cholesky(source.covariances)
    leaves = as_leaves((np.log(source.weights), source.means, roots))
    assert torch.autograd.gradcheck(value, leaves)


@pytest.mark.parametrize(
    "covariance",
    [
        np.zeros((3, 3)),
        np.eye(3),
        np.diag([1.0, 0.0, 0.0]),
        np.diag([2.0, 2.0, 1.0]),
        np.full((3, 3), 0.5),
    ],
    ids=["Dirac", "isotropic", "rank 1", "repeated eigenvalue", "rank 1, rotated"],
)
def test_gradients_of_degenerate_covariances_are_finite(covariance):
    rng = np.random.default_rng(2)
    other = random_mixture(rng, 2, 3)
    degenerate = other._replace(covariances=np.stack([covariance, covariance]))
    for source, target in [(degenerate, other), (other, degenerate), (degenerate,) * 2]:
        solved, gradient = differentiate(source, target)
        assert np.isfinite(solved.value)
        assert all(np.isfinite(part).all() for part in gradient)
    assert solve(degenerate, degenerate).value == pytest.approx(0, abs=1e-7)


@pytest.mark.parametrize("scale", [1e-6, 1e4])
def test_value_and_gradient_scale_with_the_unit(scale):
    rng = np.random.default_rng(5)
    source, target = random_mixture(rng, 8, 3), random_mixture(rng, 6, 3)
    scaled = [Mixture(w, scale * m, scale**2 * c) for w, m, c in (source, target)]
    plain, gradient = differentiate(source, target)
    solved, scaled_gradient = differentiate(*scaled)
    assert solved.value == pytest.approx(scale**2 * plain.value, rel=1e-12)
    np.testing.assert_allclose(solved.plan, plain.plan, atol=1e-15)
    np.testing.assert_allclose(
        scaled_gradient.weights, scale**2 * gradient.weights, rtol=1e-9
    )


def test_massless_components_take_no_part():
    rng = np.random.default_rng(6)
    source, target = random_mixture(rng, 5, 2), random_mixture(rng, 4, 2)
    source.weights[1], target.weights[2] = 0, 0
    source.weights[:], target.weights[:] = (
        w / w.sum() for w in (source.weights, target.weights)
    )
    keep_s, keep_t = np.delete(range(5), 1), np.delete(range(4), 2)
    smaller = solve(
        Mixture(*(x[keep_s] for x in source)), Mixture(*(x[keep_t] for x in target))
    )
    solved = solve(source, target)
    assert solved.value == pytest.approx(smaller.value, rel=1e-12)
    np.testing.assert_allclose(solved.plan[np.ix_(keep_s, keep_t)], smaller.plan)
    assert not solved.plan[1].any()
    assert not solved.plan[:, 2].any()


def test_a_loss_is_differentiated_where_it_was_evaluated():
    rng = np.random.default_rng(7)
    first, second, target = (random_mixture(rng, size, 3) for size in (7, 7, 6))
    costs = pair_costs(prepare_target(target))
    ours, others = as_leaves(first), as_leaves(second)
    value, plan = mw2(*ours, costs)
    other, _ = mw2(*others, costs)
    (3 * value).backward()
    (2 * other).backward()
    assert not plan.requires_grad
    for leaves, mixture, scale in ((ours, first, 3), (others, second, 2)):
        _, gradient = differentiate(mixture, target)
        for leaf, expected in zip(leaves, gradient, strict=True):
            np.testing.assert_allclose(leaf.grad, scale * expected, atol=1e-12)


def test_what_was_solved_is_not_solved_again(monkeypatch):
    rng = np.random.default_rng(8)
    source, target = random_mixture(rng, 4, 2), random_mixture(rng, 5, 2)
    costs = pair_costs(prepare_target(target))
    solved = solve_mw2(*source, costs)
    moves = costs.n_moves
    value, plan = mw2(*as_leaves(source), costs, solved)
    value.backward()
    assert value.item() == solved.value
    np.testing.assert_array_equal(plan, solved.plan)
    assert costs.n_moves == moves
    assert mw2(*as_leaves(source), costs)[0].item() == pytest.approx(solved.value)
    assert costs.n_moves == moves + 1


@pytest.mark.parametrize("diagonal", [False, True])
def test_gradients_of_weights_are_centred(diagonal):
    rng = np.random.default_rng(9)
    pair = [random_mixture(rng, size, 2) for size in (4, 5)]
    if diagonal:
        pair = [m._replace(covariances=np.einsum("nkk->nk", m[2])) for m in pair]
    _, gradient = differentiate(*pair)
    assert gradient.weights.sum() == pytest.approx(0, abs=1e-14)
    step = 1e-6 * np.array([1, -1, 0, 0])
    moved = solve(pair[0]._replace(weights=pair[0].weights + step), pair[1]).value
    slope = (moved - solve(*pair).value) / 1e-6
    assert slope == pytest.approx(gradient.weights[0] - gradient.weights[1], rel=1e-6)
    assert gradient.covariances.shape == pair[0].covariances.shape
