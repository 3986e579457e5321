import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from scipy.stats import norm

from skwot._ot.measures import canonical_measure, stack_measures
from skwot._unmixing.identifiability import (
    Identifiability,
    are_profiles,
    check_identifiability,
    describe,
    identifiability,
)
from skwot.exceptions import IdentifiabilityWarning
from tests.generators.measures import measure, overlapping_sources
from tests.generators.metrics import every_metric

NOTHING = 1e-10  # what rounding leaves of a score of zero


def identify(*sources, metric="euclidean"):
    return identifiability(stack_measures(sources), metric)


def gaussian_grid(mean, scale, size=1001):
    """Quantiles at equal steps."""
    return measure(norm.ppf((np.arange(size) + 0.5) / size, mean, scale))


# Answers known in closed form


@pytest.mark.parametrize("metric", ["euclidean", "sqeuclidean", "chebyshev"])
def test_two_points_are_as_different_as_can_be(metric):
    assert_allclose(identify(measure([0]), measure([3]), metric=metric).scores, 1)


@pytest.mark.parametrize("n_sources", [2, 3, 7])
def test_points_at_equal_distances(n_sources):
    # From one of them to the mean of the others: 2 - (K - 2) / (K - 1).
    points = np.eye(n_sources)
    found = identify(*(measure(point[None]) for point in points))
    assert_allclose(found.scores, n_sources / (2 * (n_sources - 1)))
    others = (np.eye(n_sources) * n_sources - 1) / (n_sources - 1)
    assert_allclose(found.directions, others, atol=1e-12)


def test_points_on_the_line():
    # There the energy distance is twice the squared L2 distance of the cumulative
    # distribution functions: 1 between the middle and the mean of its neighbours.
    found = identify(measure([0]), measure([1]), measure([2]))
    assert_allclose(found.scores, [1, 0.5, 1])
    assert_allclose(found.pairs, np.ones((3, 3)))


@pytest.mark.parametrize(("shift", "scale"), [(0.1, 1), (1, 1), (0, 3), (4, 0.5)])
@pytest.mark.parametrize("metric", ["euclidean", "sqeuclidean"])
def test_gaussians_on_the_line(shift, scale, metric):
    # E|Z| of Z normal with mean m and variance s^2 is that of a folded normal.
    def mean_distance(m, s):
        return 2 * s * norm.pdf(m / s) + m * (1 - 2 * norm.cdf(-m / s))

    within = (1 + scale) * mean_distance(0, np.sqrt(2)) / 2
    between = mean_distance(shift, np.hypot(1, scale))
    found = identify(
        gaussian_grid(0, 1), gaussian_grid(shift, scale), metric=metric
    ).scores
    # What a grid of 1001 points leaves.
    assert_allclose(found, 1 - within / between, rtol=1e-3)


# Sources that are combinations of each other


def test_a_copy_takes_nothing_from_the_others():
    rng = np.random.default_rng(0)
    one, other = measure(rng.normal(size=(9, 2))), measure(rng.normal(size=(12, 2)))
    found = identify(one, other, one)
    assert_allclose(found.scores[[0, 2]], 0, atol=NOTHING)
    assert_allclose(found.scores[1], identify(one, other).scores[1])
    assert_allclose(found.pairs[0, 2], 0, atol=NOTHING)


def test_one_source_has_no_rival():
    found = identify(measure([0, 1]))
    assert_allclose(found.scores, [1])
    assert found.directions.shape == found.pairs.shape == (1, 1)


def test_sources_at_one_point():
    assert_allclose(identify(measure([1]), measure([1])).scores, 0)


@pytest.mark.parametrize("metric", ["euclidean", "sqeuclidean", "canberra"])
@pytest.mark.parametrize("size", [5, 4000])
def test_a_mixture_of_others(metric, size):
    rng = np.random.default_rng(0)
    first, last = rng.normal(size=(size, 3)), rng.normal(1.5, 2, size=(size, 3))
    shares = np.repeat([0.3, 0.7], size)
    mixture = measure(np.concatenate([first, last]), shares)
    apart = measure(rng.normal(6, size=(size, 3)))
    found = identify(measure(first), mixture, measure(last), apart, metric=metric)
    assert_allclose(found.scores[:3], 0, atol=NOTHING)
    assert found.scores[3] > 0.1
    # Of what is drawn from large sources the parts are known to sampling error.
    tolerance = 1e-5 if size == 5 else 0.02
    assert_allclose(found.directions[1], [-0.3, 1, -0.7, 0], atol=tolerance)


