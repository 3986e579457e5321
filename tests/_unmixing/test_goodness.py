import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.stats import kstest

from skwot import WassersteinUnmixer
from skwot._ot.measures import canonical_measure, stack_measures
from skwot._unmixing import goodness
from skwot._unmixing.bootstrap import RowCounts
from skwot._unmixing.problem import Problem, Unmixing
from tests.generators.measures import settings

SCALES = np.array([0.5, 1.0])


def draw(seed, n_source=60, n_target=80):
    """Two Gaussian sources of different spread, and a mixture of them."""
    rng = np.random.default_rng(seed)
    y = np.repeat([0, 1], n_source)
    labels = rng.choice(2, n_target, p=rng.dirichlet([1, 1]))
    X, target = (
        3.0 * k[:, None] + SCALES[k, None] * rng.normal(size=(len(k), 3))
        for k in (y, labels)
    )
    return X, y, target


def fit(seed, **options):
    X, y, target = draw(seed)
    return WassersteinUnmixer(loss="semirelaxed", **options).fit(X, y), target


def test_pvalues_of_mixtures_are_uniform():
    values = []
    for seed in range(60):
        unmixer, target = fit(seed)
        result = unmixer.goodness_of_fit(target, n_resamples=39, random_state=seed)
        values.append(result.pvalue)
    assert kstest(values, "uniform").pvalue > 0.01
    assert np.mean(np.array(values) <= 0.05) < 0.15


def test_pvalues_of_mixtures_are_not_too_small_with_transport():
    values = []
    for seed in range(30):
        X, y, target = draw(seed)
        unmixer = WassersteinUnmixer().fit(X, y)
        result = unmixer.goodness_of_fit(target, n_resamples=19, random_state=seed)
        values.append(result.pvalue)
    assert np.mean(np.array(values) <= 0.1) <= 0.1
    moved = target + np.array([0.0, 2.0, 0.0])
    assert unmixer.goodness_of_fit(moved, n_resamples=19).pvalue == 0.05


@pytest.mark.parametrize("departure", ["foreign", "blends", "shift"])
def test_what_is_no_mixture_is_found_out(departure):
    small = 0
    for seed in range(10):
        unmixer, target = fit(seed)
        if departure == "foreign":
            target[:16] = [-6.0, 0.0, 0.0]
        elif departure == "blends":
            X, y, _ = draw(seed + 100, n_source=80)
            target = (X[y == 0] + X[y == 1]) / 2
        else:
            target += [0.0, 2.0, 0.0]
        result = unmixer.goodness_of_fit(target, n_resamples=39, random_state=0)
        small += result.pvalue <= 0.05
    assert small >= 9


def test_the_result_has_an_entry_a_group_and_a_seed():
    unmixer, target = fit(0)
    groups = np.repeat(["b", "a"], [50, 30])
    one, other = (
        unmixer.goodness_of_fit(target, groups=groups, n_resamples=9, random_state=1)
        for _ in range(2)
    )
    assert one.statistic.shape == one.pvalue.shape == (2,)
    assert one.null_distribution.shape == (2, 9)
    assert_array_equal(one.null_distribution, other.null_distribution)
    parallel = unmixer.set_params(n_jobs=2).goodness_of_fit(
        target, groups=groups, n_resamples=9, random_state=1
    )
    assert_array_equal(parallel.null_distribution, one.null_distribution)
    assert ((one.pvalue >= 0.1) & (one.pvalue <= 1)).all()


def test_the_target_of_fit_is_tested_without_rows():
    X, y, target = draw(0)
    rows, labels = np.vstack([X, target]), np.append(y, np.full(len(target), -1))
    unmixer = WassersteinUnmixer(loss="semirelaxed").fit(rows, labels)
    by_fit = unmixer.goodness_of_fit(n_resamples=9, random_state=0)
    by_rows = unmixer.goodness_of_fit(target, n_resamples=9, random_state=0)
    assert by_fit.pvalue == by_rows.pvalue
    with pytest.raises(ValueError, match="belong to X"):
        unmixer.goodness_of_fit(groups=[1])


def test_rows_that_are_repeated_count():
    unmixer, target = fit(3)
    doubled = np.vstack([target, target[:5]])
    result = unmixer.goodness_of_fit(doubled, n_resamples=9, random_state=0)
    assert np.isfinite(result.statistic)


def test_what_cannot_be_tested_is_refused():
    X, y, target = draw(0)
    unmixer = WassersteinUnmixer(loss="semirelaxed")
    with pytest.raises(ValueError, match="each row has the same mass"):
        unmixer.fit(X, y, np.linspace(1, 2, len(X))).goodness_of_fit(target)
    few = np.append(np.arange(60), [60, 61, 62])
    with pytest.raises(ValueError, match=r"at least 4 rows of each source.* got 3"):
        unmixer.fit(X[few], y[few]).goodness_of_fit(target)
    with pytest.raises(ValueError, match="'n_resamples' parameter"):
        unmixer.fit(X, y).goodness_of_fit(target, n_resamples=0)


