import pickle

import joblib
import numpy as np
import ot
import pandas as pd
import polars as pl
import pytest
import skops.io
import torch
from scipy.stats import multivariate_normal
from sklearn.base import clone
from sklearn.datasets import (
    load_breast_cancer,
    load_diabetes,
    load_wine,
    make_blobs,
)
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.mixture import BayesianGaussianMixture, GaussianMixture
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skwot._flow import GMMFlowFitter
from skwot._gmm.covariance_types import COVARIANCE_TYPES, expand_full
from skwot._gmm.flow import flow_mixture
from skwot._gmm.mixtures import Mixture, prepare_target
from skwot._gmm.mw2 import solve_mw2
from skwot._gmm.pair_costs import pair_costs
from skwot._gmm.settings import Settings
from tests.generators.gaussians import random_mixture


@pytest.fixture
def pair():
    rng = np.random.default_rng(0)
    return random_mixture(rng, 4, 3), random_mixture(rng, 3, 3)


@pytest.fixture
def flow(pair):
    initial, target = pair
    return GMMFlowFitter(4, init=initial, target=target, random_state=0).fit(
        np.zeros((1, 3))
    )


@pytest.fixture(scope="module")
def blobs():
    return make_blobs(200, n_features=3, centers=4, random_state=0)[0]


def mw2(source, target):
    return solve_mw2(*source, pair_costs(prepare_target(Mixture(*target)))).value


def fitted_mixture(flow):
    return flow.weights_, flow.means_, flow.covariances_


# Path and attributes


def test_recorded_path_is_consistent(flow, pair):
    initial, target = pair
    n = flow.n_iter_ + 1
    assert flow.loss_curve_.shape == (n,)
    assert flow.weights_path_.shape == (n, 4)
    assert flow.means_path_.shape == (n, 4, 3)
    assert flow.covariances_path_.shape == (n, 4, 3, 3)
    for path, start in zip(
        (flow.weights_path_, flow.means_path_, flow.covariances_path_),
        initial,
        strict=True,
    ):
        np.testing.assert_allclose(path[0], start, atol=1e-14)
    for step, loss in enumerate(flow.loss_curve_):
        at = (
            flow.weights_path_[step],
            flow.means_path_[step],
            flow.covariances_path_[step],
        )
        assert mw2(at, target) == pytest.approx(loss, rel=1e-9, abs=1e-13)
    assert flow.loss_ == flow.loss_curve_.min()
    assert mw2(fitted_mixture(flow), target) == pytest.approx(flow.loss_, abs=1e-13)


def test_plan_joins_the_two_mixtures(flow, pair):
    np.testing.assert_allclose(flow.plan_.sum(1), flow.weights_, atol=1e-12)
    np.testing.assert_allclose(flow.plan_.sum(0), pair[1].weights, atol=1e-12)
    np.testing.assert_allclose(flow.target_weights_, pair[1].weights)
    np.testing.assert_allclose(flow.target_means_, pair[1].means)
    np.testing.assert_allclose(flow.target_covariances_, pair[1].covariances)


def test_precisions(flow):
    identities = [np.eye(3)] * 4
    factors = flow.precisions_cholesky_
    np.testing.assert_allclose(
        flow.precisions_ @ flow.covariances_, identities, atol=1e-9
    )
    np.testing.assert_allclose(factors @ factors.swapaxes(1, 2), flow.precisions_)


def test_a_fixed_rate_takes_all_steps_and_keeps_the_best(pair):
    initial, target = pair
    flow = GMMFlowFitter(4, init=initial, target=target, learning_rate=0.5, max_iter=30)
    with pytest.warns(ConvergenceWarning, match="max_iter=30"):
        flow.fit(np.zeros((1, 3)))
    assert flow.n_iter_ == 30
    assert not flow.converged_
    assert flow.loss_ == flow.loss_curve_.min() < flow.loss_curve_[-1]
    assert mw2(fitted_mixture(flow), target) == pytest.approx(flow.loss_)


def test_running_out_of_steps_warns_with_the_losses(pair):
    flow = GMMFlowFitter(4, init=pair[0], target=pair[1], max_iter=2)
    with pytest.warns(ConvergenceWarning, match="took the loss from"):
        flow.fit(np.zeros((1, 3)))
    assert flow.n_iter_ == 2
    assert not flow.converged_


@pytest.fixture(scope="module")
def gallery():
    """The data of POT's gallery example "GMM Flow", in double precision."""
    state = torch.get_rng_state()
    torch.manual_seed(3)
    m_s, m_t = torch.randn(3, 2), torch.randn(2, 2)
    c_s, c_t = (
        c @ c.mT + 0.1 * torch.eye(2)
        for c in (torch.randn(3, 2, 2), torch.randn(2, 2, 2))
    )
    w_s = ot.utils.proj_simplex(torch.randn(3))
    torch.set_rng_state(state)
    m_s, m_t, c_s, c_t, w_s = (x.double() for x in (m_s, m_t, c_s, c_t, w_s))
    return (w_s, m_s, c_s), (torch.full((2,), 0.5, dtype=torch.float64), m_t, c_t)


