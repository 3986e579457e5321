import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from skwot._unmixing.chunks import Chunk
from skwot._unmixing.merging import Goal, Moved, merge, move_chunk, seeds_of

FREE = Goal(None, 2, "euclidean", None)
RNG = np.random.RandomState


def test_masses_are_not_normalised():
    chunk = Chunk(0, [[0.0], [2.0], [9.0]], [1.0, 3.0, 2.0])
    points, masses, cost, _ = move_chunk(chunk, FREE, 0)
    assert_array_equal(points, [[1.5], [9.0]])
    assert_allclose(masses, [4, 2])
    # A mass of 1 moves by 1.5, and one of 3 by 0.5.
    assert_allclose(cost, 3)


def test_given_points_keep_their_order_and_may_be_empty():
    points = np.array([[9.0], [5.0], [0.0]])
    goal = Goal(points, None, "euclidean", None)
    moved = move_chunk(Chunk(0, [[1.0], [8.0], [-1.0]], None), goal, 0)
    assert moved.points is points
    assert_allclose(moved.masses, [1, 0, 2])
    assert_allclose(moved.cost, 3)
    twice = move_chunk(Chunk(0, [[1.0], [8.0], [-1.0]], [2.0] * 3), goal, 0)
    assert_allclose(twice.cost, 6)


def test_a_chunk_without_mass_is_nothing():
    assert move_chunk(Chunk(0, [[1.0]], [0.0]), FREE, 0) is None
    assert move_chunk(Chunk(0, np.empty((0, 2)), None), FREE, 0) is None


def test_seeds_are_drawn_in_order():
    seeds = seeds_of(FREE, RNG(3))
    expected = RNG(3).randint(np.iinfo(np.int32).max, size=2)
    assert [next(seeds), next(seeds)] == expected.tolist()


def test_nothing_is_drawn_where_points_are_given():
    random_state = RNG(3)
    seeds = seeds_of(Goal(np.zeros((1, 1)), None, "euclidean", None), random_state)
    assert [next(seeds), next(seeds)] == [0, 0]
    assert random_state.randint(1000) == RNG(3).randint(1000)


@pytest.mark.parametrize(
    ("metric", "error"),
    # The chunks cost 0.5 a unit of mass, and then one third moves by 3, two by 1.5.
    [("euclidean", 0.5 + 2), ("sqeuclidean", (0.5**0.5 + 4.5**0.5) ** 2)],
)
def test_moves_are_added_by_the_triangle_inequality(metric, error):
    parts = [
        Moved(np.array([[0.0], [3.0]]), np.array([1.0, 1.0]), 1.0),
        Moved(np.array([[4.5]]), np.array([1.0]), 0.5),
    ]
    points, weights, found = merge(parts, Goal(None, 1, metric, None), RNG(0))
    assert_allclose(points, [[2.5]])
    assert_allclose(weights, [3])
    moves = {"euclidean": 2.5 + 0.5 + 2, "sqeuclidean": 2.5**2 + 0.5**2 + 2**2}
    second = moves[metric] / 3
    roots = {"euclidean": 1, "sqeuclidean": 2}[metric]
    expected = (0.5 ** (1 / roots) + second ** (1 / roots)) ** roots
    assert_allclose(found, expected)


def test_there_is_no_bound_without_the_triangle_inequality():
    goal = Goal(None, 1, "braycurtis", None)
    parts = [Moved(np.array([[k + 1.0]]), np.ones(1), 0.1) for k in range(2)]
    assert np.isnan(merge(parts, goal, RNG(0)).error)
    assert merge(parts[:1], goal, RNG(0)).error == 0.1


