"""The estimator of mixture weights."""

from collections.abc import Callable
from copy import copy
from functools import partial
from numbers import Integral, Real
from typing import Any, ClassVar, NamedTuple, Self

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from scipy import sparse
from sklearn.base import (
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
)
from sklearn.callback import with_callbacks
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_random_state, get_tags
from sklearn.utils.parallel import delayed
from sklearn.utils.validation import (
    check_consistent_length,
    check_is_fitted,
    check_non_negative,
    validate_data,
)

from skwot._callbacks import Task, run_subtasks, run_tasks
from skwot._checks import refuse_unreadable
from skwot._compat import (
    HasMethods,
    Interval,
    StrOptions,
    check_sample_weight,
    fit_context,
    validate_params,
)
from skwot._device import check_device
from skwot._estimator import Estimator
from skwot._fitted import fresh_fit
from skwot._frames import frame_of_groups, output_library
from skwot._ot.ground_costs import check_covariances
from skwot._ot.measures import Measure, SourceMeasures, moments, stack_measures
from skwot._ot.metrics import (
    ALIASES,
    METRICS,
    CostTable,
    JointMetric,
    Metric,
    Part,
    check_domain,
    facts_of,
    read_metric,
    scaled_cityblock,
)
from skwot._ot.quantization import Quantization, loss_error, quantize
from skwot._typing import Array
from skwot._unmixing.assignment import assign, assign_entropic
from skwot._unmixing.bootstrap import Replicates, RowCounts, Sample, draw_replicates
from skwot._unmixing.calibration import calibrate
from skwot._unmixing.classifier import cross_fit, finite_numbers, probability_points
from skwot._unmixing.goodness import compare_with_mixtures
from skwot._unmixing.identifiability import check_identifiability
from skwot._unmixing.labels import (
    Batch,
    Target,
    known_shares,
    read_column,
    read_labels,
    split_groups,
)
from skwot._unmixing.misfit import check_misfit, expected_costs
from skwot._unmixing.noise import LARGEST, sampling_noise
from skwot._unmixing.outliers import calibrate_outlier_cost, outlying_cost
from skwot._unmixing.problem import NOTHING, Problem, Unmixing, own_mixture
from skwot._unmixing.results import (
    BootstrapResult,
    GoodnessOfFitResult,
    UnmixingResult,
    missing_result,
    stack_results,
    summarise,
)
from skwot._unmixing.solve import (
    Settings,
    check_combination,
    loss_between,
    solve,
    solve_reduced,
)
from skwot._unmixing.views import View, posterior, scales_within, unit_of
from skwot._warnings import warn_user

_NAMED = 10  # groups, in a warning
_LARGEST_SEED = np.iinfo(np.int32).max
_MOST_FEATURES = 1000  # of rows that are compared beside a classifier's probabilities


class _Given(NamedTuple):
    """Samples as they were given.

    Attributes
    ----------
    sources : list of K Measure
    target : Measure
    shares : ndarray of shape (K,) or None
        Those of the sources in a target that is the sources themselves.
    source_errors : ndarray of shape (K,)
        What it has cost to move each source before.
    target_error : float
        What it has cost to move the target before.
    """

    sources: list[Measure]
    target: Measure
    shares: Array | None
    source_errors: Array
    target_error: float


