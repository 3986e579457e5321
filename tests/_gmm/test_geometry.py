import numpy as np
import ot
import pytest
import torch
from sklearn.exceptions import ConvergenceWarning
from sklearn.mixture import GaussianMixture

from skwot._gmm import geometry
from skwot._gmm.geometry import barycenter, interpolate, mw2
from skwot._gmm.mixtures import Mixture
from tests.gallery import pots_barycentre
from tests.generators.gaussians import random_mixture


@pytest.fixture
def pair():
    rng = np.random.default_rng(0)
    return random_mixture(rng, 4, 3), random_mixture(rng, 5, 3)


def leaves(mixture):
    return [torch.tensor(x, requires_grad=True) for x in mixture]


def test_value_and_plan_are_those_of_pot(pair):
    (w, m, c), (v, n, d) = pair
    value, plan = mw2(*pair)
    assert value == pytest.approx(ot.gmm.gmm_ot_loss(m, n, c, d, w, v), rel=1e-10)
    np.testing.assert_allclose(plan, ot.gmm.gmm_ot_plan(m, n, c, d, w, v), atol=1e-12)
    assert mw2(pair[1], pair[0]).value == pytest.approx(value, rel=1e-12)
    assert mw2(pair[0], pair[0]).value < 1e-28


def test_gradients_of_all_six_arguments_are_those_through_pot(pair):
    ours, pots = ([*leaves(pair[0]), *leaves(pair[1])] for _ in range(2))
    value, plan = mw2(ours[:3], ours[3:])
    value.backward()
    w, m, c, v, n, d = pots
    expected = ot.gmm.gmm_ot_loss(m, n, c, d, w, v)
    expected.backward()
    assert value.item() == pytest.approx(expected.item(), rel=1e-10)
    assert not plan.requires_grad
    for mine, theirs in zip(ours, pots, strict=True):
        np.testing.assert_allclose(mine.grad, theirs.grad, atol=1e-8)


def test_gradcheck(pair):
    def loss(logits, means, roots, target_logits, target_means, target_roots):
        first = torch.softmax(logits, 0), means, roots @ roots.mT
        second = torch.softmax(target_logits, 0), target_means, target_roots
        return mw2(first, (*second[:2], target_roots @ target_roots.mT)).value

    arguments = [
        torch.tensor(x, requires_grad=True)
        for mixture in pair
        for x in (
            np.log(mixture.weights),
            mixture.means,
            np.linalg.cholesky(mixture.covariances),
        )
    ]
    assert torch.autograd.gradcheck(loss, arguments, atol=1e-6)


def test_one_tensor_makes_tensors(pair):
    means = torch.tensor(pair[1].means, dtype=torch.float32, requires_grad=True)
    value, plan = mw2(pair[0], (pair[1].weights, means, pair[1].covariances))
    assert value.dtype == plan.dtype == torch.float32
    (2 * value).backward()
    step = 1e-4
    moved = pair[1]._replace(means=pair[1].means + step)
    slope = (mw2(pair[0], moved).value - mw2(*pair).value) / step
    assert 2 * slope == pytest.approx(float(means.grad.sum()), rel=1e-3)


@pytest.mark.parametrize(
    "covariances",
    [
        np.stack([np.eye(2), np.eye(2)]),  # repeated eigenvalues, and equal to others
        np.zeros((2, 2, 2)),
        np.stack([np.diag([1.0, 0.0]), np.eye(2)]),
    ],
)
def test_gradients_are_finite(covariances):
    means = np.array([[0.0, 0.0], [1.0, 0.0]])
    first = leaves(Mixture(np.full(2, 0.5), means, covariances))
    second = leaves(Mixture(np.full(2, 0.5), means, np.stack([np.eye(2)] * 2)))
    mw2(first, second).value.backward()
    for leaf in (*first, *second):
        assert torch.isfinite(leaf.grad).all()


def test_fitted_mixtures_and_their_geodesic(pair):
    X = np.random.default_rng(0).normal(size=(60, 3))
    fitted = GaussianMixture(2, covariance_type="diag", random_state=0).fit(X)
    whole = mw2(fitted, pair[0]).value
    for t in (0.0, 0.3, 1.0):
        middle = interpolate(fitted, pair[0], t)
        assert middle.weights.sum() == pytest.approx(1)
        assert mw2(fitted, middle).value == pytest.approx(t**2 * whole, abs=1e-12)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"weights": np.array([0.5, 0.2, 0.2, 0.2])}, "b: weights must be non-neg"),
        ({"means": np.zeros((4, 2))}, "b: means must have shape"),
        ({"covariances": -np.stack([np.eye(3)] * 4)}, "b: covariances must be pos"),
    ],
)
def test_what_is_no_mixture_is_refused(pair, change, message):
    bad = pair[0]._replace(**change)
    with pytest.raises(ValueError, match=message):
        mw2(pair[1], bad)
    with pytest.raises(ValueError, match=r"^a: "):
        mw2(bad, pair[1])
    with pytest.raises(ValueError, match=message):
        interpolate(pair[1], bad, 0.5)