def test_to_given_points_the_cost_is_exact_for_any_metric():
    points = np.array([[1.0], [2.0]])
    goal = Goal(points, None, "braycurtis", None)
    parts = [Moved(points, np.array([1.0, k]), 0.3) for k in range(3)]
    found = merge(parts, goal, RNG(0))
    assert_allclose(found.weights, [3, 3])
    assert_allclose(found.error, 0.9 / 6)


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ([], "^X must have a row with mass; got none"),
        (
            [Moved(np.ones((1, d)), np.ones(1), 0.0) for d in (1, 2)],
            r"one number of features; got \[1, 2\]",
        ),
        (
            [Moved(np.ones((1, 2)), np.ones(1), 0.0, names) for names in ("ab", "ba")],
            "the same columns in the same order; got ab and ba",
        ),
        (
            [Moved(np.ones((1, 1)), np.array([1e308]), 0.0)] * 9,
            "The weights of X must have a finite sum",
        ),
    ],
)
def test_what_cannot_be_joined_is_refused(parts, message):
    with pytest.raises(ValueError, match=message):
        merge(parts, FREE, RNG(0))


def test_the_metric_has_its_parameters_and_its_domain():
    goal = Goal(np.array([[0.0, 0.0], [4.0, 1.0]]), None, "cityblock", {"w": [1, 9]})
    moved = move_chunk(Chunk(0, [[3.0, 0.0], [3.0, 0.0], [3.0, 1.0]], None), goal, 0)
    assert_allclose(moved.masses, [2, 1])
    assert_allclose(moved.cost, 3 + 3 + 1)
    with pytest.raises(ValueError, match=r"metric_params\['w'\] .* shape \(2,\)"):
        move_chunk(
            Chunk(0, [[3.0, 0.0]], None), goal._replace(metric_params={"w": [1]}), 0
        )
    angle = Goal(None, 2, "cosine", None)
    with pytest.raises(
        ValueError, match="metric='cosine' needs rows that are not zero"
    ):
        move_chunk(Chunk(0, np.zeros((3, 2)), None), angle, 0)


def test_points_with_other_features_are_refused():
    goal = Goal(np.zeros((4, 3)), None, "euclidean", None)
    message = r"points must have the features of X, 2; got the shape \(4, 3\)"
    with pytest.raises(ValueError, match=message):
        move_chunk(Chunk(0, np.zeros((5, 2)), None), goal, 0)


def test_a_chunk_keeps_the_names_of_its_columns_and_its_seed():
    rows = np.random.default_rng(0).normal(size=(50, 2))
    chunk = Chunk(0, pd.DataFrame(rows, columns=["b", "a"]), None)
    one, same, other = (move_chunk(chunk, FREE, seed) for seed in (3, 3, 4))
    assert one.columns == ["b", "a"]
    assert_array_equal(one.points, same.points)
    assert abs(one.points - other.points).max() > 0


def test_what_is_joined_is_returned_whole():
    part = Moved(np.array([[1.0], [2.0]]), np.array([3.0, 4.0]), 14.0)
    points, weights, error = merge([part], FREE, RNG(0))
    assert points is part.points
    assert weights is part.masses
    assert error == 2
    goal = Goal(part.points, None, "euclidean", None)
    points, weights, error = merge([part, part], goal, RNG(0))
    assert points is part.points
    assert_array_equal(weights, [6, 8])
    assert error == 2


def test_a_sum_of_weights_that_overflows_is_an_error_and_no_warning():
    parts = [Moved(np.ones((1, 1)), np.array([1.5e308]), 0.0)] * 2
    with pytest.raises(ValueError, match=r"^The weights of X must have a finite sum"):
        merge(parts, FREE, RNG(0))


def test_points_with_columns_in_another_order_are_refused():
    goal = Goal(np.zeros((1, 2)), None, "euclidean", None, ["b", "a"])
    frame = pd.DataFrame([[1.0, 2.0]], columns=["a", "b"])
    message = r"points must have the columns .* got \['b', 'a'\], expected \['a', 'b'\]"
    with pytest.raises(ValueError, match=message):
        move_chunk(Chunk(0, frame, None), goal, 0)
    assert move_chunk(Chunk(0, frame[["b", "a"]], None), goal, 0).masses == 1
    assert move_chunk(Chunk(0, frame.to_numpy(), None), goal, 0).masses == 1