def gallery_loop(source, target, learning_rate, n_steps):
    """POT's own loop, step by step."""
    w_s, m_s, c_s = (x.clone().requires_grad_() for x in source)
    w_t, m_t, c_t = target
    rates = zip((m_s, c_s, w_s), (2, 1, 1), strict=True)
    optimizer = torch.optim.Adam(
        [{"params": x, "lr": factor * learning_rate} for x, factor in rates]
    )
    losses, path = [], [(torch.softmax(w_s, 0), m_s, c_s)]
    path = [[x.detach().numpy().copy() for x in path[0]]]
    for _ in range(n_steps):
        optimizer.zero_grad()
        loss = ot.gmm.gmm_ot_loss(m_s, m_t, c_s, c_t, torch.softmax(w_s, 0), w_t)
        loss.backward()
        optimizer.step()
        with torch.no_grad():
            c_s.data = ot.utils.proj_SDP(c_s.data, vmin=1e-6)
        step = torch.softmax(w_s, 0), m_s, c_s
        path.append([x.detach().numpy().copy() for x in step])
        losses.append(loss.item())
    return np.array(losses), [np.stack(x) for x in zip(*path, strict=True)]


def fit_gallery(gallery, **options):
    (logits, m_s, c_s), target = gallery
    initial = torch.softmax(logits, 0).numpy(), m_s.numpy(), c_s.numpy()
    target = tuple(x.numpy() for x in target)
    flow = GMMFlowFitter(3, init=initial, target=target, **options)
    return flow.fit(np.zeros((1, 2)))


def test_a_fixed_rate_follows_the_gallery_loop(gallery):
    losses, path = gallery_loop(*gallery, learning_rate=3e-2, n_steps=100)
    with pytest.warns(ConvergenceWarning):
        flow = fit_gallery(gallery, learning_rate=3e-2, max_iter=100)
    assert losses[0] == pytest.approx(5.27, abs=0.005)
    np.testing.assert_allclose(flow.loss_curve_[:-1], losses, rtol=1e-6)
    found = flow.weights_path_, flow.means_path_, flow.covariances_path_
    for mine, pots in zip(found, path, strict=True):
        np.testing.assert_allclose(mine, pots, atol=1e-6)


@pytest.mark.parametrize("fixed_weights", [False, True])
def test_gallery_problem_with_the_defaults(gallery, fixed_weights):
    flow = fit_gallery(gallery, fixed_weights=fixed_weights)
    assert flow.converged_
    assert (np.diff(flow.loss_curve_) <= 0).all()
    assert np.linalg.eigvalsh(flow.covariances_).min() > 0
    # No covariances and means do better with these weights.
    floor = 0.565 if fixed_weights else 1e-6 * flow.loss_curve_[0]
    assert flow.loss_ <= floor


# Target and init


@pytest.mark.parametrize("covariance_type", ["full", "tied", "diag", "spherical"])
@pytest.mark.parametrize("model", [GaussianMixture, BayesianGaussianMixture])
def test_a_fitted_mixture_is_a_target(blobs, model, covariance_type):
    target = model(
        n_components=4,
        covariance_type=covariance_type,
        random_state=0,
        max_iter=1000,
    ).fit(blobs)
    flow = GMMFlowFitter(4, target=target, random_state=0).fit(blobs)
    np.testing.assert_allclose(flow.target_means_, target.means_)
    expected = multivariate_normal(
        target.means_[1],
        {
            "full": lambda c: c[1],
            "tied": lambda c: c,
            "diag": lambda c: c[1],
            "spherical": lambda c: c[1],
        }[covariance_type](target.covariances_),
    ).logpdf(blobs)
    found = multivariate_normal(flow.target_means_[1], flow.target_covariances_[1])
    np.testing.assert_allclose(found.logpdf(blobs), expected)


def test_a_fitted_flow_is_a_target_and_an_init(flow):
    again = GMMFlowFitter(4, init=flow, target=flow).fit(np.zeros((1, 3)))
    assert again.loss_ == pytest.approx(0, abs=1e-12)
    np.testing.assert_allclose(again.means_, flow.means_, atol=1e-6)


def test_target_none_is_estimated_by_em(blobs):
    options = {"reg_covar": 0, "random_state": 0}
    flow = GMMFlowFitter(2, n_target_components=4, **options).fit(blobs)
    em = GaussianMixture(4, **options).fit(blobs)
    order, expected = (np.argsort(m[:, 0]) for m in (flow.target_means_, em.means_))
    np.testing.assert_allclose(
        flow.target_means_[order], em.means_[expected], atol=1e-12
    )
    assert flow.plan_.shape == (2, 4)
    assert flow.converged_


@pytest.mark.parametrize("init", ["k-means++", "kmeans", "random", "random_from_data"])
def test_initial_mixtures_by_name(blobs, init):
    flow = GMMFlowFitter(3, init=init, n_init=2, random_state=1).fit(blobs)
    assert flow.converged_
    weights, means, covariances = (
        flow.weights_path_[0],
        flow.means_path_[0],
        flow.covariances_path_[0],
    )
    # One step of EM keeps the mean and the covariance of the data.
    np.testing.assert_allclose(weights @ means, blobs.mean(0))
    spread = means - blobs.mean(0)
    total = np.einsum("k,kij->ij", weights, covariances) + spread.T * weights @ spread
    np.testing.assert_allclose(total, np.cov(blobs.T, bias=True), rtol=1e-6, atol=1e-6)


def test_n_init_keeps_the_best_flow_whatever_n_jobs(blobs):
    flow = GMMFlowFitter(2, n_target_components=6, random_state=3)
    first = clone(flow).fit(blobs).loss_
    best = clone(flow).set_params(n_init=5).fit(blobs).loss_
    assert best <= first
    with joblib.parallel_config("threading", n_jobs=2):
        assert clone(flow).set_params(n_init=5).fit(blobs).loss_ == best


