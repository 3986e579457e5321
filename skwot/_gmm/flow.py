"""Gradient flow of a Gaussian mixture towards a fixed one in MW2."""

from collections.abc import Sequence
from operator import methodcaller

from skwot._callbacks import UNWATCHED, Changed, Watch
from skwot._gmm.adam import descend_adam
from skwot._gmm.covariance_types import constrain, drop_zeros
from skwot._gmm.descent import descend
from skwot._gmm.floor import make_floor
from skwot._gmm.mixtures import Mixture, extreme_unit, in_unit, prepare_target
from skwot._gmm.pair_costs import pair_costs
from skwot._gmm.path import Flow
from skwot._gmm.settings import Settings
from skwot._gmm.swaps import descend_with_swaps


def flow_mixture(
    initial: Mixture,
    target: Mixture,
    settings: Settings,
    sizes: Sequence[int] | None = None,
    watch: Watch = UNWATCHED,
) -> Flow:
    """Flow from one mixture towards another.

    Parameters
    ----------
    initial, target : Mixture
        With full covariances, or both with diagonal ones.
    settings : Settings
    sizes : sequence of int, default=None
        Numbers of components of several targets, which `target` joins: see
        :class:`~skwot._gmm.pair_costs.PairCosts`.
    watch : Watch, default=UNWATCHED
        It is told of each step with the :class:`~skwot._gmm.path.Flow` so far.

    Returns
    -------
    Flow
    """
    unit = 1.0
    if settings.learning_rate == "auto":
        # A rate has the unit of the data.
        unit = extreme_unit(initial, target)
    initial, target = in_unit(initial, unit), in_unit(target, unit)
    restored = Changed(watch, methodcaller("in_unit", unit))
    flow = _flow_in_unit(initial, target, settings, sizes, restored)
    return flow.in_unit(unit)._replace(stopped=watch.stopped)


def _flow_in_unit(
    initial: Mixture,
    target: Mixture,
    settings: Settings,
    sizes: Sequence[int] | None,
    watch: Watch,
) -> Flow:
    kind = settings.covariance_type
    initial, target = drop_zeros(initial, target, kind)
    floor = make_floor(initial, target, settings.reg_covar, kind)
    constrained = constrain(initial.covariances, initial.weights, kind)
    initial = initial._replace(covariances=floor.raise_covariances(constrained))
    costs = pair_costs(prepare_target(target, settings.device), sizes)
    if settings.learning_rate != "auto":
        return descend_adam(initial, costs, floor, settings, watch)
    if settings.swaps:
        return descend_with_swaps(initial, target, costs, floor, settings, watch)
    return descend(initial, costs, floor, settings, watch)
