import pytest
import torch

from skwot._device import check_device


def test_none_and_the_processor():
    assert check_device(None) is None
    for device in ("cpu", torch.device("cpu")):
        assert check_device(device) == torch.device("cpu")


@pytest.mark.parametrize("device", ["a toaster", "meta:99999999999", 3.5])
def test_what_is_no_device_is_named(device):
    with pytest.raises(ValueError, match=f"device must be .*{device}"):
        check_device(device)