def test_flows_can_be_sent_to_other_processes(pair):
    # What joblib does to arguments and results, without the start of a process.
    task = flow_mixture, (*pair, Settings(max_iter=2))
    function, arguments = pickle.loads(pickle.dumps(task))
    found = pickle.loads(pickle.dumps(function(*arguments)))
    again = flow_mixture(*task[1])
    for mine, theirs in zip(
        (*found[:5], *found.best), (*again[:5], *again.best), strict=True
    ):
        np.testing.assert_array_equal(mine, theirs)


def test_warm_start_goes_on(pair):
    options = {"init": pair[0], "target": pair[1], "warm_start": True, "max_iter": 3}
    flow = GMMFlowFitter(4, **options)
    with pytest.warns(ConvergenceWarning):
        first = flow.fit(np.zeros((1, 3))).loss_
    flow.set_params(max_iter=100).fit(np.zeros((1, 3)))
    assert flow.loss_curve_[0] == pytest.approx(first, rel=1e-12)
    assert flow.converged_


@pytest.mark.parametrize("covariance_type", ["full", "tied", "diag", "spherical"])
def test_warm_start_goes_on_after_a_change_of_the_covariance_type(covariance_type):
    # Three components of three features: diagonals and matrices have one shape.
    rng = np.random.default_rng(3)
    initial, target = random_mixture(rng, 3, 3), random_mixture(rng, 3, 3)
    flow = GMMFlowFitter(3, init=initial, target=target, covariance_type="tied")
    flow.fit(np.zeros((1, 3)))
    tied = Mixture(flow.weights_, flow.means_, np.stack([flow.covariances_] * 3))
    flow.set_params(covariance_type=covariance_type, warm_start=True)
    flow.fit(np.zeros((1, 3)))
    expected = clone(flow).set_params(init=tied).fit(np.zeros((1, 3)))
    np.testing.assert_allclose(flow.loss_curve_, expected.loss_curve_, rtol=1e-12)


def test_warm_start_needs_a_fit_of_the_same_size(flow, blobs):
    flow.set_params(warm_start=True, target=None, n_target_components=1)
    with pytest.raises(ValueError, match=r"warm_start=True .* 3 features .* X with 2"):
        flow.fit(blobs[:, :2])
    with pytest.raises(ValueError, match=r"warm_start=True .* n_components=5 .* got 4"):
        flow.set_params(n_components=5).fit(blobs)


def test_a_refit_keeps_nothing_of_the_last_fit(pair, blobs):
    frame = pd.DataFrame(blobs, columns=["a", "b", "c"])
    refitted = GMMFlowFitter(4, init=pair[0], target=pair[1]).fit(frame)
    options = {"init": "kmeans", "target": None, "n_components": 2}
    refitted.set_params(**options, covariance_type="diag", random_state=0)
    fresh = clone(refitted).fit(blobs[:, :2])
    refitted.fit(blobs[:, :2])
    assert vars(refitted).keys() == vars(fresh).keys()
    for name, value in vars(fresh).items():
        np.testing.assert_array_equal(getattr(refitted, name), value)


POINT = ([1.0], [[0.0]], [[[0.0]]])


SINGULAR = {"reg_covar": 0.0, "init": POINT, "target": POINT}


@pytest.mark.parametrize(
    ("options", "X", "message"),
    [
        ({"init": "nowhere"}, np.ones((9, 2)), "init"),
        ({"n_components": 7, "init": "kmeans"}, np.ones((3, 3)), "n_samples"),
        ({"n_components": 1, **SINGULAR}, [[1]], "singular|reg_covar"),
        ({"target": ([1.0], [[0.0]], [[[-1.0]]])}, np.ones((9, 1)), "covariances"),
        ({"device": "nowhere"}, np.ones((9, 3)), "device"),
        ({}, np.full((9, 5), np.nan), "NaN"),
        ({"max_iter": 0}, np.ones((9, 3)), "max_iter"),
    ],
)
def test_a_refit_that_fails_leaves_every_attribute_as_it_was(flow, options, X, message):
    flow.set_params(**options)
    before = dict(vars(flow))
    with pytest.raises(ValueError, match=message):
        flow.fit(X)
    assert vars(flow).keys() == before.keys()
    assert all(value is before[name] for name, value in vars(flow).items())


