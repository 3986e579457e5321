"""Gaussian mixtures that flow towards a target mixture."""

from collections.abc import Mapping
from copy import copy, deepcopy
from functools import partial
from numbers import Integral, Real
from typing import Any, ClassVar, Self

import numpy as np
import torch
from numpy.typing import ArrayLike
from sklearn.base import (
    ClassNamePrefixFeaturesOutMixin,
    DensityMixin,
    TransformerMixin,
)
from sklearn.callback import with_callbacks
from sklearn.exceptions import ConvergenceWarning
from sklearn.mixture import GaussianMixture
from sklearn.utils import check_random_state
from sklearn.utils.parallel import delayed
from sklearn.utils.validation import check_is_fitted, validate_data

from skwot._callbacks import Task, run_tasks
from skwot._checks import refuse_unreadable
from skwot._compat import Interval, StrOptions, fit_context
from skwot._device import check_device
from skwot._estimator import Estimator
from skwot._fitted import fresh_fit
from skwot._frames import frame_like
from skwot._gmm.couplings import (
    interpolate_mixtures,
    transport_barycentric,
    transport_random,
)
from skwot._gmm.covariance_types import COVARIANCE_TYPES, expand_full
from skwot._gmm.density import build_gaussian_mixture
from skwot._gmm.estimation import estimate_mixture
from skwot._gmm.flow import flow_mixture
from skwot._gmm.geometry import check_time
from skwot._gmm.given_mixtures import (
    are_several,
    count_features,
    join_mixtures,
    read_mixture,
    read_mixtures,
)
from skwot._gmm.mixtures import Mixture
from skwot._gmm.path import Flow
from skwot._gmm.seeding import INIT_NAMES, seed_mixtures
from skwot._gmm.settings import Settings
from skwot._typing import Array, Index
from skwot._warnings import warn_user

_MOST_SWAPPED = 1e8  # operations on all pairs, in units of those on one number


