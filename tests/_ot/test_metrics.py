import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.spatial.distance import cdist, pdist, squareform
from sklearn.metrics import pairwise_distances

from skwot._ot.ground_costs import ground_cost
from skwot._ot.metrics import (
    ALIASES,
    METRICS,
    CostTable,
    Facts,
    JointMetric,
    ParametrisedMetric,
    Part,
    check_domain,
    facts_of,
    in_coordinates_of,
    name_of,
    parts_of,
    raw_costs,
    read_metric,
    scaled_cityblock,
)

WEIGHTS = [0.5, 2.0, 1.0, 0.0]
FORM = np.diag([1.0, 2.0, 3.0, 4.0]) + 0.3
PARAMETRISED = [
    ("minkowski", {"p": 1}),
    ("minkowski", {"p": 1.5}),
    ("minkowski", {"p": 3}),
    ("minkowski", {"p": 0.5}),
    ("minkowski", {"p": 1.5, "w": WEIGHTS}),
    ("seuclidean", {"V": [1.0, 2.0, 3.0, 4.0]}),
    ("mahalanobis", {"VI": FORM}),
    *(
        (name, {"w": WEIGHTS})
        for name in ("euclidean", "sqeuclidean", "cityblock", "chebyshev", "cosine")
    ),
    *((name, {"w": WEIGHTS}) for name in ("correlation", "canberra", "hamming")),
]
BARE = sorted(METRICS - {"seuclidean", "mahalanobis"})
EVERY = [(name, None) for name in BARE] + PARAMETRISED


@pytest.mark.parametrize(("name", "parameters"), EVERY)
def test_what_is_known_of_a_metric_is_true(name, parameters):
    metric = read_metric(name, parameters, 4)
    facts, rng = facts_of(metric), np.random.default_rng(5)
    points = rng.dirichlet(np.ones(4), size=30)
    if name == "hamming":
        points = points.round(1)
    cost = ground_cost(points, points, metric)
    distance = np.sqrt(cost) if facts.square else cost
    if facts.reflexive:
        assert_array_equal(np.diag(cost), 0)
    if facts.triangle or facts.square:
        around = distance[:, :, None] + distance[None]
        assert (distance[:, None] <= around + 1e-12).all()
    if facts.negative_type:
        centring = np.eye(30) - 1 / 30
        assert np.linalg.eigvalsh(-centring @ cost @ centring).min() > -1e-12
    check_domain(points, metric)


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        *((name, None) for name in BARE),
        ("minkowski", {"p": 3}),
        ("minkowski", {"w": [4.0]}),
        ("euclidean", {"w": [4.0]}),
        ("seuclidean", {"V": [4.0]}),
        ("mahalanobis", {"VI": [[4.0]]}),
    ],
)
def test_costs_of_numbers_are_what_they_are_said_to_be(name, parameters):
    metric = read_metric(name, parameters, 1)
    numbers = np.random.default_rng(6).normal(size=(20, 1))
    expected = {
        "absolute": abs(numbers - numbers.T),
        "square": (numbers - numbers.T) ** 2,
    }
    kind = facts_of(metric).of_numbers
    if kind is not None:
        assert_allclose(
            ground_cost(numbers, numbers, metric), expected[kind], atol=1e-15
        )


@pytest.mark.parametrize("p", [1, 1.5, 2])
def test_norms_that_embed_into_sums_are_of_negative_type(p):
    facts = facts_of(read_metric("minkowski", {"p": p}, 2))
    assert facts == facts_of("minkowski")._replace(power=p)
    assert facts.triangle
    assert facts.negative_type


@pytest.mark.parametrize(
    ("name", "known"),
    [
        ("cityblock", Facts(True, True, True, of_numbers="absolute")),
        ("sqeuclidean", Facts(True, False, True, True, "square", power=2.0)),
        ("hamming", Facts(True, True, True)),
        ("braycurtis", Facts()),
    ],
)
def test_what_solvers_rely_on_is_known(name, known):
    assert facts_of(name) == known