def test_times_are_between_zero_and_one(pair):
    with pytest.raises(ValueError, match="t must be between 0 and 1, got 2"):
        interpolate(*pair, 2)
    with pytest.raises(ValueError, match="a must be a fitted mixture or a tuple"):
        mw2(3, pair[0])


@pytest.mark.parametrize("unit", [2.0**-340, 2.0**340])
def test_units_far_from_one(pair, unit):
    scaled = [
        m._replace(means=unit * m.means, covariances=unit**2 * m.covariances)
        for m in pair
    ]
    expected = unit**2 * mw2(*pair).value
    assert mw2(*scaled).value == pytest.approx(expected, rel=1e-12, abs=0)
    plain, far = ([*leaves(a), *leaves(b)] for a, b in (pair, scaled))
    for tensors in (plain, far):
        value = mw2(tensors[:3], tensors[3:]).value
        value.backward()
    assert value.item() == pytest.approx(expected, rel=1e-12, abs=0)
    factors = 2 * (unit**2, unit, 1.0)
    for factor, mine, theirs in zip(factors, far, plain, strict=True):
        np.testing.assert_allclose(mine.grad, factor * theirs.grad, rtol=1e-6)


@pytest.mark.parametrize("which", [0, 1])
def test_one_mixture_far_from_the_unit_of_the_other(pair, which):
    # Seen from there, the other mixture is a point at the origin.
    weights, means, covariances = pair[which]
    pair = list(pair)
    pair[which] = Mixture(weights, 2.0**340 * means, 4.0**340 * covariances)
    moment = np.square(means).sum(axis=1) + np.einsum("nkk->n", covariances)
    expected = 4.0**340 * (weights @ moment)
    assert mw2(*pair).value == pytest.approx(expected, rel=1e-9)


def mean_distance(mixture, mixtures, weights):
    values = [mw2(mixture, other).value for other in mixtures]
    return np.dot(weights, values)


@pytest.mark.parametrize("seed", range(6))
def test_a_barycentre_is_no_worse_than_pots_fixed_point(seed):
    rng = np.random.default_rng(seed)
    size, n_features = 3 + seed % 4, [2, 5, 10][seed % 3]
    mixtures = [random_mixture(rng, size, n_features) for _ in range(3)]
    weights, start = rng.dirichlet(np.ones(3)), random_mixture(rng, size, n_features)
    reference = pots_barycentre(mixtures, weights, start, 30)
    expected = mean_distance(reference, mixtures, weights)
    fixed = barycenter(mixtures, weights, init=start, fixed_weights=True)
    free = barycenter(mixtures, weights, init=start)
    np.testing.assert_allclose(fixed.weights, start.weights)
    found = mean_distance(fixed, mixtures, weights)
    assert found <= expected * (1 + 1e-6)
    assert mean_distance(free, mixtures, weights) <= found * (1 + 1e-6)


def test_the_barycentre_of_two_is_on_the_geodesic(pair):
    t = 0.3
    on_the_way = interpolate(*pair, t)
    expected = t * (1 - t) * mw2(*pair).value
    for more in (0, 1):
        size = len(on_the_way.weights) + more
        found = barycenter(pair, [1 - t, t], n_components=size)
        assert len(found.weights) == size
        assert mw2(found, on_the_way).value < 1e-12
        mean = mean_distance(found, pair, [1 - t, t])
        assert mean == pytest.approx(expected, rel=1e-9)
    fewer = barycenter(pair, [1 - t, t], n_init=5, random_state=0)
    assert mean_distance(fewer, pair, [1 - t, t]) > expected


def test_the_barycentre_of_equal_mixtures_is_the_mixture(pair):
    found = barycenter([pair[0]] * 3, [0.2, 0.5, 0.3], random_state=0)
    assert mw2(found, pair[0]).value < 1e-12 * np.trace(pair[0].covariances[0])


def test_a_barycentre_of_as_many_components_as_there_are(pair):
    found = barycenter(pair, n_components=9)
    fewer = barycenter(pair, n_components=2, n_init=3, random_state=0)
    means = [mean_distance(m, pair, [0.5, 0.5]) for m in (found, fewer)]
    assert means[0] < means[1]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"weights": [1.0]}, "weights must be positive, one number for each of the 2"),
        ({"weights": [1.0, 0.0]}, "weights must be positive"),
        ({"weights": [1.0, np.inf]}, "weights must be finite"),
        ({"n_components": 10}, "n_components must be at most 9"),
        ({"n_components": 0}, "n_components must be .* at least 1; got 0"),
        ({"n_init": 0}, "n_init must be at least 1; got 0"),
        ({"init": "first", "n_components": 4}, "n_components and n_init belong to"),
        ({"init": "first", "n_init": 2}, "n_components and n_init belong to"),
    ],
)
def test_barycentres_that_there_are_not(pair, options, message):
    if "init" in options:
        options = {**options, "init": pair[0]}
    with pytest.raises(ValueError, match=message):
        barycenter(pair, **options)
    with pytest.raises(ValueError, match="mixtures must be a list of mixtures"):
        barycenter(pair[0])
    with pytest.raises(ValueError, match=r"mixtures\[1\]: means must have shape"):
        barycenter([pair[0], random_mixture(np.random.default_rng(0), 2, 2)])