def test_an_interrupted_refit_leaves_every_attribute_as_it_was(flow, monkeypatch):
    def interrupt(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr("skwot._flow.flow_mixture", interrupt)
    before = dict(vars(flow))
    with pytest.raises(KeyboardInterrupt):
        flow.fit(np.zeros((1, 3)))
    assert vars(flow).keys() == before.keys()
    assert all(value is before[name] for name, value in vars(flow).items())


def test_clone_keeps_given_mixtures_fitted(blobs):
    initial = GaussianMixture(3, random_state=0).fit(blobs)
    flow = clone(GMMFlowFitter(3, init=initial, random_state=0))
    assert flow.init is not initial
    np.testing.assert_array_equal(flow.init.means_, initial.means_)
    assert clone(flow.fit(blobs)).__dict__.keys() == flow.get_params(deep=False).keys()


# Covariance types and solvers

TYPES = ["full", "tied", "diag", "spherical"]
SHAPES = {"full": (4, 3, 3), "tied": (3, 3), "diag": (4, 3), "spherical": (4,)}


@pytest.mark.parametrize("covariance_type", TYPES)
def test_covariance_types_are_scikit_learn_s(pair, blobs, covariance_type):
    initial, target = pair
    flow = GMMFlowFitter(
        4, covariance_type=covariance_type, init=initial, target=target, random_state=0
    ).fit(blobs)
    shape = SHAPES[covariance_type]
    for values in (flow.covariances_, flow.precisions_, flow.precisions_cholesky_):
        assert values.shape == shape
    assert flow.covariances_path_.shape == (flow.n_iter_ + 1, *shape)
    assert flow.target_covariances_.shape == (3, 3, 3)
    em = GaussianMixture(4, covariance_type=covariance_type, random_state=0).fit(blobs)
    em.weights_, em.means_, em.covariances_ = fitted_mixture(flow)
    em.precisions_cholesky_ = flow.precisions_cholesky_
    np.testing.assert_allclose(flow.score_samples(blobs), em.score_samples(blobs))
    mixture = flow.to_sklearn()
    np.testing.assert_array_equal(mixture.predict(blobs), flow.predict(blobs))
    assert mixture.bic(blobs) == flow.bic(blobs)
    # As an initial mixture and as a target it keeps its type.
    again = clone(flow).set_params(init=flow, target=flow).fit(blobs)
    assert again.loss_ <= 1e-20 * flow.loss_curve_[0]
    np.testing.assert_allclose(again.covariances_, flow.covariances_)
    own = fitted_mixture(flow)
    np.testing.assert_allclose(
        clone(flow).set_params(init=own, target=own).fit(blobs).loss_, again.loss_
    )


@pytest.mark.parametrize("covariance_type", TYPES)
@pytest.mark.parametrize("solver", ["pgd", "bures"])
@pytest.mark.parametrize("scale", [1e-6, 1e-2, 1e2, 1e4])
def test_no_type_or_solver_depends_on_the_unit(blobs, covariance_type, solver, scale):
    plain, flow = (
        GMMFlowFitter(
            3,
            n_target_components=5,
            covariance_type=covariance_type,
            solver=solver,
            random_state=0,
        ).fit(s * blobs)
        for s in (1.0, scale)
    )
    np.testing.assert_allclose(flow.weights_, plain.weights_, atol=1e-8)
    np.testing.assert_allclose(flow.means_ / scale, plain.means_, atol=1e-8)
    np.testing.assert_allclose(
        flow.covariances_ / scale**2, plain.covariances_, atol=1e-8
    )


@pytest.mark.parametrize("covariance_type", TYPES)
def test_both_solvers_end_alike(blobs, covariance_type):
    losses = [
        GMMFlowFitter(
            3,
            n_target_components=6,
            covariance_type=covariance_type,
            solver=solver,
            tol=1e-9,
            max_iter=1000,
            random_state=0,
        )
        .fit(blobs)
        .loss_
        for solver in ("pgd", "bures")
    ]
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)


def test_reduction_starts_from_components_of_the_target():
    centers = 100 * np.eye(4, 3)
    X = make_blobs(200, centers=centers, random_state=0)[0]
    target = GaussianMixture(12, random_state=0).fit(X)
    flow = GMMFlowFitter(4, target=target, random_state=0).fit(X)
    distances = abs(flow.means_path_[0][:, None] - target.means_).sum(-1)
    assert (distances.min(axis=1) == 0).all()
    # Blobs are far apart: each gets one component, and its share of the mass.
    np.testing.assert_allclose(flow.weights_, 0.25)
    order = np.argsort(flow.means_ @ [1, 2, 3])[::-1]
    np.testing.assert_allclose(flow.means_[order], centers[[2, 1, 0, 3]], atol=1)


def test_device(blobs):
    plain, flow = (
        GMMFlowFitter(2, n_target_components=6, random_state=0, device=device).fit(
            blobs
        )
        for device in (None, torch.device("cpu"))
    )
    np.testing.assert_allclose(flow.covariances_, plain.covariances_)
    with pytest.raises(ValueError, match="device must be"):
        GMMFlowFitter(device="nowhere").fit(blobs)
    with pytest.raises(ValueError, match="device must be"):
        GMMFlowFitter(device="meta:7:8").fit(blobs)


# Scikit-learn's methods


def test_density_is_that_of_the_parameters(flow, blobs):
    densities = [
        w * multivariate_normal(m, c).pdf(blobs)
        for w, m, c in zip(*fitted_mixture(flow), strict=True)
    ]
    total = np.sum(densities, axis=0)
    np.testing.assert_allclose(flow.score_samples(blobs), np.log(total))
    assert flow.score(blobs) == pytest.approx(np.log(total).mean())
    np.testing.assert_allclose(flow.predict_proba(blobs), (densities / total).T)
    np.testing.assert_array_equal(flow.transform(blobs), flow.predict_proba(blobs))
    np.testing.assert_array_equal(flow.predict(blobs), np.argmax(densities, axis=0))


def test_to_sklearn_is_an_equal_and_independent_mixture(flow, blobs):
    mixture = flow.to_sklearn()
    assert type(mixture) is GaussianMixture
    for method in ("predict_proba", "score_samples", "predict", "aic", "bic", "score"):
        np.testing.assert_array_equal(
            getattr(mixture, method)(blobs), getattr(flow, method)(blobs)
        )
    for mine, theirs in zip(
        flow.sample(20), mixture.set_params(random_state=0).sample(20), strict=True
    ):
        np.testing.assert_array_equal(mine, theirs)
    mixture.means_ += 1
    assert (mixture.means_ != flow.means_).all()


