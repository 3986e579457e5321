import tracemalloc
from typing import NamedTuple

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse

from skwot._unmixing import bootstrap
from skwot._unmixing.bootstrap import (
    RowCounts,
    Sample,
    bootstrap_weights,
    draw_replicates,
    resample,
)
from skwot._unmixing.problem import Marginals, Problem
from skwot._unmixing.solve import make_objective
from skwot._unmixing.solvers.bundle import solve_bundle
from tests.generators.measures import gaussians, overlapping_sources, rule, settings

ROWS = RowCounts(np.array([30, 40, 50]), 60)


def sample(seed=0, **parameters):
    case = overlapping_sources(seed, n_sources=3)
    return Sample(case.problem(**parameters), ROWS)


def test_replicates_are_counts_with_the_masses_as_probabilities():
    marginals = sample().problem.marginals
    drawn = [resample(marginals, ROWS, np.random.default_rng(i)) for i in range(400)]
    masses = np.array([one.marginals.masses.toarray() for one in drawn])
    assert_allclose(masses.sum(axis=1), 1)
    counts = masses[0] * ROWS.sources
    assert_allclose(counts, counts.round())
    assert_allclose(masses.mean(axis=0), marginals.masses.toarray(), atol=0.02)
    targets = np.mean([one.marginals.target for one in drawn], axis=0)
    assert_allclose(targets, marginals.target, atol=0.02)


def solve_alone(problem, chosen, drawn):
    """Weights of a replicate as a problem of its own."""
    (points, _), (others, _) = problem.sources, problem.target
    masses, target, _ = drawn.marginals
    kept = masses.sum(axis=1) > 0
    alone = Problem(
        problem.sources._replace(points=points[kept], masses=masses[kept]),
        problem.target._replace(points=others[target > 0], masses=target[target > 0]),
        problem.metric,
    )
    found = solve_bundle(make_objective(alone, chosen), rule(200, 1e-8))
    return drawn.complete(found.weights)


@pytest.mark.parametrize(
    "chosen", [settings(max_iter=100), settings(loss="sinkhorn", reg=0.05)]
)
def test_replicates_are_solved_as_if_alone_to_a_fraction_of_their_spread(chosen):
    drawn_from, seeds = sample(2), np.random.SeedSequence(0).spawn(30)
    result = bootstrap_weights(drawn_from, chosen, seeds)
    assert result.n_failed == 0
    assert result.weights.shape == (30, 3)
    assert_allclose(result.weights.sum(axis=1), 1)
    problem = drawn_from.problem
    chosen = chosen.fixed_at(problem)
    exact = np.array(
        [
            solve_alone(
                problem,
                chosen,
                resample(problem.marginals, ROWS, np.random.default_rng(seed)),
            )
            for seed in seeds
        ]
    )
    error = np.sqrt(((result.weights - exact) ** 2).mean(axis=0))
    assert (error < 0.25 * exact.std(axis=0)).all()


def test_what_a_sample_lacks_is_not_impossible():
    # Sources far apart, so that the weights are the target's masses.
    target = np.array([0.75, 0.25, 0.0])
    marginals = Marginals(sparse.csr_array(np.eye(3)), target, np.zeros(3))
    rows, rng = RowCounts(np.array([5, 5, 5]), 40), np.random.default_rng(0)
    drawn = [resample(marginals, rows, rng) for _ in range(2000)]
    counts = 40 * np.array([one.complete(one.marginals.target) for one in drawn])
    assert_allclose(counts, counts.round(), atol=1e-9)
    # Of 40 rows and half a row of each source.
    expected = 40 * np.array([30.5, 10.5, 0.5]) / 41.5
    assert_allclose(counts.mean(axis=0), expected, rtol=0.1)


def test_at_least_one_row_of_the_target_is_drawn():
    marginals = Marginals(sparse.csr_array(np.eye(9)), np.ones(1), np.zeros(9))
    rows, rng = RowCounts(np.ones(9, int), 1), np.random.default_rng(0)
    for drawn in [resample(marginals, rows, rng) for _ in range(20)]:
        assert_allclose(drawn.marginals.target, 1)
        assert_allclose(drawn.complete(np.eye(9)[0]).sum(), 1)
        # Beside the one there is a row of a source, or none.
        assert drawn.labelled.sum() in (0, 0.5)


def test_sampling_errors_of_the_weights_raise_the_loss():
    class Evaluation(NamedTuple):
        value: float
        plane: np.ndarray

    weights, size = np.array([0.5, 0.3, 0.2]), 40
    # The squared length of a sampling error has the mean (1 - |w|^2) / size.
    planes, rise = bootstrap._explore(
        lambda point: Evaluation(3 + ((point - weights) ** 2).sum(), point),
        weights,
        size,
    )
    assert_allclose(rise, (1 - weights @ weights) / size)
    # The planes are those at the minimum and at weights that a source gained on.
    assert_array_equal(planes[0], weights)
    gained = (np.array(planes[1:]) - weights) * size**0.5
    assert_allclose(gained, np.eye(3) - weights)


def test_one_seed_one_result():
    results = [
        bootstrap_weights(
            sample(3, outlier_cost=2.0),
            settings(max_iter=100),
            np.random.SeedSequence(1).spawn(3),
        ).weights
        for _ in range(2)
    ]
    assert results[0].shape == (3, 4)
    assert_array_equal(*results)


@pytest.mark.parametrize("n_jobs", [None, 2])
def test_blocks_do_not_show(monkeypatch, n_jobs):
    samples = [sample(seed) for seed in range(2)]

    def draw(n_jobs):
        random_state = np.random.RandomState(0)
        return draw_replicates(samples, settings(), 7, random_state, n_jobs)

    whole = draw(None)
    monkeypatch.setattr("skwot._unmixing.bootstrap._BLOCK", 3)
    for one, other in zip(whole, draw(n_jobs), strict=True):
        assert_array_equal(one.weights, other.weights)
        assert one.weights.shape == (7, 3)
        assert one.n_failed == other.n_failed == 0


def test_one_feature_needs_no_matrix():
    problem = Problem(*gaussians(3000, n_features=1), "euclidean")
    rows = RowCounts(np.full(5, 600), 3000)
    tracemalloc.start()
    bootstrap_weights(
        Sample(problem, rows), settings(), np.random.SeedSequence(0).spawn(3)
    )
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 20e6  # a matrix of costs would take 72e6 bytes
