import numpy as np
import pytest
import torch

from skwot._gmm.arrays import (
    as_like,
    device_of,
    empty_like,
    eye_like,
    namespace,
    per_row,
    to_device,
    to_numpy,
)

STACK = np.arange(12.0).reshape(3, 2, 2)


@pytest.fixture(params=[None, torch.device("cpu")], ids=["NumPy", "PyTorch"])
def device(request):
    return request.param


@pytest.fixture
def stack(device):
    return to_device(STACK, device)


def test_arrays_survive_the_round_trip(stack, device):
    assert namespace(stack) is (np if device is None else torch)
    assert device_of(stack) == device
    np.testing.assert_array_equal(to_numpy(stack), STACK)


def test_tensors_that_require_a_gradient_become_arrays():
    leaf = torch.ones(3, requires_grad=True)
    np.testing.assert_array_equal(to_numpy(leaf), np.ones(3))


def test_what_is_made_like_a_stack_is_of_its_kind(stack):
    made = as_like(np.arange(3.0), stack), eye_like(stack), empty_like(stack, 5)
    for array in made:
        assert type(array) is type(stack)
        assert array.dtype == stack.dtype
    np.testing.assert_array_equal(to_numpy(made[1]), np.eye(2))
    assert tuple(made[2].shape) == (5, 2, 2)


def test_a_number_per_row_scales_each_matrix(stack):
    factors = as_like(np.arange(3.0), stack)
    scaled = to_numpy(per_row(factors, stack) * stack)
    for factor, matrix, expected in zip(range(3), scaled, STACK, strict=True):
        np.testing.assert_array_equal(matrix, factor * expected)


def test_what_is_made_stays_on_the_device_of_the_stack():
    # A device without memory, which every PyTorch has.
    meta = torch.device("meta")
    stack = to_device(STACK, meta)
    for array in (stack, eye_like(stack), empty_like(stack, 5), as_like(STACK, stack)):
        assert device_of(array) == meta
