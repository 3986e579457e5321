"""The public function, on samples of all kinds and in the estimator."""

import os
import signal
from pathlib import Path

import dask
import dask.array
import dask.dataframe as frames
import joblib
import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from skwot import QuantizationResult, WassersteinUnmixer, quantize, stack_sources
from skwot._ot.ground_costs import ground_cost
from skwot._ot.transport import solve_transport
from skwot.datasets import make_unmixing
from tests.workers import two_workers


def sample(seed=0, n=600, d=2):
    return np.random.default_rng(seed).normal(size=(n, d))


def halves(X):
    return [X[: len(X) // 2], X[len(X) // 2 :]]


def assert_same(one, other):
    for first, second in zip(one, other, strict=True):
        assert_array_equal(first, second)


def test_a_small_sample_stays_as_it_is():
    X = sample(n=10)
    points, weights, error = quantize(X, 10)
    assert_array_equal(points, X[np.lexsort(X.T[::-1])])
    assert_allclose(weights, np.ones(10))
    assert error == 0


@pytest.mark.parametrize("metric", ["euclidean", "sqeuclidean", "cityblock", "cosine"])
def test_the_error_bounds_the_transport_cost_over_two_levels(metric):
    X = sample()
    found = quantize(halves(X), 20, metric=metric, random_state=0)
    assert len(found.points) <= 20
    assert_allclose(found.weights.sum(), len(X))
    assert_allclose(found.weights @ found.points, X.sum(axis=0), atol=1e-11)
    cost = ground_cost(X, found.points, metric)
    shares = found.weights / found.weights.sum()
    exact = solve_transport(np.full(len(X), 1 / len(X)), shares, cost).value
    assert exact <= found.error * (1 + 1e-12)


def test_the_error_is_exact_for_one_chunk_and_for_given_points():
    X = sample()
    free = quantize(X, 20, random_state=0)
    costs = ground_cost(X, free.points, "euclidean")
    # Each centre has moved to the mean of its rows, and most are still the nearest.
    assert costs.min(axis=1).mean() <= free.error <= 1.05 * costs.min(axis=1).mean()
    given = quantize(halves(X), points=free.points)
    assert_allclose(given.error, costs.min(axis=1).mean())
    assert_allclose(given.weights, np.bincount(costs.argmin(axis=1), minlength=20))


def test_points_serve_all_chunks_alike():
    X, points = sample(), sample(1, 15)
    whole = quantize(X, points=points)
    assert_array_equal(whole.points, points)
    parts = quantize(np.array_split(X, 7), points=points)
    assert_allclose(parts.weights, whole.weights)
    assert_allclose(parts.error, whole.error)


@pytest.mark.parametrize("scale", [1e-6, 1e6])
def test_units_do_not_matter(scale):
    X = sample()
    one = quantize(halves(X), 20, random_state=0)
    other = quantize(halves(scale * X), 20, random_state=0)
    assert_allclose(other.points, scale * one.points, rtol=1e-9)
    assert_allclose(other.weights, one.weights)
    assert_allclose(other.error, scale * one.error)


def test_a_weight_of_two_is_a_row_given_twice():
    X = sample(n=100)
    twice = quantize(np.concatenate([X, X[:30]]), 200)
    weights = np.where(np.arange(100) < 30, 2.0, 1.0)
    assert_same(twice, quantize(X, 200, sample_weight=weights))


def test_results_are_chunks():
    X, points = sample(), sample(1, 15)
    parts = [quantize(half, 20, random_state=0) for half in halves(X)]
    joined = quantize(((part.points, part.weights) for part in parts), points=points)
    assert_allclose(joined.weights.sum(), len(X))
    # The errors of the parts come on top of that of joining them.
    exact = quantize(X, points=points).error
    before = np.mean([part.error for part in parts])
    assert abs(joined.error - exact) <= before


def test_same_seed_same_bits_whoever_computes():
    X = sample(n=2000, d=3)
    chunks = np.array_split(X, 8)
    expected = quantize(chunks, 20, random_state=0)
    assert_same(quantize(chunks, 20, random_state=0, n_jobs=2), expected)
    assert_same(quantize(iter(chunks), 20, random_state=0), expected)
    with joblib.parallel_config(backend="threading"):
        assert_same(quantize(chunks, 20, random_state=0, n_jobs=3), expected)
    blocks = dask.array.from_array(X, chunks=(250, 2))
    for scheduler in ["synchronous", "threads"]:
        with dask.config.set(scheduler=scheduler):
            assert_same(quantize(blocks, 20, random_state=0), expected)
    other = quantize(chunks, 20, random_state=1)
    assert abs(other.points - expected.points).max() > 1e-3


def test_the_generator_of_numpy_moves_only_if_it_is_asked_for():
    X = sample(n=100)
    before = np.random.get_state()[1].copy()
    quantize(X, 5, random_state=0)
    assert_array_equal(np.random.get_state()[1], before)
    rng = np.random.RandomState(0)
    first, second = (quantize(X, 5, random_state=rng) for _ in range(2))
    assert abs(first.points - second.points).max() > 1e-3


def deadly_chunk(number, folder):
    """Draw a chunk; one of them first ends its process, once."""
    if number == 3 and not os.listdir(folder):
        (Path(folder) / "died").touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return sample(number, n=250, d=3)


def test_on_a_cluster_of_dask(tmp_path):
    chunks = [sample(number, n=250, d=3) for number in range(8)]
    expected = quantize(chunks, 20, random_state=0)
    with two_workers() as client:
        lazy = [dask.delayed(chunk) for chunk in chunks]
        assert_same(quantize(lazy, 20, random_state=0), expected)
        futures = client.scatter(chunks)
        assert_same(quantize(futures, 20, random_state=0), expected)
        blocks = dask.array.from_array(np.concatenate(chunks), chunks=(250, 3))
        assert_same(quantize(blocks.persist(), 20, random_state=0), expected)
        with joblib.parallel_config(backend="dask"):
            assert_same(quantize(chunks, 20, random_state=0, n_jobs=2), expected)
        # A killed worker changes nothing.
        deadly = dask.delayed(deadly_chunk, pure=False)
        lazy = [deadly(number, str(tmp_path)) for number in range(8)]
        assert_same(quantize(lazy, 20, random_state=0), expected)
        assert os.listdir(tmp_path) == ["died"]


def test_a_frame_of_dask():
    X = pd.DataFrame(sample(n=200), columns=["a", "b"])
    parted = frames.from_pandas(X, npartitions=4)
    weights = frames.from_pandas(pd.Series(np.arange(200.0)), npartitions=4)
    found = quantize(parted, 20, sample_weight=weights, random_state=0)
    parts = [(X[i : i + 50], np.arange(200.0)[i : i + 50]) for i in range(0, 200, 50)]
    assert_same(found, quantize(parts, 20, random_state=0))


# In the estimator


def test_a_target_of_common_points_stays_a_mixture():
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(4, 5))
    sources = [centre + rng.normal(size=(20000, 5)) for centre in centres]
    truth = np.array([0.5, 0.25, 0.2, 0.05])
    counts = rng.multinomial(40000, truth)
    target = np.concatenate(
        [
            centre + rng.normal(size=(count, 5))
            for centre, count in zip(centres, counts, strict=True)
        ]
    )
    points, *_ = quantize([*sources, target], 60, random_state=0)
    moved = [quantize(one, points=points) for one in [*sources, target]]
    common = WassersteinUnmixer().fit(*stack_sources(moved[:4], moved[4]))
    assert_allclose(common.weights_, counts / 40000, atol=0.005)
    apart = [quantize(one, 60, random_state=0) for one in [*sources, target]]
    apart = WassersteinUnmixer().fit(*stack_sources(apart[:4], apart[4]))
    errors = [abs(one.weights_ - counts / 40000).mean() for one in (common, apart)]
    assert errors[0] < errors[1] / 3
    # What the rows move at these weights bounds the change of the loss.
    costs = [one.error for one in moved]
    assert_allclose(common.quantization_error_, common.weights_ @ costs[:4] + costs[4])


@pytest.mark.parametrize("metric", ["euclidean", "sqeuclidean"])
def test_errors_of_samples_are_counted(metric):
    X, y, _ = make_unmixing(n_source_samples=300, n_target_samples=300, random_state=0)
    exact = WassersteinUnmixer(metric=metric).fit(X, y)
    moved = {
        label: quantize(X[y == label], 50, metric=metric, random_state=0)
        for label in (-1, 0, 1, 2)
    }
    target = moved.pop(-1)
    fewer = WassersteinUnmixer(metric=metric).fit(*stack_sources(moved, target))
    assert_allclose(fewer.means_, exact.means_)
    moves = [
        fewer.weights_ @ [one.error for one in moved.values()],
        target.error,
    ]
    if metric == "euclidean":
        assert_allclose(fewer.quantization_error_, sum(moves))
    else:
        root = fewer.loss_**0.5 + np.sqrt(moves).sum()
        assert_allclose(fewer.quantization_error_, root**2 - fewer.loss_)
    assert exact.lower_bound_ <= fewer.loss_ + fewer.quantization_error_
    assert abs(fewer.loss_ - exact.loss_) <= fewer.quantization_error_


def test_errors_add_to_those_of_max_support():
    X, y, _ = make_unmixing(random_state=0)
    moved = QuantizationResult(X[y == -1], np.ones(np.count_nonzero(y == -1)), 0.5)
    rows = stack_sources([X[y == k] for k in range(3)], moved)
    alone = WassersteinUnmixer(max_support=20, random_state=0).fit(*rows[:3])
    both = WassersteinUnmixer(max_support=20, random_state=0).fit(*rows)
    assert_allclose(both.quantization_error_, alone.quantization_error_ + 0.5)
    assert_array_equal(both.weights_, alone.weights_)


def test_rows_may_have_been_moved_by_different_costs():
    X, y = np.array([[0.0], [1.0], [5.0], [0.0], [5.0]]), [0, 0, 1, -1, -1]
    fitted = WassersteinUnmixer().fit(X, y, [1, 3, 1, 1, 1], [1, 2, 3, 4, 6])
    k = fitted.weights_
    assert_allclose(fitted.quantization_error_, k @ [(1 + 3 * 2) / 4, 3] + 5)


def test_an_unknown_error_is_unknown():
    X, y = np.array([[0.0], [1.0], [5.0], [0.5]]), [0, 0, 1, -1]
    errors = [0, 0, 0, np.nan]
    fitted = WassersteinUnmixer().fit(X, y, quantization_error=errors)
    assert np.isnan(fitted.quantization_error_)
    likely = WassersteinUnmixer(loss="semirelaxed")
    fitted = likely.fit(X, y, quantization_error=[0, 0, 0, 0.1])
    assert np.isnan(fitted.quantization_error_)


@pytest.mark.parametrize(
    ("errors", "message"),
    [
        ([0, 0, -1, 0], r"got shape \(4,\) and 1 negative"),
        ([0, 0], r"each of the 4 rows of X; got shape \(2,\)"),
    ],
)
def test_errors_are_checked(errors, message):
    X, y = np.array([[0.0], [1.0], [5.0], [0.5]]), [0, 0, 1, -1]
    with pytest.raises(ValueError, match=message):
        WassersteinUnmixer().fit(X, y, quantization_error=errors)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "Exactly one of max_support and points must be given; got neither"),
        ({"max_support": 3, "points": [[0.0, 0.0]]}, "got both"),
        ({"points": [[0.0]]}, r"points must have the features of X, 2; got the shape"),
        ({"points": [[np.nan, 0]]}, "Input points contains NaN"),
        ({"max_support": 0}, "The 'max_support' parameter of quantize must be"),
        ({"max_support": 3, "metric": "auto"}, "The 'metric' parameter of quantize"),
        (
            {"max_support": 3, "metric_params": {"V": 1}},
            "metric_params of metric='euclidean' may have the keys",
        ),
    ],
)
def test_parameters_that_are_wrong(arguments, message):
    with pytest.raises(ValueError, match=message):
        quantize(sample(n=20), **arguments)


def test_points_of_a_frame_know_their_columns():
    X = pd.DataFrame(sample(n=20), columns=["a", "b"])
    assert_allclose(quantize(X, points=X[:3]).weights.sum(), 20)
    with pytest.raises(ValueError, match="points must have the columns of X in the"):
        quantize(X, points=X[["b", "a"]][:3])


def test_dask_decides_on_its_workers():
    with pytest.raises(ValueError, match="n_jobs must be None for objects of dask"):
        quantize(dask.delayed(sample()), 3, n_jobs=2)


def test_features_weigh_as_the_metric_says():
    X = sample(n=400) * [1, 100]
    scaled = quantize(X, 20, metric="seuclidean", metric_params={"V": [1, 1e4]})
    assert scaled.error < 0.5  # in these units a row is about 1.4 from the mean
