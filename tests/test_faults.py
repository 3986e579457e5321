"""Solvers of other packages that fail, stop early, or answer wrongly.

Whatever they do, an estimator gives a right certificate, or a clear error. What it says
is compared with the optimum of a dense linear programme by SciPy, which is computed
before anything is damaged. A fault strikes at every call, at the first one, at all but
the first one, or at every other one: in turn here, and each of them if the environment
variable SKWOT_FAULTS is set, which takes some minutes.
"""

import os
import warnings
from itertools import product
from types import SimpleNamespace

import highspy
import numpy as np
import ot
import pytest
from numpy.testing import assert_allclose
from scipy.spatial.distance import cdist
from sklearn.exceptions import ConvergenceWarning

from skwot import GMMFlowFitter, WassersteinUnmixer
from skwot._gmm import pair_costs
from skwot._unmixing.solvers import cutting_planes, highs, level_set, newton
from skwot._unmixing.solvers.column_generation import network
from skwot.mixtures import mw2
from tests.check_unmixing import costs_and_masses
from tests.exact import bures_wasserstein_squares, solve_dense_lp

WHEN = {
    "always": lambda number: True,
    "first": lambda number: number == 0,
    "later": lambda number: number > 0,
    "even": lambda number: number % 2 == 0,
}


# Faults. Each makes a wrong answer of a right one.


def strikes(solver):
    """Pairs of a fault of a solver and of when it strikes, in turn or all."""
    if os.environ.get("SKWOT_FAULTS"):
        return list(product(FAULTS[solver], WHEN))
    turns = list(WHEN) * len(FAULTS[solver])
    return list(zip(FAULTS[solver], turns, strict=False))


def spoil_plan(change, position=0):
    def spoil(answer):
        parts = list(answer)
        parts[position] = change(np.array(parts[position]))
        return tuple(parts)

    return spoil


def with_cycle(plan):
    """Move mass around four cells: the marginals hold, but some mass is negative."""
    plan[:2, :2] += 0.5 * np.array([[1, -1], [-1, 1]])
    return plan


PLANS = {
    "half": lambda plan: plan / 2,
    "twice": lambda plan: plan * 2,
    "shuffled": lambda plan: plan[::-1].copy(),
    "nan": lambda plan: plan * np.nan,
    "zero": lambda plan: plan * 0,
    "negative": lambda plan: -plan,
}
POTENTIALS = {
    "scaled": lambda potential: 0.5 * potential,
    "raised": lambda potential: potential + np.arange(len(potential)),
    "huge": lambda potential: potential + 1e12 * np.arange(len(potential)),
    "nan": lambda potential: potential * np.nan,
    "zero": lambda potential: 0.0 * potential,
}


def spoil_log(changed):
    def spoil(answer):
        plan, log = answer
        return plan, {**log, **{key: one(log[key]) for key, one in changed.items()}}

    return spoil


def of_emd():
    """Faults of ``ot.emd``, which returns a plan and a log."""
    for name, change in (PLANS | {"cycle": with_cycle}).items():
        yield f"plan {name}", spoil_plan(change)
    for name, change in POTENTIALS.items():
        yield f"duals {name}", spoil_log({"v": change})
    yield "status", spoil_log({"result_code": lambda code: 3})
    yield (
        "early stop",
        lambda answer: (
            np.outer(answer[0].sum(axis=1), answer[0].sum(axis=0)),
            answer[1] | {"v": 0 * answer[1]["v"], "result_code": 3},
        ),
    )


def of_compiled(mass, potentials):
    """Faults of POT's compiled functions, which return a tuple."""
    for name, change in PLANS.items():
        yield f"plan {name}", spoil_plan(change, mass)
    for name, change in POTENTIALS.items():
        yield f"duals {name}", spoil_plan(change, potentials)
    yield "status", lambda answer: (*answer[:-1], 3)
    yield "infeasible", lambda answer: (*answer[:-1], 0)


def of_linprog():
    def changed(**fields):
        def spoil(answer):
            answer.update({name: one(answer) for name, one in fields.items()})
            return answer

        return spoil

    def marginals(change):
        def changed_duals(answer):
            return SimpleNamespace(marginals=change(np.array(answer.ineqlin.marginals)))

        return changed_duals

    yield "status", changed(status=lambda answer: 1, x=lambda answer: None)
    for name, change in POTENTIALS.items():
        yield f"duals {name}", changed(ineqlin=marginals(change))
        yield f"x {name}", changed(x=lambda answer, change=change: change(answer.x))
    yield "duals positive", changed(ineqlin=marginals(lambda duals: -duals))
    yield "x negative", changed(x=lambda answer: -1e3 * abs(answer.x))