def test_samples_have_the_mixture_s_moments(flow):
    X, labels = flow.sample(20000)
    assert X.shape == (20000, 3)
    np.testing.assert_allclose(X.mean(0), flow.weights_ @ flow.means_, atol=0.1)
    frequencies = np.bincount(labels, minlength=4) / len(labels)
    np.testing.assert_allclose(frequencies, flow.weights_, atol=0.02)


def test_works_in_a_pipeline_with_a_data_frame(blobs):
    frame = pd.DataFrame(blobs, columns=["a", "b", "c"])
    pipeline = make_pipeline(
        StandardScaler(), GMMFlowFitter(2, random_state=0)
    ).set_output(transform="pandas")
    out = pipeline.fit_transform(frame)
    assert list(out.columns) == ["gmmflowfitter0", "gmmflowfitter1"]
    np.testing.assert_allclose(out.sum(axis=1), 1)


@pytest.mark.parametrize("trip", ["pickle", "skops"])
def test_round_trips(flow, blobs, trip):
    flow.set_params(init="k-means++", target=None)
    if trip == "pickle":
        loaded = pickle.loads(pickle.dumps(flow))
    else:
        data = skops.io.dumps(flow)
        untrusted = skops.io.get_untrusted_types(data=data)
        assert untrusted == ["skwot._flow.GMMFlowFitter"]
        loaded = skops.io.loads(data, trusted=untrusted)
    np.testing.assert_array_equal(loaded.transform(blobs), flow.transform(blobs))
    np.testing.assert_array_equal(loaded.transport(blobs), flow.transport(blobs))


def test_fitted_attributes_are_plain(flow):
    for name, value in vars(flow).items():
        if name.endswith("_"):
            for part in value if name == "plans_" else [value]:
                assert isinstance(part, (np.ndarray, float, int, bool)), name
                assert type(part).__module__ in ("numpy", "builtins"), name


def test_nothing_given_is_changed(pair, blobs):
    before = [[x.copy() for x in mixture] for mixture in pair]
    X = blobs.copy()
    flow = GMMFlowFitter(4, init=pair[0], target=pair[1]).fit(X)
    flow.means_[:] = 0
    flow.target_means_[:] = 0
    flow.covariances_path_[:] = 0
    np.testing.assert_array_equal(X, blobs)
    for mixture, copies in zip(pair, before, strict=True):
        for array, copy in zip(mixture, copies, strict=True):
            np.testing.assert_array_equal(array, copy)


@pytest.mark.parametrize("learning_rate", ["auto", 0.01])
def test_no_global_state_is_touched(blobs, learning_rate):
    np.random.seed(0)
    torch.manual_seed(0)
    state = np.random.get_state()[1].copy(), torch.get_rng_state()
    settings = torch.get_default_dtype(), torch.get_num_threads()
    flow = GMMFlowFitter(2, learning_rate=learning_rate, tol=1.0, random_state=0)
    with torch.no_grad():
        flow.fit(blobs)
        assert not torch.is_grad_enabled()
    flow.transport(blobs, method="random")
    flow.sample(3)
    np.testing.assert_array_equal(np.random.get_state()[1], state[0])
    assert torch.equal(torch.get_rng_state(), state[1])
    assert (torch.get_default_dtype(), torch.get_num_threads()) == settings


@pytest.mark.parametrize("scale", [1e-6, 1e-2, 1e2, 1e4])
def test_fit_does_not_depend_on_the_unit_of_the_data(blobs, scale):
    plain, flow = (
        GMMFlowFitter(3, n_target_components=5, random_state=0).fit(s * blobs)
        for s in (1.0, scale)
    )
    np.testing.assert_allclose(flow.weights_, plain.weights_, atol=1e-8)
    np.testing.assert_allclose(flow.means_ / scale, plain.means_, atol=1e-8)
    np.testing.assert_allclose(
        flow.covariances_ / scale**2, plain.covariances_, atol=1e-8
    )


# Transport and interpolation


def test_barycentric_transport_agrees_with_pot(flow, pair, blobs):
    (w_s, m_s, c_s), (w_t, m_t, c_t) = pair
    X = np.random.default_rng(0).normal(size=(50, 3))
    expected = ot.gmm.gmm_ot_apply_map(X, m_s, m_t, c_s, c_t, w_s, w_t)
    np.testing.assert_allclose(flow.transport(X), expected, atol=1e-8)
    half = flow.transport(X, t=0.5)
    np.testing.assert_allclose(half, (X + expected) / 2, atol=1e-8)
    np.testing.assert_array_equal(flow.transport(X, t=0.0), X)


def test_transport_of_a_gaussian_agrees_with_pot():
    rng = np.random.default_rng(1)
    initial, target = (random_mixture(rng, 1, 3, np.ones(1)) for _ in range(2))
    flow = GMMFlowFitter(init=initial, target=target, random_state=0)
    X = rng.normal(size=(20, 3))
    A, b = ot.gaussian.bures_wasserstein_mapping(
        initial.means[0], target.means[0], initial.covariances[0], target.covariances[0]
    )
    flow.fit(X)
    np.testing.assert_allclose(flow.transport(X), X @ A + b, atol=1e-10)
    np.testing.assert_allclose(
        flow.transport(X, method="random"), X @ A + b, atol=1e-10
    )


