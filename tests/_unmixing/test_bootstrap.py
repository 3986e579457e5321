import numpy as np
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse

from skwot._unmixing.bootstrap import Sample, bootstrap_weights, resample
from skwot._unmixing.losses.exact import DenseObjective
from skwot._unmixing.solvers.bundle import solve_bundle
from tests.generators.measures import overlapping_sources


def problem(seed=0):
    return overlapping_sources(seed, n_sources=3).measures


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


def solve_alone(sources, target, drawn):
    """Weights of a replicate as a problem of its own."""
    kept = drawn.masses.sum(axis=1) > 0
    alone = DenseObjective(
        sources._replace(points=sources.points[kept], masses=drawn.masses[kept]),
        target._replace(
            points=target.points[drawn.target > 0],
            masses=drawn.target[drawn.target > 0],
        ),
        "euclidean",
    )
    return drawn.complete(solve_bundle(alone, max_iter=200, tol=1e-8).weights)


def test_replicates_are_solved_as_if_alone_to_a_fraction_of_their_spread():
    sources, target = problem(2)
    sample = sample_of(sources, target)
    seeds = np.random.SeedSequence(0).spawn(30)
    sizes = sample.source_sizes, sample.target_size
    result = bootstrap_weights(
        sources, target, "euclidean", None, sizes=sizes, seeds=seeds, max_iter=100
    )
    assert result.n_failed == 0
    assert result.weights.shape == (30, 3)
    assert_allclose(result.weights.sum(axis=1), 1)
    exact = np.array(
        [
            solve_alone(sources, target, resample(sample, np.random.default_rng(seed)))
            for seed in seeds
        ]
    )
    error = np.sqrt(((result.weights - exact) ** 2).mean(axis=0))
    assert (error < 0.25 * exact.std(axis=0)).all()


def test_what_a_sample_lacks_is_not_impossible():
    # Sources far apart, so that the weights are the target's masses.
    masses = sparse.csr_array(np.eye(3))
    sample = Sample(masses, np.array([5, 5, 5]), np.array([0.75, 0.25, 0.0]), 40)
    rng = np.random.default_rng(0)
    drawn = [resample(sample, rng) for _ in range(2000)]
    counts = 40 * np.array([one.complete(one.target) for one in drawn])
    assert_allclose(counts, counts.round(), atol=1e-9)
    # Of 40 rows and half a row of each source.
    expected = 40 * np.array([30.5, 10.5, 0.5]) / 41.5
    assert_allclose(counts.mean(axis=0), expected, rtol=0.1)


def test_at_least_one_row_of_the_target_is_drawn():
    sample = Sample(sparse.csr_array(np.eye(9)), np.ones(9, int), np.ones(1), 1)
    rng = np.random.default_rng(0)
    for drawn in [resample(sample, rng) for _ in range(20)]:
        assert_allclose(drawn.target, 1)
        assert_allclose(drawn.complete(np.eye(9)[0]).sum(), 1)


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