def test_two_mixtures_that_are_equal():
    bins = np.arange(4.0)
    halves = [[1, 1, 0, 0], [0, 0, 1, 1], [1, 0, 1, 0], [0, 1, 0, 1]]
    found = identify(*(measure(bins, np.array(half)) for half in halves))
    assert_allclose(found.scores, 0, atol=NOTHING)
    assert_allclose(found.directions[0], [1, 1, -1, -1], atol=1e-6)
    assert (found.pairs > 0.1).all()


@pytest.mark.parametrize("size", [100, 1000, 4000])
def test_samples_of_one_distribution_score_one_over_their_size(size):
    rng = np.random.default_rng(0)
    found = identify(*(measure(rng.normal(size=(size, 10))) for _ in range(2)))
    assert_allclose(found.scores, 1 / min(size, 2500), rtol=0.5)


# Large sources


def test_a_sample_of_large_sources_is_enough():
    one, other = gaussian_grid(0, 1, 20_001), gaussian_grid(1, 1, 20_001)
    few = identify(gaussian_grid(0, 1), gaussian_grid(1, 1))
    assert_allclose(identify(one, other).scores, few.scores, rtol=0.02)


@pytest.mark.parametrize("shares", [[1.0, 0.0], [0.3, 0.7]])
def test_masses_of_large_sources_count(shares):
    # Masses by the density on even steps say the same as quantiles of even masses.
    steps = np.linspace(-8, 9, 20_001)
    densities = np.array([norm.pdf(steps), norm.pdf(steps, 1)])
    one, other = measure(steps, shares @ densities), measure(steps, densities[1])
    few = identify(
        measure(steps[::20], shares @ densities[:, ::20]),
        measure(steps[::20], densities[1, ::20]),
    )
    assert_allclose(identify(one, other).scores, few.scores, rtol=0.02)
    expected = identify(gaussian_grid(0, 1), gaussian_grid(1, 1)).scores
    if shares == [1.0, 0.0]:
        assert_allclose(few.scores, expected, rtol=0.01)


def test_points_in_turn_are_all_seen():
    # Even and odd numbers: a step of two along all of them would lose one source.
    numbers = np.arange(20_000.0)
    found = identify(measure(numbers[::2]), measure(numbers[1::2]))
    # The two differ by one step in 20,000.
    assert_allclose(found.scores, 0, atol=1e-7)


# Costs of every kind


COSTS = [
    *(metric for name, metric in every_metric(3).items() if name != "hamming"),
    lambda u, v: abs(u - v).max() ** 3,
    lambda u, v: max(0.0, u[0] - v[0]),  # neither symmetric nor a distance
]


@pytest.mark.parametrize("metric", COSTS)
def test_every_cost_tells_copies_from_others(metric):
    rng = np.random.default_rng(0)
    one, other = rng.dirichlet([1, 2, 3], 30), rng.dirichlet([4, 1, 1], 30)
    found = identify(measure(one), measure(other), measure(one), metric=metric)
    assert_allclose(found.scores[[0, 2]], 0, atol=NOTHING)
    assert 0.1 < found.scores[1] <= 1


def test_a_cost_that_is_undefined_between_equal_points():
    zeros = measure([[0.0, 0.0]])
    found = identify(zeros, measure([[1.0, 2.0]]), metric="braycurtis")
    assert_allclose(found.scores, 1)


# Invariances


cases = st.integers(0, 10_000).map(lambda seed: overlapping_sources(seed, n_sources=4))


def scores(sources, metric="euclidean"):
    return identify(*(canonical_measure(*s) for s in sources), metric=metric).scores


@settings(deadline=None, max_examples=30)
@given(cases, st.sampled_from([1e-15, 1e-6, 1.0, 1e6, 1e15]))
def test_units_translation_and_rotation_do_not_matter(case, unit):
    n_features = case.target[0].shape[1]
    rotation, _ = np.linalg.qr(np.random.default_rng(0).normal(size=[n_features] * 2))
    moved = [
        (unit * (points @ rotation + 7), masses) for points, masses in case.sources
    ]
    assert_allclose(scores(moved), scores(case.sources), rtol=1e-8)


@settings(deadline=None, max_examples=30)
@given(cases, st.sampled_from(["euclidean", "sqeuclidean", "chebyshev"]))
def test_scores_go_with_their_sources(case, metric):
    found = scores(case.sources, metric)
    assert ((found > 0) & (found <= 1)).all()
    assert_allclose(scores(case.sources[::-1], metric)[::-1], found, rtol=1e-8)


def test_categories_of_which_no_two_are_the_same_tell_as_little_as_they_do():
    points = np.random.default_rng(0).random((60, 3))
    found = identify(measure(points[:30]), measure(points[30:]), metric="hamming")
    # All costs are one, but for the thirtieth of the pairs in a source that are equal.
    assert_allclose(found.scores, 1 / 30)


# What is said of it