class WassersteinUnmixer(ClassNamePrefixFeaturesOutMixin, TransformerMixin, Estimator):
    """Weights of known source distributions in a target sample.

    Finds the weights w on the simplex that minimise the optimal transport cost
    between the mixture of the sources, ``sum_k w_k mu_k``, and the target. The
    cost is convex and piecewise linear in w, and the result carries a
    certificate: no weights cost less than ``lower_bound_``.

    Read more in the :ref:`User Guide <unmixing>`.

    Parameters
    ----------
    loss : {"wasserstein", "sinkhorn", "semirelaxed"}, default="wasserstein"
        "wasserstein" is the exact cost of optimal transport. "sinkhorn" is the Sinkhorn
        divergence [5]_, which is smooth in the weights; its minimum is what is
        certified then. It excludes ``solver="lp"`` and `outlier_cost`, and needs a
        metric with a positive definite kernel, such as the default. "semirelaxed" is
        entropic transport of which the source marginal is free, which is minus the
        log-likelihood of the target under a mixture of kernel densities, one a source
        [6]_. It estimates the proportions of classes best, and in milliseconds;
        "wasserstein" is for sources that are known exactly, such as spectra.
    metric : str or callable, default="auto"
        Ground cost between two rows. "auto" is "euclidean", but with
        ``loss="semirelaxed"`` the mean over features of absolute differences, each in
        units of the feature's standard deviation within the sources: then the units of
        single features do not matter. Otherwise a name that
        :func:`scipy.spatial.distance.cdist` knows ("euclidean" gives the Wasserstein
        distance of order 1, "sqeuclidean" the square of that of order 2), one of
        scikit-learn's names for the same metrics ("manhattan", "l1", "l2"), or a
        function of two vectors that returns a non-negative number. If "precomputed",
        `X` is the square matrix of costs between all rows in :meth:`fit`, and that of
        costs between new rows and the fitted ones afterwards; entry (i, j) is what it
        costs to move mass from row j to row i. This excludes ``loss="sinkhorn"``,
        `max_support` and `classifier`.
    metric_params : dict, default=None
        Keyword arguments of `metric`: "p" and "w" of "minkowski", "V" (variances) of
        "seuclidean" and "VI" (inverse of a covariance) of "mahalanobis", which need
        them, "w" (a weight for each feature) of most others, and whatever a function
        takes.
    solver : {"auto", "lp", "pgd"}, default="auto"
        "lp" solves the joint linear programme in plan and weights to a relative gap of
        1e-9 with HiGHS [4]_, without a matrix of costs, in about the time of one
        transport problem. "pgd" is projected gradient descent through torch autograd:
        each step solves one transport problem exactly, with such a matrix. "auto" is
        "lp" for the Wasserstein loss, Newton's method for the semi-relaxed one, and
        "pgd" for the Sinkhorn divergence and where `learning_rate` is a number. With a
        single feature, where the cost is convex in the difference, every solver sorts
        for the Wasserstein loss instead; samples of more than 40,000 distinct values
        together are then solved to `tol`.
    reg : "auto" or float, default="auto"
        Temperature of the Sinkhorn divergence and of the semi-relaxed loss, as a
        fraction of the mean ground cost: between sources and target for the former,
        between points of the sources for the latter. "auto" is 0.05 for the Sinkhorn
        divergence. For the semi-relaxed loss it is chosen between 1/1024 and 1,
        together with an exponent of the densities, by the log-loss with which rows of
        the sources are classified, each left out of its own source. A number is at
        least 1e-4, and sets the exponent to one.
    debias : "auto" or bool, default="auto"
        Whether to treat the sources as samples of unknown distributions, whose rows are
        observations. Leave it at False for sources that are known exactly. "auto" is
        True with ``loss="semirelaxed"``, else False. If no row has `target_label`,
        there is nothing to debias in :meth:`fit` with the other losses.

        Two samples of the same distribution are further apart the more dispersed it is,
        which draws the weights to compact sources. With the losses of transport, True
        subtracts half the expected loss between two samples of each source, which is
        measured on random parts of it. With "semirelaxed" it charges each source such
        a cost that the sources, each row left out of its own, are unmixed to their own
        shares [7]_.
    learning_rate : "auto" or float, default="auto"
        Step of "pgd"; a number contradicts "lp", which has none. "auto" takes Polyak
        steps to the certified bound, jointly for all planes found so far (the level
        bundle method), and stops by `tol`. A number is the fixed step per unit of
        gradient, in the units of the ground cost: then steps are made from equal
        weights until `max_iter`, and the last solve is made where the planes are least.
    max_iter : int, default=500
        Largest number of exact transport problems, or linear programmes, to solve.
    tol : float, default=1e-4
        Stop when ``dual_gap_ <= tol * loss_``, or when the gap is below 1e-12 of
        the mean ground cost (1e-10 with ``loss="sinkhorn"``), where rounding hides it.
        With `debias` the loss counts before the subtraction of the largest noise. "lp"
        goes on to a gap of 1e-9 of the loss in any case, and warns if it does not reach
        `tol`.
    target_label : object, default=-1
        The label in `y` of the rows that form the target. If no row has it, all
        rows are the target; if rows have another spelling of it, such as "-1" for -1,
        that is an error.
    outlier_cost : float, "auto" or None, default=None
        Adds a virtual source at this cost, in units of the ground cost, from
        everything: target mass that no source explains more cheaply goes to
        `unexplained_` instead of distorting the weights. "auto" takes the 87th
        percentile of the costs that are paid when one random half of each source is
        transported onto the other, and subtracts the noise of the sources as `debias`
        does. With ``loss="semirelaxed"`` it is a constant density, and "auto" takes the
        98th percentile of the sources' own rows. None: all of the target is explained.
    max_support : int, default=None
        Largest number of points that each source, and the target, is given. A sample
        with more distinct rows is moved to so many centres found by k-means before
        solving; `quantization_error_` bounds what that changes. None: no limit.
    classifier : estimator with `predict_proba`, default=None
        Measures the ground cost between the square roots of its class probabilities
        (the Hellinger map) instead of between rows. A clone is fitted to the sources.
        Their own probabilities are cross-fitted, so that sources and target are
        treated alike. It gets `X` as it was given: data frames with strings, sparse
        matrices, missing values and texts are its business. With ``loss="semirelaxed"``
        the roots of probabilities, in `metric`, are one view of the rows. If these are
        at most 1,000 finite numbers each, they are a second view, in the metric
        "auto"; the densities of both, each with an exponent fitted to the log-loss, are
        multiplied.
    cv : int, cross-validation generator or iterable, default=5
        Folds for cross-fitting; see :func:`sklearn.model_selection.cross_val_predict`.
        A source with fewer rows than folds lowers their number to that of its rows.
    n_jobs : int, default=None
        Number of samples that `max_support` reduces, of groups that :meth:`unmix`, and
        of blocks of replicates that :meth:`bootstrap`, run in parallel, through joblib.
    device : torch device, str or None, default=None
        Where the Sinkhorn divergence is computed, by PyTorch in double precision. The
        processor if None, where the network simplex of the exact loss always runs: so
        a device needs ``loss="sinkhorn"``.
    random_state : int, RandomState instance or None, default=None
        Seed of the k-means that `max_support` asks for and of the parts of sources that
        `debias` and ``outlier_cost="auto"`` do; nothing else is random.

    Attributes
    ----------
    weights_ : ndarray of shape (K,)
        Weights of the sources, in the order of `classes_`.
    classes_ : ndarray of shape (K,)
        Labels of the sources, sorted.
    means_ : ndarray of shape (K, n_features)
        Means of the sources; only if `X` is a dense array or frame of finite numbers,
        and no matrix of costs.
    covariances_ : ndarray of shape (K, n_features, n_features)
        Covariances of the sources, under the same conditions.
    loss_ : float
        Optimal transport cost at `weights_`, in units of the ground cost: the cost
        of a feasible plan. With `debias`, less ``weights_ @ source_noise_ / 2``.
    lower_bound_ : float
        No weights on the simplex have a lower cost than this.
    dual_gap_ : float
        ``loss_ - lower_bound_``.
    loss_curve_ : ndarray of shape (n_iter_,)
        Cost at each step.
    n_iter_ : int
        Number of exact transport problems, or linear programmes, solved. One if the
        target is all rows, where nothing has to move.
    converged_ : bool
        Whether `dual_gap_` met `tol`.
    identifiability_ : ndarray of shape (K,)
        How well each weight is determined by how the sources differ: 0 if the source
        is a combination of the others, 1 if it and its nearest are two single points.
        Below 0.005 there is an
        :class:`~skwot.exceptions.IdentifiabilityWarning`. See the :ref:`User Guide
        <identifiability>`.
    unexplained_ : float
        Share of the target that no source explains; 0.0 unless `outlier_cost` is set.
        `weights_` are the shares in the rest.
    outlier_cost_ : float or None
        The value of `outlier_cost` that was used.
    source_noise_ : ndarray of shape (K,)
        Expected loss between two samples as large as each source; zero unless `debias`
        is set or `outlier_cost` is "auto". The virtual source is given the mean.
    classifier_ : estimator
        The fitted clone of `classifier`, if given.
    source_spread_ : ndarray of shape (K,)
        Mean ground cost between two different rows of each source. A target that is a
        mixture of the sources costs no more than ``weights_ @ source_spread_``, up to
        chance: beyond twice that :meth:`fit` warns.
    source_sizes_ : ndarray of shape (K,)
        Number of rows with mass in each source.
    target_size_ : int
        Number of rows with mass in the target.
    quantization_error_ : float
        The transport cost between the samples as given, at `weights_`, is within this
        of `loss_`. Zero if nothing was quantised; NaN for a cost that is not known to
        obey the triangle inequality. `loss_` and `lower_bound_` are those of the
        quantised samples. It counts the `quantization_error` of samples that were
        quantised before. NaN with ``loss="semirelaxed"``, too, unless only the target
        was quantised, and by `max_support`.
    source_points_ : ndarray of shape (n_atoms, n_features)
        Distinct rows of the sources, sorted; centres if they were quantised, roots
        of class probabilities if there is a classifier, after the rows if these are a
        second view, and numbers of rows, of shape (n_atoms, 1), if costs are
        precomputed.
    source_masses_ : ndarray of shape (n_atoms, K)
        Mass of each of them in each source; columns sum to one.
    source_potentials_ : ndarray of shape (n_atoms,)
        The dual potential alpha; zero with ``loss="semirelaxed"``, whose source
        marginal is free.
    target_points_ : ndarray of shape (n_target_atoms, n_features)
        The same of the target.
    target_masses_ : ndarray of shape (n_target_atoms,)
        Their masses, which sum to one.
    target_potentials_ : ndarray of shape (n_target_atoms,)
        The dual potential beta. With the ground cost c, ``alpha_i + beta_j <=
        c_ij`` holds throughout, and `lower_bound_` is ``target_masses_ @ beta +
        min(source_masses_.T @ alpha - source_noise_ / 2)`` to within rounding; with
        `outlier_cost` the minimum includes ``min(outlier_cost_ - beta) -
        mean(source_noise_) / 2``. With ``loss="semirelaxed"`` they are soft costs,
        whose mean over the target is `loss_`.
    costs_ : ndarray of shape (n_samples, n_samples)
        The costs given to :meth:`fit`; only with ``metric="precomputed"``.
    temperature_ : float
        Temperature of the Sinkhorn divergence or of the semi-relaxed loss in units of
        the ground cost; 0.0 for the exact loss. For the semi-relaxed loss it is what
        one unit of log-likelihood costs: the view's temperature over its exponent, and
        1.0 if there are two views, whose costs have different units.
    view_temperatures_ : ndarray of shape (n_views,)
        Temperature of the kernel densities in each view of the rows, in units of its
        ground cost; only with ``loss="semirelaxed"``. There are two views if a
        classifier is given and the rows are numbers.
    view_exponents_ : ndarray of shape (n_views,)
        Exponent of the densities in each view; under the same condition.
    feature_scales_ : ndarray of shape (n_features,) or None
        Units in which rows are compared feature by feature; None unless they are, with
        ``loss="semirelaxed"``.
    source_surcharges_ : ndarray of shape (K,)
        What a unit of mass of each source costs beyond the ground cost; only with
        ``loss="semirelaxed"``, and zero there without `debias`.
    plan_potentials_ : ndarray of shape (n_atoms,)
        Source potential of the entropic plan, by which :meth:`transform` assigns;
        only with ``loss="sinkhorn"``.
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
    .. [5] J. Feydy et al., "Interpolating between optimal transport and MMD using
       Sinkhorn divergences", AISTATS (2019).
    .. [6] P. Rigollet and J. Weed, "Entropic optimal transport is maximum-likelihood
       deconvolution", Comptes Rendus Mathématique 356 (2018).
    .. [7] A. Alexandari, A. Kundaje and A. Shrikumar, "Maximum likelihood with
       bias-corrected calibration is hard-to-beat at label shift adaptation", ICML
       (2020).

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
        "loss": [StrOptions({"wasserstein", "sinkhorn", "semirelaxed"})],
        "metric": [StrOptions({*METRICS, *ALIASES, "auto", "precomputed"}), callable],
        "metric_params": [dict, None],
        "solver": [StrOptions({"auto", "lp", "pgd"})],
        "reg": [StrOptions({"auto"}), Interval(Real, 1e-4, None, closed="left")],
        "learning_rate": [
            StrOptions({"auto"}),
            Interval(Real, 0, None, closed="neither"),
        ],
        "debias": ["boolean", StrOptions({"auto"})],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "tol": [Interval(Real, 0, None, closed="left")],
        "target_label": "no_validation",
        "outlier_cost": [
            StrOptions({"auto"}),
            Interval(Real, 0, None, closed="neither"),
            None,
        ],
        "max_support": [Interval(Integral, 1, None, closed="left"), None],
        "classifier": [HasMethods(["fit", "predict_proba"]), None],
        "cv": ["cv_object"],
        "n_jobs": [Integral, None],
        "device": [str, torch.device, None],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        *,
        loss: str = "wasserstein",
        metric: str | Callable[..., Any] = "auto",
        metric_params: dict[str, Any] | None = None,
        solver: str = "auto",
        reg: str | float = "auto",
        debias: bool | str = "auto",
        learning_rate: str | float = "auto",
        max_iter: int = 500,
        tol: float = 1e-4,
        target_label: Any = -1,
        outlier_cost: float | str | None = None,
        max_support: int | None = None,
        classifier: Any = None,
        cv: Any = 5,
        n_jobs: int | None = None,
        device: Any = None,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.loss = loss
        self.metric = metric
        self.metric_params = metric_params
        self.solver = solver
        self.reg = reg
        self.debias = debias
        self.learning_rate = learning_rate
        self.max_iter = max_iter
        self.tol = tol
        self.target_label = target_label
        self.outlier_cost = outlier_cost
        self.max_support = max_support
        self.classifier = classifier
        self.cv = cv
        self.n_jobs = n_jobs
        self.device = device
        self.random_state = random_state

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.required = True
        if hasattr(self.classifier, "__sklearn_tags__"):
            tags.input_tags = get_tags(self.classifier).input_tags
        if self._is_precomputed:
            tags.input_tags.pairwise = tags.input_tags.positive_only = True
        return tags

    @property
    def _is_precomputed(self) -> bool:
        return isinstance(self.metric, str) and self.metric == "precomputed"

    @property
    def _n_features_out(self) -> int:
        return len(self.classes_)

    @with_callbacks
    @fit_context(prefer_skip_nested_validation=True)
    def fit(
        self,
        X: ArrayLike,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        quantization_error: ArrayLike | None = None,
    ) -> Self:
        """Estimate the weights of the sources in the target.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows of the sources and of the target; costs between them with
            ``metric="precomputed"``, and whatever it takes with `classifier`.
        y : array-like of shape (n_samples,)
            The source of each row, or `target_label`. A list such as ``["a", "b",
            -1]`` keeps its types, which NumPy would make strings of.
        sample_weight : array-like of shape (n_samples,), default=None
            Mass of each row, normalised within each source and within the
            target. Equal masses if None.
        quantization_error : array-like of shape (n_samples,), default=None
            What it has cost, per unit of mass and in `metric`, to move mass to each
            row before: :func:`quantize` measures it and :func:`stack_sources` returns
            it. `quantization_error_` counts it.

        Returns
        -------
        WassersteinUnmixer
            The fitted estimator.

        Raises
        ------
        ValueError
            If no row is labelled as a source's, or a source or the target has no
            mass; if labels are missing, or one seems to be `target_label` in another
            spelling; if `quantization_error` is negative or not one number a row; if
            `metric` has no finite cost for a row, such as "cosine" for a row of zeros;
            or if parameters contradict each other.

        Examples
        --------
        >>> from skwot import WassersteinUnmixer
        >>> X = [[0.0], [1.0], [10.0], [11.0], [0.2], [0.8], [1.0], [10.4]]
        >>> y = ["low", "low", "high", "high", -1, -1, -1, -1]
        >>> unmixer = WassersteinUnmixer().fit(X, y)
        >>> dict(zip(unmixer.classes_.tolist(), unmixer.weights_.round(3).tolist()))
        {'high': 0.25, 'low': 0.75}
        """
        options = {
            "sample_weight": sample_weight,
            "quantization_error": quantization_error,
        }
        metadata = {key: value for key, value in options.items() if value is not None}
        parts = 2 if self.max_support is None else 3
        task = Task.of(self, "fit", parts, X=X, y=y, metadata=metadata or None)
        with fresh_fit(self):
            preparation = task.subtask("read sources and target")
            check_combination(self.get_params(deep=False))
            refuse_unreadable(X=X, sample_weight=sample_weight)
            rows, labels = self._read_training(X, y)
            masses = check_sample_weight(
                sample_weight, rows, dtype=np.float64, ensure_non_negative=True
            )
            errors = _check_errors(quantization_error, len(masses))
            read = read_labels(labels, self.target_label)
            self.classes_ = read.classes
            has_mass = (read.source >= 0) & (masses > 0)
            self.source_sizes_ = np.bincount(read.source[has_mass])
            self.target_size_ = int(np.count_nonzero(masses[read.target]))
            numbers, roots = rows, None
            if self.classifier is not None:
                numbers = finite_numbers(rows)
                self.classifier_, roots = cross_fit(
                    self.classifier,
                    rows,
                    read,
                    None if sample_weight is None else masses,
                    self.cv,
                )
            has_moments = numbers is not None and not self._is_precomputed
            measured = read.measures(numbers, masses) if has_moments else []
            self._set_moments(measured)
            points, metric = self._locate(numbers, roots)
            if isinstance(metric, CostTable):
                self.costs_ = metric.costs
            sources = measured if points is numbers else read.measures(points, masses)
            target = read.target_measure(points, masses)
            shares = None if read.has_own_target else read.shares(masses)
            preparation.end()
            given = _Given(sources, target, shares, *read.averages(errors, masses))
            self._fit_measures(given, metric, task)
        task.end(lambda: dict(vars(self)))
        return self

    @property
    def _n_steps(self) -> int | None:
        """Number of a solver's steps, if it is known before."""
        return None if self.learning_rate == "auto" else self.max_iter

    def _read_training(self, X: ArrayLike, y: ArrayLike) -> tuple[Any, NDArray[Any]]:
        """Check rows and labels; with a classifier, the rows are its business."""
        _refuse_samples(
            X,
            "of all sources and of the target, and y the source of each row",
            "X, y, sample_weight = skwot.stack_sources(sources, target)",
        )
        labels = None if y is None else read_column(y, "y")
        if self.classifier is not None:
            rows, labels = validate_data(self, X, labels, skip_check_array=True)
            check_consistent_length(rows, labels)
            return rows, labels
        rows, labels = validate_data(
            self,
            X,
            labels,
            dtype=np.float64,
            ensure_min_samples=2,
        )
        self._check_costs(rows)
        if self._is_precomputed and rows.shape[0] != rows.shape[1]:
            raise ValueError(
                'metric="precomputed" needs a square matrix X of the costs between '
                f"all rows in fit; got the shape {rows.shape}."
            )
        return rows, labels

    def _read_new(self, X: ArrayLike) -> Any:
        """Check rows that come after fitting."""
        check_is_fitted(self)
        refuse_unreadable(X=X)
        if self.classifier is not None:
            return validate_data(self, X, skip_check_array=True, reset=False)
        rows = validate_data(self, X, dtype=np.float64, reset=False)
        self._check_costs(rows)
        return rows

    def _check_costs(self, rows: Array) -> None:
        if self._is_precomputed:
            check_non_negative(rows, 'WassersteinUnmixer with metric="precomputed"')

    def _set_moments(self, sources: list[Measure]) -> None:
        """Set means, covariances and the units of features, if there are numbers."""
        self.feature_scales_ = None
        if not sources:
            return
        check_covariances(len(sources), sources[0].points.shape[1])
        pairs = [moments(source) for source in sources]
        self.means_ = np.array([mean for mean, _ in pairs])
        self.covariances_ = np.array([covariance for _, covariance in pairs])
        if self._measures_rows(self.means_.shape[1]):
            self.feature_scales_ = scales_within(self.means_, self.covariances_)

    def _measures_rows(self, n_features: int) -> bool:
        """Whether rows are compared feature by feature, in units of the sources."""
        if self.loss != "semirelaxed":
            return False
        if self.classifier is not None:
            return n_features <= _MOST_FEATURES
        return isinstance(self.metric, str) and self.metric == "auto"

    def _locate(
        self, numbers: Array | None, roots: Array | None
    ) -> tuple[Array, Metric]:
        """Points that stand for rows, and the metric between them.

        Rows of costs are known by their numbers, and their metric is a table. With a
        classifier rows may be no numbers, and there are roots of probabilities.
        """
        if self._is_precomputed:
            assert numbers is not None
            order = np.arange(len(numbers), dtype=np.float64)
            return order[:, None], CostTable(numbers)
        seen = [roots] if roots is not None else []
        if numbers is not None and (roots is None or self.feature_scales_ is not None):
            seen.insert(0, numbers)
        points = seen[0] if len(seen) == 1 else np.concatenate(seen, axis=1)
        metric = self._metric_of(points.shape[1])
        check_domain(points, metric)
        return points, metric

    def _metric_of(self, n_columns: int) -> Metric:
        """Join the metrics between points with so many columns."""
        named = self.metric
        if isinstance(named, str) and named == "auto":
            named = "euclidean"
        if self.feature_scales_ is None:
            return read_metric(named, self.metric_params, n_columns)
        of_rows = scaled_cityblock(self.feature_scales_)
        d = len(self.feature_scales_)
        if n_columns == d:
            return of_rows
        of_roots = read_metric(named, self.metric_params, n_columns - d)
        return JointMetric(
            (Part(of_rows, slice(d)), Part(of_roots, slice(d, n_columns)))
        )

    def _fit_measures(self, given: _Given, metric: Metric, task: Task) -> None:
        """Solve for the target, which may be the sources themselves in some shares."""
        sources, target, shares, *_ = given
        random_state = check_random_state(self.random_state)
        # Where nothing is random, the global generator must not move either.
        draws = self._measures_noise or self.max_support is not None
        seed = random_state.randint(_LARGEST_SEED) if draws else 0
        self.outlier_cost_ = self._resolve_outlier_cost(sources, metric, seed)
        in_place = shares is not None and self._leaves_all_in_place(metric)
        samples = sources if in_place else [*sources, target]
        moved = self._quantize_all(samples, metric, random_state, task)
        solution = task.subtask("find weights", self._n_steps)
        fewer = moved[: len(sources)]
        stacked = stack_measures([source.measure for source in fewer])
        self.source_points_ = stacked.points
        self.source_masses_ = stacked.masses.toarray()
        self.identifiability_ = check_identifiability(
            stacked,
            metric,
            self.classes_,
            self.source_sizes_,
            "" if shares is None else self._no_target,
        )
        self.source_spread_ = expected_costs(stacked, metric)
        if self.loss == "semirelaxed":
            views, self.source_surcharges_, soft_costs = calibrate(
                sources, fewer, stacked, metric, self.reg, debias=self._debiases
            )
            self.temperature_ = unit_of(views)
            self.view_temperatures_ = np.array([view.temperature for view in views])
            self.view_exponents_ = np.array([view.exponent for view in views])
            if self.outlier_cost == "auto":
                self.outlier_cost_ = outlying_cost(soft_costs)
        settings = self._settings()
        if in_place:
            assert shares is not None
            known = Problem(stacked, target, metric)
            self.source_noise_ = self._measure_noise(sources, seed, known)
            (problem,) = self._problems([target], metric)
            target, found = own_mixture(problem, shares)
            self._set_solution(target, found, 0.0)
            self.quantization_error_ = 0.0
            solution.end()
            return
        target = moved[-1].measure
        known = Problem(stacked, target, metric, self.outlier_cost_)
        self.source_noise_ = self._measure_noise(sources, seed, known)
        # The sources' own rows are no other sample.
        own_rows = shares is not None and self.loss != "semirelaxed"
        (problem,) = [known] if own_rows else self._problems([target], metric)
        largest = self.source_noise_.max() / 2 if shares is None else 0.0
        watch = solution.watch(partial(self._attributes, target, largest))
        found = solve(problem, settings, watch)
        self._set_solution(target, found, largest)
        solution.end()
        self.quantization_error_ = self._bound_error(found.value, given, moved, metric)
        if not (found.converged or watch.stopped):
            _warn_not_converged([found], settings)
        if settings.loss == "wasserstein":
            check_misfit(self.loss_, float(self.weights_ @ self.source_spread_))

    def _quantize_all(
        self,
        samples: list[Measure],
        metric: Metric,
        random_state: np.random.RandomState,
        task: Task,
    ) -> list[Quantization]:
        """Move each sample to at most `max_support` centres, in parallel."""
        most = self.max_support
        if most is None:
            return [self._quantize(sample, metric, random_state) for sample in samples]
        seeds = random_state.randint(_LARGEST_SEED, size=len(samples)).tolist()
        calls = (
            delayed(quantize)(sample, most, metric, np.random.RandomState(seed))
            for sample, seed in zip(samples, seeds, strict=True)
        )
        n_jobs = self.n_jobs if any(len(one.points) > most for one in samples) else None
        return run_subtasks(
            calls, n_jobs, task, "reduce samples", len(samples), "sample"
        )

    def _bound_error(
        self, loss: float, given: _Given, moved: list[Quantization], metric: Metric
    ) -> float:
        """Bound what moving the samples has changed, before and in this fit."""
        *of_sources, of_target = [one.cost for one in moved]
        moves = [
            float(self.weights_ @ given.source_errors),
            float(self.weights_ @ np.array(of_sources)),
            given.target_error,
        ]
        if self.loss == "semirelaxed" and any(moves):
            return np.nan
        return loss_error(loss, [*moves, of_target], metric)

    @property
    def _no_target(self) -> str:
        return (
            f" No row of y has target_label={self.target_label!r}: if one of these "
            "sources is the target, give its label as target_label."
        )

    @property
    def _debiases(self) -> bool:
        if self.debias == "auto":
            return self.loss == "semirelaxed"
        return bool(self.debias)

    @property
    def _measures_noise(self) -> bool:
        of_transport = self._debiases or self.outlier_cost == "auto"
        return of_transport and self.loss != "semirelaxed"

    def _leaves_all_in_place(self, metric: Metric) -> bool:
        """Whether a target that is the sources' own mixture needs no solver."""
        descends = self.loss != "wasserstein" or self.learning_rate != "auto"
        return facts_of(metric).reflexive and not descends

    def _resolve_outlier_cost(
        self, sources: list[Measure], metric: Metric, seed: int
    ) -> float | None:
        if self.outlier_cost == "auto":
            if self.loss == "semirelaxed":
                return None  # until the temperature is known
            return calibrate_outlier_cost(sources, metric, seed)
        return None if self.outlier_cost is None else float(self.outlier_cost)

    def _measure_noise(
        self, sources: list[Measure], seed: int, known: Problem
    ) -> Array:
        """Estimate the loss between two samples of each source, at one temperature."""
        if not self._measures_noise:
            return np.zeros(len(sources))
        settings = self._settings().fixed_at(known)

        def loss(first: Measure, second: Measure) -> float:
            first, second = (
                self._quantize(
                    sample, known.metric, np.random.RandomState(seed)
                ).measure
                for sample in (first, second)
            )
            return loss_between(first, second, known.metric, settings)

        largest = LARGEST if self.max_support is None else None
        return sampling_noise(sources, loss, seed, largest)

    def _settings(self) -> Settings:
        return Settings(
            self.loss,
            self.solver,
            self.learning_rate,
            self.max_iter,
            self.tol,
            self.reg,
            check_device(self.device),
            views=self._views() if self.loss == "semirelaxed" else (),
        )

    def _views(self) -> tuple[View, ...]:
        pairs = zip(
            self.view_temperatures_.tolist(), self.view_exponents_.tolist(), strict=True
        )
        return tuple(View(*pair) for pair in pairs)

    def _problems(self, targets: list[Measure], metric: Metric) -> list[Problem]:
        """Pose the problems of the fitted sources and each target."""
        sources = self._sources()
        if self.loss == "semirelaxed":
            surcharges = self.source_surcharges_
            if self.outlier_cost_ is not None:
                surcharges = np.append(surcharges, 0.0)
        else:
            noise = self._problem_noise()
            # Only differences matter, and surcharges must not be negative.
            surcharges = (noise.max() - noise) / 2
        return [
            Problem(sources, target, metric, self.outlier_cost_, surcharges)
            for target in targets
        ]

    def _sources(self) -> SourceMeasures:
        masses = sparse.csr_array(self.source_masses_)
        return SourceMeasures(self.source_points_, masses)

    def _problem_noise(self) -> Array:
        """Noise of each source, and of the outliers' if there is one."""
        noise = self.source_noise_
        if self.outlier_cost_ is None:
            return noise
        return np.append(noise, noise.mean())

    def _locate_new(self, X: ArrayLike) -> tuple[Array, Metric]:
        """Points that stand for rows after fitting, and the metric to them."""
        rows = self._read_new(X)
        if self.classifier is None:
            return self._locate(rows, None)
        roots, numbers = probability_points(self.classifier_, rows), None
        if self.feature_scales_ is not None:
            numbers = finite_numbers(rows)
            if numbers is None:
                raise ValueError(
                    "X must be a dense array or frame of finite numbers, as it was in "
                    "fit, because loss='semirelaxed' compares the rows themselves, "
                    "too; got other values."
                )
        return self._locate(numbers, roots)

    def _quantize(
        self, measure: Measure, metric: Metric, random_state: np.random.RandomState
    ) -> Quantization:
        return quantize(measure, self.max_support, metric, random_state)

    def _set_solution(self, target: Measure, found: Unmixing, largest: float) -> None:
        """Set the attributes of a solution, less half the largest of the noises."""
        self.target_points_, self.target_masses_ = target
        self.weights_, self.unexplained_ = self._explained(found.weights)
        self.loss_ = float(found.value - largest)
        self.lower_bound_ = float(found.lower_bound - largest)
        self.dual_gap_ = found.value - found.lower_bound
        self.loss_curve_ = found.curve - largest
        self.n_iter_ = len(found.curve)
        self.converged_ = found.converged
        self.source_potentials_ = found.alpha[: len(self.source_points_)]
        self.target_potentials_ = found.beta
        if self.loss != "semirelaxed":
            self.temperature_ = found.temperature
        if found.plan_alpha is not None:
            self.plan_potentials_ = found.plan_alpha

    def _attributes(
        self, target: Measure, largest: float, found: Unmixing
    ) -> dict[str, Any]:
        """Attributes of an estimator that has this solution."""
        twin = copy(self)
        twin._set_solution(target, found, largest)
        return dict(vars(twin))

    def _explained(self, weights: Array) -> tuple[Array, float]:
        """Split off the source of outliers, and refuse a target that is all theirs.

        Raises
        ------
        ValueError
            If no source explains anything.
        """
        weights, unexplained = self._split(weights)
        if np.isnan(weights[0]):
            raise ValueError(
                f"outlier_cost={self.outlier_cost_:.3g} is below every cost of "
                "transport from the sources, which then explain nothing. Give a "
                "larger one."
            )
        return weights, unexplained

    def _split(self, weights: Array) -> tuple[Array, float]:
        """Split off the source of outliers; NaN weights, if all is theirs."""
        if self.outlier_cost_ is None:
            return weights, 0.0
        if 1 - weights[-1] <= NOTHING:
            return np.full(len(weights) - 1, np.nan), 1.0
        unexplained = float(weights[-1]) if weights[-1] > NOTHING else 0.0
        return weights[:-1] / weights[:-1].sum(), unexplained

    def transform(self, X: ArrayLike) -> Array:
        """Share each row among the sources.

        A row goes to the source from which the fitted potentials transport it most
        cheaply; sources that tie share it in proportion to their mass there. With
        ``loss="sinkhorn"`` the minimum is soft, as in the entropic plan. With
        "semirelaxed" the shares are the posterior probabilities of the mixture. A
        source of weight zero gets nothing.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows to share.

        Returns
        -------
        ndarray of shape (n_samples, K)
            Rows sum to one.

        Examples
        --------
        >>> from skwot import WassersteinUnmixer
        >>> X = [[0.0], [1.0], [10.0], [11.0]]
        >>> y = ["low", "low", "high", "high"]
        >>> unmixer = WassersteinUnmixer().fit(X, y)
        >>> unmixer.transform([[0.4], [10.2]])
        array([[0., 1.],
               [1., 0.]])
        """
        points, metric = self._locate_new(X)
        if self.loss == "semirelaxed":
            with np.errstate(divide="ignore"):
                log_prior = np.log(self.weights_)
            log_prior -= self.source_surcharges_ / self.temperature_
            return posterior(points, self._sources(), log_prior, metric, self._views())
        masses = sparse.csr_array(self.source_masses_ * self.weights_)
        if self.temperature_ > 0:
            return assign_entropic(
                points,
                self.source_points_,
                masses,
                self.plan_potentials_,
                metric,
                self.temperature_,
            )
        return assign(
            points, self.source_points_, masses, self.source_potentials_, metric
        )

    def predict(self, X: ArrayLike) -> NDArray[Any]:
        """Label each row with the source that has the largest share of it.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows to label.

        Returns
        -------
        ndarray of shape (n_samples,)
            Labels out of `classes_`.

        Examples
        --------
        >>> from skwot import WassersteinUnmixer
        >>> X = [[0.0], [1.0], [10.0], [11.0]]
        >>> y = ["low", "low", "high", "high"]
        >>> unmixer = WassersteinUnmixer().fit(X, y)
        >>> unmixer.predict([[0.4], [10.2]])
        array(['low', 'high'], dtype='<U4')
        """
        check_is_fitted(self)
        return self.classes_[self.transform(X).argmax(axis=1)]

    @with_callbacks
    def unmix(
        self,
        X: ArrayLike,
        *,
        sample_weight: ArrayLike | None = None,
        groups: ArrayLike | None = None,
        return_result: bool = False,
    ) -> Any:
        """Estimate the weights of the fitted sources in new targets.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows of one target, or of several.
        sample_weight : array-like of shape (n_samples,), default=None
            Mass of each row, normalised within each target.
        groups : array-like of shape (n_samples,), default=None
            The target of each row. One target if None.
        return_result : bool, default=False
            Whether to return more than the weights.

        Returns
        -------
        ndarray of shape (K,) or (n_groups, K), data frame, or UnmixingResult
            One row per group, in the order of ``numpy.unique(groups)``; with `groups`,
            a frame with the columns `classes_` and the groups as index (in polars as
            first column) if ``set_output`` asks for one. The weights of
            a group without mass, or of which no source explains anything, because it
            costs more than `outlier_cost_` throughout, are NaN, and a warning names it.

        Raises
        ------
        ValueError
            If there are no groups, and the target has no mass or no source explains
            anything of it; or if a group's name is missing.

        See Also
        --------
        bootstrap : Intervals for these weights.
        goodness_of_fit : Whether a target is a mixture of the sources at all.

        Examples
        --------
        >>> from skwot import WassersteinUnmixer
        >>> X = [[0.0], [1.0], [10.0], [11.0]]
        >>> y = ["low", "low", "high", "high"]
        >>> unmixer = WassersteinUnmixer().fit(X, y)
        >>> unmixer.classes_
        array(['high', 'low'], dtype='<U4')
        >>> unmixer.unmix([[0.4], [0.6], [0.9], [10.2]]).round(3)
        array([0.25, 0.75])
        >>> groups = ["monday", "monday", "monday", "friday"]
        >>> unmixer.unmix([[0.4], [0.6], [10.2], [10.9]], groups=groups).round(3)
        array([[1.   , 0.   ],
               [0.333, 0.667]])
        """
        batch, metric = self._read_targets(X, sample_weight, groups)
        settings = self._settings()
        problems = self._problems([one.measure for one in batch.with_mass], metric)
        task = Task.of(self, "unmix", len(problems), X=X)
        found = run_tasks(
            (
                delayed(solve_reduced)(problem, settings, self.max_support, seed)
                for problem, seed in zip(problems, self._seeds(problems), strict=True)
            ),
            self.n_jobs,
            [task.subtask("group") for _ in problems],
        )
        task.end()
        if not all(solution.converged for solution in found):
            _warn_not_converged(found, settings)
        results = [self._result(solution) for solution in found]
        if batch.names is None:
            self._explained(found[0].weights)
            return results[0] if return_result else results[0].weights
        self._warn_of_missing(batch, [result.weights for result in results])
        nothing = missing_result(len(self.classes_))
        stacked = stack_results(batch.names, batch.fill(results, nothing))
        library = output_library(self)
        if return_result or library == "default":
            return stacked if return_result else stacked.weights
        name = str(getattr(groups, "name", None) or "group")
        return frame_of_groups(
            library, stacked.weights, self.classes_, batch.names, name
        )

    def _seeds(self, problems: list[Problem]) -> list[int]:
        """Seeds for reducing targets: each alone would be given the same."""
        if self.max_support is None:
            return [0] * len(problems)
        return [
            check_random_state(self.random_state).randint(_LARGEST_SEED)
            for _ in problems
        ]

    def _result(self, found: Unmixing) -> UnmixingResult:
        """State the solution for one target, less half the largest of the noises."""
        shift = self._problem_noise().max() / 2
        return UnmixingResult(
            None,
            *self._split(found.weights),
            float(found.value - shift),
            float(found.lower_bound - shift),
            found.converged,
        )

    def _warn_of_missing(self, batch: Batch, weights: list[Array]) -> None:
        """Name the groups without weights, and say why they have none."""
        assert batch.names is not None
        names = np.array([target is None for target in batch.targets])
        known = batch.fill([bool(np.isnan(w).any()) for w in weights], False)
        for missing, reason in (
            (names, "sample_weight is zero on all rows"),
            (np.array(known), "no source explains anything at outlier_cost_"),
        ):
            if missing.any():
                listed = ", ".join(map(repr, batch.names[missing].tolist()[:_NAMED]))
                more = " ..." if np.count_nonzero(missing) > _NAMED else ""
                warn_user(
                    f"The weights of {np.count_nonzero(missing)} of {len(missing)} "
                    f"groups are NaN, as {reason} of them: {listed}{more}.",
                    RuntimeWarning,
                )

    def _read_targets(
        self,
        X: ArrayLike,
        sample_weight: ArrayLike | None,
        groups: ArrayLike | None,
    ) -> tuple[Batch, Metric]:
        refuse_unreadable(sample_weight=sample_weight)
        _refuse_samples(
            X,
            "of all targets, and groups the target of each row",
            "X, groups, sample_weight = skwot.stack_sources(targets)",
        )
        points, metric = self._locate_new(X)
        masses = check_sample_weight(
            sample_weight, points, dtype=np.float64, ensure_non_negative=True
        )
        return split_groups(points, masses, groups), metric

    @validate_params(
        {
            "n_resamples": [Interval(Integral, 2, None, closed="left")],
            "confidence_level": [Interval(Real, 0, 1, closed="neither")],
            "method": [StrOptions({"percentile", "basic"})],
            "random_state": ["random_state"],
        },
        prefer_skip_nested_validation=True,
    )
    @with_callbacks
    def bootstrap(
        self,
        X: ArrayLike | None = None,
        *,
        sample_weight: ArrayLike | None = None,
        groups: ArrayLike | None = None,
        n_resamples: int = 200,
        confidence_level: float = 0.95,
        method: str = "percentile",
        random_state: int | np.random.RandomState | None = None,
    ) -> BootstrapResult:
        """Resample sources and target to see how well the weights are determined.

        In each replicate as many rows as there are in each source, and in the target,
        are drawn with their masses as probabilities, and the weights are estimated
        anew, to a certified gap below their spread. Half a row of each source, with its
        label, joins the target that is drawn from, so that an interval does not shrink
        to a point where the target happens to lack a source (Jeffreys' prior [1]_).
        Dual potentials stay feasible when masses change, so each replicate starts from
        planes found for the sample. With several features the cost matrix is dense,
        whatever `solver` is. A classifier is not fitted again.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features), default=None
            Rows of one target, or of several. The target of :meth:`fit` if None.
        sample_weight : array-like of shape (n_samples,), default=None
            Mass of each row of `X`.
        groups : array-like of shape (n_samples,), default=None
            The target of each row of `X`.
        n_resamples : int, default=200
            Number of replicates.
        confidence_level : float, default=0.95
            Confidence level of the intervals.
        method : {"percentile", "basic"}, default="percentile"
            Kind of interval, as in :func:`scipy.stats.bootstrap`. "basic" covers small
            weights less often.
        random_state : int, RandomState instance or None, default=None
            Seed. The result does not depend on `n_jobs`.

        Returns
        -------
        BootstrapResult
            With the fields `confidence_interval` (`low` and `high`),
            `bootstrap_distribution` and `standard_error`, one entry per source and,
            with `groups`, one row per group. With `outlier_cost` the field
            `unexplained` has the same for the share that no source explains. A
            replicate of which no source explains anything has no weights: these are
            NaN, are left out of the interval, and a warning counts them.

        Raises
        ------
        ValueError
            If a parameter is out of range, or `groups` or `sample_weight` come without
            `X`.

        References
        ----------
        .. [1] L. D. Brown, T. T. Cai and A. DasGupta, "Interval estimation for a
           binomial proportion", Statistical Science 16 (2001).

        Examples
        --------
        >>> from skwot import WassersteinUnmixer
        >>> from skwot.datasets import make_unmixing
        >>> X, y, truth = make_unmixing(weights=[0.6, 0.3, 0.1], random_state=0)
        >>> unmixer = WassersteinUnmixer().fit(X, y)
        >>> result = unmixer.bootstrap(n_resamples=50, random_state=0)
        >>> low, high = result.confidence_interval
        >>> ((low <= truth) & (truth <= high)).tolist()
        [True, True, True]
        """
        check_is_fitted(self)
        batch, metric = self._read_samples(X, sample_weight, groups)
        problems = self._problems([one.measure for one in batch.with_mass], metric)
        task = Task.of(self, "bootstrap", 1, X=X)
        samples = [
            Sample(problem, RowCounts(self.source_sizes_, target.size))
            for problem, target in zip(problems, batch.with_mass, strict=True)
        ]
        replicates = draw_replicates(
            samples,
            self._settings(),
            n_resamples,
            check_random_state(random_state),
            self.n_jobs,
            task,
        )
        task.end()
        failed = sum(one.n_failed for one in replicates)
        if failed:
            _warn_replicates(failed, n_resamples * len(samples), self.max_iter)
        if batch.names is None:
            self._explained(replicates[0].estimate)
        else:
            estimates = [self._split(one.estimate)[0] for one in replicates]
            self._warn_of_missing(batch, estimates)
        nothing = np.full((1 + n_resamples, len(self.classes_) + 1), np.nan)
        found = np.array(batch.fill([self._shares(one) for one in replicates], nothing))
        if batch.names is None:
            found = found[0]
        return summarise(
            found,
            confidence_level,
            method,
            has_unexplained=self.outlier_cost_ is not None,
        )

    @validate_params(
        {
            "n_resamples": [Interval(Integral, 1, None, closed="left")],
            "random_state": ["random_state"],
        },
        prefer_skip_nested_validation=True,
    )
    @with_callbacks
    def goodness_of_fit(
        self,
        X: ArrayLike | None = None,
        *,
        groups: ArrayLike | None = None,
        n_resamples: int = 100,
        random_state: int | np.random.RandomState | None = None,
    ) -> GoodnessOfFitResult:
        """Test whether a target is a mixture of the sources at all.

        The loss of the target to a random half of the sources is compared with that of
        targets that are drawn from the other half, in the proportions found. A small
        p-value says that the target's rows are further from every mixture than chance
        explains: rows of a source that is missing, rows that are blends of sources, or
        rows that were measured otherwise. With ``loss="semirelaxed"`` the p-values of
        mixtures are uniform. With losses of transport they are too large, so that small
        ones can be trusted, but less is found.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features), default=None
            Rows of one target, or of several. The target of :meth:`fit` if None.
        groups : array-like of shape (n_samples,), default=None
            The target of each row of `X`.
        n_resamples : int, default=100
            Number of targets that are mixtures. No p-value is below ``1 /
            (n_resamples + 1)``.
        random_state : int, RandomState instance or None, default=None
            Seed. The result does not depend on `n_jobs`.

        Returns
        -------
        GoodnessOfFitResult
            With the fields `statistic`, `pvalue` and `null_distribution`, with
            `groups` one entry a group.

        Raises
        ------
        ValueError
            If rows of one sample have different masses, by `sample_weight` in
            :meth:`fit` or by `max_support`; if a source has fewer than four rows; or if
            `groups` comes without `X`.

        Examples
        --------
        >>> import numpy as np
        >>> from skwot import WassersteinUnmixer
        >>> from skwot.datasets import make_unmixing
        >>> X, y, _ = make_unmixing(2, random_state=0)
        >>> X[y == -1] += [0, 9]  # the target has moved
        >>> unmixer = WassersteinUnmixer(loss="semirelaxed").fit(X, y)
        >>> unmixer.goodness_of_fit(n_resamples=99, random_state=0).pvalue
        0.01
        """
        check_is_fitted(self)
        batch, metric = self._read_samples(X, None, groups)
        targets = [one.measure for one in batch.with_mass]
        if X is not None and isinstance(metric, CostTable):
            # Sources are targets, too: their costs come before those of the new rows.
            metric = CostTable(np.concatenate([self.costs_, metric.costs]))
            first = len(self.costs_)
            targets = [one._replace(points=one.points + first) for one in targets]
        problems = self._problems(targets, metric)
        settings = self._settings()
        seeds = check_random_state(random_state).randint(
            _LARGEST_SEED, size=len(problems)
        )
        task = Task.of(self, "goodness_of_fit", len(problems), X=X)
        found = [
            compare_with_mixtures(
                problem,
                RowCounts(self.source_sizes_, target.size),
                settings,
                n_resamples,
                seed,
                self.n_jobs,
                task,
            )
            for problem, target, seed in zip(
                problems, batch.with_mass, seeds.tolist(), strict=True
            )
        ]
        task.end()
        statistic = np.array([one.statistic for one in found])
        null = np.array([one.null_distribution for one in found])
        exceeding = np.count_nonzero(null >= statistic[:, None], axis=1)
        pvalue = (1 + exceeding) / (1 + n_resamples)
        if batch.names is None:
            return GoodnessOfFitResult(float(statistic[0]), float(pvalue[0]), null[0])
        return GoodnessOfFitResult(statistic, pvalue, null)

    def _read_samples(
        self,
        X: ArrayLike | None,
        sample_weight: ArrayLike | None,
        groups: ArrayLike | None,
    ) -> tuple[Batch, Metric]:
        """Read new targets, or take that of :meth:`fit`."""
        if X is not None:
            return self._read_targets(X, sample_weight, groups)
        if sample_weight is not None or groups is not None:
            raise ValueError("groups and sample_weight belong to X; got X=None.")
        fitted = Measure(self.target_points_, self.target_masses_)
        if self._is_precomputed:
            metric: Metric = CostTable(self.costs_)
        else:
            metric = self._metric_of(self.target_points_.shape[1])
        return Batch(None, [Target(fitted, self.target_size_)]), metric

    def _shares(self, found: Replicates) -> Array:
        """Weights and unexplained share, of the estimate first, then of replicates."""
        split = [self._split(w) for w in [found.estimate, *found.weights]]
        return np.array([[*weights, unexplained] for weights, unexplained in split])

    def score(
        self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None
    ) -> float:
        """Negative mean absolute error of the weights of a bag whose labels are known.

        With :class:`skwot.model_selection.PrevalenceShiftSplit`, ``GridSearchCV`` and
        ``cross_val_score`` choose parameters for the estimation of prevalences by it.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows of one target.
        y : array-like of shape (n_samples,)
            The true source of each row.
        sample_weight : array-like of shape (n_samples,), default=None
            Mass of each row.

        Returns
        -------
        float
            ``-mean(abs(unmix(X) - shares))`` with the shares of `classes_` in `y`.

        Raises
        ------
        ValueError
            If `y` has a label that is none of `classes_`.

        See Also
        --------
        skwot.model_selection.neg_relative_absolute_error : Scores small shares, too.

        Examples
        --------
        >>> from skwot import WassersteinUnmixer
        >>> X = [[0.0], [1.0], [10.0], [11.0]]
        >>> y = ["low", "low", "high", "high"]
        >>> unmixer = WassersteinUnmixer().fit(X, y)
        >>> unmixer.score([[0.4], [0.6], [0.9], [10.2]], ["low", "high", "low", "high"])
        -0.25
        """
        found = self.unmix(X, sample_weight=sample_weight)
        shares = known_shares(y, self.classes_, sample_weight)
        return -float(abs(found - shares).mean())

    def get_feature_names_out(
        self, input_features: ArrayLike | None = None
    ) -> NDArray[np.object_]:
        """Name the columns of :meth:`transform`, one per source.

        Parameters
        ----------
        input_features : array-like of str, default=None
            Ignored, except that it must match `feature_names_in_` if given.

        Returns
        -------
        ndarray of shape (K,) of str
            "wassersteinunmixer" and the label of the source, after an underscore if it
            is no number.

        Examples
        --------
        >>> from skwot import WassersteinUnmixer
        >>> X = [[0.0], [1.0], [10.0], [11.0]]
        >>> y = ["low", "low", "high", "high"]
        >>> unmixer = WassersteinUnmixer().fit(X, y)
        >>> unmixer.get_feature_names_out()
        array(['wassersteinunmixer_high', 'wassersteinunmixer_low'], dtype=object)
        """
        # The mixin checks, and would number the columns.
        names = super().get_feature_names_out(input_features)
        prefix = names[0].removesuffix("0")
        return np.asarray(
            [
                f"{prefix}{'' if isinstance(label, int) else '_'}{label}"
                for label in self.classes_.tolist()
            ],
            dtype=object,
        )