@pytest.mark.parametrize("p", [0.5, 3])
def test_a_fact_is_not_claimed_where_it_is_false(p):
    facts = facts_of(read_metric("minkowski", {"p": p}, 2))
    assert facts.triangle == (p == 3)
    assert not facts.negative_type
    corners = np.array([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0]])
    cost = ground_cost(corners, corners, read_metric("minkowski", {"p": p}, 2))
    assert (cost[0, 2] > cost[0, 1] + cost[1, 2]) == (p == 0.5)


def test_nothing_is_known_of_a_function_or_of_a_table():
    assert facts_of(lambda u, v: 0.0) == facts_of(CostTable(np.zeros((2, 2))))
    assert not facts_of(lambda u, v: 0.0).triangle


@pytest.mark.parametrize("alias", sorted(ALIASES))
def test_aliases_are_those_of_scikit_learn(alias):
    points, others = np.random.default_rng(0).normal(size=(2, 6, 3))
    cost = ground_cost(points, others, read_metric(alias, None, 3))
    assert_allclose(cost, pairwise_distances(points, others, metric=alias))


@pytest.mark.parametrize(("name", "parameters"), PARAMETRISED)
def test_parameters_go_to_scipy(name, parameters):
    points, others = np.random.default_rng(1).random((2, 6, 4))
    cost = ground_cost(points, others, read_metric(name, parameters, 4))
    assert_allclose(cost, cdist(points, others, name, **parameters))


def test_parameters_go_to_a_function():
    points, others = np.random.default_rng(1).random((2, 6, 4))

    def scaled(u, v, factor):
        return factor * abs(u - v).sum()

    assert read_metric(scaled, None, 4) is scaled
    metric = read_metric(scaled, {"factor": 3}, 4)
    assert name_of(metric) is scaled
    expected = 3 * cdist(points, others, "cityblock")
    assert_allclose(ground_cost(points, others, metric), expected)


@pytest.mark.parametrize(
    ("name", "parameters", "message"),
    [
        ("euclidean", {"p": 3}, r"keys \['w'\]; got \['p'\]"),
        ("l1", {"V": [1, 1]}, "metric='l1'"),
        ("seuclidean", None, "needs metric_params={'V': ...}"),
        ("mahalanobis", {}, "needs metric_params={'VI': ...}"),
        ("seuclidean", {"V": [1.0, 0.0]}, r"\['V'\] must be positive"),
        ("seuclidean", {"V": [1.0]}, r"of shape \(2,\); got shape \(1,\)"),
        ("minkowski", {"p": 0}, r"\['p'\] must be positive; got 0"),
        ("minkowski", {"p": [2]}, "must be positive"),
        ("minkowski", {"p": np.inf}, "must be positive; got inf"),
        ("euclidean", {"w": [1.0, -1.0]}, r"\['w'\] must be non-negative"),
        ("euclidean", {"w": [0.0, 0.0]}, "not all zero"),
        ("mahalanobis", {"VI": np.eye(3)}, r"of shape \(2, 2\); got shape \(3, 3\)"),
        ("mahalanobis", {"VI": np.diag([2.0, -1.0])}, "an eigenvalue of -1"),
        ("mahalanobis", {"VI": 1e-9 * np.diag([1.0, -1e-9])}, "semidefinite"),
        ("jensenshannon", {"base": 2}, r"keys \[\]"),
    ],
)
def test_parameters_that_make_no_metric_are_refused(name, parameters, message):
    with pytest.raises(ValueError, match=message):
        read_metric(name, parameters, 2)