def test_random_transport_makes_samples_of_the_target():
    rng = np.random.default_rng(2)
    initial, target = random_mixture(rng, 3, 2), random_mixture(rng, 4, 2)
    sources = GMMFlowFitter(3, init=initial, target=initial).fit(np.zeros((1, 2)))
    X = sources.sample(40000)[0]
    flow = GMMFlowFitter(3, init=initial, target=target, random_state=0).fit(X)
    moved = flow.transport(X, method="random")
    np.testing.assert_allclose(moved.mean(0), target.weights @ target.means, atol=0.03)
    density = GMMFlowFitter(4, init=target, target=target).fit(X)
    frequencies = density.predict_proba(moved).mean(0)
    np.testing.assert_allclose(frequencies, target.weights, atol=0.01)
    again = flow.transport(X, method="random")
    np.testing.assert_array_equal(moved, again)


@pytest.mark.parametrize("covariance_type", ["full", "tied", "diag", "spherical"])
def test_interpolation_is_a_geodesic(pair, covariance_type):
    flow = GMMFlowFitter(
        4, covariance_type=covariance_type, init=pair[0], target=pair[1]
    ).fit(np.zeros((1, 3)))
    pair = flow._ends()
    whole = np.sqrt(flow.loss_curve_[0])
    points = {t: flow.interpolate(t) for t in (0.0, 0.25, 0.7, 1.0)}
    for s, start in points.items():
        for t, end in points.items():
            distance = np.sqrt(max(mw2(start, end), 0))
            assert distance == pytest.approx(abs(s - t) * whole, abs=1e-6)
    for end, mixture in ((0.0, pair[0]), (1.0, pair[1])):
        nearest = abs(points[end].means[:, None] - mixture.means).sum(-1).argmin(1)
        np.testing.assert_array_equal(points[end].means, mixture.means[nearest])
        np.testing.assert_array_equal(
            points[end].covariances, mixture.covariances[nearest]
        )


# Bad input


@pytest.mark.parametrize("name", ["target", "init"])
def test_a_mixture_that_is_none_is_named(pair, blobs, name):
    weights, means, covariances = pair[1]
    with pytest.raises(ValueError, match=f"{name}: means must have shape"):
        GMMFlowFitter(3, **{name: (weights, means[:, :2], covariances)}).fit(blobs)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n_components": 3}, "init must have n_components=3 components, got 4"),
        (
            {"n_target_components": 5},
            "target must have n_target_components=5 components, got 3",
        ),
        ({"init": "nowhere"}, r"init must be .* 'kmeans'.*got 'nowhere'"),
        (
            {"solver": "bures", "learning_rate": 0.1},
            "learning_rate must be 'auto' with solver='bures'.*learning_rate=0.1",
        ),
        ({"n_init": 2}, "n_init must be 1 with a mixture as init.*got n_init=2"),
    ],
)
def test_parameters_that_contradict_each_other(pair, blobs, options, message):
    parameters = {"n_components": 4, "init": pair[0], "target": pair[1]}
    with pytest.raises(ValueError, match=message):
        GMMFlowFitter(**parameters | options).fit(blobs)


@pytest.mark.parametrize(
    "options",
    [
        {"n_target_components": 3},
        {"learning_rate": 0.1, "tol": 10.0, "max_iter": 2, "fixed_weights": True},
        {"init": "kmeans", "n_init": 2, "warm_start": True},
        {"n_jobs": 1, "warm_start": True, "solver": "bures"},
    ],
)
def test_parameters_that_agree(pair, blobs, options):
    parameters = {"n_components": 4, "init": pair[0], "target": pair[1]}
    flow = GMMFlowFitter(**parameters | options, random_state=0)
    assert flow.fit(blobs).fit(blobs).converged_


def test_bad_data(blobs):
    with pytest.raises(NotFittedError):
        GMMFlowFitter(3, target=GaussianMixture(3)).fit(blobs)
    with pytest.raises(ValueError, match="minimum of 2 is required"):
        GMMFlowFitter().fit(blobs[:1])
    with pytest.raises(ValueError, match="NaN"):
        GMMFlowFitter().fit(np.where(blobs > 3, np.nan, blobs))


def test_bad_arguments_of_transport_and_interpolate(flow, blobs):
    with pytest.raises(ValueError, match="method must be"):
        flow.transport(blobs, method="mean")
    for t in (-0.1, 1.5, np.nan):
        with pytest.raises(ValueError, match="t must be between 0 and 1"):
            flow.transport(blobs, t=t)
        with pytest.raises(ValueError, match="t must be between 0 and 1"):
            flow.interpolate(t)
    with pytest.raises(ValueError, match="2 features"):
        flow.transport(blobs[:, :2])
    with pytest.raises(NotFittedError):
        GMMFlowFitter().interpolate(0.5)


def test_a_singular_covariance_without_regularisation_is_an_error(pair, blobs):
    flat = pair[0]._replace(covariances=np.zeros((4, 3, 3)))
    flow = GMMFlowFitter(4, init=flat, target=flat, reg_covar=0.0)
    with pytest.raises(ValueError, match="increase reg_covar"):
        flow.fit(blobs)


