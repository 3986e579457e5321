import numpy as np
import ot
import pytest

from skwot._gmm import pair_costs as pair_costs_module
from skwot._gmm.given_mixtures import join_mixtures
from skwot._gmm.mixtures import Mixture, prepare_target
from skwot._gmm.mw2 import solve_mw2
from skwot._gmm.pair_costs import pair_costs, plan_support
from skwot._ot.transport import OPTIMAL
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
    # The potentials are feasible for all distances, and attain the value.
    assert (solved.alpha[:, None] + solved.beta <= every + 1e-10).all()
    dual = source.weights @ solved.alpha + target.weights @ solved.beta
    assert dual == pytest.approx(solved.value, rel=1e-9)
    nearest = costs.find_nearest(0.0, 0.0)
    np.testing.assert_array_equal(nearest, every == every.min(axis=0))
    assert costs.exact.mean() < 0.4


def test_what_earlier_evaluations_found_changes_nothing():
    rng = np.random.default_rng(4)
    target = random_mixture(rng, 12, 3)
    costs = pair_costs(prepare_target(target))
    for number, step in enumerate((0.0, 1e-6, 0.1, 3.0)):
        assert costs.n_moves == number
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
    plan = np.array([[0.5, 1e-17], [0.0, 0.5], [0.0, 0.0]])
    np.testing.assert_array_equal(plan_support(plan), np.eye(3, 2, dtype=bool))


@pytest.mark.parametrize("diagonal", [False, True])
@pytest.mark.parametrize(
    ("sizes", "shares"), [([3, 5, 4], [0.2, 0.3, 0.5]), ([3, 5], [0.4, 0.6])]
)
def test_several_targets_are_solved_as_if_each_were_alone(diagonal, sizes, shares):
    rng = np.random.default_rng(8)
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


def test_known_maps_bound_the_distances_where_they_were_found():
    rng = np.random.default_rng(13)
    mixture, target = random_mixture(rng, 15, 3), random_mixture(rng, 12, 3)
    # The matrices of thin components are too inexact for a bound.
    thin = np.diag([1.0, 1e-9, 1e-9])
    mixture.covariances[3], target.covariances[5] = thin, thin[::-1, ::-1]
    traces = [np.trace(m.covariances, axis1=1, axis2=2) for m in (mixture, target)]
    costs = pair_costs(prepare_target(target))
    some = rng.random((15, 12)) < 0.5
    for pairs in (some, some, ~some, np.ones_like(some)):
        costs.move(*mixture[1:])
        costs.refine(pairs)
        assert costs.exact[pairs].all()
    exact = costs.values.copy()
    np.testing.assert_allclose(
        exact,
        ot.gmm.dist_bures_squared(
            mixture.means, target.means, mixture.covariances, target.covariances
        ),
        rtol=1e-6,
    )
    costs.move(*mixture[1:])
    assert not costs.exact.any()
    assert (costs.values <= exact).all()
    lost = (exact - costs.values) / (traces[0][:, None] + traces[1])
    usual = np.ones_like(some)
    usual[3] = usual[:, 5] = False
    assert lost[usual].max() < 1e-11


@pytest.mark.parametrize("power", [-30, 30])
def test_another_unit_changes_no_digit(wandering_mixtures, power):
    target, mixtures = wandering_mixtures
    thin = np.diag([1.0, 1e-9, 1e-9])
    target.covariances[:2] = mixtures[0].covariances[:2] = thin
    # Powers of two round nothing, nor do their squares and roots.
    scaled = [
        Mixture(m.weights, 2.0**power * m.means, 4.0**power * m.covariances)
        for m in (target, *mixtures)
    ]
    expected = move_and_solve(target, mixtures)
    for found, usual in zip(
        move_and_solve(scaled[0], scaled[1:]), expected, strict=True
    ):
        np.testing.assert_array_equal(found[1], usual[1])
        np.testing.assert_array_equal(found[0].plan, usual[0].plan)
        for name in ("value", "alpha", "beta"):
            np.testing.assert_array_equal(
                getattr(found[0], name), 4.0**power * getattr(usual[0], name)
            )


def test_masses_count_relative_to_their_sum():
    rng = np.random.default_rng(14)
    source, target = random_mixture(rng, 5, 2), random_mixture(rng, 4, 2)
    found = solve(source._replace(weights=8 * source.weights), target)
    expected = solve(source, target)
    np.testing.assert_array_equal(found.plan, expected.plan)
    assert found.value == expected.value


