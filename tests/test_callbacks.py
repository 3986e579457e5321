import pickle

import numpy as np
import pytest
from joblib import parallel_config
from sklearn.base import clone
from sklearn.callback import ProgressBar, ScoringMonitor
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.parallel import delayed

from skwot import GMMFlowFitter, WassersteinUnmixer
from skwot._callbacks import UNWATCHED, Changed, run_tasks
from skwot.datasets import make_gaussian_mixtures, make_unmixing
from skwot.model_selection import PrevalenceShiftSplit

# A number as learning rate takes so many steps as it is given, converged or not.
unfinished = pytest.mark.filterwarnings(
    "ignore:The weights are not certified:sklearn.exceptions.ConvergenceWarning",
    "ignore:The flow did not converge:sklearn.exceptions.ConvergenceWarning",
)


class Recorder:
    """Writes down every task, and stops the steps after some."""

    def __init__(self, stop_after=np.inf):
        self.stop_after = stop_after
        self.began, self.ended, self.fitted = [], [], []
        self.n_setups = self.n_teardowns = 0

    def setup(self, estimator, context):
        self.n_setups += 1

    def teardown(self, estimator, context):
        self.n_teardowns += 1

    def on_fit_task_begin(self, estimator, context, *, X=None):
        self.began.append(context.task_name)

    def on_fit_task_end(self, estimator, context, *, X=None, fitted_estimator=None):
        self.ended.append(context.task_name)
        if context.task_name == "step":
            self.fitted.append(fitted_estimator)
        return self.ended.count("step") >= self.stop_after


class Propagated(Recorder):
    max_propagation_depth = None


@pytest.fixture(scope="module")
def sample():
    X, y, _ = make_unmixing(n_source_samples=40, random_state=0)
    return X, y


@pytest.fixture(scope="module")
def mixtures():
    return make_gaussian_mixtures(random_state=0)


UNMIXERS = {
    "lp": {},
    "pgd": {"solver": "pgd"},
    "rate": {"learning_rate": 0.1, "max_iter": 10},
    "sinkhorn": {"loss": "sinkhorn"},
    "semirelaxed": {"loss": "semirelaxed"},
    "descended": {"loss": "semirelaxed", "solver": "pgd"},
    "outliers": {"outlier_cost": 1e6},
}
FLOWS = {
    "pgd": {},
    "bures": {"solver": "bures"},
    "rate": {"learning_rate": 0.05, "max_iter": 20},
    "fixed": {"fixed_weights": True, "covariance_type": "diag"},
}


@unfinished
@pytest.mark.parametrize("name", UNMIXERS)
def test_an_unmixing_tells_of_each_step(sample, name):
    recorder = Recorder()
    unmixer = WassersteinUnmixer(**UNMIXERS[name]).set_callbacks(recorder).fit(*sample)
    assert recorder.began[0] == recorder.ended[-1] == "fit"
    assert sorted(recorder.began) == sorted(recorder.ended)
    # A step that is no better may be followed at once by one that is.
    n_iters = [fitted.n_iter_ for fitted in recorder.fitted]
    assert n_iters[-1] == unmixer.n_iter_
    assert set(np.diff([0, *n_iters])) <= {1, 2}
    assert recorder.n_setups == recorder.n_teardowns == 1
    last = recorder.fitted[-1]
    np.testing.assert_allclose(last.weights_, unmixer.weights_, atol=1e-12)
    np.testing.assert_array_equal(
        last.predict(sample[0][:5]), unmixer.predict(sample[0][:5])
    )


@unfinished
@pytest.mark.parametrize("name", UNMIXERS)
def test_callbacks_do_not_change_an_unmixing(sample, name):
    plain = WassersteinUnmixer(**UNMIXERS[name]).fit(*sample)
    told = clone(plain).set_callbacks(Recorder()).fit(*sample)
    np.testing.assert_array_equal(told.weights_, plain.weights_)
    assert told.lower_bound_ == plain.lower_bound_


@pytest.mark.parametrize("name", UNMIXERS)
def test_a_stopped_unmixing_can_be_used(sample, name):
    """Stopped at the first step, without a warning, and certified as far as it is."""
    optimum = WassersteinUnmixer(**UNMIXERS[name] | {"max_iter": 500, "tol": 1e-9})
    optimum.set_params(learning_rate="auto").fit(*sample)
    unmixer = WassersteinUnmixer(**UNMIXERS[name]).set_callbacks(Recorder(1))
    unmixer.fit(*sample)
    rounding = 1e-9 * abs(optimum.loss_)
    assert unmixer.lower_bound_ <= optimum.loss_ + rounding
    assert optimum.lower_bound_ <= unmixer.loss_ + rounding
    assert unmixer.weights_.sum() == pytest.approx(1)
    assert unmixer.transform(sample[0]).sum(axis=1) == pytest.approx(1)
    assert unmixer.n_iter_ <= 2


