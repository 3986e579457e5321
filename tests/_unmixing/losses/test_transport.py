import numpy as np
import torch
from numpy.testing import assert_allclose

from skwot._unmixing.losses.exact import ExactLoss
from skwot._unmixing.losses.transport import source_shares
from tests.generators.measures import overlapping_sources


def test_shares_count_the_masses_of_the_sources():
    problem = overlapping_sources(4, n_sources=2).problem()
    masses, target, _ = problem.marginals
    first = int(masses.toarray()[:, 0].argmax())
    atoms = np.full(len(target), first)
    expected = masses.toarray()[first] / masses.toarray()[first].sum()
    assert_allclose(source_shares(problem.marginals, atoms), expected)


def test_surcharges_add_to_the_value_and_to_the_gradient():
    case = overlapping_sources(2, n_sources=3)
    surcharges = np.array([0.4, 0.0, 0.2])
    plain, charged = (
        ExactLoss(case.problem(surcharges=added)) for added in (0.0, surcharges)
    )
    weights = np.array([0.2, 0.3, 0.5])
    one, other = plain(weights), charged(weights)
    added = surcharges / plain.unit
    assert_allclose(other.value, one.value + weights @ added)
    assert_allclose(other.plane.slope, one.plane.slope + added)
    assert_allclose(other.plane.offset, one.plane.offset)


def test_weights_that_do_not_sum_to_one_are_normalised():
    objective = ExactLoss(overlapping_sources(3, n_sources=3).problem())
    w = torch.tensor([0.2, 0.3, 0.5], dtype=torch.float64)
    whole = objective.differentiable(w)[0].item()
    for factor in (0.25, 2, 3):
        # Masses that are handed on sum to one.
        seen = []
        inner = objective._solve
        objective._solve = lambda a, inner=inner, seen=seen: seen.append(a) or inner(a)
        value = objective.differentiable(factor * w)[0].item()
        del objective._solve
        assert_allclose(value, whole)
        assert_allclose(seen[0].sum(), 1)


def test_shares_sum_to_one_whatever_the_masses_do():
    marginals = overlapping_sources(5, n_sources=3).problem().marginals
    atoms = np.arange(len(marginals.target)) % marginals.masses.shape[0]
    scaled = marginals._replace(target=3 * marginals.target)
    shares = source_shares(marginals, atoms)
    assert_allclose(source_shares(scaled, atoms), shares)
    assert_allclose(shares.sum(), 1)