def test_maps_of_singular_components_leave_out_what_has_no_variance():
    rng = np.random.default_rng(15)
    units = rng.normal(size=(20, 3))
    units /= np.linalg.norm(units, axis=1, keepdims=True)
    flat = units[:, :, None] * units[:, None, :]
    mixture = Mixture(np.full(20, 0.05), rng.normal(size=(20, 3)), flat)
    ball = Mixture(np.ones(1), np.zeros((1, 3)), 4 * np.eye(3)[None])
    for source, target, expected in (
        (mixture, ball, 2 * flat),
        (ball, mixture, flat / 2),
    ):
        costs = pair_costs(prepare_target(target))
        costs.move(*source[1:])
        every = np.ones(costs.values.shape, dtype=bool)
        costs.refine(every)
        maps = costs.maps(*np.nonzero(every))
        np.testing.assert_allclose(maps, expected, atol=1e-13)


def spoil_nothing(plan, beta, cost):
    return OPTIMAL


def spoil_rows(plan, beta, cost):
    # Each column is served by the nearest row, which costs less.
    masses = plan.sum(axis=0)
    plan[:] = 0
    plan[cost.argmin(axis=0), np.arange(len(masses))] = masses
    return OPTIMAL


def spoil_columns(plan, beta, cost):
    masses = plan.sum(axis=1)
    plan[:] = 0
    plan[np.arange(len(masses)), cost.argmin(axis=1)] = masses
    return OPTIMAL


def spoil_signs(plan, beta, cost):
    # Both marginals stay.
    plan[:2, :2] += np.array([[1, -1], [-1, 1]]) * (plan[:2, :2].min() + 0.1)
    return OPTIMAL


def spoil_the_optimum(plan, beta, cost):
    plan[:] = np.outer(plan.sum(axis=1), plan.sum(axis=0))
    return OPTIMAL


def spoil_the_potential(plan, beta, cost):
    beta[0] -= 1
    return OPTIMAL


def spoil_the_status(plan, beta, cost):
    plan[:] = beta[:] = np.nan
    return OPTIMAL + 1


@pytest.mark.parametrize(
    "spoil",
    [
        spoil_nothing,
        spoil_rows,
        spoil_columns,
        spoil_signs,
        spoil_the_optimum,
        spoil_the_potential,
        spoil_the_status,
    ],
)
@pytest.mark.parametrize("size", [4, 12])
def test_what_the_network_simplex_got_wrong_is_solved_again(spoil, size, monkeypatch):
    rng = np.random.default_rng(16)
    source, target = random_mixture(rng, size, 2), random_mixture(rng, size, 2)
    costs = pair_costs(prepare_target(target))
    expected = solve_mw2(*source, costs)
    simplex, again = pair_costs_module.emd_c, pair_costs_module.solve_transport
    calls = []

    def spoiled_simplex(*arguments):
        plan, value, alpha, beta, _ = simplex(*arguments)
        return plan, value, alpha, beta, spoil(plan, beta, arguments[2])

    def watched_transport(*arguments):
        calls.append(arguments)
        return again(*arguments)

    monkeypatch.setattr(pair_costs_module, "emd_c", spoiled_simplex)
    monkeypatch.setattr(pair_costs_module, "solve_transport", watched_transport)
    # Two solutions, the second of which starts from the potential of the first.
    for _ in range(2):
        found = solve_mw2(*source, costs)
        np.testing.assert_allclose(found.plan, expected.plan, atol=1e-15)
        assert found.value == pytest.approx(expected.value, rel=1e-13)
        alpha = found.alpha - found.alpha[0]
        np.testing.assert_allclose(alpha, expected.alpha - expected.alpha[0])
    assert bool(calls) == (spoil is not spoil_nothing)


def test_a_mass_that_the_network_simplex_left_out_goes_where_it_is_cheapest(
    monkeypatch,
):
    rng = np.random.default_rng(17)
    target, twin = random_mixture(rng, 3, 2), random_mixture(rng, 4, 2)
    last = [0, 1, 2, 3, 3, 0]
    weights = np.array([0.1, 0.2, 0.3, 0.4, 1e-20, 2e-20])
    mixture = Mixture(weights, twin.means[last], twin.covariances[last])
    simplex = pair_costs_module.emd_c

    def forgetful_simplex(*arguments):
        plan, *others = simplex(*arguments)
        plan[4:] = 0
        return plan, *others

    monkeypatch.setattr(pair_costs_module, "emd_c", forgetful_simplex)
    plan = solve(mixture, target).plan
    np.testing.assert_allclose(plan.sum(axis=1), weights, rtol=1e-12)
    for row, like in ((4, 3), (5, 0)):
        (column,) = np.flatnonzero(plan[row])
        assert plan[like, column] > 0


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