@pytest.mark.parametrize("covariance_type", COVARIANCE_TYPES)
@pytest.mark.parametrize("solver", ["pgd", "bures"])
@pytest.mark.parametrize("load", [load_breast_cancer, load_wine, load_diabetes])
def test_raw_units_are_kept(load, solver, covariance_type):
    X = load().data
    mixture = GaussianMixture(
        2, covariance_type=covariance_type, reg_covar=1e-9, random_state=0
    ).fit(X)
    flow = GMMFlowFitter(
        2,
        covariance_type=covariance_type,
        solver=solver,
        init=mixture,
        target=mixture,
    ).fit(X)
    scale = np.square(X.std(axis=0)).sum()
    assert flow.loss_curve_[0] <= 1e-24 * scale
    full = expand_full(mixture.covariances_, covariance_type, 2, X.shape[1])
    change = expand_full(flow.covariances_, covariance_type, 2, X.shape[1]) - full
    variances = np.einsum("nkk->nk", full)
    assert (
        abs(change) <= 1e-12 * np.sqrt(variances[:, None] * variances[..., None])
    ).all()
    moved = abs(flow.transport(X) - X) / X.std(axis=0)
    assert moved.max() < 1e-8
    assert flow.score(X) == pytest.approx(mixture.score(X), rel=1e-9)


@pytest.mark.parametrize("feature", range(3))
@pytest.mark.parametrize("unit", [1e-6, 1e6])
def test_the_unit_of_a_feature_never_breaks_a_flow(pair, feature, unit):
    units = np.ones(3)
    units[feature] = unit
    initial, target = (
        m._replace(
            means=m.means * units, covariances=units * m.covariances * units[:, None]
        )
        for m in pair
    )
    options = {"init": initial, "target": target, "max_iter": 300}
    flow = GMMFlowFitter(len(initial.weights), **options).fit()
    assert np.isfinite(flow.loss_curve_).all()
    np.testing.assert_array_equal(flow.covariances_path_[0], initial.covariances)
    np.testing.assert_array_equal(flow.target_covariances_, target.covariances)
    assert (np.diff(flow.loss_curve_) <= 0).all()


def test_income_and_a_ratio():
    start = ([1.0], [[3e4, 0.3]], [np.diag([1.6e7, 4e-4])])
    wider = ([1.0], [[3e4, 0.3]], [np.diag([1.6e7, 16e-4])])
    for solver in ("pgd", "bures"):
        flow = GMMFlowFitter(init=start, target=wider, solver=solver).fit()
        np.testing.assert_allclose(flow.loss_curve_[0], 4e-4)
        np.testing.assert_allclose(flow.transport([[3.1e4, 0.34]]), [[3.1e4, 0.38]])
        middle = flow.interpolate(0.5).covariances[0]
        np.testing.assert_allclose(np.diag(middle), [1.6e7, 9e-4])


def test_a_tiny_weight_moves_nothing_to_the_origin():
    mixture = ([1 - 1e-16, 1e-16], [[0.0], [100.0]], [[[1.0]], [[1.0]]])
    flow = GMMFlowFitter(2, init=mixture, target=mixture, fixed_weights=True).fit()
    np.testing.assert_array_equal(flow.means_, [[0], [100]])
    np.testing.assert_allclose(flow.transport([[0.0], [100.0]]), [[0], [100]])


def test_mixtures_of_single_precision_and_of_tensors():
    rng = np.random.default_rng(0)
    factors = rng.normal(size=(2, 8, 3)).astype(np.float32)
    flat = factors @ factors.mT  # of rank three, and its rounding
    mixture = np.full(2, 0.5, np.float32), rng.normal(size=(2, 8)), flat
    assert np.linalg.eigvalsh(flat).min() < 0
    flow = GMMFlowFitter(2, init=mixture, target=mixture).fit()
    assert np.isfinite(flow.loss_)
    tensors = [torch.tensor(x, requires_grad=True) for x in mixture]
    other = GMMFlowFitter(2, init=tensors, target=tensors).fit()
    np.testing.assert_array_equal(other.means_, flow.means_)


def test_data_are_not_needed_where_both_mixtures_are_given(pair):
    options = {"init": pair[0], "target": pair[1]}
    flow = GMMFlowFitter(4, **options).fit()
    with_data = GMMFlowFitter(4, **options).fit(np.zeros((5, 3)))
    np.testing.assert_array_equal(flow.means_, with_data.means_)
    assert flow.n_features_in_ == 3
    assert flow.score_samples(np.zeros((2, 3))).shape == (2,)
    with pytest.raises(ValueError, match="the target is estimated; got X=None"):
        GMMFlowFitter(4, init=pair[0]).fit()
    with pytest.raises(ValueError, match="the initial mixture is estimated"):
        GMMFlowFitter(4, target=pair[1]).fit()
    with pytest.raises(ValueError, match="target must be a fitted mixture"):
        GMMFlowFitter(4, init=pair[0], target=3).fit()


def test_a_reduction_needs_no_data(pair):
    flow = GMMFlowFitter(2, target=pair[1], random_state=0).fit()
    with_data = GMMFlowFitter(2, target=pair[1], random_state=0).fit(np.zeros((5, 3)))
    np.testing.assert_array_equal(flow.means_, with_data.means_)
    middle = GMMFlowFitter(4, target=list(pair), random_state=0).fit()
    assert middle.means_.shape == (4, 3)
    with pytest.raises(ValueError, match="init='random' and n_components=2"):
        GMMFlowFitter(2, target=pair[1], init="random").fit()