class Posed:
    """The problems that are solved, with the settings; each loss is its number."""

    def __init__(self, weights):
        self.problems, self.settings, self._weights = [], [], weights

    def __call__(self, problem, settings):
        self.problems.append(problem)
        self.settings.append(settings)
        return Unmixing(
            self._weights, float(len(self.problems) - 1), 0.0, None, None, None, True
        )


SIZES, N_TARGET = (7, 12), 30


def pose(weights, monkeypatch, *, n_resamples=20, sizes=SIZES, n_target=N_TARGET):
    """What is compared, and the problems that are solved for it."""
    rng = np.random.default_rng(0)
    sources = [canonical_measure(rng.normal(size=(size, 2))) for size in sizes]
    rows = rng.normal(size=(n_target // 2, 2))
    target = canonical_measure(rows[rng.integers(len(rows), size=n_target)])
    problem = Problem(
        stack_measures(sources),
        target,
        "cityblock",
        outlier_cost=2.0,
        surcharges=np.array([0.1, 0.2, 0.3]),
    )
    posed, chosen = Posed(np.array(weights)), settings(tol=0.25)
    monkeypatch.setattr(goodness, "solve", posed)
    found = goodness.compare_with_mixtures(
        problem, RowCounts(np.array(sizes), n_target), chosen, n_resamples, 5, None
    )
    assert all(one is chosen for one in posed.settings)
    return problem, posed.problems, found


def rows_in(points, others):
    """Mask of the points that are among others."""
    return (points[:, None] == others).all(axis=-1).any(axis=1)


def test_the_target_and_mixtures_of_one_half_are_compared_with_the_other(monkeypatch):
    problem, posed, found = pose([0.2, 0.6, 0.2], monkeypatch)
    assert posed[0] is problem
    assert found.statistic == 1
    assert_array_equal(found.null_distribution, np.arange(2, 22))
    first, *others = posed[1:]
    assert_array_equal(first.target.points, problem.target.points)
    assert_allclose(first.target.masses, problem.target.masses)
    halves = set()
    for one in (first, *others):
        assert one.metric == "cityblock"
        assert one.outlier_cost == 2.0
        assert_array_equal(one.surcharges, [0.1, 0.2, 0.3])
        points, masses = one.sources.points, one.sources.masses.toarray()
        halves.add(points.tobytes())
        # Halves of 7 and 12 rows, the larger one if they differ.
        assert_array_equal(np.count_nonzero(masses, axis=0), [4, 6])
        assert_allclose(masses * [4, 6], masses > 0)
        whole = problem.sources.masses.toarray()
        for own, of_all in zip(masses.T, whole.T, strict=True):
            assert rows_in(points[own > 0], problem.sources.points[of_all > 0]).all()
    assert len(halves) == len(posed) - 1
    for one in others:
        assert rows_in(one.target.points, problem.sources.points).all()
        assert not rows_in(one.target.points, one.sources.points).any()
        assert_allclose(one.target.masses.sum(), 1)
        counts = N_TARGET * one.target.masses
        assert_allclose(counts, counts.round(), atol=1e-12)
        assert (counts > 0.5).all()


@pytest.mark.parametrize("share", [0.0, 0.25, 1.0])
def test_mixtures_are_drawn_in_the_proportions_found(share, monkeypatch):
    # The last weight, that of the outliers, is left out.
    weights = [0.5 * share, 0.5 * (1 - share), 0.5]
    problem, posed, _ = pose(weights, monkeypatch, n_resamples=100)
    first = problem.sources.points[problem.sources.masses.toarray()[:, 0] > 0]
    drawn = [
        one.target.masses[rows_in(one.target.points, first)].sum() for one in posed[2:]
    ]
    error = np.sqrt(share * (1 - share) / N_TARGET / len(drawn))
    assert_allclose(np.mean(drawn), share, atol=4 * error + 1e-12)
    assert_allclose(np.std(drawn), error * 10, rtol=0.3, atol=1e-12)


def test_as_many_rows_as_a_source_has_are_drawn_of_its_half(monkeypatch):
    # Of 60 rows, 30 are in a half. Of these 60 are drawn, which leaves out a part of
    # 1/e**2 of them; a large target has all rows that were drawn.
    _, posed, _ = pose(
        [1.0, 0.0, 0.0], monkeypatch, sizes=(60, 4), n_target=6000, n_resamples=30
    )
    distinct = np.mean([len(one.target.points) for one in posed[2:]])
    assert_allclose(distinct, 30 * (1 - (1 - 1 / 30) ** 60), atol=1)
    _, posed, _ = pose([1.0, 0.0, 0.0], monkeypatch, sizes=(4, 4), n_target=600)
    assert max(len(one.target.points) for one in posed[2:]) == 2
    # Each draw has a seed of its own, and the same one each time.
    _, again, _ = pose([1.0, 0.0, 0.0], monkeypatch, sizes=(4, 4), n_target=600)
    for one, other in zip(posed[1:], again[1:], strict=True):
        assert_array_equal(one.target.points, other.target.points)
        assert_array_equal(one.target.masses, other.target.masses)
        assert_array_equal(one.sources.points, other.sources.points)