@unfinished
@pytest.mark.parametrize("name", FLOWS)
def test_a_flow_tells_of_each_step(mixtures, name):
    X, initial, target = mixtures
    options = {"init": initial, "target": target} | FLOWS[name]
    recorder = Recorder()
    flow = GMMFlowFitter(3, **options).set_callbacks(recorder).fit(X)
    assert recorder.ended == ["step"] * flow.n_iter_ + ["flow", "fit"]
    for step, fitted in enumerate(recorder.fitted, 1):
        assert fitted.n_iter_ == step
        np.testing.assert_array_equal(fitted.loss_curve_, flow.loss_curve_[: step + 1])
    np.testing.assert_array_equal(recorder.fitted[-1].means_, flow.means_)
    plain = GMMFlowFitter(3, **options).fit(X)
    np.testing.assert_array_equal(plain.covariances_, flow.covariances_)


@pytest.mark.parametrize("name", FLOWS)
def test_a_stopped_flow_can_be_used(mixtures, name):
    X, initial, target = mixtures
    options = {"init": initial, "target": target} | FLOWS[name]
    flow = GMMFlowFitter(3, **options).set_callbacks(Recorder(2)).fit(X)
    assert flow.n_iter_ == 2
    assert not flow.converged_
    assert flow.loss_ < flow.loss_curve_[0]
    assert np.isfinite(flow.transport(X)).all()
    assert np.isfinite(flow.score(X))


def test_a_step_of_a_swap_is_never_worse_than_what_was_found_before():
    target = make_gaussian_mixtures(5, n_features=2, random_state=3)[2]
    options = {"target": target, "init": "random", "swaps": True, "random_state": 0}
    recorder = Recorder()
    X = np.random.default_rng(0).normal(size=(50, 2))
    GMMFlowFitter(4, **options).set_callbacks(recorder).fit(X)
    losses = [fitted.loss_ for fitted in recorder.fitted]
    # A swap is kept if the loss falls by `tol`.
    assert max(np.diff(losses)) <= 1e-6 * min(losses)
    for n_steps in (len(losses) - 1, 3):
        stopped = GMMFlowFitter(4, **options).set_callbacks(Recorder(n_steps)).fit(X)
        assert stopped.loss_ == pytest.approx(losses[n_steps - 1])


def test_groups_restarts_and_replicates_are_tasks(sample, mixtures):
    X, y = sample
    recorder = Recorder()
    unmixer = WassersteinUnmixer().fit(X[y >= 0], y[y >= 0]).set_callbacks(recorder)
    unmixer.unmix(X[y == -1], groups=np.arange((y == -1).sum()) % 4)
    assert recorder.ended == ["group"] * 4 + ["unmix"]
    recorder.ended.clear()
    unmixer.bootstrap(X[y == -1], n_resamples=120, random_state=0)
    assert recorder.ended == ["block"] * 3 + ["replicates", "bootstrap"]
    recorder.ended.clear()
    unmixer.goodness_of_fit(X[y == -1], n_resamples=9, random_state=0)
    assert recorder.ended == ["block"] * 10 + ["losses", "goodness_of_fit"]
    recorder.ended.clear()
    flow = GMMFlowFitter(2, target=mixtures[2], n_init=3, random_state=0)
    flow.set_callbacks(recorder).fit()
    assert [name for name in recorder.ended if name != "step"] == ["flow"] * 3 + ["fit"]
    assert recorder.n_setups == recorder.n_teardowns == 4


@pytest.mark.parametrize("backend", ["loky", "threading", "multiprocessing"])
def test_tasks_end_whatever_the_backend_is(sample, backend):
    X, y = sample
    recorder = Recorder()
    unmixer = WassersteinUnmixer(n_jobs=2).fit(X[y >= 0], y[y >= 0])
    groups = np.arange((y == -1).sum()) % 3
    expected = unmixer.unmix(X[y == -1], groups=groups)
    with parallel_config(backend):
        found = unmixer.set_callbacks(recorder).unmix(X[y == -1], groups=groups)
    np.testing.assert_array_equal(found, expected)
    assert recorder.ended == ["group"] * 3 + ["unmix"]