def of_nnls():
    for name, change in POTENTIALS.items():
        yield name, spoil_plan(change)
    yield "negative", spoil_plan(np.negative)


def refuse_nnls(answer):
    raise RuntimeError("Maximum number of iterations reached.")


def of_highs():
    """Faults of HiGHS: the attributes of a solution, or the status."""
    for name, change in POTENTIALS.items():
        yield f"duals {name}", {"row_dual": change}
        yield f"primal {name}", {"col_value": change}
    yield "primal shuffled", {"col_value": lambda x: x[::-1].copy()}
    yield "duals negated", {"row_dual": np.negative}
    for name in ("kTimeLimit", "kIterationLimit", "kInfeasible", "kUnknown"):
        yield name, {"status": getattr(highspy.HighsModelStatus, name)}


FAULTS = {
    "emd": dict(of_emd()),
    "emd_c": dict(of_compiled(0, 3)),
    "emd_c_sparse": dict(of_compiled(2, 5)),
    "linprog": dict(of_linprog()),
    "nnls": dict(of_nnls()) | {"no convergence": refuse_nnls},
    "highs": dict(of_highs()),
}
PLACES = {
    "emd": [(ot, "emd")],
    "emd_c": [(pair_costs, "emd_c")],
    "emd_c_sparse": [(network, "emd_c_sparse")],
    "linprog": [(cutting_planes, "linprog")],
    "nnls": [(level_set, "nnls"), (newton, "nnls")],
}


class Fault:
    """A function that sometimes answers wrongly."""

    def __init__(self, function, spoil, strikes):
        self.function, self.spoil, self.strikes = function, spoil, strikes
        self.calls = self.strokes = 0

    def __call__(self, *args, **kwargs):
        answer = self.function(*args, **kwargs)
        number, self.calls = self.calls, self.calls + 1
        if not self.strikes(number):
            return answer
        self.strokes += 1
        return self.spoil(answer)


def inject(patch, solver, fault, when):
    """Damage a solver; return what counts the strokes."""
    spoil, strikes = FAULTS[solver][fault], WHEN[when]
    if solver == "highs":
        return inject_highs(patch, spoil, strikes)
    ((first, name), *_) = PLACES[solver]
    damaged = Fault(getattr(first, name), spoil, strikes)
    for place, name in PLACES[solver]:
        patch.setattr(place, name, damaged)
    return damaged


def inject_highs(patch, changes, strikes):
    counter = Fault(None, None, strikes)

    class Damaged(highs.QuietHighs):
        def run(self):
            number, counter.calls = counter.calls, counter.calls + 1
            self.is_struck = strikes(number)
            counter.strokes += self.is_struck
            return super().run()

        def getModelStatus(self):
            status = super().getModelStatus()
            return changes.get("status", status) if self.is_struck else status

        def getSolution(self):
            found = super().getSolution()
            if not self.is_struck:
                return found
            fields = {name: np.array(getattr(found, name)) for name in FIELDS}
            for name in FIELDS:
                fields[name] = changes.get(name, lambda same: same)(fields[name])
            return SimpleNamespace(**fields)

    patch.setattr(highs, "QuietHighs", Damaged)
    return counter


FIELDS = ("col_value", "row_dual")


# Problems


def plane_problem():
    rng = np.random.default_rng(3)
    centres = np.array([[0.0, 0.0], [3.0, 0.0], [1.0, 3.0]])
    y = np.repeat([0, 1, 2, -1], [6, 6, 6, 10])
    truth = rng.choice(3, 10, p=[0.5, 0.3, 0.2])
    X = centres[np.concatenate([y[:18], truth])] + rng.normal(size=(28, 2))
    return X, y


def categories():
    """One-hot rows, where nearly all costs are the same."""
    rng = np.random.default_rng(5)
    y = np.repeat([0, 1, 2, -1], [8, 8, 8, 12])
    seen = np.concatenate([rng.integers(3 * k, 3 * k + 5, 8) for k in range(3)])
    return np.eye(11)[np.append(seen, rng.integers(0, 9, 12))], y


KINDS = {"plane": plane_problem, "categories": categories}
UNMIXERS = [
    ("plane", {}),
    ("plane", {"outlier_cost": 1.5}),
    ("categories", {}),
    ("plane", {"solver": "pgd", "max_iter": 20}),
    ("plane", {"learning_rate": 0.05, "max_iter": 20, "tol": 0.05}),
    ("plane", {"loss": "sinkhorn", "max_iter": 10}),
    ("plane", {"loss": "semirelaxed"}),
    ("plane", {"loss": "semirelaxed", "solver": "pgd", "max_iter": 20}),
]
OF_UNMIXERS = ["emd", "emd_c_sparse", "linprog", "nnls", "highs"]
FLOWS = [
    {},
    {"solver": "bures"},
    {"learning_rate": 0.05, "max_iter": 2},
    {"covariance_type": "diag"},
    {"swaps": True},
]


