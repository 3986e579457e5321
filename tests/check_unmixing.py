"""What has to hold for every fitted WassersteinUnmixer, by independent computations."""

import warnings

import numpy as np
from scipy.spatial.distance import cdist
from scipy.special import logsumexp
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning

from skwot import WassersteinUnmixer
from tests.exact import solve_dense_lp

LARGEST = 3000  # entries of a cost matrix of which the dense programme is solved


def check_unmixing(case):
    """Fit, and check everything that is promised."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        unmixer = WassersteinUnmixer(**case.parameters)
        refusal = None
        try:
            unmixer.fit(case.X, case.y, case.sample_weight)
        except ValueError as error:
            refusal = error
    if refusal is not None:
        # A target that costs more than the outliers throughout has no weights.
        assert "outlier_cost" in case.parameters
        assert "outlier_cost" in str(refusal)
        return
    _check_warnings(unmixer, caught)
    _check_attributes(unmixer)
    _check_rows(unmixer, case)
    {
        "wasserstein": _check_transport,
        "semirelaxed": _check_likelihood,
        "sinkhorn": _check_divergence,
    }[unmixer.loss](unmixer)
    _check_answer(unmixer, case)
    if case.checks_units:
        _check_units(unmixer, case)


def _check_warnings(unmixer, caught):
    for warning in caught:
        # A RuntimeWarning, which NumPy would give, is none of these.
        assert issubclass(warning.category, UserWarning), warning
    warned = any(issubclass(one.category, ConvergenceWarning) for one in caught)
    assert warned == (not unmixer.converged_)


def _check_attributes(unmixer):
    weights = unmixer.weights_
    assert abs(weights.sum() - 1) < 1e-12
    assert ((weights == 0) | (weights >= 1e-12)).all()
    assert 0 <= unmixer.unexplained_ <= 1
    np.testing.assert_allclose(unmixer.source_masses_.sum(axis=0), 1, rtol=1e-12)
    np.testing.assert_allclose(unmixer.target_masses_.sum(), 1, rtol=1e-12)
    assert unmixer.lower_bound_ <= unmixer.loss_
    np.testing.assert_allclose(
        unmixer.dual_gap_,
        unmixer.loss_ - unmixer.lower_bound_,
        atol=1e-12 * _scale(unmixer),
    )
    assert len(unmixer.loss_curve_) == unmixer.n_iter_
    assert unmixer.quantization_error_ == 0
    if unmixer.converged_:
        largest = unmixer.source_noise_.max() / 2
        floor = 1e-10 if unmixer.loss == "sinkhorn" else 2e-12
        allowed = max(unmixer.tol * (unmixer.loss_ + largest), floor * _scale(unmixer))
        assert unmixer.dual_gap_ <= allowed


def _check_rows(unmixer, case):
    shares = unmixer.transform(case.X)
    assert np.isfinite(shares).all()
    assert shares.min() >= 0
    np.testing.assert_allclose(shares.sum(axis=1), 1, atol=1e-9)
    assert (shares[:, unmixer.weights_ == 0] == 0).all()
    assert set(unmixer.predict(case.X).tolist()) <= set(unmixer.classes_.tolist())
    target = case.y == -1
    again = unmixer.unmix(case.X[target], sample_weight=case.sample_weight[target])
    np.testing.assert_array_equal(again, unmixer.weights_)


def costs_and_masses(unmixer):
    """Ground costs and the sources' masses, with those of the outliers last."""
    metric = "euclidean" if unmixer.metric == "auto" else unmixer.metric
    cost = cdist(unmixer.source_points_, unmixer.target_points_, metric)
    if unmixer.outlier_cost_ is None or unmixer.loss == "semirelaxed":
        return cost, unmixer.source_masses_
    n, n_sources = unmixer.source_masses_.shape
    masses = np.zeros((n + 1, n_sources + 1))
    masses[:n, :n_sources], masses[n, n_sources] = unmixer.source_masses_, 1.0
    return np.vstack([cost, np.full(cost.shape[1], unmixer.outlier_cost_)]), masses


def _scale(unmixer):
    """A cost of which differences between costs lose no digit."""
    cost, _ = costs_and_masses(unmixer)
    return float(max(cost.mean(), abs(unmixer.target_potentials_).max() * 1e-2))


