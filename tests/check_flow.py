"""What has to hold for every fitted GMMFlowFitter, by independent computations."""

import contextlib
import warnings

import numpy as np
import ot
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning

from skwot import GMMFlowFitter
from skwot._gmm.covariance_types import expand_full
from skwot.mixtures import Mixture, mw2
from tests.exact import bures_wasserstein_squares
from tests.generators.flows import rescaled


def check_flow(case):
    """Fit, and check everything that is promised."""
    flow = GMMFlowFitter(**case.parameters)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        flow.fit()
    assert {one.category for one in caught} <= {ConvergenceWarning}, caught[0]
    assert bool(caught) == (not flow.converged_)
    size = _size(flow)
    _check_shapes(flow)
    _check_losses(flow, case, size)
    _check_plan(flow, size)
    _check_rows(flow)
    if isinstance(case.parameters["init"], Mixture) and len(flow.plans_) == 1:
        _check_geodesic(flow, size)
    _check_units(flow, case, size)


def _size(flow):
    """Mean squared deviation of the target, with the components' own variance."""
    means, weights = flow.target_means_, flow.target_weights_
    spread = weights @ np.square(means - weights @ means).sum(1)
    size = spread + weights @ np.trace(flow.target_covariances_, axis1=1, axis2=2)
    return max(size, flow.loss_curve_[0], np.finfo(float).tiny)


def _check_shapes(flow):
    n, d = flow.means_.shape
    assert flow.n_components == n
    assert ((flow.weights_ >= 0) & (flow.weights_ <= 1 + 1e-12)).all()
    assert abs(flow.weights_.sum() - 1) < 1e-12
    full = expand_full(flow.covariances_, flow.covariance_type, n, d)
    np.testing.assert_array_equal(full, full.mT)
    values = np.linalg.eigvalsh(full)
    assert (values[:, 0] >= -1e-12 * values[:, -1]).all()
    steps = flow.n_iter_ + 1
    recorded = steps if flow.record_path else min(steps, 2)
    for path, last in (
        (flow.weights_path_, flow.weights_),
        (flow.means_path_, flow.means_),
        (flow.covariances_path_, flow.covariances_),
    ):
        assert path.shape == (recorded, *last.shape)
        assert np.isfinite(path).all()
    assert flow.loss_curve_.shape == (steps,)


def _check_losses(flow, case, size):
    losses = flow.loss_curve_
    assert flow.loss_ == losses.min()
    if flow.learning_rate == "auto":
        assert (np.diff(losses) <= 1e-12 * size).all()
    if flow.fixed_weights:
        np.testing.assert_array_equal(flow.weights_, flow.weights_path_[0])
    if case.first_loss is not None:
        np.testing.assert_allclose(losses[0], case.first_loss, atol=1e-9 * size)


def _check_plan(flow, size):
    plan = flow.plan_
    np.testing.assert_allclose(plan.sum(axis=1), flow.weights_, atol=1e-12)
    np.testing.assert_allclose(plan.sum(axis=0), flow.target_weights_, atol=1e-12)
    assert plan.min() >= 0
    n, d = flow.means_.shape
    covariances = expand_full(flow.covariances_, flow.covariance_type, n, d)
    costs = bures_wasserstein_squares(
        flow.means_, covariances, flow.target_means_, flow.target_covariances_
    )
    scale = max(size, costs.max())
    np.testing.assert_allclose(np.vdot(plan, costs), flow.loss_, atol=3e-7 * scale)
    weights = np.full(len(flow.plans_), 1.0)
    if len(flow.plans_) > 1:
        counts = np.cumsum([one.shape[1] for one in flow.plans_])[:-1]
        weights = [part.sum() for part in np.split(flow.target_weights_, counts)]
        blocks = np.split(costs, counts, axis=1)
    else:
        blocks = [costs]
    optimum = sum(
        weight * _transport(one.sum(axis=1), one.sum(axis=0), block)
        for weight, one, block in zip(weights, flow.plans_, blocks, strict=True)
    )
    np.testing.assert_allclose(optimum, flow.loss_, atol=3e-7 * scale)


def _transport(a, b, costs):
    unit = costs.max() or 1.0
    return unit * ot.emd2(a / a.sum(), b / b.sum(), costs / unit)


def _check_rows(flow):
    n = len(flow.means_)
    rng = np.random.default_rng(0)
    rows = flow.means_path_[0][rng.integers(n, size=5)]
    if _is_singular(flow, flow.covariances_path_[-1]):
        return
    shares = flow.transform(rows)
    assert shares.min() >= 0
    np.testing.assert_allclose(shares.sum(axis=1), 1, atol=1e-9)
    assert flow.predict(rows).max() < n
    model = flow.to_sklearn()
    np.testing.assert_allclose(model.score_samples(rows), flow.score_samples(rows))


def _is_singular(flow, covariances):
    """Whether there is no density, to rounding, as the error says that we expect."""
    rows = np.zeros((1, flow.n_features_in_))
    full = expand_full(covariances, flow.covariance_type, *flow.means_.shape)
    scales = np.sqrt(np.einsum("nkk->nk", full))
    if (scales == 0).any():
        is_singular = True
    else:
        correlations = full / (scales[:, :, None] * scales[:, None, :])
        is_singular = np.linalg.eigvalsh(correlations).min() < 1e-13
    if is_singular:
        with contextlib.suppress(ValueError):  # which says so
            flow.transport(rows)
    return is_singular


def _check_geodesic(flow, size):
    initial = Mixture(
        flow.weights_path_[0],
        flow.means_path_[0],
        expand_full(
            flow.covariances_path_[0], flow.covariance_type, *flow.means_.shape
        ),
    )
    first = flow.loss_curve_[0]
    for t in (0.0, 0.3, 1.0):
        between = flow.interpolate(t)
        assert abs(between.weights.sum() - 1) < 1e-12
        value = mw2(initial, between).value
        np.testing.assert_allclose(value, t**2 * first, atol=1e-7 * size)
    rows = initial.means
    if _is_singular(flow, flow.covariances_path_[0]):
        return
    still = flow.transport(rows, t=0.0)
    np.testing.assert_array_equal(still, rows)
    assert np.isfinite(flow.transport(rows)).all()


def _check_units(flow, case, size):
    """The unit of the data is not seen at automatic steps."""
    if flow.learning_rate != "auto":
        return
    unit = 2.0**-30  # exact in binary numbers

    initial, target = case.parameters["init"], case.parameters["target"]
    several = isinstance(target, list)
    other = clone(flow).set_params(
        init=initial if isinstance(initial, str) else rescaled(initial, unit),
        target=(
            [rescaled(one, unit) for one in target]
            if several
            else rescaled(target, unit)
        ),
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        other.fit()
    losses, expected = other.loss_curve_ / unit**2, flow.loss_curve_
    common = min(len(losses), len(expected), 3)
    np.testing.assert_allclose(losses[:common], expected[:common], atol=1e-9 * size)
    np.testing.assert_allclose(other.loss_ / unit**2, flow.loss_, atol=1e-6 * size)