def test_samples_have_a_seed_of_their_own(flow):
    first, again = (flow.sample(5, random_state=1)[0] for _ in range(2))
    np.testing.assert_array_equal(first, again)
    assert (flow.sample(5, random_state=2)[0] != first).any()


@pytest.mark.parametrize("learning_rate", ["auto", 0.05])
def test_the_path_may_be_left_out(pair, learning_rate):
    options = {
        "init": pair[0],
        "target": pair[1],
        "learning_rate": learning_rate,
        "tol": 1e-6 if learning_rate == "auto" else 10.0,
    }
    whole = GMMFlowFitter(4, **options).fit()
    ends = GMMFlowFitter(4, record_path=False, **options).fit()
    np.testing.assert_array_equal(ends.means_path_, whole.means_path_[[0, -1]])
    for name in ("weights_", "means_", "covariances_", "loss_curve_", "plan_"):
        np.testing.assert_array_equal(getattr(ends, name), getattr(whole, name))


@pytest.mark.parametrize("unit", [2.0**-340, 2.0**340])
@pytest.mark.parametrize("solver", ["pgd", "bures"])
def test_units_far_from_one(pair, unit, solver):
    initial, target = (
        m._replace(means=unit * m.means, covariances=unit**2 * m.covariances)
        for m in pair
    )
    plain = GMMFlowFitter(4, init=pair[0], target=pair[1], solver=solver).fit()
    flow = GMMFlowFitter(4, init=initial, target=target, solver=solver).fit()
    np.testing.assert_allclose(flow.means_, unit * plain.means_, rtol=1e-9)
    np.testing.assert_allclose(
        flow.loss_curve_[:3], unit**2 * plain.loss_curve_[:3], rtol=1e-9
    )
    X = pair[0].means
    np.testing.assert_allclose(
        flow.transport(unit * X), unit * plain.transport(X), rtol=1e-9
    )
    middle = flow.interpolate(0.5).covariances
    expected = unit**2 * plain.interpolate(0.5).covariances
    np.testing.assert_allclose(middle, expected, rtol=1e-9)


@pytest.mark.parametrize("covariance_type", COVARIANCE_TYPES)
@pytest.mark.parametrize("solver", ["pgd", "bures"])
def test_several_targets(pair, covariance_type, solver):
    rng = np.random.default_rng(1)
    targets = [pair[0], pair[1], random_mixture(rng, 5, 3)]
    weights = np.array([0.5, 0.2, 0.3])
    options = {
        "covariance_type": covariance_type,
        "solver": solver,
        "init": random_mixture(rng, 4, 3),
        "max_iter": 300,
    }
    flow = GMMFlowFitter(
        4, target=targets, barycenter_weights=10 * weights, **options
    ).fit()
    full = expand_full(flow.covariances_, covariance_type, 4, 3)
    fitted = Mixture(flow.weights_, flow.means_, full)
    distances = [mw2(fitted, target) for target in targets]
    assert flow.loss_ == pytest.approx(weights @ distances, rel=1e-9)
    assert (np.diff(flow.loss_curve_) <= 0).all()
    for plan, target in zip(flow.plans_, targets, strict=True):
        np.testing.assert_allclose(plan.sum(axis=1), flow.weights_, atol=1e-12)
        np.testing.assert_allclose(plan.sum(axis=0), target.weights, atol=1e-12)
    with pytest.raises(ValueError, match="There are 3 targets: transport"):
        flow.transport(np.zeros((2, 3)))
    with pytest.raises(ValueError, match="There are 3 targets"):
        flow.interpolate(0.5)
    assert flow.sample(3)[0].shape == (3, 3)


def test_one_target_in_a_list_is_that_target(pair):
    options = {"init": pair[0]}
    one = GMMFlowFitter(4, target=pair[1], **options).fit()
    listed = GMMFlowFitter(4, target=[pair[1]], **options).fit()
    np.testing.assert_array_equal(listed.means_, one.means_)
    np.testing.assert_allclose(one.plans_[0], one.plan_)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"barycenter_weights": [0.5, 0.5]}, "barycenter_weights need several targets"),
        ({"several": True, "n_target_components": 3}, "must be None with several"),
        ({"several": True, "barycenter_weights": [1, 2, 3]}, "for each of the 2"),
        (
            {"swaps": True, "learning_rate": 0.1},
            "swaps=True needs learning_rate='auto'",
        ),
    ],
)
def test_contradictions_of_targets(pair, options, message):
    target = [pair[1], pair[1]] if options.pop("several", False) else pair[1]
    with pytest.raises(ValueError, match=message):
        GMMFlowFitter(4, init=pair[0], target=target, **options).fit()


@pytest.mark.parametrize("library", [pd, pl])
def test_moved_frames_stay_frames(pair, library):
    points = np.random.default_rng(0).normal(size=(5, 3))
    frame = library.DataFrame(dict(zip("abc", points.T, strict=True)))
    if library is pd:
        frame.index = list("vwxyz")
    flow = GMMFlowFitter(4, init=pair[0], target=pair[1]).fit(frame)
    moved = flow.transport(frame)
    assert type(moved) is type(frame)
    assert list(moved.columns) == ["a", "b", "c"]
    expected = GMMFlowFitter(4, init=pair[0], target=pair[1]).fit().transport(points)
    np.testing.assert_allclose(moved.to_numpy(), expected)
    if library is pd:
        assert list(moved.index) == list("vwxyz")
