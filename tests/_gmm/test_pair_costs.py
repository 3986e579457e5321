import numpy as np
import ot
import pytest

from skwot._gmm.mixtures import prepare_target
from skwot._gmm.mw2 import solve_mw2
from skwot._gmm.pair_costs import pair_costs, plan_support
from tests.generators.gaussians import random_covariances, random_mixture


def solve(source, target):
    return solve_mw2(*source, pair_costs(prepare_target(target)))


def test_most_pairs_are_excluded_and_the_plan_is_still_optimal():
    rng = np.random.default_rng(3)
    source, target = random_mixture(rng, 40, 8), random_mixture(rng, 40, 8)
    costs = pair_costs(prepare_target(target))
    solved = solve_mw2(*source, costs)
    assert costs.exact.mean() < 0.3
    every = ot.gmm.dist_bures_squared(
        source.means, target.means, source.covariances, target.covariances
    )
    assert (costs.values <= every + 1e-10).all()
    np.testing.assert_allclose(
        solved.value, ot.emd2(source.weights, target.weights, every), rtol=1e-12
    )
    nearest = costs.find_nearest(0.0, 0.0)
    np.testing.assert_array_equal(nearest, every == every.min(axis=0))
    assert costs.exact.mean() < 0.4


def test_what_earlier_evaluations_found_changes_nothing():
    rng = np.random.default_rng(4)
    target = random_mixture(rng, 12, 3)
    costs = pair_costs(prepare_target(target))
    for step in (0.0, 1e-6, 0.1, 3.0):
        moved = random_mixture(np.random.default_rng(5), 9, 3)
        moved.means[:] += step * rng.normal(size=(9, 3))
        moved.covariances[:] += step * random_covariances(rng, 9, 3)
        moved = moved._replace(weights=rng.dirichlet(np.ones(9)))
        again, fresh = solve_mw2(*moved, costs), solve(moved, target)
        assert again.value == pytest.approx(fresh.value, rel=1e-13)
        np.testing.assert_allclose(again.plan, fresh.plan, atol=1e-15)
        every = ot.gmm.dist_bures_squared(
            moved.means, target.means, moved.covariances, target.covariances
        )
        assert (costs.values <= every + 1e-10).all()


def move_and_solve(target, mixtures):
    """Plans of mixtures that follow each other, and the masks of what was exact."""
    costs = pair_costs(prepare_target(target))
    return [(solve_mw2(*mixture, costs), costs.exact.copy()) for mixture in mixtures]


@pytest.fixture
def wandering_mixtures():
    rng = np.random.default_rng(6)
    mixtures = [random_mixture(rng, 14, 3) for _ in range(3)]
    near = mixtures[0]._replace(means=mixtures[0].means + 1e-3)
    return random_mixture(rng, 12, 3), [mixtures[0], near, *mixtures[1:]]


def test_batches_change_nothing(wandering_mixtures, monkeypatch):
    expected = move_and_solve(*wandering_mixtures)
    monkeypatch.setattr("skwot._gmm.pair_costs._BATCH_NUMBERS", 1)
    for found, whole in zip(move_and_solve(*wandering_mixtures), expected, strict=True):
        np.testing.assert_array_equal(found[0].plan, whole[0].plan)
        np.testing.assert_array_equal(found[1], whole[1])


def test_maps_that_are_forgotten_change_no_plan(wandering_mixtures, monkeypatch):
    expected = move_and_solve(*wandering_mixtures)
    monkeypatch.setattr("skwot._gmm.pair_costs._MEMORY_NUMBERS", 1)
    for found, whole in zip(move_and_solve(*wandering_mixtures), expected, strict=True):
        np.testing.assert_allclose(found[0].plan, whole[0].plan, atol=1e-15)
        assert found[0].value == pytest.approx(whole[0].value, rel=1e-13)


def test_diagonal_covariances_cost_what_the_matrices_do():
    rng = np.random.default_rng(7)
    pair = [random_mixture(rng, size, 3) for size in (6, 5)]
    thin = [m._replace(covariances=np.einsum("nkk->nk", m.covariances)) for m in pair]
    # Points have no variance that a map could stretch.
    thin[0].covariances[0, 1] = thin[0].covariances[3] = 0
    full = [m._replace(covariances=m[2][:, :, None] * np.eye(3)) for m in thin]
    costs, expected = (pair_costs(prepare_target(m[1])) for m in (thin, full))
    costs.move(*thin[0][1:])
    expected.move(*full[0][1:])
    every = np.ones((6, 5), dtype=bool)
    assert costs.exact.all()
    assert not costs.refine(every)
    expected.refine(every)
    np.testing.assert_allclose(costs.values, expected.values)
    rows, columns = np.nonzero(every)
    np.testing.assert_allclose(
        costs.maps(rows, columns),
        np.einsum("nkk->nk", expected.maps(rows, columns)),
    )


def test_the_support_of_a_plan_leaves_out_rounding():
    plan = np.array([[0.5, 1e-17], [0.0, 0.5]])
    np.testing.assert_array_equal(plan_support(plan), np.eye(2, dtype=bool))