def test_a_barycentre_that_is_not_at_rest_says_so(pair, monkeypatch):
    monkeypatch.setattr(geometry, "_STEPS", 1)
    with pytest.warns(ConvergenceWarning, match="not at rest after 1 steps"):
        barycenter(pair, random_state=0)


class _Forget(torch.autograd.Function):
    """A loss that has no gradient in what it is given."""

    @staticmethod
    def forward(ctx, value):
        return value.clone()

    @staticmethod
    def backward(ctx, grad):
        return None


def test_a_loss_without_a_gradient_leaves_none(pair):
    tensors = [*leaves(pair[0]), *leaves(pair[1])]
    _Forget.apply(mw2(tensors[:3], tensors[3:]).value).backward()
    assert all(leaf.grad is None for leaf in tensors)


def test_gradients_do_not_depend_on_the_order_of_the_mixtures():
    # Of singular covariances that are not aligned with the features.
    rng = np.random.default_rng(1)
    flat, plain = random_mixture(rng, 4, 3), random_mixture(rng, 5, 3)
    direction = rng.normal(size=(4, 3, 1))
    flat = flat._replace(covariances=direction @ direction.mT)
    ours, others = ([leaves(flat), leaves(plain)] for _ in range(2))
    mw2(*ours).value.backward()
    mw2(*others[::-1]).value.backward()
    for mine, other in zip(ours[0] + ours[1], others[0] + others[1], strict=True):
        np.testing.assert_allclose(mine.grad, other.grad, atol=1e-7)


def on_a_line(weights, means, deviations):
    means, deviations = np.array(means), np.array(deviations)
    return Mixture(
        np.array(weights), means[:, None], np.square(deviations)[:, None, None]
    )


LINE = (
    on_a_line([0.5, 0.5], [0.0, 2.0], [1.0, 3.0]),
    on_a_line([1.0], [6.0], [2.0]),
    on_a_line([0.25, 0.75], [1.0, 5.0], [4.0, 8.0]),
)


@pytest.mark.parametrize("mixtures", [LINE[:2], LINE])
def test_a_barycentre_of_one_component_has_the_mean_deviation(mixtures):
    weights = np.arange(1.0, 1 + len(mixtures))
    found = barycenter(mixtures, weights, n_components=1, random_state=0)
    shares = weights / weights.sum()
    pairs = list(zip(shares, mixtures, strict=True))
    mean = sum(s * m.weights @ m.means for s, m in pairs)
    deviation = sum(s * m.weights @ np.sqrt(m.covariances[:, 0]) for s, m in pairs)
    np.testing.assert_allclose(found.means, [mean], rtol=1e-9)
    np.testing.assert_allclose(found.covariances, [[deviation**2]], rtol=1e-6)


def test_a_barycentre_of_gaussians_needs_one_component():
    mixtures = [on_a_line([1.0], [m], [s]) for m, s in ((0, 1), (3, 2), (9, 6))]
    middle = on_a_line([1.0], [4.0], [3.0])
    for size in (1, 2, 3):
        found = barycenter(mixtures, n_components=size, random_state=0)
        assert len(found.weights) == size
        assert mw2(found, middle).value < 1e-9
    found = barycenter(mixtures[:2], init=on_a_line([0.5, 0.5], [1.0, 2.0], [1, 1]))
    assert len(found.weights) == 2
    assert mw2(found, on_a_line([1.0], [1.5], [1.5])).value < 1e-9


def test_the_weights_of_a_barycentre_are_free_unless_they_are_fixed():
    start = on_a_line([0.5, 0.5], [0.0, 4.0], [1.0, 1.0])
    given = on_a_line([0.2, 0.8], [0.0, 4.0], [1.0, 1.0])
    fixed = barycenter([given] * 3, init=start, fixed_weights=True)
    np.testing.assert_allclose(fixed.weights, 0.5)
    free = barycenter([given] * 3, init=start)
    np.testing.assert_allclose(free.weights, [0.2, 0.8], rtol=1e-9)


def test_a_seed_makes_a_barycentre_repeatable():
    mixtures = [random_mixture(np.random.default_rng(s), 5, 2) for s in range(3)]
    first, second = (
        barycenter(mixtures, n_components=2, random_state=3) for _ in range(2)
    )
    np.testing.assert_array_equal(first.means, second.means)


def test_the_mixture_that_is_wrong_is_named(pair):
    wrong = pair[0]._replace(means=np.zeros(4))
    with pytest.raises(ValueError, match=r"^mixtures\[0\]: means must have shape"):
        barycenter([wrong, pair[1]])
    with pytest.raises(ValueError, match=r"^init: means must have shape"):
        barycenter(pair, init=wrong)