class GMMFlowFitter(
    ClassNamePrefixFeaturesOutMixin, TransformerMixin, DensityMixin, Estimator
):
    """Gaussian mixture that flows towards a target mixture.

    The weights, means and covariances of `n_components` Gaussians descend the squared
    MW2 distance to a fixed Gaussian mixture, which is the cost of the cheapest
    transport plan between the two that is itself a Gaussian mixture [1]_. The target is
    given, or estimated from the data. The whole path is kept.

    With fewer components than the target has, the flow reduces the target to the
    mixture that is nearest for transport. As a *density* that is poor, because a
    component that stands for several is only as wide as they are on average. Where the
    likelihood matters, fit a :class:`~sklearn.mixture.GaussianMixture`, or merge
    components as Runnalls does [3]_.

    Parameters
    ----------
    n_components : int, default=1
        Number of components that flow.

    covariance_type : {'full', 'tied', 'diag', 'spherical'}, default='full'
        Constraint on the covariances, as in
        :class:`~sklearn.mixture.GaussianMixture`. An estimated target has the same, a
        given one need not. Initial covariances that do not fulfil the constraint are
        replaced: under 'tied' by the weighted mean of all, under 'diag' by their
        diagonals, under 'spherical' by the mean of the diagonal.

    target : mixture, tuple, list of these or None, default=None
        Mixture to flow to. It is a fitted mixture, which is anything with
        ``weights_``, ``means_`` and ``covariances_``, or a tuple ``(weights, means,
        covariances)`` of arrays of shape (m,), (m, n_features) and (m, n_features,
        n_features), like :class:`skwot.mixtures.Mixture`. The covariances of a tuple
        may have the shape of `covariance_type` instead. A list of mixtures is several
        targets, whose barycentre is found. With None,
        :class:`~sklearn.mixture.GaussianMixture` is fitted to the data.

    n_target_components : int, default=None
        Number of components of the target. None means `n_components` if the target is
        estimated, and as many as it has if it is given; any other number is then an
        error.

    barycenter_weights : array-like of shape (n_targets,), default=None
        With several targets, how much each counts: the flow descends the mean of the
        squared distances to them with these weights. They are positive, and divided by
        their sum. None means that all count alike.

    init : {'k-means++', 'kmeans', 'random', 'random_from_data'}, mixture or tuple, \
            default='k-means++'
        Mixture to start from, in one of the forms of `target`, or one of the names of
        scikit-learn's ``init_params``: then one step of EM makes a mixture of that
        initialisation on the data. If the target has more than `n_components`
        components, 'k-means++' draws among these instead, by their Bures-Wasserstein
        distances.

    fixed_weights : bool, default=False
        Whether the weights stay as they start.

    solver : {'pgd', 'bures'}, default='pgd'
        How the covariances move. 'pgd' is projected gradient descent: a straight step,
        and a projection onto the covariances above the floor that `reg_covar` sets.
        'bures' follows geodesics of the Bures-Wasserstein metric, ``C <- S C S``, which
        stay positive definite by themselves; it takes fewer steps, and needs
        ``learning_rate='auto'``.

    learning_rate : 'auto' or float, default='auto'
        With 'auto', the flow follows the gradient in the Bures-Wasserstein metric:
        steps need no tuning and do not depend on the unit of the data, and the loss
        never rises. The weights move once means and covariances have come to rest, so
        that the result is no worse than with fixed weights. A float is the rate, in the
        unit of the data, of a plain loop of Adam as in POT's gallery [2]_. That loop
        always takes `max_iter` steps, moves the means at twice the rate and the
        weights through a softmax, and may oscillate.

    max_iter : int, default=100
        Maximum number of steps, and of those after each of the swaps.

    tol : float, default=1e-6
        Relative decrease of the loss in one step below which the flow has converged.
        At a numeric `learning_rate`, which takes all steps, it only decides on
        `converged_`.

    reg_covar : float, default=1e-6
        What keeps covariances from collapsing on the way: each stays above this part
        of the mean covariance within the components of both mixtures, in the Loewner
        order. The part is smaller where that would raise a covariance that was given as
        positive definite. If all components are points, it is the covariance of their
        means that counts. In the estimation of a target it is what EM adds to each
        variance, relative to the mean variance of the data.

    n_init : int, default=1
        Number of flows from different initialisations, of which the one with the
        lowest loss is kept. From a mixture as `init` there is a single flow, so that
        more is an error.

    swaps : 'auto' or bool, default='auto'
        Whether to leave local minima. Once the flow is at rest, the component that is
        missed least is put onto the component of the target that gains most from it,
        and the flow goes on, by up to `max_iter` more steps; that is kept if the loss
        falls. Twenty such moves are tried before a minimum is left alone, which takes
        as many flows. 'auto' is True where the start is not given, there is no rate,
        and ``n_components * n_target_components * n_features**3`` is at most 1e8. A
        number as `learning_rate` excludes True.

    record_path : bool, default=True
        Whether `weights_path_`, `means_path_` and `covariances_path_` have all steps,
        and not only the first and the last one. The path of a large mixture is large.

    warm_start : bool, default=False
        Whether `fit` goes on from where the last call ended; `init` and `n_init` then
        hold for the first call.

    n_jobs : int, default=None
        Number of flows that run at the same time; None means 1 unless in a
        :func:`joblib.parallel_config` context.

    device : torch device, str or None, default=None
        Device on which PyTorch computes the flow, in double precision, which the
        device has to support. None means NumPy on the CPU, which is faster for mixtures
        of usual size. Transport plans are solved on the CPU in any case, and all
        attributes are NumPy arrays.

    random_state : int, RandomState instance or None, default=None
        Seed of the initialisations, of the target's estimation, of `sample` and
        of random transport.

    Attributes
    ----------
    weights_ : ndarray of shape (n_components,)
        Weights at the step with the lowest loss; all that follows is of this step, too.
    means_ : ndarray of shape (n_components, n_features)
        Means.
    covariances_ : ndarray
        Covariances, of shape (n_components, n_features, n_features) if
        `covariance_type` is 'full', (n_features, n_features) if 'tied',
        (n_components, n_features) if 'diag' and (n_components,) if 'spherical'.
    precisions_ : ndarray
        Inverse covariances, of the same shape.
    precisions_cholesky_ : ndarray
        Upper triangular U with ``U U^T`` the precision, of the same shape; the
        square roots of the precisions if 'diag' or 'spherical'.
    target_weights_ : ndarray of shape (n_target_components,)
        Weights of the target; of several, those of all components, times the weight
        that their target has in the barycentre.
    target_means_ : ndarray of shape (n_target_components, n_features)
        Means of the target.
    target_covariances_ : ndarray of shape \
            (n_target_components, n_features, n_features)
        Covariances of the target, as full matrices for every `covariance_type`.
    plan_ : ndarray of shape (n_components, n_target_components)
        Optimal transport plan between the components and those of the target: its
        rows sum to `weights_`, its columns to `target_weights_`.
    plans_ : list of ndarray of shape (n_components, n_components_of_target)
        Optimal plans to each of several targets; `plan_` alone if there is one.
    loss_ : float
        Squared MW2 distance to the target, in squared units of the data; of several,
        their weighted mean.
    loss_curve_ : ndarray of shape (n_iter_ + 1,)
        Loss at each step, that of the initial mixture first, in squared units of the
        data.
    weights_path_ : ndarray of shape (n_iter_ + 1, n_components)
        Weights at each step, the initial ones first; at the first and the last step
        with ``record_path=False``.
    means_path_ : ndarray of shape (n_iter_ + 1, n_components, n_features)
        Means at these steps.
    covariances_path_ : ndarray of shape (n_iter_ + 1, *covariances_.shape)
        Covariances at these steps.
    n_iter_ : int
        Number of steps.
    converged_ : bool
        Whether the loss came to rest, to the tolerance `tol`. It may rest above zero,
        at a local minimum or where no mixture of this form reaches the target.
    n_features_in_ : int
        Number of features.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of the features, if all were strings.

    See Also
    --------
    sklearn.mixture.GaussianMixture : Mixture of largest likelihood.

    References
    ----------
    .. [1] Delon, J., & Desolneux, A. (2020). A Wasserstein-type distance in the
       space of Gaussian mixture models. SIAM Journal on Imaging Sciences, 13(2),
       936-970.
    .. [2] POT's gallery, "Gradient Flow for GMM-OT distance".
    .. [3] Runnalls, A. R. (2007). Kullback-Leibler approach to Gaussian mixture
       reduction. IEEE Transactions on Aerospace and Electronic Systems, 43(3),
       989-999.

    Examples
    --------
    >>> import numpy as np
    >>> from skwot import GMMFlowFitter
    >>> target = ([0.25, 0.75], [[0.0], [4.0]], [[[1.0]], [[4.0]]])
    >>> initial = ([0.5, 0.5], [[1.0], [2.0]], [[[1.0]], [[1.0]]])
    >>> X = np.array([[0.0], [1.0], [4.0]])
    >>> flow = GMMFlowFitter(2, target=target, init=initial).fit(X)
    >>> flow.weights_.round(6)
    array([0.25, 0.75])
    >>> flow.means_.round(6)
    array([[0.],
           [4.]])
    >>> flow.predict(X)
    array([0, 0, 1])
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "n_components": [Interval(Integral, 1, None, closed="left")],
        # Any object that holds a mixture will do: read_mixture validates these two.
        "target": "no_validation",
        "init": "no_validation",
        "n_target_components": [Interval(Integral, 1, None, closed="left"), None],
        "barycenter_weights": ["array-like", None],
        "fixed_weights": ["boolean"],
        "covariance_type": [StrOptions(set(COVARIANCE_TYPES))],
        "solver": [StrOptions({"pgd", "bures"})],
        "learning_rate": [
            StrOptions({"auto"}),
            Interval(Real, 0, None, closed="neither"),
        ],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "tol": [Interval(Real, 0, None, closed="left")],
        "reg_covar": [Interval(Real, 0, None, closed="left")],
        "n_init": [Interval(Integral, 1, None, closed="left")],
        "swaps": ["boolean", StrOptions({"auto"})],
        "record_path": ["boolean"],
        "warm_start": ["boolean"],
        "n_jobs": [Integral, None],
        "device": [str, torch.device, None],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        n_components: int = 1,
        *,
        covariance_type: str = "full",
        target: Any = None,
        n_target_components: int | None = None,
        barycenter_weights: ArrayLike | None = None,
        init: Any = "k-means++",
        fixed_weights: bool = False,
        solver: str = "pgd",
        learning_rate: float | str = "auto",
        max_iter: int = 100,
        tol: float = 1e-6,
        reg_covar: float = 1e-6,
        n_init: int = 1,
        swaps: bool | str = "auto",
        record_path: bool = True,
        warm_start: bool = False,
        n_jobs: int | None = None,
        device: Any = None,
        random_state: Any = None,
    ) -> None:
        self.n_components = n_components
        self.covariance_type = covariance_type
        self.target = target
        self.n_target_components = n_target_components
        self.barycenter_weights = barycenter_weights
        self.init = init
        self.fixed_weights = fixed_weights
        self.solver = solver
        self.learning_rate = learning_rate
        self.max_iter = max_iter
        self.tol = tol
        self.reg_covar = reg_covar
        self.n_init = n_init
        self.swaps = swaps
        self.record_path = record_path
        self.warm_start = warm_start
        self.n_jobs = n_jobs
        self.device = device
        self.random_state = random_state

    def __sklearn_clone__(self) -> Self:
        # A given mixture is data, not a model to train, so its clone stays fitted.
        cloned = super().__sklearn_clone__()
        cloned.target, cloned.init = deepcopy(self.target), deepcopy(self.init)
        return cloned

    @property
    def _n_features_out(self) -> int:
        return len(self.weights_)

    @with_callbacks
    @fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: ArrayLike | None = None, y: Any = None) -> Self:
        """Flow from the initial mixture to the target.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features), default=None
            Data from which the target, the initial mixture or both are estimated. They
            are not needed if the target is given, and the start is given, too, or
            consists of components of the target.
        y : Ignored
            Present for scikit-learn's conventions.

        Returns
        -------
        GMMFlowFitter
            The fitted estimator.

        Raises
        ------
        ValueError
            If the data are not finite or have fewer rows than components to estimate;
            if a given mixture is none, or does not match the data; if parameters
            contradict each other: `learning_rate` is a number with ``solver='bures'``,
            `n_init` is above 1 with a mixture as `init`, or a given mixture has not
            `n_components` or `n_target_components`; or if PyTorch cannot use `device`
            in double precision. All attributes are then as they were before.

        Examples
        --------
        >>> from skwot import GMMFlowFitter
        >>> target = ([0.5, 0.5], [[0.0], [10.0]], [[[1.0]], [[1.0]]])
        >>> start = ([0.5, 0.5], [[1.0], [7.0]], [[[1.0]], [[4.0]]])
        >>> flow = GMMFlowFitter(2, init=start, target=target).fit()
        >>> flow.means_.round(2).ravel().tolist()
        [0.0, 10.0]
        >>> flow.loss_curve_[[0, -1]].round(2).tolist()
        [5.5, 0.0]
        """
        self._refuse_contradictions()
        refuse_unreadable(X=X)
        task = Task.of(self, "fit", self.n_init, X=X, y=y)
        with fresh_fit(self) as last_fit:
            points = self._read_data(X)
            goes_on = bool(self.warm_start and last_fit)
            random_state = check_random_state(self.random_state)
            target, sizes = self._make_target(points, random_state)
            settings = self._settings(target, goes_on)
            if goes_on:
                initials = [self._last_mixture(last_fit, points.shape[1])]
            else:
                initials = self._make_initials(points, target, random_state)
            flows = self._run_flows(task, initials, target, settings, sizes)
            best = min(flows, key=lambda flow: flow.losses.min())
            self._store(best, target, sizes)
            if not (best.converged or best.stopped):
                self._warn_not_converged()
        task.end(lambda: dict(vars(self)))
        return self

    def _run_flows(
        self,
        task: Task,
        initials: list[Mixture],
        target: Mixture,
        settings: Settings,
        sizes: list[int] | None,
    ) -> list[Flow]:
        n_steps = None if settings.swaps else self.max_iter
        tasks = [task.subtask("flow", n_steps) for _ in initials]
        attributes = partial(self._attributes, target=target, sizes=sizes)
        calls = (
            delayed(flow_mixture)(initial, target, settings, sizes, watch)
            for initial, watch in zip(
                initials, (one.watch(attributes) for one in tasks), strict=True
            )
        )
        return run_tasks(calls, self.n_jobs, tasks)

    def _read_data(self, X: ArrayLike | None) -> Array:
        """Check the data; without any, there are no rows of as many features."""
        estimated = self.target is None or isinstance(self.init, str)
        if X is None:
            if self.target is None:
                raise ValueError(
                    "fit needs X, from which the target is estimated; got X=None."
                )
            first = self.target[0] if are_several(self.target) else self.target
            points = np.empty((0, count_features(first, "target")))
            self.n_features_in_ = points.shape[1]
            return points
        return validate_data(
            self, X, dtype=np.float64, ensure_min_samples=2 if estimated else 1
        )

    def _refuse_contradictions(self) -> None:
        """Raise an error if one parameter would make another one mean nothing.

        Every pair of parameters that can contradict each other has a line here, except
        for the numbers of components of given mixtures: see :func:`_check_size`.
        """
        named_init = isinstance(self.init, str)
        contradictions = (
            (
                self.solver == "bures" and self.learning_rate != "auto",
                "learning_rate must be 'auto' with solver='bures', which has no rate; "
                f"got learning_rate={self.learning_rate!r}.",
            ),
            (
                self.n_init > 1 and not named_init,
                "n_init must be 1 with a mixture as init, from which there is a single "
                f"flow; got n_init={self.n_init}.",
            ),
            (
                self.barycenter_weights is not None and not are_several(self.target),
                "barycenter_weights need several targets; got "
                f"barycenter_weights={self.barycenter_weights!r}.",
            ),
            (
                self.n_target_components is not None and are_several(self.target),
                "n_target_components must be None with several targets; got "
                f"n_target_components={self.n_target_components!r}.",
            ),
            (
                self.swaps is True and self.learning_rate != "auto",
                "swaps=True needs learning_rate='auto'; "
                f"got learning_rate={self.learning_rate!r}.",
            ),
            (
                named_init and self.init not in INIT_NAMES,
                f"init must be a mixture or one of {INIT_NAMES}, got {self.init!r}.",
            ),
        )
        for contradicted, message in contradictions:
            if contradicted:
                raise ValueError(message)

    def _settings(self, target: Mixture, goes_on: bool) -> Settings:
        """Choose how to flow, from a start or on from the last fit."""
        parameters = {name: getattr(self, name) for name in Settings._fields}
        n_components, n_features = target.means.shape
        size = self.n_components * n_components * n_features**3
        is_chosen = isinstance(self.init, str) and not goes_on
        swaps = is_chosen and self.learning_rate == "auto" and size <= _MOST_SWAPPED
        if self.swaps != "auto":
            swaps = bool(self.swaps)
        return Settings(**parameters)._replace(
            device=check_device(self.device), swaps=swaps
        )

    def _make_target(
        self, X: Array, random_state: np.random.RandomState
    ) -> tuple[Mixture, list[int] | None]:
        """Make the target; of several, all components and how many each has."""
        size, kind = self.n_target_components, self.covariance_type
        if self.target is None:
            size = size or self.n_components
            return (
                estimate_mixture(X, size, kind, self.reg_covar, random_state),
                None,
            )
        if are_several(self.target):
            several = read_mixtures(self.target, "target", X.shape[1], kind)
            return join_mixtures(several, self.barycenter_weights, "barycenter_weights")
        target = read_mixture(self.target, "target", X.shape[1], kind)
        if size is not None:
            _check_size(target, "target", n_target_components=size)
        return target, None

    def _last_mixture(self, last_fit: Mapping[str, Any], n_features: int) -> Mixture:
        weights, means = last_fit["weights_"], last_fit["means_"]
        if means.shape[1] != n_features:
            raise ValueError(
                f"warm_start=True goes on from the {means.shape[1]} features of the "
                f"last fit, got X with {n_features}."
            )
        # The type that the parameter had then, which may have changed since.
        kind, covariances = self._covariance_type, last_fit["covariances_"]
        full = expand_full(covariances, kind, *means.shape)
        last = Mixture(weights, means, full)
        name = "The last fit, which warm_start=True goes on from,"
        _check_size(last, name, n_components=self.n_components)
        return last

    def _make_initials(
        self, X: Array, target: Mixture, random_state: np.random.RandomState
    ) -> list[Mixture]:
        size, n_init = self.n_components, self.n_init
        if isinstance(self.init, str):
            return seed_mixtures(X, target, size, self.init, n_init, random_state)
        initial = read_mixture(self.init, "init", X.shape[1], self.covariance_type)
        _check_size(initial, "init", n_components=size)
        return [initial]

    def _store(self, flow: Flow, target: Mixture, sizes: list[int] | None) -> None:
        kind, fitted = self.covariance_type, flow.best
        density = build_gaussian_mixture(fitted, None, kind)
        self._covariance_type = kind
        self.weights_, self.means_, self.covariances_ = fitted
        self.precisions_ = density.precisions_
        self.precisions_cholesky_ = density.precisions_cholesky_
        self.target_weights_, self.target_means_, self.target_covariances_ = target
        self.weights_path_, self.means_path_ = flow.weights, flow.means
        self.covariances_path_ = flow.covariances
        self.plan_, self.loss_curve_ = flow.plan, flow.losses
        plans = np.split(flow.plan, np.cumsum(sizes or [])[:-1].astype(int), axis=1)
        self.plans_ = [plan / plan.sum() for plan in plans]
        self.loss_ = float(flow.losses.min())
        self.n_iter_ = len(flow.losses) - 1
        self.converged_ = flow.converged

    def _attributes(
        self, flow: Flow, target: Mixture, sizes: list[int] | None
    ) -> dict[str, Any]:
        """Attributes of an estimator that is fitted by this flow."""
        twin = copy(self)
        twin._store(flow, target, sizes)
        return dict(vars(twin))

    def _warn_not_converged(self) -> None:
        before, last = self.loss_curve_[-2:]
        warn_user(
            f"The flow did not converge in max_iter={self.max_iter} steps: the "
            f"last one took the loss from {before:.6g} to {last:.6g}, a "
            f"relative change above tol={self.tol:.6g}.",
            ConvergenceWarning,
        )

    def _density(self) -> GaussianMixture:
        check_is_fitted(self)
        fitted = Mixture(self.weights_, self.means_, self.covariances_)
        return build_gaussian_mixture(fitted, self.random_state, self._covariance_type)

    def _evaluate_density(self, method: str, X: ArrayLike) -> Any:
        density = self._density()
        refuse_unreadable(X=X)
        X = validate_data(self, X, reset=False, dtype=np.float64)
        with np.errstate(divide="ignore"):  # the logarithm of a weight of 0
            return getattr(density, method)(X)

    def transform(self, X: ArrayLike) -> Array:
        """Posterior probabilities of the components given each sample.

        This is :meth:`predict_proba`, under the name that a pipeline calls.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Samples.

        Returns
        -------
        ndarray of shape (n_samples, n_components)
            Rows sum to 1.

        Raises
        ------
        NotFittedError
            If the estimator is not fitted.
        ValueError
            If the samples are not finite, or have other features than the data of
            :meth:`fit`.

        Examples
        --------
        >>> from skwot import GMMFlowFitter
        >>> target = ([0.5, 0.5], [[0.0], [10.0]], [[[1.0]], [[1.0]]])
        >>> start = ([0.5, 0.5], [[1.0], [7.0]], [[[1.0]], [[4.0]]])
        >>> flow = GMMFlowFitter(2, init=start, target=target).fit()
        >>> flow.transform([[1.0], [9.0]]).round(3)
        array([[1., 0.],
               [0., 1.]])
        """
        return self.predict_proba(X)

    def predict_proba(self, X: ArrayLike) -> Array:
        """Posterior probabilities of the components given each sample.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Samples.

        Returns
        -------
        ndarray of shape (n_samples, n_components)
            Rows sum to 1.

        Raises
        ------
        NotFittedError
            If the estimator is not fitted.
        ValueError
            If the samples are not finite, or have other features than the data of
            :meth:`fit`.

        Examples
        --------
        >>> from skwot import GMMFlowFitter
        >>> target = ([0.5, 0.5], [[0.0], [10.0]], [[[1.0]], [[1.0]]])
        >>> start = ([0.5, 0.5], [[1.0], [7.0]], [[[1.0]], [[4.0]]])
        >>> flow = GMMFlowFitter(2, init=start, target=target).fit()
        >>> flow.predict_proba([[1.0], [5.0]]).round(3)
        array([[1. , 0. ],
               [0.5, 0.5]])
        """
        return self._evaluate_density("predict_proba", X)

    def predict(self, X: ArrayLike) -> Index:
        """Most probable component of each sample.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Samples.

        Returns
        -------
        ndarray of shape (n_samples,)
            Index of components.

        Raises
        ------
        NotFittedError
            If the estimator is not fitted.
        ValueError
            If the samples are not finite, or have other features than the data of
            :meth:`fit`.

        Examples
        --------
        >>> from skwot import GMMFlowFitter
        >>> target = ([0.5, 0.5], [[0.0], [10.0]], [[[1.0]], [[1.0]]])
        >>> start = ([0.5, 0.5], [[1.0], [7.0]], [[[1.0]], [[4.0]]])
        >>> flow = GMMFlowFitter(2, init=start, target=target).fit()
        >>> flow.predict([[1.0], [9.0]])
        array([0, 1])
        """
        return self._evaluate_density("predict", X)

    def fit_predict(self, X: ArrayLike, y: Any = None) -> Index:
        """Fit, and give the most probable component of each sample.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Samples.
        y : Ignored
            Present for scikit-learn's conventions.

        Returns
        -------
        ndarray of shape (n_samples,)
            Index of components.

        Raises
        ------
        ValueError
            As in :meth:`fit`.

        Examples
        --------
        >>> from skwot import GMMFlowFitter
        >>> target = ([0.5, 0.5], [[0.0], [10.0]], [[[1.0]], [[1.0]]])
        >>> GMMFlowFitter(2, init=target, target=target).fit_predict([[1.0], [9.0]])
        array([0, 1])
        """
        return self.fit(X, y).predict(X)

    def score_samples(self, X: ArrayLike) -> Array:
        """Logarithm of the density at each sample.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Samples.

        Returns
        -------
        ndarray of shape (n_samples,)
            Log-likelihoods.

        Raises
        ------
        NotFittedError
            If the estimator is not fitted.
        ValueError
            If the samples are not finite, or have other features than the data of
            :meth:`fit`.

        Examples
        --------
        >>> from skwot import GMMFlowFitter
        >>> target = ([0.5, 0.5], [[0.0], [10.0]], [[[1.0]], [[1.0]]])
        >>> start = ([0.5, 0.5], [[1.0], [7.0]], [[[1.0]], [[4.0]]])
        >>> flow = GMMFlowFitter(2, init=start, target=target).fit()
        >>> flow.score_samples([[0.0], [5.0]]).round(2)
        array([ -1.61, -13.42])
        """
        return self._evaluate_density("score_samples", X)

    def score(self, X: ArrayLike, y: Any = None) -> float:
        """Mean logarithm of the density at the samples.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Samples.
        y : Ignored
            Present for scikit-learn's conventions.

        Returns
        -------
        float
            Mean log-likelihood of a sample.

        Raises
        ------
        NotFittedError
            If the estimator is not fitted.
        ValueError
            If the samples are not finite, or have other features than the data of
            :meth:`fit`.

        Examples
        --------
        >>> from skwot import GMMFlowFitter
        >>> target = ([0.5, 0.5], [[0.0], [10.0]], [[[1.0]], [[1.0]]])
        >>> start = ([0.5, 0.5], [[1.0], [7.0]], [[[1.0]], [[4.0]]])
        >>> flow = GMMFlowFitter(2, init=start, target=target).fit()
        >>> round(flow.score([[0.0], [5.0]]), 2)
        -7.52
        """
        return float(self._evaluate_density("score", X))

    def aic(self, X: ArrayLike) -> float:
        """Akaike information criterion of the mixture; lower is better.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Samples.

        Returns
        -------
        float
            Criterion of all samples together.

        Raises
        ------
        NotFittedError
            If the estimator is not fitted.
        ValueError
            If the samples are not finite, or have other features than the data of
            :meth:`fit`.

        Examples
        --------
        >>> from skwot import GMMFlowFitter
        >>> target = ([0.5, 0.5], [[0.0], [10.0]], [[[1.0]], [[1.0]]])
        >>> start = ([0.5, 0.5], [[1.0], [7.0]], [[[1.0]], [[4.0]]])
        >>> flow = GMMFlowFitter(2, init=start, target=target).fit()
        >>> round(flow.aic([[0.0], [1.0], [10.0]]), 2)
        20.67
        """
        return float(self._evaluate_density("aic", X))

    def bic(self, X: ArrayLike) -> float:
        """Bayesian information criterion of the mixture; lower is better.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Samples.

        Returns
        -------
        float
            Criterion of all samples together.

        Raises
        ------
        NotFittedError
            If the estimator is not fitted.
        ValueError
            If the samples are not finite, or have other features than the data of
            :meth:`fit`.

        Examples
        --------
        >>> from skwot import GMMFlowFitter
        >>> target = ([0.5, 0.5], [[0.0], [10.0]], [[[1.0]], [[1.0]]])
        >>> start = ([0.5, 0.5], [[1.0], [7.0]], [[[1.0]], [[4.0]]])
        >>> flow = GMMFlowFitter(2, init=start, target=target).fit()
        >>> round(flow.bic([[0.0], [1.0], [10.0]]), 2)
        16.17
        """
        return float(self._evaluate_density("bic", X))

    def sample(
        self,
        n_samples: int = 1,
        random_state: int | np.random.RandomState | None = None,
    ) -> tuple[Array, Index]:
        """Draw samples from the fitted mixture.

        Parameters
        ----------
        n_samples : int, default=1
            Number of samples.
        random_state : int, RandomState instance or None, default=None
            Seed. None means the estimator's own.

        Returns
        -------
        X : ndarray of shape (n_samples, n_features)
            Samples, those of one component after those of another.
        y : ndarray of shape (n_samples,)
            Component of each sample.

        Raises
        ------
        NotFittedError
            If the estimator is not fitted.
        ValueError
            If `n_samples` is below 1.

        Examples
        --------
        >>> from skwot import GMMFlowFitter
        >>> target = ([0.5, 0.5], [[0.0], [10.0]], [[[1.0]], [[1.0]]])
        >>> start = ([0.5, 0.5], [[1.0], [7.0]], [[[1.0]], [[4.0]]])
        >>> flow = GMMFlowFitter(2, init=start, target=target).fit()
        >>> X, component = flow.sample(4, random_state=0)
        >>> X.shape, component.tolist()
        ((4, 1), [0, 0, 1, 1])
        """
        density = self._density()
        if random_state is not None:
            density.set_params(random_state=random_state)
        return density.sample(n_samples)

    def to_sklearn(self) -> GaussianMixture:
        """Fitted mixture as scikit-learn's own estimator.

        Returns
        -------
        GaussianMixture
            A fitted estimator with the same density. It shares no array with this one.

        Raises
        ------
        NotFittedError
            If the estimator is not fitted.

        Examples
        --------
        >>> from skwot import GMMFlowFitter
        >>> target = ([0.5, 0.5], [[0.0], [10.0]], [[[1.0]], [[1.0]]])
        >>> start = ([0.5, 0.5], [[1.0], [7.0]], [[[1.0]], [[4.0]]])
        >>> flow = GMMFlowFitter(2, init=start, target=target).fit()
        >>> mixture = flow.to_sklearn()
        >>> mixture
        GaussianMixture(n_components=2)
        >>> mixture.means_.round(2).ravel().tolist()
        [0.0, 10.0]
        """
        density = deepcopy(self._density())
        density.set_params(reg_covar=self.reg_covar)
        density.converged_, density.n_iter_ = self.converged_, self.n_iter_
        if hasattr(self, "feature_names_in_"):
            density.feature_names_in_ = self.feature_names_in_.copy()
        return density

    def transport(
        self, X: ArrayLike, *, method: str = "barycentric", t: float = 1.0
    ) -> Any:
        """Move samples of the initial mixture towards the target.

        They move along the optimal plan between the initial mixture and the target,
        which does not depend on the path that the flow took [1]_.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Samples of the initial mixture.
        method : {'barycentric', 'random'}, default='barycentric'
            With 'barycentric', a sample goes to the mean of its images under the
            Gaussian maps of the plan, weighed by their posterior probabilities: a
            smooth function of the sample. With 'random', it goes to the image under one
            map, drawn by these probabilities: only this makes samples of the target.
        t : float, default=1.0
            Part of the way to go, from 0 to 1.

        Returns
        -------
        ndarray or data frame of shape (n_samples, n_features)
            Moved samples; a frame of pandas or polars, with the same columns, if `X` is
            one, or if ``set_output`` asks for one.

        Raises
        ------
        NotFittedError
            If the estimator is not fitted.
        ValueError
            If `method` is none of these, `t` is not between 0 and 1, the samples are
            not finite or have other features than the data of :meth:`fit`, or a
            covariance of the initial mixture is singular.

        References
        ----------
        .. [1] Delon, J., & Desolneux, A. (2020). A Wasserstein-type distance in the
           space of Gaussian mixture models. SIAM Journal on Imaging Sciences,
           13(2), 936-970.

        Examples
        --------
        >>> import numpy as np
        >>> from skwot import GMMFlowFitter
        >>> flow = GMMFlowFitter(
        ...     init=([1.0], [[0.0]], [[[1.0]]]), target=([1.0], [[5.0]], [[[4.0]]])
        ... ).fit(np.zeros((1, 1)))
        >>> flow.transport([[0.0], [1.0]])
        array([[5.],
               [7.]])
        """
        check_is_fitted(self)
        refuse_unreadable(X=X)
        points: Array = validate_data(self, X, reset=False, dtype=np.float64)
        check_time(t)
        if method not in ("barycentric", "random"):
            raise ValueError(
                f"method must be 'barycentric' or 'random', got {method!r}."
            )
        initial, target = self._ends()
        responsibilities = self._responsibilities(points, initial)
        if method == "barycentric":
            moved = transport_barycentric(points, responsibilities, initial, target)
        else:
            rng = check_random_state(self.random_state)
            moved = transport_random(points, responsibilities, initial, target, rng)
        return frame_like(X, (1 - t) * points + t * moved, self)

    def interpolate(self, t: float) -> Mixture:
        """Point of the MW2 geodesic between the initial mixture and the target.

        The geodesic does not depend on the path that the flow took [1]_.

        Parameters
        ----------
        t : float
            From 0, the initial mixture, to 1, the target.

        Returns
        -------
        skwot.mixtures.Mixture
            NamedTuple of weights of shape (n_pairs,), means of shape (n_pairs,
            n_features) and covariances of shape (n_pairs, n_features, n_features):
            one component for each pair of components that the plan between the two
            joins.

        Raises
        ------
        NotFittedError
            If the estimator is not fitted.
        ValueError
            If `t` is not between 0 and 1.

        References
        ----------
        .. [1] Delon, J., & Desolneux, A. (2020). A Wasserstein-type distance in the
           space of Gaussian mixture models. SIAM Journal on Imaging Sciences,
           13(2), 936-970.

        Examples
        --------
        >>> import numpy as np
        >>> from skwot import GMMFlowFitter
        >>> flow = GMMFlowFitter(
        ...     init=([1.0], [[0.0]], [[[1.0]]]), target=([1.0], [[5.0]], [[[4.0]]])
        ... ).fit(np.zeros((1, 1)))
        >>> weights, means, covariances = flow.interpolate(0.5)
        >>> means, covariances
        (array([[2.5]]), array([[[2.25]]]))
        """
        check_is_fitted(self)
        check_time(t)
        return interpolate_mixtures(*self._ends(), t)

    def _ends(self) -> tuple[Mixture, Mixture]:
        """Return the initial mixture and the target, with full covariances."""
        if len(self.plans_) > 1:
            raise ValueError(
                f"There are {len(self.plans_)} targets: transport and interpolate need "
                "a single one."
            )
        weights, means = self.weights_path_[0], self.means_path_[0]
        kind, covariances = self._covariance_type, self.covariances_path_[0]
        full = expand_full(covariances, kind, *means.shape)
        target = self.target_weights_, self.target_means_, self.target_covariances_
        return Mixture(weights, means, full), Mixture(*target)

    @staticmethod
    def _responsibilities(X: Array, mixture: Mixture) -> Array:
        with np.errstate(divide="ignore"):  # the logarithm of a weight of 0
            return build_gaussian_mixture(mixture, None).predict_proba(X)


def _check_size(mixture: Mixture, name: str, **expected: int) -> None:
    """Compare the number of components with the parameter that says how many."""
    ((parameter, size),) = expected.items()
    if len(mixture.weights) != size:
        raise ValueError(
            f"{name} must have {parameter}={size} components, got "
            f"{len(mixture.weights)}."
        )