@pytest.mark.parametrize(
    ("direction", "text"),
    [
        ([1, -0.97, -0.03, 0], "source 'a' is (nearly) source 'b'"),
        (
            [1, -0.4, -0.33, -0.27],
            "source 'a' is (nearly) the mixture 0.4 of 'b' + 0.33 of 'c' + 0.27 of 'd'",
        ),
        # A share of .06 is named, one of .04 or two are not.
        (
            [1, -0.5, -0.44, -0.06],
            "source 'a' is (nearly) the mixture 0.5 of 'b' + 0.44 of 'c' + 0.06 of 'd'",
        ),
        (
            [1, -0.5, -0.46, -0.04],
            "source 'a' is (nearly) the mixture 0.5 of 'b' + 0.46 of 'c' + ...",
        ),
        (
            [1, 1, -0.8, -1.2],
            "the mixture 0.5 of 'a' + 0.5 of 'b' is (nearly) the mixture 0.4 of 'c' + "
            "0.6 of 'd'",
        ),
    ],
)
def test_the_mixtures_that_a_direction_joins_are_named(direction, text):
    directions = np.eye(4)
    directions[0] = direction
    found = Identifiability(np.array([0.002, 1, 1, 1]), directions, np.ones((4, 4)))
    assert describe(found, list("abcd")) == [f"{text} (identifiability 0.002)"]
    assert describe(found, list("abcd"), 0.001) == []


@pytest.mark.parametrize(("change", "is_stated"), [(1e-3, False), (1e-4, True)])
def test_known_profiles_differ_if_it_is_not_by_rounding(change, is_stated):
    bins, (one, other) = np.arange(50.0), np.random.default_rng(0).random((2, 50))
    sources = stack_measures(
        [measure(bins, one), measure(bins, one * (1 + change * other))]
    )
    sizes = np.array([50, 50])
    assert are_profiles(sources, sizes)
    scores = identifiability(sources, "euclidean").scores
    # What is stated of samples, .005, is far above, and rounding far below.
    assert ((1e-12 < scores) & (scores < 1e-7)).all()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        given = check_identifiability(
            sources, "euclidean", np.array(["a", "b"]), sizes, " A hint."
        )
    assert_allclose(given, scores)
    assert [one.category for one in caught] == [IdentifiabilityWarning] * is_stated
    if is_stated:
        text = str(caught[0].message)
        assert "sources 'a' and 'b' are (nearly) the same distribution" in text
        assert text.endswith("only. A hint.")


@pytest.mark.parametrize("n_pairs", [3, 4, 5])
def test_three_statements_are_made_and_the_others_counted(n_pairs):
    sources = stack_measures([measure([k // 2]) for k in range(2 * n_pairs)])
    classes, sizes = np.arange(2 * n_pairs), np.ones(2 * n_pairs, int)
    with pytest.warns(IdentifiabilityWarning) as caught:
        check_identifiability(sources, "euclidean", classes, sizes)
    text = str(caught[0].message)
    assert text.count("are (nearly) the same") == 3
    rest = f"; and {n_pairs - 3} more, see identifiability_." if n_pairs > 3 else "0)."
    assert rest in text
    assert ("more" in text) == (n_pairs > 3)


def test_samples_that_differ_by_chance_are_stated():
    numbers = np.arange(200.0)
    sources = stack_measures([measure(numbers[::2]), measure(numbers[1::2])])
    sizes = np.array([100, 100])
    assert not are_profiles(sources, sizes)
    assert (identifiability(sources, "euclidean").scores > 1e-6).all()
    with pytest.warns(IdentifiabilityWarning, match="nearly"):
        check_identifiability(sources, "euclidean", np.arange(2), sizes)


def test_one_source_is_no_profile_among_others():
    assert not are_profiles(
        stack_measures([measure([0, 1], np.array([1, 3]))]), np.array([2])
    )


def test_the_worst_come_first_and_are_named_once():
    directions = np.array(
        [[1.0, -1, 0, 0], [-1, 1, 0, 0], [0, 0, 1, -1], [0, 0, -1, 1]]
    )
    scores = np.array([0.003, 0.001, 0.004, 0.002])
    found = Identifiability(scores, directions, np.ones((4, 4)))
    assert describe(found, list("abcd")) == [
        "source 'a' is (nearly) source 'b' (identifiability 0.001)",
        "source 'c' is (nearly) source 'd' (identifiability 0.002)",
    ]
    pairs = np.where(np.arange(4) < 3, 0.0, 1.0) * np.ones((4, 1))
    equal = describe(found._replace(pairs=pairs), list("abcd"), 0.0035)
    assert equal[0] == (
        "sources 'a', 'b' and 'c' are (nearly) the same distribution "
        "(identifiability 0.001)"
    )