@pytest.mark.parametrize("scale", [1e-9, 1.0, 1e9])
def test_a_quadratic_form_may_have_eigenvalues_of_zero_to_rounding(scale):
    normal = np.array([1 / 3, 0.7])
    points, others = np.random.default_rng(2).normal(size=(2, 6, 2))
    for rounding in (0.0, -1e-14, 1e-14):
        form = scale * (np.outer(normal, normal) + rounding * np.eye(2))
        read_metric("mahalanobis", {"VI": form}, 2)
    metric = read_metric("mahalanobis", {"VI": scale * np.outer(normal, normal)}, 2)
    expected = np.sqrt(scale) * abs(points @ normal - (others @ normal)[:, None]).T
    assert_allclose(ground_cost(points, others, metric), expected, rtol=1e-6)


@pytest.mark.parametrize(
    ("name", "key", "value"),
    [
        ("euclidean", "w", [2, 1]),
        ("seuclidean", "V", [2, 1]),
        ("mahalanobis", "VI", [[2, 1], [1, 2]]),
    ],
)
def test_parameters_are_read_in_double_precision(name, key, value):
    parameters = read_metric(name, {key: value}, 2).parameters
    assert parameters[key].dtype == np.float64
    assert_array_equal(parameters[key], value)


def test_a_metric_without_parameters_is_its_name():
    assert read_metric("l1", None, 3) == "cityblock"
    assert name_of(CostTable(np.zeros((2, 2)))) == "precomputed"


@pytest.mark.parametrize(
    ("metric", "row", "message"),
    [
        ("cosine", [0.0, 0.0, 0.0], "not zero; got 1 that are not, .* row 3 of 5"),
        ("correlation", [2.0, 2.0, 2.0], "not constant"),
        ("jensenshannon", [1.0, -0.1, 0.0], "non-negative and not zero throughout"),
        ("jensenshannon", [0.0, 0.0, 0.0], "non-negative and not zero throughout"),
    ],
)
def test_rows_outside_of_the_domain_are_named(metric, row, message):
    points = np.random.default_rng(0).random((5, 3))
    check_domain(points, metric)
    points[3] = row
    with pytest.raises(ValueError, match=f"metric='{metric}' needs rows .*{message}"):
        check_domain(points, metric)


@pytest.mark.parametrize(
    ("metric", "scale", "survives"),
    [
        ("euclidean", 1e-300, False),
        ("sqeuclidean", 1e-150, False),
        ("euclidean", 1e160, False),
        ("euclidean", 1e-130, True),
        ("cityblock", 1e-300, True),
        (ParametrisedMetric("minkowski", {"p": 3.0}), 1e-100, False),
        (ParametrisedMetric("minkowski", {"p": 3.0}), 1e-80, True),
    ],
)
def test_units_in_which_powers_are_lost_are_refused(metric, scale, survives):
    points = scale * np.random.default_rng(0).random((5, 3))
    if survives:
        check_domain(points, metric)
        exact = raw_costs(points / scale, points / scale, metric) * scale
        assert_allclose(raw_costs(points, points, metric), exact, rtol=1e-10)
    else:
        with pytest.raises(ValueError, match=f"metric='{name_of(metric)}' raises"):
            check_domain(points, metric)


def test_a_feature_that_is_the_same_in_all_rows_has_no_scale():
    points = np.random.default_rng(0).random((5, 3))
    points[:, 1] = 1e200
    check_domain(points, "euclidean")
    exact = cdist(points[:, [0, 2]], points[:, [0, 2]])
    assert_allclose(raw_costs(points, points, "euclidean"), exact, rtol=1e-14)


@pytest.mark.parametrize("power", [2.0, 3.0])
def test_powers_are_lost_near_the_ends_of_double_precision(power):
    metric = ParametrisedMetric("minkowski", {"p": power})
    for lost, kept in ((1e-284, 1e-276), (1e303, 1e297)):
        check_domain(np.array([[0.0], [kept ** (1 / power)]]), metric)
        with pytest.raises(ValueError, match="other units"):
            check_domain(np.array([[0.0], [lost ** (1 / power)]]), metric)


