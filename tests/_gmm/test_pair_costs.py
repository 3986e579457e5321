import numpy as np
import ot
import pytest

from skwot._gmm.given_mixtures import join_mixtures
from skwot._gmm.mixtures import Mixture, prepare_target
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


@pytest.mark.parametrize("diagonal", [False, True])
def test_several_targets_are_solved_as_if_each_were_alone(diagonal):
    rng = np.random.default_rng(8)
    sizes, shares = [3, 5, 4], np.array([0.2, 0.3, 0.5])
    targets = [random_mixture(rng, size, 2) for size in sizes]
    mixtures = [random_mixture(rng, 6, 2) for _ in range(2)]
    if diagonal:
        targets, mixtures = (
            [m._replace(covariances=np.einsum("nkk->nk", m[2])) for m in group]
            for group in (targets, mixtures)
        )
    costs = pair_costs(prepare_target(join_mixtures(targets, shares, "")[0]), sizes)
    for mixture in mixtures:
        found = solve_mw2(*mixture, costs)
        alone = [solve(mixture, target) for target in targets]
        value = sum(s * x.value for s, x in zip(shares, alone, strict=True))
        assert found.value == pytest.approx(value, rel=1e-12)
        plan = [s * x.plan for s, x in zip(shares, alone, strict=True)]
        np.testing.assert_allclose(found.plan, np.hstack(plan), atol=1e-14)
        alpha = sum(s * x.alpha for s, x in zip(shares, alone, strict=True))
        # The derivative along the simplex, which has no constant.
        difference = found.alpha - alpha
        np.testing.assert_allclose(difference, difference[0], atol=1e-10)


def test_a_mass_within_rounding_goes_where_its_component_does():
    rng = np.random.default_rng(9)
    target = random_mixture(rng, 3, 2)
    twin = random_mixture(rng, 4, 2)
    last = [0, 1, 2, 3, 3]
    tiny = 1e-20
    weights = np.array([0.1, 0.2, 0.3, 0.4, tiny])
    mixture = Mixture(weights, twin.means[last], twin.covariances[last])
    plan = solve(mixture, target).plan
    np.testing.assert_allclose(plan.sum(axis=1), weights, rtol=1e-12)
    np.testing.assert_allclose(plan.sum(axis=0), target.weights, rtol=1e-12)
    (column,) = np.flatnonzero(plan[4])
    assert plan[3, column] > 0
    np.testing.assert_array_equal(plan_support(plan)[4], plan[4] > 0)


def test_maps_that_are_known_bound_distances_to_second_order():
    rng = np.random.default_rng(10)
    mixture, target = random_mixture(rng, 15, 3), random_mixture(rng, 12, 3)
    step = random_covariances(rng, 15, 3)
    shift = rng.normal(size=(15, 3))
    errors = []
    for length in (1e-2, 1e-3):
        costs = pair_costs(prepare_target(target))
        costs.move(*mixture[1:])
        costs.refine(~costs.exact)
        moved = mixture.means + shift, mixture.covariances + length * step
        costs.move(*moved)
        every = ot.gmm.dist_bures_squared(moved[0], target[1], moved[1], target[2])
        assert not costs.exact.any()
        assert (costs.values <= every + 1e-12).all()
        errors.append((every - costs.values).max())
    assert errors[0] < 0.1
    # A tenth of the way leaves a hundredth of the error.
    assert errors[1] < 0.02 * errors[0]


@pytest.mark.parametrize("size", [3, 6])
def test_rounding_does_not_choose_between_components_that_coincide(size):
    rng = np.random.default_rng(11)
    target = random_mixture(rng, size, 2, np.full(size, 1 / size))
    target.means[:], target.covariances[:] = target.means[0], target.covariances[0]
    plans = []
    for _ in range(4):
        moved = target.means + 1 + 1e-15 * rng.normal(size=(size, 2))
        plans.append(solve(target._replace(means=moved), target).plan)
    for plan in plans[1:]:
        np.testing.assert_allclose(plan, plans[0], atol=1e-14)


def test_components_are_nearest_within_the_tolerance():
    target = Mixture(np.full(2, 0.5), np.array([[0.0], [50.0]]), np.ones((2, 1, 1)))
    costs = pair_costs(prepare_target(target))
    means = np.array([[2.0], [-np.sqrt(4.0004)], [90.0]])
    costs.move(means, np.ones((3, 1, 1)))
    for relative, absolute, count in (
        (0.0, 0.0, 1),
        (0.9e-4, 0.0, 1),
        (1.1e-4, 0.0, 2),
        (0.0, 3.9e-4, 1),
        (0.0, 4.1e-4, 2),
    ):
        nearest = costs.find_nearest(relative, absolute)
        np.testing.assert_array_equal(nearest[:, 0], np.arange(3) < count)
        np.testing.assert_array_equal(nearest[:, 1], [False, False, True])