def attempt(call):
    """Result, whether it did not converge in so many words, and a clear error."""
    found, refusal = None, ""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            found = call()
        except RuntimeError as error:
            refusal = str(error)
    if found is None:
        assert "error in skwot or in" in refusal
        return None, False
    warned = any(issubclass(one.category, ConvergenceWarning) for one in caught)
    return found, warned


def all_weights(unmixer):
    if unmixer.outlier_cost_ is None:
        return unmixer.weights_
    share = unmixer.unexplained_
    return np.append((1 - share) * unmixer.weights_, share)


def check_simplex(weights):
    assert_allclose(np.sum(weights), 1, rtol=1e-12)
    assert np.min(weights) >= 0


REFERENCES = {}


def reference(kind, parameters):
    """The bounds of the optimum, from a fit whose solvers work, and for the
    Wasserstein loss from the dense programme."""
    key = kind, repr(parameters)
    if key not in REFERENCES:
        unmixer, _ = attempt(
            lambda: WassersteinUnmixer(**parameters).fit(*KINDS[kind]())
        )
        low, high = unmixer.lower_bound_, unmixer.loss_
        if unmixer.loss == "wasserstein":
            cost, masses = costs_and_masses(unmixer)
            low = high = solve_dense_lp(cost, masses, unmixer.target_masses_)[0]
        REFERENCES[key] = low, high
    return REFERENCES[key]


USED = {
    ("emd", 3), ("emd", 4), ("linprog", 3), ("linprog", 4), ("linprog", 5),
    ("linprog", 7), ("nnls", 3), ("nnls", 5), ("nnls", 6), ("nnls", 7),
    ("emd_c_sparse", 0), ("emd_c_sparse", 1), ("emd_c_sparse", 2),
    ("highs", 0), ("highs", 1), ("highs", 2),
}  # fmt: skip


@pytest.mark.parametrize(("solver", "number"), sorted(USED))
def test_no_fault_makes_an_unmixing_wrong_in_silence(solver, number, monkeypatch):
    kind, parameters = UNMIXERS[number]
    low, high = reference(kind, parameters)
    X, y = KINDS[kind]()
    for fault in strikes(solver):
        with monkeypatch.context() as patch:
            damaged = inject(patch, solver, *fault)
            unmixer, warned = attempt(
                lambda: WassersteinUnmixer(**parameters).fit(X, y)
            )
        assert damaged.calls, "the solver is not used: the test says nothing"
        if unmixer is None:
            continue
        check_simplex(unmixer.weights_)
        assert unmixer.lower_bound_ <= high * (1 + 1e-9), fault
        assert unmixer.loss_ >= low * (1 - 1e-9), fault
        assert unmixer.converged_ != warned, fault
        gap = unmixer.loss_ - unmixer.lower_bound_
        if unmixer.converged_:
            assert gap <= unmixer.tol * unmixer.loss_ + 1e-9, fault
        if unmixer.loss == "wasserstein":
            # The loss is that of these weights, not only above the optimum.
            cost, masses = costs_and_masses(unmixer)
            mixture = masses @ all_weights(unmixer)
            exact, _ = solve_dense_lp(cost, mixture[:, None], unmixer.target_masses_)
            assert_allclose(unmixer.loss_, exact, rtol=1e-8, err_msg=str(fault))


# Several targets


def targets():
    X, y = plane_problem()
    rng = np.random.default_rng(7)
    new = np.concatenate([X[y == -1], X[y == 0] + 0.3, rng.normal(size=(8, 2))])
    return new, np.repeat([0, 1, 2], [10, 6, 8])


@pytest.mark.parametrize("solver", ["emd_c_sparse", "highs"])
def test_no_fault_makes_one_of_several_targets_wrong_in_silence(solver, monkeypatch):
    new, groups = targets()
    unmixer = WassersteinUnmixer().fit(*plane_problem())
    optima = [
        solve_dense_lp(
            cdist(unmixer.source_points_, new[groups == group]),
            unmixer.source_masses_,
            np.full(np.sum(groups == group), 1 / np.sum(groups == group)),
        )[0]
        for group in range(3)
    ]
    for fault in strikes(solver):
        with monkeypatch.context() as patch:
            inject(patch, solver, *fault)
            found, warned = attempt(
                lambda: unmixer.unmix(new, groups=groups, return_result=True)
            )
        if found is None:
            continue
        assert (found.lower_bound <= np.array(optima) * (1 + 1e-9)).all(), fault
        assert (found.loss >= np.array(optima) * (1 - 1e-9)).all(), fault
        assert warned != found.converged.all(), fault
        assert_allclose(found.weights.sum(axis=1), 1, rtol=1e-12)