def _check_transport(unmixer):
    cost, masses = costs_and_masses(unmixer)
    noise = unmixer.source_noise_
    if unmixer.outlier_cost_ is not None:
        noise = np.append(noise, noise.mean())
    beta = unmixer.target_potentials_
    alpha = unmixer.source_potentials_
    rounding = 1e-12 * _scale(unmixer)
    if len(alpha) < len(cost):
        alpha = np.append(alpha, unmixer.outlier_cost_ - beta.max())
    assert (alpha[:, None] + beta <= cost + rounding).all()
    bound = unmixer.target_masses_ @ beta + (masses.T @ alpha - noise / 2).min()
    np.testing.assert_allclose(
        unmixer.lower_bound_, bound, rtol=1e-9, atol=10 * rounding
    )
    if cost.size <= LARGEST:
        surcharges = (noise.max() - noise) / 2
        optimum, _ = solve_dense_lp(cost, masses, unmixer.target_masses_, surcharges)
        optimum -= noise.max() / 2
        allowed = 1e-9 * max(abs(optimum), cost.mean())
        assert unmixer.lower_bound_ <= optimum + allowed
        assert optimum <= unmixer.loss_ + allowed


def _check_likelihood(unmixer):
    """Against expectation maximisation, from the definition of the densities."""
    cost, masses = costs_and_masses(unmixer)
    (temperature,), (exponent,) = unmixer.view_temperatures_, unmixer.view_exponents_
    if unmixer.feature_scales_ is not None:
        return  # the metric is not one of SciPy's
    with np.errstate(divide="ignore"):
        log_masses = np.log(masses)
    logs = logsumexp(log_masses[:, :, None] - cost[:, None, :] / temperature, axis=0)
    nearest = -cost.min(axis=0) / temperature
    logs = exponent * np.maximum(logs, np.log(1e-300) + nearest)
    logs -= unmixer.source_surcharges_[:, None] / unmixer.temperature_
    highest = logs.max(axis=0)
    densities, target = np.exp(logs - highest), unmixer.target_masses_

    def loss(weights):
        return -unmixer.temperature_ * target @ (np.log(weights @ densities) + highest)

    rounding = 1e-9 * max(abs(unmixer.loss_), unmixer.temperature_)
    assert abs(loss(unmixer.weights_) - unmixer.loss_) <= rounding
    weights = np.full(len(densities), 1 / len(densities))
    for _ in range(300):
        weights *= (densities / (weights @ densities)) @ target
        weights /= weights.sum()
    assert unmixer.lower_bound_ <= loss(weights) + rounding


def _check_divergence(unmixer):
    """Against Sinkhorn's iteration in the logarithmic domain."""
    eps, target = unmixer.temperature_, unmixer.target_masses_
    mixture = unmixer.source_masses_ @ unmixer.weights_
    points, others = unmixer.source_points_, unmixer.target_points_
    kept = mixture > 0
    pairs = (
        (points[kept], mixture[kept], others, target),
        (points[kept], mixture[kept], points[kept], mixture[kept]),
        (others, target, others, target),
    )
    (value, error), (own, own_error), (other, other_error) = (
        _entropic_value(x, a, z, b, eps) for x, a, z, b in pairs
    )
    value -= own / 2 + other / 2
    allowed = error + own_error + other_error + 1e-8 * max(eps, unmixer.loss_)
    assert abs(value - unmixer.loss_) <= allowed


def _entropic_value(x, a, z, b, eps):
    """Dual value after some steps, and by how much the optimum may exceed it."""
    cost = cdist(x, z)
    log_a, log_b = np.log(a), np.log(b)
    f, g = np.zeros(len(a)), np.zeros(len(b))
    for _ in range(500):
        f = (f - eps * logsumexp((g - cost) / eps + log_b, axis=1)) / 2
        g = (
            g - eps * logsumexp((f[:, None] - cost) / eps + log_a[:, None], axis=0)
        ) / 2
    g = -eps * logsumexp((f[:, None] - cost) / eps + log_a[:, None], axis=0)
    plan = np.exp((f[:, None] + g - cost) / eps + log_a[:, None] + log_b)
    return a @ f + b @ g, abs(plan.sum(axis=1) - a).sum() * cost.max()


def _check_answer(unmixer, case):
    if not unmixer.converged_:
        return
    scale = _scale(unmixer)
    if case.loss is not None:
        allowed = max(unmixer.tol * case.loss, 1e-9 * scale)
        assert case.loss - 1e-9 * scale <= unmixer.loss_ <= case.loss + allowed
    if case.weights is not None:
        np.testing.assert_allclose(unmixer.weights_, case.weights, atol=1e-6)


def _check_units(unmixer, case):
    """The unit of the data is not seen, where nothing is a number of that unit."""
    unit = 2.0**-20  # exact in binary numbers
    scaled = clone(unmixer)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        scaled.fit(unit * case.X, case.y, case.sample_weight)
    if unmixer.metric in ("hamming", "cosine"):
        factor = 1.0
    else:
        factor = unit**2 if unmixer.metric == "sqeuclidean" else unit
    np.testing.assert_allclose(scaled.weights_, unmixer.weights_, atol=1e-7)
    scale = _scale(unmixer)
    np.testing.assert_allclose(scaled.loss_ / factor, unmixer.loss_, atol=1e-7 * scale)
