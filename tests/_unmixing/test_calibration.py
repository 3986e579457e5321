import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.spatial.distance import cdist
from scipy.special import log_softmax

from skwot._ot.measures import canonical_measure, stack_measures
from skwot._ot.metrics import JointMetric, Part
from skwot._ot.quantization import Quantization, quantize
from skwot._unmixing import calibration
from skwot._unmixing.calibration import _Fit, _hold_out, _log_densities, calibrate
from tests.generators.measures import measure


def blobs(sizes, scales, seed=0, n_features=3):
    rng = np.random.default_rng(seed)
    return [
        canonical_measure(rng.normal(k, scale, size=(size, n_features)))
        for k, (size, scale) in enumerate(zip(sizes, scales, strict=True))
    ]


def run(sources, reg="auto", debias=True, metric="euclidean"):
    stacked = stack_measures(sources)
    return calibrate(sources, unmoved(sources), stacked, metric, reg, debias=debias)


def unmoved(sources):
    return [Quantization(one, 0.0, np.arange(len(one.points))) for one in sources]


def left_out_posteriors(sources, view, surcharges):
    """Class probabilities of each row by the densities of all others, one by one."""
    temperature, exponent = view
    posteriors = []
    for k, (points, _) in enumerate(sources):
        for i in range(len(points)):
            densities = []
            for other, (rows, masses) in enumerate(sources):
                kept = np.arange(len(rows)) != (i if other == k else -1)
                kernel = np.exp(-cdist(points[[i]], rows[kept])[0] / temperature)
                densities.append(masses[kept] @ kernel / masses[kept].sum())
            scaled = np.array(densities) * np.exp(-surcharges / temperature)
            scaled **= exponent
            posteriors.append(scaled / scaled.sum())
    return np.array(posteriors)


@pytest.mark.parametrize("reg", ["auto", 0.1])
def test_sources_are_unmixed_to_their_own_shares(reg):
    sources = blobs([30, 30, 30], [0.7, 1.5, 1.0])
    (view,), surcharges, _ = run(sources, reg)
    mean = left_out_posteriors(sources, view, surcharges).mean(axis=0)
    # The ridge, which is worth one of ninety rows, keeps a little of the bias.
    assert_allclose(mean, 1 / 3, atol=0.01)
    assert surcharges.min() == 0
    plain = left_out_posteriors(sources, view, np.zeros(3)).mean(axis=0)
    assert abs(plain - 1 / 3).max() > 0.03


def test_temperature_and_exponent_are_the_best():
    sources = blobs([40, 40], [1.0, 1.0])

    def log_loss(temperature, exponent):
        chances = left_out_posteriors(sources, (temperature, exponent), np.zeros(2))
        return -np.log(chances[np.arange(80), np.repeat([0, 1], 40)]).mean()

    ((best, exponent),) = run(sources, debias=False).views
    least = log_loss(best, exponent)
    for temperature in (best / 2, best, 2 * best):
        # The ridge moves the exponent a little.
        for factor in (0.7, 1 / 0.7):
            assert least < log_loss(temperature, factor * exponent) + 1e-4


def test_each_part_of_a_metric_is_a_view():
    sources = blobs([60, 60], [1.0, 1.0], n_features=2)
    noise = np.random.default_rng(0).normal(size=(120, 2))
    wide = [
        canonical_measure(np.hstack([source.points, part]))
        for source, part in zip(sources, np.split(noise, 2), strict=True)
    ]
    parts = (Part("euclidean", slice(0, 2)), Part("euclidean", slice(2, 4)))
    told, untold = run(wide, metric=JointMetric(parts)).views
    # By how much a unit of cost changes a log-density.
    slopes = [view.exponent / view.temperature for view in (told, untold)]
    assert slopes[0] > 3 * slopes[1]
    equal = run(wide, metric=JointMetric(parts), reg=0.1).views
    assert [view.exponent for view in equal] == [0.5, 0.5]


def test_equal_views_count_as_one():
    sources = blobs([60, 50], [1.0, 1.5], n_features=2)
    doubled = [
        source._replace(points=np.hstack([source.points, source.points]))
        for source in sources
    ]
    parts = (Part("euclidean", slice(0, 2)), Part("euclidean", slice(2, 4)))
    one, two = run(sources), run(doubled, metric=JointMetric(parts))
    first, second = two.views
    assert first.temperature == second.temperature == one.views[0].temperature
    assert_allclose(first.exponent, second.exponent)
    # The ridge is weaker by half where the exponent is split.
    assert_allclose(first.exponent + second.exponent, one.views[0].exponent, rtol=0.02)


