import numpy as np
import pytest
import torch

from skwot._gmm.covariance_types import (
    COVARIANCE_TYPES,
    compact,
    constrain,
    drop_zeros,
    expand,
    expand_full,
)
from tests.generators.gaussians import random_covariances, random_mixture

SHAPES = {"full": (5, 3, 3), "tied": (3, 3), "diag": (5, 3), "spherical": (5,)}

each_type = pytest.mark.parametrize("kind", COVARIANCE_TYPES)
each_array = pytest.mark.parametrize("make", [np.asarray, torch.as_tensor])


@pytest.fixture(params=["matrices", "diagonals"])
def stacks(request):
    rng = np.random.default_rng(0)
    pair = [random_covariances(rng, 5, 3) for _ in range(2)]
    if request.param == "diagonals":
        pair = [np.einsum("nkk->nk", stack) for stack in pair]
    return pair


@each_array
@each_type
def test_constrain_is_an_orthogonal_projection(stacks, kind, make):
    weights = np.random.default_rng(1).dirichlet(np.ones(5))
    projected, other = (np.asarray(constrain(make(s), weights, kind)) for s in stacks)
    again = np.asarray(constrain(make(projected), weights, kind))
    np.testing.assert_allclose(again, projected, rtol=1e-14)
    heavier = np.asarray(constrain(make(stacks[0]), 3 * weights, kind))
    np.testing.assert_allclose(heavier, projected, rtol=1e-14)
    products = ((stacks[0] - projected) * other).reshape(5, -1).sum(axis=1)
    assert weights @ products == pytest.approx(0, abs=1e-14)


@each_array
@each_type
def test_the_shape_of_a_type_holds_all_of_it(kind, make):
    matrices = random_covariances(np.random.default_rng(1), 5, 3)
    projected = constrain(make(matrices), np.full(5, 0.2), kind)
    values = compact(projected, kind)
    assert tuple(values.shape) == SHAPES[kind]
    np.testing.assert_allclose(expand(values, kind, projected), projected, rtol=1e-14)
    if kind in ("diag", "spherical"):
        diagonals = compact(projected, "diag")
        np.testing.assert_allclose(compact(diagonals, kind), values, rtol=1e-14)
        expanded = expand(values, kind, diagonals)
        np.testing.assert_allclose(expanded, diagonals, rtol=1e-14)


@each_type
def test_expand_full_copies(kind):
    values = np.ones(SHAPES[kind])
    full = expand_full(values, kind, 5, 3)
    assert full.shape == (5, 3, 3)
    full[:] = 0
    np.testing.assert_array_equal(values, 1)


@each_type
@pytest.mark.parametrize("target_kind", COVARIANCE_TYPES)
def test_diagonals_remain_where_nothing_else_matters(kind, target_kind):
    rng = np.random.default_rng(2)
    initial, target = (random_mixture(rng, 5, 3) for _ in range(2))
    projected = constrain(target.covariances, target.weights, target_kind)
    pair = initial, target._replace(covariances=projected)
    left = drop_zeros(*pair, kind)
    narrow = ("diag", "spherical")
    if kind in narrow and target_kind in narrow:
        for mixture, full in zip(left, pair, strict=True):
            diagonals = np.einsum("nkk->nk", full.covariances)
            np.testing.assert_array_equal(mixture.covariances, diagonals)
        assert drop_zeros(*left, kind) == left
    else:
        assert left == pair
