"""The estimator of mixture weights."""

import warnings
from numbers import Integral, Real
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse
from sklearn.base import BaseEstimator, TransformerMixin, _fit_context
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_consistent_length, check_random_state, column_or_1d
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.parallel import Parallel, delayed
from sklearn.utils.validation import (
    _check_feature_names_in,
    _check_sample_weight,
    check_is_fitted,
    validate_data,
)

from skwot._ot.assignment import assign
from skwot._ot.measures import Measure, SourceMeasures, moments, stack_measures
from skwot._ot.quantization import Quantization, loss_error, quantize
from skwot._ot.solvers import solve_unmixing
from skwot._ot.transport import METRICS, Metric
from skwot._ot.unmixing import Unmixing
from skwot._sources import measure_of_rows, split_sources

Array = NDArray[np.float64]


class WassersteinUnmixer(TransformerMixin, BaseEstimator):
    """Weights of known source distributions in a target sample.

    Finds the weights w on the simplex that minimise the optimal transport cost
    between the mixture of the sources, ``sum_k w_k mu_k``, and the target. The
    cost is convex and piecewise linear in w, and the result carries a
    certificate: no weights cost less than ``lower_bound_``.

    Read more in the :ref:`User Guide <unmixing>`.

    Parameters
    ----------
    metric : str or callable, default="euclidean"
        Ground cost between two rows. A name that
        :func:`scipy.spatial.distance.cdist` knows and that needs no further
        parameter ("euclidean" gives the Wasserstein distance of order 1,
        "sqeuclidean" the square of that of order 2), or a function of two vectors
        that returns a non-negative number.
    solver : {"pgd", "lp"}, default="pgd"
        "pgd" is projected gradient descent through torch autograd. Each step solves
        one transport problem exactly, with a dense matrix of costs. "lp" solves the
        joint linear programme in plan and weights to a relative gap of 1e-9 by column
        generation with HiGHS [4]_, without such a matrix, in about the time of one
        transport problem. On the line, where the cost is convex in the difference,
        both solvers sort instead.
    learning_rate : "auto" or float, default="auto"
        Of "pgd"; "lp" has no steps. "auto" takes Polyak steps to the certified bound,
        jointly for all planes found so far (the level bundle method), and stops by
        `tol`. A number is the fixed step per unit of gradient, in the units of the
        ground cost: then steps are made from equal weights until `max_iter`, and the
        last solve is made where the planes are least.
    max_iter : int, default=500
        Largest number of exact transport problems, or linear programmes, to solve.
    tol : float, default=1e-4
        Stop when ``dual_gap_ <= tol * loss_``, or when the gap is below 1e-12 of
        the mean ground cost, where rounding hides it. "lp" goes on to a gap of 1e-9
        of the loss in any case, and warns if it does not reach `tol`.
    target_label : object, default=-1
        The label in `y` of the rows that form the target. If no row has it, all
        rows are the target.
    max_support : int, default=None
        Largest number of points that each source, and the target, is given. A sample
        with more distinct rows is moved to so many centres found by k-means before
        solving; `quantization_error_` bounds what that changes. None: no limit.
    n_jobs : int, default=None
        Number of groups that :meth:`unmix` estimates in parallel, through joblib.
    random_state : int, RandomState instance or None, default=None
        Seed of the k-means that `max_support` asks for; nothing else is random.

    Attributes
    ----------
    weights_ : ndarray of shape (K,)
        Weights of the sources, in the order of `classes_`.
    classes_ : ndarray of shape (K,)
        Labels of the sources, sorted.
    means_ : ndarray of shape (K, n_features)
        Means of the sources.
    covariances_ : ndarray of shape (K, n_features, n_features)
        Covariances of the sources.
    loss_ : float
        Optimal transport cost at `weights_`, in units of the ground cost: the cost
        of a feasible plan.
    lower_bound_ : float
        No weights on the simplex have a lower cost than this.
    dual_gap_ : float
        ``loss_ - lower_bound_``.
    loss_curve_ : ndarray of shape (n_iter_,)
        Cost at each step.
    n_iter_ : int
        Number of exact transport problems, or linear programmes, solved.
    converged_ : bool
        Whether `dual_gap_` met `tol`.
    quantization_error_ : float
        The transport cost between the samples as given, at `weights_`, is within this
        of `loss_`. Zero if nothing was quantised; NaN for a cost that is not known to
        obey the triangle inequality. `loss_` and `lower_bound_` are those of the
        quantised samples.
    source_points_ : ndarray of shape (n_atoms, n_features)
        Distinct rows of the sources, sorted; centres if they were quantised.
    source_masses_ : ndarray of shape (n_atoms, K)
        Mass of each of them in each source; columns sum to one.
    source_potentials_ : ndarray of shape (n_atoms,)
        The dual potential alpha.
    target_points_ : ndarray of shape (n_target_atoms, n_features)
        Distinct rows of the target, sorted; centres if it was quantised.
    target_masses_ : ndarray of shape (n_target_atoms,)
        Their masses, which sum to one.
    target_potentials_ : ndarray of shape (n_target_atoms,)
        The dual potential beta. With the ground cost c, ``alpha_i + beta_j <=
        c_ij`` holds throughout, and `lower_bound_` is ``target_masses_ @ beta +
        min(source_masses_.T @ alpha)`` to within rounding.
    n_features_in_ : int
        Number of features seen during :term:`fit`.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of features seen during :term:`fit`, if all are strings.

    See Also
    --------
    stack_sources : Labelled rows from separate samples.
    GMMFlowFitter : The mixture's components move, too.

    Notes
    -----
    Each exact transport problem gives feasible potentials and, by weak duality, a
    plane below the objective [1]_; the least maximum of all planes on the simplex
    is a lower bound on the optimum [2]_, and projecting on their level set gives
    the next point [3]_.

    References
    ----------
    .. [1] G. Peyré and M. Cuturi, "Computational Optimal Transport", Foundations
       and Trends in Machine Learning 11 (2019), section 9.1.
    .. [2] J. E. Kelley, "The cutting-plane method for solving convex programs",
       Journal of SIAM 8 (1960).
    .. [3] C. Lemaréchal, A. Nemirovskii and Y. Nesterov, "New variants of bundle
       methods", Mathematical Programming 69 (1995).
    .. [4] Q. Huangfu and J. A. J. Hall, "Parallelizing the dual revised simplex
       method", Mathematical Programming Computation 10 (2018).

    Examples
    --------
    >>> import numpy as np
    >>> from skwot import WassersteinUnmixer
    >>> X = np.array([[0.0], [1.0], [10.0], [11.0], [0.2], [0.8], [1.1], [10.4]])
    >>> y = np.array([0, 0, 1, 1, -1, -1, -1, -1])
    >>> unmixer = WassersteinUnmixer().fit(X, y)
    >>> unmixer.weights_.round(3)
    array([0.75, 0.25])
    >>> unmixer.predict([[0.4], [9.0]])
    array([0, 1])
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "metric": [StrOptions(set(METRICS)), callable],
        "solver": [StrOptions({"pgd", "lp"})],
        "learning_rate": [
            StrOptions({"auto"}),
            Interval(Real, 0, None, closed="neither"),
        ],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "tol": [Interval(Real, 0, None, closed="left")],
        "target_label": "no_validation",
        "max_support": [Interval(Integral, 1, None, closed="left"), None],
        "n_jobs": [Integral, None],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        *,
        metric: Metric = "euclidean",
        solver: str = "pgd",
        learning_rate: str | float = "auto",
        max_iter: int = 500,
        tol: float = 1e-4,
        target_label: Any = -1,
        max_support: int | None = None,
        n_jobs: int | None = None,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.metric = metric
        self.solver = solver
        self.learning_rate = learning_rate
        self.max_iter = max_iter
        self.tol = tol
        self.target_label = target_label
        self.max_support = max_support
        self.n_jobs = n_jobs
        self.random_state = random_state

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.required = True
        return tags

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(
        self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None
    ) -> Self:
        """Estimate the weights of the sources in the target.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows of the sources and of the target.
        y : array-like of shape (n_samples,)
            The source of each row, or `target_label`.
        sample_weight : array-like of shape (n_samples,), default=None
            Mass of each row, normalised within each source and within the
            target. Equal masses if None.

        Returns
        -------
        self : WassersteinUnmixer
            The fitted estimator.

        Raises
        ------
        ValueError
            If no row is labelled as a source's, or a source or the target has no
            mass.
        """
        rows, labels = validate_data(self, X, y, dtype=np.float64, ensure_min_samples=2)
        masses = _check_sample_weight(
            sample_weight, rows, dtype=np.float64, ensure_non_negative=True
        )
        self.classes_, sources, target = split_sources(
            rows, labels, masses, self.target_label
        )
        pairs = [moments(source) for source in sources]
        self.means_ = np.array([mean for mean, _ in pairs])
        self.covariances_ = np.array([covariance for _, covariance in pairs])
        random_state = check_random_state(self.random_state)
        fewer = [self._quantize(source, random_state) for source in sources]
        stacked = stack_measures([source.measure for source in fewer])
        target, moved = self._quantize(target, random_state)
        found = self._solve(stacked, target)
        self.quantization_error_ = loss_error(
            found.value,
            [float(found.weights @ [source.cost for source in fewer]), moved],
            self.metric,
        )
        self.source_points_ = stacked.points
        self.source_masses_ = stacked.masses.toarray()
        self.target_points_, self.target_masses_ = target
        self._set_solution(found)
        if not found.converged:
            _warn_not_converged([found], self.max_iter, self.tol)
        return self

    def _quantize(
        self, measure: Measure, random_state: np.random.RandomState
    ) -> Quantization:
        return quantize(measure, self.max_support, self.metric, random_state)

    def _solve(self, sources: SourceMeasures, target: Measure) -> Unmixing:
        return solve_unmixing(
            sources,
            target,
            self.metric,
            solver=self.solver,
            learning_rate=self.learning_rate,
            max_iter=self.max_iter,
            tol=self.tol,
        )

    def _set_solution(self, found: Unmixing) -> None:
        self.weights_ = found.weights
        self.loss_ = found.value
        self.lower_bound_ = found.lower_bound
        self.dual_gap_ = found.value - found.lower_bound
        self.loss_curve_ = found.curve
        self.n_iter_ = len(found.curve)
        self.converged_ = found.converged
        self.source_potentials_ = found.alpha
        self.target_potentials_ = found.beta

    def transform(self, X: ArrayLike) -> Array:
        """Share each row among the sources.

        A row goes to the source from which the fitted potentials transport it most
        cheaply; sources that tie share it in proportion to their mass there.
        A source of weight zero gets nothing.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)

        Returns
        -------
        ndarray of shape (n_samples, K)
            Rows sum to one.
        """
        check_is_fitted(self)
        rows = validate_data(self, X, dtype=np.float64, reset=False)
        masses = sparse.csr_array(self.source_masses_ * self.weights_)
        return assign(
            rows, self.source_points_, masses, self.source_potentials_, self.metric
        )

    def predict(self, X: ArrayLike) -> NDArray[Any]:
        """Label each row with the source that has the largest share of it.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)

        Returns
        -------
        ndarray of shape (n_samples,)
            Labels out of `classes_`.
        """
        check_is_fitted(self)
        return self.classes_[self.transform(X).argmax(axis=1)]

    def unmix(
        self,
        X: ArrayLike,
        *,
        sample_weight: ArrayLike | None = None,
        groups: ArrayLike | None = None,
    ) -> Array:
        """Estimate the weights of the fitted sources in new targets.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows of one target, or of several.
        sample_weight : array-like of shape (n_samples,), default=None
            Mass of each row, normalised within each target.
        groups : array-like of shape (n_samples,), default=None
            The target of each row. One target if None.

        Returns
        -------
        ndarray of shape (K,) or (n_groups, K)
            One row per group, in the order of ``numpy.unique(groups)``.

        Raises
        ------
        ValueError
            If a target has no mass.
        """
        check_is_fitted(self)
        rows = validate_data(self, X, dtype=np.float64, reset=False)
        masses = _check_sample_weight(
            sample_weight, rows, dtype=np.float64, ensure_non_negative=True
        )
        # Each group alone would be quantised with this seed.
        targets = [
            self._quantize(target, check_random_state(self.random_state)).measure
            for target in _split_groups(rows, masses, groups)
        ]
        sources = SourceMeasures(
            self.source_points_, sparse.csr_array(self.source_masses_)
        )
        found = Parallel(n_jobs=self.n_jobs)(
            delayed(self._solve)(sources, target) for target in targets
        )
        if not all(one.converged for one in found):
            _warn_not_converged(found, self.max_iter, self.tol)
        weights = np.array([one.weights for one in found])
        return weights[0] if groups is None else weights

    def get_feature_names_out(
        self, input_features: ArrayLike | None = None
    ) -> NDArray[np.object_]:
        """Names of the columns of :meth:`transform`, one per source.

        Parameters
        ----------
        input_features : array-like of str, default=None
            Ignored, except that it must match `feature_names_in_` if given.

        Returns
        -------
        ndarray of shape (K,) of str
            "wassersteinunmixer_" and the label of the source.
        """
        check_is_fitted(self)
        _check_feature_names_in(self, input_features, generate_names=False)
        prefix = type(self).__name__.lower()
        return np.asarray([f"{prefix}_{label}" for label in self.classes_], object)


def _split_groups(X: Array, masses: Array, groups: ArrayLike | None) -> list[Measure]:
    if groups is None:
        return [measure_of_rows(X, masses, "the target")]
    groups = column_or_1d(groups)
    check_consistent_length(X, groups)
    names, group = np.unique(groups, return_inverse=True)
    return [
        measure_of_rows(X[group == k], masses[group == k], f"group {name!r}")
        for k, name in enumerate(names.tolist())
    ]


def _warn_not_converged(found: list[Unmixing], max_iter: int, tol: float) -> None:
    worst = max(found, key=lambda one: (not one.converged, one.relative_gap))
    failed = sum(not one.converged for one in found)
    of_several = f" in {failed} of {len(found)} groups" if len(found) > 1 else ""
    warnings.warn(
        f"The weights are not certified to tol={tol}{of_several}: after "
        f"{len(worst.curve)} exact solves (max_iter={max_iter}) the dual gap is "
        f"{worst.value - worst.lower_bound:.3g}, which is {worst.relative_gap:.3g} of "
        f"the loss {worst.value:.6g}. Raise max_iter or tol.",
        ConvergenceWarning,
        stacklevel=3,
    )