def test_overflows_and_undefined_costs_are_silent():
    def undefined(u, v):
        return [np.square(1e200 * u), u / 0.0, np.sqrt(-u)][int(v[0])].sum()

    points, kinds = np.ones((1, 1)), np.arange(3.0)[:, None]
    with np.errstate(all="raise"):
        costs = raw_costs(points, kinds, undefined)
    assert_array_equal(costs, [[np.inf, np.inf, np.nan]])


def test_equal_rows_have_no_scale():
    check_domain(np.full((3, 2), 1e-300), "euclidean")


def test_a_table_moves_mass_from_its_columns_to_its_rows():
    costs = np.arange(12.0).reshape(3, 4)
    sources, target = np.array([[3.0], [1.0]]), np.array([[0.0], [2.0]])
    found = raw_costs(sources, target, CostTable(costs))
    assert_array_equal(found, [[3, 11], [1, 9]])
    points = np.random.default_rng(0).normal(size=(6, 2))
    table = CostTable(squareform(pdist(points)))
    rows = np.arange(6.0)[:, None]
    assert_allclose(ground_cost(rows, rows, table), cdist(points, points))


def test_a_joint_metric_is_the_sum_of_its_parts():
    rng = np.random.default_rng(0)
    points, others = rng.normal(size=(2, 6, 5))
    joint = JointMetric(
        (
            Part("cityblock", slice(0, 2)),
            Part(ParametrisedMetric("euclidean", {"w": np.arange(3.0)}), slice(2, 5)),
        )
    )
    expected = cdist(points[:, :2], others[:, :2], "cityblock")
    expected += cdist(points[:, 2:], others[:, 2:], "euclidean", w=np.arange(3.0))
    assert_allclose(raw_costs(points, others, joint), expected)
    assert parts_of(joint) == joint.parts
    assert parts_of("cosine") == (Part("cosine", slice(None)),)
    assert name_of(joint) == ["cityblock", "euclidean"]
    facts = facts_of(joint)
    assert facts == Facts(reflexive=True, triangle=True, negative_type=True)
    angle = JointMetric((*joint.parts, Part("cosine", slice(0, 2))))
    assert not facts_of(angle).triangle
    with pytest.raises(ValueError, match="needs rows that are not zero"):
        check_domain(np.eye(5), angle)


@pytest.mark.parametrize(
    ("metric", "plain"),
    [
        (ParametrisedMetric("cityblock", {"w": np.array([2.0, 0.5, 1])}), "cityblock"),
        (ParametrisedMetric("euclidean", {"w": np.array([2.0, 0.5, 1])}), "euclidean"),
        (
            ParametrisedMetric("minkowski", {"w": np.array([2.0, 0.5, 1]), "p": 3}),
            "minkowski",
        ),
        (ParametrisedMetric("seuclidean", {"V": np.array([2.0, 0.5, 1])}), "euclidean"),
        ("cosine", "cosine"),
    ],
    ids=str,
)
def test_weights_are_coordinates(metric, plain):
    points = np.random.default_rng(0).normal(size=(7, 3))
    scaled = in_coordinates_of(metric, points)
    options = {"p": 3} if plain == "minkowski" else {}
    assert_allclose(
        cdist(scaled, scaled, plain, **options), raw_costs(points, points, metric)
    )
    joint = JointMetric((Part(metric, slice(0, 3)), Part("euclidean", slice(0, 2))))
    assert_allclose(
        in_coordinates_of(joint, points), np.hstack([scaled, points[:, :2]])
    )


def test_features_without_a_unit_do_not_count():
    points = np.random.default_rng(0).normal(size=(7, 3))
    for unit in (2.0, 0.25):
        metric = scaled_cityblock(np.array([unit, 0.0, np.inf]))
        cost = raw_costs(points, points, metric)
        assert_allclose(cost, cdist(points[:, :1], points[:, :1]) / unit)
        assert facts_of(metric).triangle
    # Unless none has one.
    cost = raw_costs(points, points, scaled_cityblock(np.zeros(3)))
    assert_allclose(cost, cdist(points, points, "cityblock") / 3)
