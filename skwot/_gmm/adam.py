"""Flow by Adam at a rate that the user gives, as in POT's gallery."""

from typing import Any

import numpy as np
import torch

from skwot._callbacks import UNWATCHED, Watch
from skwot._gmm.arrays import device_of
from skwot._gmm.covariance_types import compact, expand
from skwot._gmm.floor import Floor
from skwot._gmm.mixtures import Mixture
from skwot._gmm.mw2 import mw2
from skwot._gmm.pair_costs import PairCosts
from skwot._gmm.path import Flow, Path
from skwot._gmm.settings import Settings
from skwot._typing import Array


def descend_adam(
    initial: Mixture,
    costs: PairCosts,
    floor: Floor,
    settings: Settings,
    watch: Watch = UNWATCHED,
) -> Flow:
    """Adam on the means, the covariances and the logarithms of the weights.

    This is the loop of POT's gallery example "Gradient Flow for GMM-OT distance": it
    takes all of `max_iter` steps, moves the means at twice the rate and the weights
    through a softmax, and projects the covariances after each step. It depends on the
    unit of the data and may oscillate.

    Parameters
    ----------
    initial : Mixture
        Within the covariance type, and above the floor.
    costs : PairCosts
        Costs towards the target.
    floor : Floor
    settings : Settings
    watch : Watch, default=UNWATCHED

    Returns
    -------
    Flow
    """
    kind, device = settings.covariance_type, device_of(costs.target.means)
    logits, means, compacted = (
        torch.tensor(x, requires_grad=True, device=device)
        for x in (
            _log(initial.weights),
            initial.means,
            compact(initial.covariances, kind),
        )
    )
    stack = torch.as_tensor(initial.covariances, device=device)
    optimizer = _make_optimizer(logits, means, compacted, settings)
    path = Path(kind, settings.record_path)
    for step in range(settings.max_iter + 1):
        with torch.enable_grad():
            weights = torch.softmax(logits, 0)
            covariances = expand(compacted, kind, stack)
            loss, plan = mw2(weights, means, covariances, costs)
        path.append(weights, means, covariances, loss.item(), plan.numpy())
        if step > 0 and watch(path.snapshot):
            break
        if step < settings.max_iter:
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            with torch.no_grad():
                moved = expand(compacted, kind, stack)
                if moved.ndim == 3:
                    moved = (moved + moved.mT) / 2  # the gradient is so to rounding
                projected = floor.raise_covariances(moved)
                compacted.copy_(compact(projected, kind))
    before, last = path.losses[-2:]
    return path.finish(converged=bool(abs(before - last) <= settings.tol * last))


def _make_optimizer(
    logits: torch.Tensor,
    means: torch.Tensor,
    covariances: torch.Tensor,
    settings: Settings,
) -> torch.optim.Optimizer:
    rate = float(settings.learning_rate)
    groups: list[dict[str, Any]] = [
        {"params": [means], "lr": 2 * rate},
        {"params": [covariances], "lr": rate},
    ]
    if not settings.fixed_weights:
        groups.append({"params": [logits], "lr": rate})
    return torch.optim.Adam(groups)


def _log(weights: Array) -> Array:
    with np.errstate(divide="ignore"):  # a weight of 0 stays 0
        return np.log(weights)