def test_a_number_is_a_fraction_of_the_mean_cost():
    sources = blobs([40, 40], [1.0, 1.0])
    points = np.vstack([source.points for source in sources])
    found = run(sources, reg=0.07, debias=False)
    ((temperature, exponent),) = found.views
    assert_allclose(temperature, 0.07 * cdist(points, points).mean(), rtol=1e-9)
    assert exponent == 1
    assert_allclose(found.surcharges, 0)


def test_soft_costs_are_those_of_rows_under_the_rest_of_their_source():
    sources = blobs([25, 25], [1.0, 2.0])
    ((temperature, exponent),), surcharges, soft_costs = run(sources)
    unit, expected = temperature / exponent, []
    for (points, _), surcharge in zip(sources, surcharges, strict=True):
        kernel = np.exp(-cdist(points, points) / temperature)
        np.fill_diagonal(kernel, 0)
        logs = exponent * np.log(kernel.sum(axis=1) / 24)
        expected.extend(surcharge - unit * logs)
    assert_allclose(soft_costs, expected)


def test_units_do_not_matter():
    sources = blobs([25, 40], [1.0, 0.5])
    scaled = [source._replace(points=1e4 * source.points) for source in sources]
    one, other = run(sources), run(scaled)
    (first,), (second,) = one.views, other.views
    assert_allclose(second.temperature, 1e4 * first.temperature)
    assert_allclose(second.exponent, first.exponent, rtol=1e-8)
    assert_allclose(other.surcharges, 1e4 * one.surcharges, rtol=1e-8)


def test_rows_given_twice_do_not_know_themselves_better():
    sources = blobs([30, 30], [1.0, 1.0])
    doubled = [canonical_measure(np.repeat(s.points, 2, axis=0)) for s in sources]
    one, other = run(sources), run(doubled)
    assert_allclose(other.views, one.views, rtol=1e-6)
    assert_allclose(other.surcharges, one.surcharges, rtol=1e-6)


@pytest.mark.parametrize(
    "sources", [[measure([0.0, 1.0, 5.0])], [measure([0.0]), measure([3.0])]]
)
def test_where_nothing_can_be_left_out_there_is_a_default(sources):
    ((temperature, exponent),), surcharges, _ = run(sources)
    points = np.vstack([source.points for source in sources])
    assert_allclose(temperature, 0.05 * cdist(points, points).mean())
    assert exponent == 1
    assert_allclose(surcharges, 0)


def test_quantised_sources_are_classified_without_the_rows():
    sources = blobs([4000, 4000], [1.0, 2.0], n_features=2)
    centres = [
        quantize(source, 200, "euclidean", np.random.RandomState(0))
        for source in sources
    ]
    whole = run(sources)
    stacked = stack_measures([one.measure for one in centres])
    fewer = calibrate(sources, centres, stacked, "euclidean", "auto", debias=True)
    assert 0.3 < fewer.views[0].temperature / whole.views[0].temperature < 3
    assert np.argmax(fewer.surcharges) == np.argmax(whole.surcharges)


def test_a_row_that_is_left_out_is_left_out_to_the_last_digit():
    for size in range(2, 300):
        source = measure(np.arange(float(size)))
        rows = _hold_out([source], unmoved([source]), stack_measures([source]))
        # Of one among equal masses, rounding must not leave anything.
        assert_array_equal(source.masses[rows.atom], rows.removed)
        assert_array_equal(rows.without, source.points)


def test_a_centre_moves_when_a_row_leaves_it():
    source = measure([0.0, 1.0, 5.0, 10.0, 13.0])
    moved = Quantization(
        measure([2.0, 11.5], np.array([0.6, 0.4])), 0.0, np.array([0, 0, 0, 1, 1])
    )
    rows = _hold_out([source], [moved], stack_measures([moved.measure]))
    assert_array_equal(rows.atom, [0, 0, 0, 1, 1])
    assert_allclose(rows.removed, 0.2)
    assert_allclose(rows.without[:, 0], [3, 2.5, 0.5, 13, 10])
    alone = moved._replace(measure=source, nearest=np.arange(5))
    rows = _hold_out([source], [alone], stack_measures([source]))
    assert_array_equal(rows.removed, source.masses)


def test_points_that_are_all_the_same_have_the_unit_one():
    ((temperature, _),), _, _ = run([measure([2.0])])
    assert temperature == 0.05


def test_blocks_do_not_show(monkeypatch):
    sources = blobs([25, 40], [1.0, 0.5])
    stacked = stack_measures(sources)
    rows = _hold_out(sources, unmoved(sources), stacked)
    temperatures = np.array([0.1, 1.0])
    whole = _log_densities(rows, stacked, "euclidean", temperatures)
    mean = run(sources, reg=1.0).views[0].temperature
    monkeypatch.setattr(calibration, "_BLOCK_ENTRIES", 900)
    parts = _log_densities(rows, stacked, "euclidean", temperatures)
    for one, other in zip(parts, whole, strict=True):
        assert one.shape == (65, 2)
        assert_allclose(one, other, rtol=1e-12)
    # The mean cost is that of some of the rows.
    sampled = run(sources, reg=1.0).views[0].temperature
    assert sampled != mean
    assert_allclose(sampled, mean, rtol=0.3)


