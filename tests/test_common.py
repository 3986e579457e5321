"""scikit-learn's common tests, with no expected failure."""

import numpy as np
import pytest
from sklearn.utils import estimator_checks
from sklearn.utils.estimator_checks import estimator_checks_generator

from skwot import GMMFlowFitter, WassersteinUnmixer

# One of each loss, solver, kind of covariance and way to start.
ESTIMATORS = [
    WassersteinUnmixer(),
    WassersteinUnmixer(metric="cityblock", max_iter=1000, n_jobs=2),
    WassersteinUnmixer(metric="chebyshev", learning_rate=0.1, max_iter=10, tol=10),
    WassersteinUnmixer(solver="pgd", metric="sqeuclidean"),
    WassersteinUnmixer(solver="lp", outlier_cost=10.0),
    WassersteinUnmixer(debias=True, random_state=0),
    WassersteinUnmixer(loss="sinkhorn"),
    WassersteinUnmixer(loss="semirelaxed"),
    WassersteinUnmixer(loss="semirelaxed", solver="pgd", tol=1e-3),
    GMMFlowFitter(),
    GMMFlowFitter(2, n_target_components=3, init="random", n_init=2),
    GMMFlowFitter(3, n_target_components=2, init="kmeans", warm_start=True),
    GMMFlowFitter(2, init="random_from_data", learning_rate=0.01, max_iter=3, tol=1.0),
    GMMFlowFitter(2, covariance_type="tied", fixed_weights=True),
    GMMFlowFitter(2, covariance_type="diag"),
    GMMFlowFitter(2, covariance_type="spherical", device="cpu"),
    GMMFlowFitter(2, solver="bures", n_target_components=4, n_init=2),
    GMMFlowFitter(2, solver="bures", covariance_type="tied"),
    GMMFlowFitter(2, solver="bures", covariance_type="diag", device="cpu"),
    GMMFlowFitter(2, solver="bures", covariance_type="spherical"),
]

# These are not among the checks that check_estimator runs. They look at parameters,
# names and containers, which are the class's and those of its transform.
FURTHER_CHECKS = [
    "check_param_validation",
    "check_dataframe_column_names_consistency",
    "check_get_feature_names_out_error",
    "check_transformer_get_feature_names_out",
    "check_transformer_get_feature_names_out_pandas",
    "check_set_output_transform",
    "check_set_output_transform_pandas",
    "check_set_output_transform_polars",
    "check_global_output_transform_pandas",
    "check_global_set_output_transform_polars",
]
EACH_TRANSFORM = [
    WassersteinUnmixer(),
    WassersteinUnmixer(loss="sinkhorn"),
    GMMFlowFitter(),
    GMMFlowFitter(3, n_target_components=2, covariance_type="diag"),
]
FURTHER = [(name, one) for name in FURTHER_CHECKS for one in EACH_TRANSFORM]
FURTHER += [("check_inplace_ensure_writeable", one) for one in ESTIMATORS]
# This one is skipped unless a variable of the environment changes what SciPy does.
NOT_RUN = {"check_array_api_input"}


def all_checks():
    for estimator in ESTIMATORS:
        for number, (instance, check) in enumerate(
            estimator_checks_generator(estimator)
        ):
            name = getattr(check, "func", check).__name__
            if name not in NOT_RUN:
                yield pytest.param(instance, check, id=f"{estimator}-{name}-{number}")


@pytest.mark.parametrize(("estimator", "check"), list(all_checks()))
def test_check_estimator(estimator, check):
    check(estimator)


# The checks of data frames fit on a frame and transform an array, and conversely, of
# which every estimator of scikit-learn's own warns.
@pytest.mark.filterwarnings("ignore:X does not have valid feature names:UserWarning")
@pytest.mark.filterwarnings("ignore:X has feature names, but:UserWarning")
@pytest.mark.parametrize(("name", "estimator"), FURTHER, ids=str)
def test_further_checks(name, estimator):
    check = getattr(estimator_checks, name)
    check(type(estimator).__name__, estimator)


@pytest.mark.parametrize("estimator", ESTIMATORS, ids=str)
def test_fitted_attributes_are_documented(estimator):
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(40, 2)), np.arange(40) % 2
    fitted = type(estimator)(**estimator.get_params()).fit(X, y)
    public = {name for name in vars(fitted) if name.endswith("_") and name[0] != "_"}
    documented = type(estimator).__doc__.split("Attributes\n")[1]
    missing = {name for name in public if f"    {name} : " not in documented}
    assert not missing
