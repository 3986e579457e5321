import numpy as np
from numpy.testing import assert_allclose, assert_array_equal

from skwot._ot.dense import DenseObjective
from skwot._ot.measures import canonical_measure, stack_measures
from skwot._ot.resampling import Sample, bootstrap_weights, resample
from skwot._ot.solvers.bundle import solve_bundle
from tests.generators.measures import overlapping_sources


def problem(seed=0):
    case = overlapping_sources(seed, n_sources=3)
    sources = stack_measures([canonical_measure(*source) for source in case.sources])
    return sources, canonical_measure(*case.target)


def sample_of(sources, target):
    return Sample(sources.masses, np.array([30, 40, 50]), target.masses, 60)


def test_replicates_are_counts_with_the_masses_as_probabilities():
    sources, target = problem()
    sample = sample_of(sources, target)
    drawn = [resample(sample, np.random.default_rng(i)) for i in range(400)]
    masses = np.array([one.masses.toarray() for one in drawn])
    assert_allclose(masses.sum(axis=1), 1)
    counts = masses[0] * sample.source_sizes
    assert_allclose(counts, counts.round())
    assert_allclose(masses.mean(axis=0), sources.masses.toarray(), atol=0.02)
    assert_allclose(
        np.mean([d.target for d in drawn], axis=0), target.masses, atol=0.02
    )


def test_planes_of_the_sample_are_planes_of_a_replicate():
    sources, target = problem(1)
    objective = DenseObjective(sources, target, "euclidean")
    found = solve_bundle(objective, max_iter=100, tol=1e-6)
    drawn = resample(sample_of(sources, target), np.random.default_rng(0))
    pool = found.alpha[None], found.beta[None]
    replicate = objective.reweighted(drawn.masses, drawn.target, found.weights, pool)
    (plane,) = replicate.free_planes()
    for weights in np.random.default_rng(1).dirichlet(np.ones(3), size=20):
        below = plane.slope @ weights + plane.offset
        assert below <= replicate(weights).value + 1e-12


def test_replicates_are_solved_as_if_alone():
    sources, target = problem(2)
    sample = sample_of(sources, target)
    seeds = np.random.SeedSequence(0).spawn(5)
    sizes = sample.source_sizes, sample.target_size
    result = bootstrap_weights(
        sources, target, "euclidean", None, sizes=sizes, seeds=seeds, max_iter=100
    )
    assert result.n_failed == 0
    assert result.weights.shape == (5, 3)
    for seed, weights in zip(seeds, result.weights, strict=True):
        drawn = resample(sample, np.random.default_rng(seed))
        kept = drawn.masses.sum(axis=1) > 0
        alone = DenseObjective(
            sources._replace(points=sources.points[kept], masses=drawn.masses[kept]),
            target._replace(
                points=target.points[drawn.target > 0],
                masses=drawn.target[drawn.target > 0],
            ),
            "euclidean",
        )
        best = solve_bundle(alone, max_iter=200, tol=1e-8)
        assert alone(weights).value <= best.value * (1 + 3e-3) + 1e-12


def test_one_seed_one_result():
    sources, target = problem(3)
    results = [
        bootstrap_weights(
            sources,
            target,
            "euclidean",
            2.0,
            sizes=(np.array([9, 9, 9]), 9),
            seeds=np.random.SeedSequence(1).spawn(3),
            max_iter=100,
        ).weights
        for _ in range(2)
    ]
    assert results[0].shape == (3, 4)
    assert_array_equal(*results)