def test_large_sources_are_classified_by_rows_at_even_quantiles():
    masses = np.random.default_rng(0).random(3000)
    many, few = measure(np.arange(3000.0), masses), measure(np.arange(7.0))
    sources = [many, few]
    rows = _hold_out(sources, unmoved(sources), stack_measures(sources))
    counts = np.bincount(rows.source)
    assert counts[1] == 7
    assert 450 <= counts[0] <= 500
    # Five hundred of a thousand rows, as likely as they are heavy.
    chosen = many.masses[np.searchsorted(many.points[:, 0], rows.points[:500, 0])]
    assert chosen.mean() > 1.2 * many.masses.mean()
    crowd = [many] * 100
    of_each = _hold_out(crowd, unmoved(crowd), stack_measures(crowd))
    assert_array_equal(np.bincount(of_each.source), np.full(100, 20))


def test_each_source_counts_as_much_as_any_other():
    # Where nothing tells two sources apart, the shares are equal, whatever their sizes.
    fit = _Fit(np.repeat([0, 1], [10, 1000]), debias=True, exponents=True)
    found = fit(np.zeros((1010, 2, 1)))
    assert_allclose(found.loss, np.log(2))
    assert_allclose(found.biases, 0, atol=1e-8)
    assert_allclose(found.exponents, 1)


@pytest.mark.parametrize("debias", [False, True])
@pytest.mark.parametrize("exponents", [False, True])
def test_what_is_fitted_is_least(debias, exponents):
    rng = np.random.default_rng(0)
    source = np.repeat([0, 1, 2], [20, 30, 40])
    logs = rng.normal(size=(90, 3, 2)) + np.eye(3)[source][:, :, None]
    logs[:, 1] -= 0.5
    fit = _Fit(source, debias=debias, exponents=exponents)
    found = fit(logs)

    def loss(exponents, biases):
        chances = log_softmax(logs @ exponents + biases, axis=1)
        own = chances[np.arange(90), source]
        mean = np.mean([own[source == k].mean() for k in range(3)])
        ridge = ((exponents - 0.5) ** 2).sum() + (biases**2).sum()
        return ridge / 180 - mean

    assert_allclose(found.loss, loss(found.exponents, found.biases))
    if not debias:
        assert_array_equal(found.biases, 0)
    if not exponents:
        assert_array_equal(found.exponents, [0.5, 0.5])
    for _ in range(10):
        other = found.exponents + exponents * 0.01 * rng.normal(size=2)
        biases = found.biases + debias * 0.01 * rng.normal(size=3)
        assert loss(other, biases) >= found.loss - 1e-12
    # A constant of a row tells nothing.
    shifted = fit(logs + rng.normal(size=(90, 1, 2)) * 30)
    assert_allclose(shifted.exponents, found.exponents, rtol=1e-5)


def test_exponents_stay_positive():
    source = np.repeat([0, 1], 50)
    logs = -np.eye(2)[source][:, :, None]  # the wrong source is always the likelier
    found = _Fit(source, debias=True, exponents=True)(logs)
    assert_allclose(found.exponents, 1e-3)


def test_a_row_is_left_out_of_the_centre_that_it_went_to():
    rng = np.random.default_rng(0)
    sources = [canonical_measure(rng.normal(k, size=(60, 2))) for k in range(2)]
    fewer = [quantize(one, 7, "euclidean", np.random.RandomState(0)) for one in sources]
    stacked = stack_measures([one.measure for one in fewer])
    rows = _hold_out(sources, fewer, stacked)
    (logs,) = _log_densities(rows, stacked, "euclidean", np.array([0.3]))
    masses = stacked.masses.toarray()
    for r, (point, k, atom) in enumerate(
        zip(rows.points, rows.source, rows.atom, strict=True)
    ):
        # The centre is the mean of its rows, of mass 1/60 each, without this one.
        mass = masses[atom, k]
        rest = mass - 1 / 60
        centres, own = stacked.points.copy(), masses.copy()
        own[atom, k] = rest if rest > 1e-9 else 0.0
        if rest > 1e-9:
            centres[atom] = (mass * centres[atom] - point / 60) / rest
        kernel = np.exp(-np.linalg.norm(centres - point, axis=1) / 0.3)
        densities = kernel @ own / own.sum(axis=0)
        assert_allclose(np.exp(logs[r]), densities, rtol=1e-9, atol=1e-300)