@pytest.mark.parametrize(
    ("loss", "solver"),
    [
        ("wasserstein", "emd"),
        ("wasserstein", "linprog"),
        ("wasserstein", "nnls"),
        ("semirelaxed", "nnls"),
    ],
)
def test_no_fault_makes_a_bootstrap_wrong_in_silence(loss, solver, monkeypatch):
    unmixer = WassersteinUnmixer(loss=loss, max_iter=10).fit(*plane_problem())

    def bootstrap():
        return unmixer.bootstrap(n_resamples=4, random_state=0)

    known = WassersteinUnmixer(loss=loss).fit(*plane_problem())
    known = known.bootstrap(n_resamples=4, random_state=0)
    for fault in strikes(solver):
        with monkeypatch.context() as patch:
            damaged = inject(patch, solver, *fault)
            found, warned = attempt(bootstrap)
        assert damaged.calls
        if found is None or warned:
            continue
        drawn = found.bootstrap_distribution
        assert_allclose(drawn.sum(axis=0), 1, rtol=1e-12)
        # Both are within the gap that a replicate may have, a part of the spread.
        off = abs(drawn - known.bootstrap_distribution).max(axis=1)
        assert (off <= known.standard_error).all(), fault


# Flows


@pytest.mark.parametrize("solver", ["emd_c", "both"])
@pytest.mark.parametrize("parameters", FLOWS, ids=repr)
def test_no_fault_makes_a_flow_wrong_in_silence(parameters, solver, monkeypatch):
    rng = np.random.default_rng(1)
    X = rng.normal(size=(40, 2)) + 4 * rng.integers(0, 2, size=(40, 1))
    options = {"max_iter": 3, "random_state": 0} | parameters
    for fault in strikes("emd_c"):
        with monkeypatch.context() as patch:
            damaged = inject(patch, "emd_c", *fault)
            if solver == "both":
                inject(
                    patch,
                    "emd",
                    fault[0] if fault[0] in FAULTS["emd"] else "status",
                    "even",
                )
            flow, warned = attempt(
                lambda: GMMFlowFitter(2, n_target_components=3, **options).fit(X)
            )
        assert damaged.strokes
        if flow is None:
            continue
        assert flow.converged_ != warned, fault
        check_flow(flow, fault)


def check_flow(flow, fault):
    check_simplex(flow.weights_)
    assert_allclose(flow.plan_.sum(axis=1), flow.weights_, atol=1e-12)
    assert_allclose(flow.plan_.sum(axis=0), flow.target_weights_, atol=1e-12)
    assert flow.plan_.min() >= 0
    covariances = flow.covariances_
    if flow.covariance_type == "diag":
        covariances = np.array([np.diag(one) for one in covariances])
    others = flow.target_covariances_
    if others.ndim == 2:
        others = np.array([np.diag(one) for one in others])
    squares = bures_wasserstein_squares(
        flow.means_, covariances, flow.target_means_, others
    )
    exact = transport_optimum(squares, flow.weights_, flow.target_weights_)
    assert_allclose(flow.loss_, exact, rtol=1e-8, err_msg=str(fault))


def transport_optimum(cost, a, b):
    """Least cost of a plan between given masses."""
    return solve_dense_lp(cost, a[:, None], b)[0]


def test_no_fault_makes_mw2_wrong_in_silence(monkeypatch):
    rng = np.random.default_rng(2)
    weights = rng.dirichlet(np.ones(5), size=2)
    means = rng.normal(size=(2, 5, 2))
    factors = rng.normal(size=(2, 5, 2, 2))
    covariances = factors @ factors.swapaxes(2, 3) + 0.1 * np.eye(2)
    one, other = zip(weights, means, covariances, strict=True)
    squares = bures_wasserstein_squares(*one[1:], *other[1:])
    exact = transport_optimum(squares, one[0], other[0])
    for fault, other_fault in product(strikes("emd_c"), [None, *FAULTS["emd"]]):
        with monkeypatch.context() as patch:
            damaged = inject(patch, "emd_c", *fault)
            if other_fault is not None:
                inject(patch, "emd", other_fault, "always")
            found, _ = attempt(lambda: mw2(one, other))
        assert damaged.calls
        if found is not None:
            value, plan = found
            assert_allclose(value, exact, rtol=1e-9, err_msg=f"{fault} {other_fault}")
            assert_allclose(plan.sum(axis=1), one[0], atol=1e-12)
            assert_allclose(plan.sum(axis=0), other[0], atol=1e-12)