def _check_errors(quantization_error: ArrayLike | None, n_rows: int) -> Array:
    """Check what it has cost to move mass to each row; nothing if it is not given."""
    if quantization_error is None:
        return np.zeros(n_rows)
    errors = np.asarray(quantization_error, dtype=np.float64)
    if errors.shape != (n_rows,) or (errors < 0).any():
        raise ValueError(
            "quantization_error must hold a number that is not negative for each of "
            f"the {n_rows} rows of X; got shape {errors.shape} and "
            f"{np.count_nonzero(errors < 0)} negative numbers."
        )
    return errors


def _refuse_samples(X: Any, expected: str, cure: str) -> None:
    """Refuse separate samples, where their stacked rows are expected."""
    samples = list(X.values()) if isinstance(X, dict) else X
    if isinstance(samples, list | tuple) and any(
        getattr(sample, "ndim", 0) == 2 for sample in samples
    ):
        raise ValueError(
            f"X must hold the rows {expected}; got {len(samples)} separate samples. "
            f"Stack them first: {cure}."
        )


def _warn_replicates(failed: int, total: int, max_iter: int) -> None:
    warn_user(
        f"{failed} of {total} bootstrap replicates are not certified after "
        f"max_iter={max_iter} exact solves. Raise max_iter.",
        ConvergenceWarning,
    )


def _warn_not_converged(found: list[Unmixing], settings: Settings) -> None:
    worst = max(found, key=lambda one: (not one.converged, one.relative_gap))
    failed = sum(not one.converged for one in found)
    of_several = f" in {failed} of {len(found)} groups" if len(found) > 1 else ""
    gap = worst.value - worst.lower_bound
    exhausted = len(worst.curve) >= settings.max_iter
    advice = (
        "Raise max_iter or tol."
        if exhausted
        else "No further step helps at working precision: raise tol."
    )
    warn_user(
        f"The weights are not certified to tol={settings.tol}{of_several}: after "
        f"{len(worst.curve)} exact solves (max_iter={settings.max_iter}) the dual gap "
        f"is {gap:.3g}, which is {worst.relative_gap:.3g} of the loss "
        f"{worst.value:.6g}. {advice}",
        ConvergenceWarning,
    )
