import numpy as np
import pytest
from numpy.testing import assert_array_equal
from scipy.stats import kstest

from skwot import WassersteinUnmixer

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
