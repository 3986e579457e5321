"""The metrics: their names and parameters, and what is known of each."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, NamedTuple, cast

import numpy as np
from scipy.spatial.distance import cdist

from skwot._typing import Array


class Facts(NamedTuple):
    """What is known of a ground cost c.

    Attributes
    ----------
    reflexive : bool
        Whether the computed c(x, x) is exactly zero.
    triangle : bool
        Whether c obeys the triangle inequality.
    negative_type : bool
        Whether c is of negative type (Schoenberg, 1938): then its energy distances are
        not negative, and ``exp(-c / eps)`` is a positive definite kernel.
    square : bool
        Whether c is the square of a distance of negative type, which then obeys the
        triangle inequality.
    of_numbers : {"absolute", "square"} or None
        c between two numbers x and y, if it is ``|x - y|`` or ``(x - y)^2``.
    domain : str or None
        What every row has to be, in words; see `check_domain`.
    power : float
        Differences are raised to this power on the way, which can under- or overflow.
    """

    reflexive: bool = False
    triangle: bool = False
    negative_type: bool = False
    square: bool = False
    of_numbers: str | None = None
    domain: str | None = None
    power: float = 1.0


class ParametrisedMetric(NamedTuple):
    """A metric of SciPy's that is not what its name alone says.

    Attributes
    ----------
    name : str
    parameters : mapping from str
        Keyword arguments of :func:`scipy.spatial.distance.cdist`.
    """

    name: str
    parameters: Mapping[str, Any]


class CostTable(NamedTuple):
    """Ground costs that were computed before, between rows known by their numbers.

    Points are numbers of rows, of shape (n, 1): those that mass moves from are columns
    of the table, and those that it moves to are rows.

    Attributes
    ----------
    costs : ndarray of shape (n_rows, n_fitted)
    """

    costs: Array


class JointMetric(NamedTuple):
    """The sum of metrics, each between its own columns of the points.

    Attributes
    ----------
    parts : tuple of Part
    """

    parts: "tuple[Part, ...]"


class Part(NamedTuple):
    """A metric between some columns of the points.

    Attributes
    ----------
    metric : Metric
    columns : slice
    """

    metric: "Metric"
    columns: slice


Metric = str | Callable[..., Any] | ParametrisedMetric | CostTable | JointMetric

_DISTRIBUTION = "non-negative and not zero throughout"
_DISTANCE = Facts(reflexive=True, triangle=True, negative_type=True)
_NORM = _DISTANCE._replace(of_numbers="absolute")
_ANGLE = Facts(negative_type=True, square=True, power=2.0)
_FACTS = {
    "braycurtis": Facts(),
    "canberra": Facts(reflexive=True, triangle=True),
    "chebyshev": Facts(reflexive=True, triangle=True, of_numbers="absolute"),
    "cityblock": _NORM,
    "correlation": _ANGLE._replace(domain="not constant"),
    "cosine": _ANGLE._replace(domain="not zero"),
    "euclidean": _NORM._replace(power=2.0),
    "hamming": _DISTANCE,
    "jensenshannon": Facts(reflexive=True, triangle=True, domain=_DISTRIBUTION),
    "mahalanobis": _DISTANCE._replace(power=2.0),
    "minkowski": _NORM._replace(power=2.0),
    "seuclidean": _DISTANCE._replace(power=2.0),
    "sqeuclidean": Facts(
        reflexive=True, negative_type=True, square=True, of_numbers="square", power=2.0
    ),
}
_UNKNOWN = Facts()
METRICS = frozenset(_FACTS)
# scikit-learn's names for the same metrics.
ALIASES = {"l1": "cityblock", "l2": "euclidean", "manhattan": "cityblock"}

# Parameters by name of the metric. Without V or VI, SciPy would compute them from the
# rows of each call, so that no two blocks of costs had the same metric.
_WEIGHTED = frozenset({"w"})
_PARAMETERS = {
    "jensenshannon": frozenset[str](),
    "mahalanobis": frozenset({"VI"}),
    "minkowski": frozenset({"p", "w"}),
    "seuclidean": frozenset({"V"}),
}
_NEEDED = {"mahalanobis": "VI", "seuclidean": "V"}
_LEAST_POWER = 1e-280  # smaller powers of differences lose their digits
_LARGEST_POWER = 1e300


def facts_of(metric: Metric) -> Facts:
    """Look up what is known of a metric: nothing, if it is a function or a table."""
    if isinstance(metric, str):
        return _FACTS[metric]
    if isinstance(metric, JointMetric):
        of_parts = [facts_of(part.metric) for part in metric.parts]
        return Facts(
            reflexive=all(one.reflexive for one in of_parts),
            triangle=all(one.triangle for one in of_parts),
            negative_type=all(one.negative_type for one in of_parts),
        )
    if not isinstance(metric, ParametrisedMetric):
        return _UNKNOWN
    facts = _FACTS[metric.name]
    if "w" in metric.parameters:
        # The features are rescaled, also if there is only one.
        facts = facts._replace(of_numbers=None)
    if "p" in metric.parameters:
        p = metric.parameters["p"]
        # L_p embeds into L_1, and so is of negative type, for p from 1 to 2.
        facts = facts._replace(triangle=p >= 1, negative_type=1 <= p <= 2, power=p)
    return facts


def parts_of(metric: Metric) -> tuple[Part, ...]:
    """List the metrics whose sum this is, which may be it alone."""
    if isinstance(metric, JointMetric):
        return metric.parts
    return (Part(metric, slice(None)),)


def scaled_cityblock(scales: Array) -> ParametrisedMetric:
    """Take the mean over features of absolute differences, each in its own unit.

    Parameters
    ----------
    scales : ndarray of shape (d,)
        Units; a feature whose unit is zero or infinite does not count, unless all are.

    Returns
    -------
    ParametrisedMetric
    """
    counts = (scales > 0) & np.isfinite(scales)
    weights = np.where(counts, 1 / np.where(counts, scales, 1.0), not counts.any())
    return ParametrisedMetric("cityblock", {"w": weights / np.count_nonzero(weights)})


def in_coordinates_of(metric: Metric, points: Array) -> Array:
    """Scale the features by what a difference in each of them costs.

    Parameters
    ----------
    metric : Metric
    points : ndarray of shape (n, d)

    Returns
    -------
    ndarray of shape (n, d)
        The points themselves, if the metric gives no weights to features.
    """
    if isinstance(metric, JointMetric):
        scaled = [
            in_coordinates_of(m, points[:, columns]) for m, columns in metric.parts
        ]
        return np.concatenate(scaled, axis=1)
    if not isinstance(metric, ParametrisedMetric):
        return points
    name, parameters = metric
    if "V" in parameters:
        return points / np.sqrt(parameters["V"])
    if "w" in parameters:
        power = 1.0 if _FACTS[name].power == 1.0 else parameters.get("p", 2.0)
        return points * parameters["w"] ** (1 / power)
    return points


def read_metric(
    metric: str | Callable[..., Any],
    parameters: Mapping[str, Any] | None,
    n_features: int,
) -> Metric:
    """Join a metric with its parameters.

    Parameters
    ----------
    metric : str or callable
        One of `METRICS` or `ALIASES`, or a function of two vectors.
    parameters : mapping from str, or None
        Keyword arguments of the function, or of SciPy's metric.
    n_features : int
        Of the rows between which costs are to be computed.

    Returns
    -------
    Metric

    Raises
    ------
    ValueError
        If a parameter is missing, not one of the metric's, or out of range.
    """
    parameters = dict(parameters or {})
    if callable(metric):
        return partial(metric, **parameters) if parameters else metric
    name = ALIASES.get(metric, metric)
    allowed, needed = _PARAMETERS.get(name, _WEIGHTED), _NEEDED.get(name)
    unknown = set(parameters) - allowed
    if unknown:
        raise ValueError(
            f"metric_params of metric={metric!r} may have the keys {sorted(allowed)}; "
            f"got {sorted(unknown)}."
        )
    if needed is not None and needed not in parameters:
        raise ValueError(
            f"metric={metric!r} needs metric_params={{{needed!r}: ...}}; "
            f"got metric_params={parameters or None}."
        )
    checked = {
        key: _CHECKS[key](key, value, n_features) for key, value in parameters.items()
    }
    return ParametrisedMetric(name, checked) if checked else name


def _exponent(key: str, value: Any, n_features: int) -> float:
    if not (np.isscalar(value) and 0 < float(cast(float, value)) < np.inf):
        raise ValueError(f"metric_params[{key!r}] must be positive; got {value!r}.")
    return float(cast(float, value))


def _scales(key: str, value: Any, n_features: int) -> Array:
    scales = np.asarray(value, dtype=np.float64)
    least = 0 if key == "w" else np.finfo(float).tiny
    if scales.shape != (n_features,) or not (
        np.isfinite(scales).all() and (scales >= least).all() and scales.any()
    ):
        kind = "non-negative, not all zero" if key == "w" else "positive"
        raise ValueError(
            f"metric_params[{key!r}] must be {kind}, one number a feature, of shape "
            f"({n_features},); got shape {scales.shape} and the values {value!r}."
        )
    return scales


def _quadratic_form(key: str, value: Any, n_features: int) -> Array:
    form = np.asarray(value, dtype=np.float64)
    shape = (n_features, n_features)
    if form.shape != shape or not np.isfinite(form).all():
        raise ValueError(
            f"metric_params[{key!r}] must be a finite matrix of shape {shape}; "
            f"got shape {form.shape}."
        )
    values = np.linalg.eigvalsh((form + form.T) / 2)
    if values[0] < -1e-12 * abs(values[-1]):
        raise ValueError(
            f"metric_params[{key!r}] must be positive semidefinite; "
            f"got an eigenvalue of {values[0]:.3g}."
        )
    return form


_CHECKS = {"p": _exponent, "w": _scales, "V": _scales, "VI": _quadratic_form}


_INSIDE: dict[str, Callable[[Array], Any]] = {
    "not zero": lambda points: points.any(axis=1),
    "not constant": lambda points: (points != points[:, :1]).any(axis=1),
    _DISTRIBUTION: lambda points: (points >= 0).all(axis=1) & points.any(axis=1),
}


def check_domain(points: Array, metric: Metric) -> None:
    """Refuse rows between which a metric has no costs, or none that can be computed.

    Parameters
    ----------
    points : ndarray of shape (n, d)
    metric : Metric

    Raises
    ------
    ValueError
        Which names the metric and the first such row.
    """
    if isinstance(metric, JointMetric):
        for part in metric.parts:
            check_domain(points[:, part.columns], part.metric)
        return
    facts = facts_of(metric)
    if facts.domain is not None:
        inside = _INSIDE[facts.domain](points)
        if not inside.all():
            raise ValueError(
                f"metric={name_of(metric)!r} needs rows that are {facts.domain}; got "
                f"{np.count_nonzero(~inside)} that are not, the first of them row "
                f"{int(inside.argmin())} of {len(points)}."
            )
    span = float(np.ptp(points, axis=0).max(initial=0.0))
    low, high = np.log(_LEAST_POWER), np.log(_LARGEST_POWER)
    if facts.power > 1 and span > 0 and not low < facts.power * np.log(span) < high:
        raise ValueError(
            f"metric={name_of(metric)!r} raises differences to the power of "
            f"{facts.power:g}, which those of X, of up to {span:.3g}, do not survive. "
            "Give X in other units."
        )


def name_of(metric: Metric) -> Any:
    """How messages call a metric: as the user did."""
    if isinstance(metric, ParametrisedMetric):
        return metric.name
    if isinstance(metric, CostTable):
        return "precomputed"
    if isinstance(metric, JointMetric):
        return [name_of(part.metric) for part in metric.parts]
    return metric.func if isinstance(metric, partial) else metric


def raw_costs(points: Array, others: Array, metric: Metric) -> Array:
    """Costs as the metric gives them, unchecked: they may be no numbers.

    Parameters
    ----------
    points : ndarray of shape (n, d)
    others : ndarray of shape (m, d)
    metric : Metric

    Returns
    -------
    ndarray of shape (n, m)
    """
    if isinstance(metric, JointMetric):
        costs = [
            raw_costs(points[:, columns], others[:, columns], part)
            for part, columns in metric.parts
        ]
        return np.sum(costs, axis=0)
    if isinstance(metric, CostTable):
        columns, rows = points[:, 0].astype(np.intp), others[:, 0].astype(np.intp)
        return metric.costs[rows[:, None], columns].T
    parameters: Mapping[str, Any] = {}
    if isinstance(metric, ParametrisedMetric):
        metric, parameters = metric
    elif callable(metric):
        # SciPy treats a function by its name, if that is one of its own metrics'.
        metric = partial(metric)  # which has no name
    # An overflow shows as an infinite cost.
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        cost = cdist(points, others, cast(Any, metric), **parameters)
    return np.asarray(cost, dtype=np.float64)
