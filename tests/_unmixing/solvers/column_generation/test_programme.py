import numpy as np
import pytest
from numpy.testing import assert_allclose

from skwot._unmixing.solvers.column_generation.arcs import Arcs, BlockProblem
from skwot._unmixing.solvers.column_generation.network import starting_flow
from skwot._unmixing.solvers.column_generation.programme import JointProgramme
from skwot._unmixing.solvers.column_generation.sinkhorn import entropic_start
from tests.exact import solve_dense_lp
from tests.generators.measures import overlapping_sources

SURCHARGES = np.array([0.2, 0.0, 0.1])


def programme_of(seed, weights):
    """The programme at its start, its problem, and all arcs."""
    posed = overlapping_sources(seed, n_sources=3).problem(surcharges=SURCHARGES)
    cost = posed.costs()
    problem = BlockProblem(cost, posed.marginals.in_unit(cost.unit))
    arcs, _, flow, box = starting_flow(problem, weights, entropic_start(problem))
    i, j = np.indices(cost.shape)
    every = Arcs(i.ravel(), j.ravel(), cost.whole().ravel())
    return JointProgramme(problem, weights, arcs, flow, box), problem, every


@pytest.mark.parametrize("weights", [[0.5, 0.3, 0.2], [1.0, 0.0, 0.0], [0.2, 0.8, 0.0]])
@pytest.mark.parametrize("seed", range(5))
def test_over_all_arcs_it_is_the_dense_programme(seed, weights):
    programme, problem, every = programme_of(seed, np.array(weights))
    before = programme.solve()
    programme.add(programme.missing(every))
    assert len(programme.missing(every).cost) == 0
    found = programme.solve()
    masses, target, surcharges = problem.marginals
    optimum, _ = solve_dense_lp(
        problem.cost.whole(), masses.toarray(), target, surcharges
    )
    assert_allclose(found.value, optimum, rtol=1e-9)
    assert found.value <= before.value * (1 + 1e-9)
    assert_allclose(found.weights.sum(), 1)
    assert (found.weights >= 0).all()
    assert found.stranded <= 1e-13
    # Strong duality.
    bound = problem.marginals.bound(found.alpha, found.beta)
    assert_allclose(bound, optimum, rtol=1e-9)
    reduced = problem.cost.whole() - found.alpha[:, None] - found.beta
    assert reduced.min() > -1e-9


def test_missing_arcs_are_those_it_does_not_have():
    programme, problem, every = programme_of(7, np.full(3, 1 / 3))
    missing = programme.missing(every)
    assert len(missing.cost) + len(programme.arcs.cost) == len(every.cost)
    m = len(problem.marginals.target)
    known = programme.arcs.source * m + programme.arcs.target
    assert not np.isin(missing.source * m + missing.target, known).any()