def test_flows_in_other_processes_are_heard_of(mixtures):
    options = {"target": mixtures[2], "n_init": 2, "random_state": 0}
    recorder = Recorder()
    flow = GMMFlowFitter(2, n_jobs=2, **options).set_callbacks(recorder).fit()
    assert [name for name in recorder.ended if name != "step"] == ["flow"] * 2 + ["fit"]
    plain = GMMFlowFitter(2, **options).fit()
    np.testing.assert_array_equal(flow.means_, plain.means_)


@pytest.mark.parametrize("estimator", [WassersteinUnmixer(), GMMFlowFitter(2)])
def test_progress_is_shown(sample, estimator, capsys):
    clone(estimator).set_callbacks(ProgressBar()).fit(*sample)
    assert f"{type(estimator).__name__} - fit" in capsys.readouterr().out


def test_scores_are_monitored(sample):
    X, y = sample
    monitor = ScoringMonitor(scoring=lambda flow, X, y: {"score": -flow.loss_})
    flow = GMMFlowFitter(2, n_target_components=3, random_state=0, swaps=False)
    flow.set_callbacks(monitor).fit(X, y)
    scores = [row["score"] for row in monitor.get_logs().data if "step" in str(row)]
    assert len(scores) >= flow.n_iter_


def test_grid_searches_and_pipelines_pass_callbacks_on(sample):
    X, y = sample
    rows, labels = X[y >= 0], y[y >= 0]
    recorder = Propagated()
    pipeline = make_pipeline(StandardScaler(), WassersteinUnmixer(tol=1e-2))
    cv = PrevalenceShiftSplit(2, bag_size=10, random_state=0)
    grid = {"wassersteinunmixer__metric": ["euclidean", "cityblock"]}
    search = GridSearchCV(pipeline, grid, cv=cv).set_callbacks(recorder)
    search.fit(rows, labels)
    assert recorder.ended.count("find weights") == 5
    assert recorder.n_setups == recorder.n_teardowns == 1


def test_callbacks_end_after_an_error(sample):
    recorder = Recorder()
    unmixer = WassersteinUnmixer().fit(*sample).set_callbacks(recorder)
    before = unmixer.weights_
    with pytest.raises(ValueError, match="y"):
        unmixer.fit(sample[0], None)
    assert recorder.n_setups == recorder.n_teardowns == 1
    assert unmixer.weights_ is before
    flow = GMMFlowFitter(2, target=3).set_callbacks(recorder)
    with pytest.raises(ValueError, match="target"):
        flow.fit(sample[0])
    assert recorder.n_setups == recorder.n_teardowns == 2


def test_an_unfinished_fit_still_warns(sample):
    unmixer = WassersteinUnmixer(solver="pgd", max_iter=1, tol=1e-9)
    with pytest.warns(ConvergenceWarning):
        unmixer.set_callbacks(Recorder()).fit(*sample)


def test_nothing_is_left_behind(sample):
    unmixer = WassersteinUnmixer().set_callbacks(Recorder())
    unmixer.fit(*sample).bootstrap(n_resamples=5, random_state=0)
    assert not [name for name in vars(unmixer) if "callback_fit" in name]
    again = pickle.loads(pickle.dumps(unmixer))
    np.testing.assert_array_equal(again.weights_, unmixer.weights_)


def test_a_changed_watch_passes_on_what_it_is_told():
    seen = []

    class Watch:
        stopped = True

        def __call__(self, snapshot):
            seen.append(snapshot())
            return True

    changed = Changed(Watch(), lambda value: value + 1)
    assert changed(lambda: 1)
    assert changed.stopped
    assert seen == [2]
    assert not UNWATCHED(lambda: 1)


def test_errors_of_calls_are_raised():
    with pytest.raises(ZeroDivisionError):
        run_tasks([delayed(divmod)(1, 0)], None)
    assert run_tasks([delayed(divmod)(7, 3)], None) == [(2, 1)]


@pytest.mark.parametrize("n_jobs", [None, 2])
def test_samples_that_max_support_reduces_are_tasks(sample, n_jobs):
    X, y = sample
    recorder = Recorder()
    unmixer = WassersteinUnmixer(max_support=10, n_jobs=n_jobs, random_state=0)
    watched = clone(unmixer).set_callbacks(recorder).fit(X, y)
    _, *tasks = recorder.began
    assert tasks == [
        "read sources and target",
        "reduce samples",
        *["sample"] * 4,
        "find weights",
        *["step"] * tasks.count("step"),
    ]
    alone = unmixer.set_params(n_jobs=None).fit(X, y)
    assert np.array_equal(watched.source_points_, alone.source_points_)
    assert np.array_equal(watched.weights_, alone.weights_)
