"""What happens with inputs that are wrong, extreme or missing.

    python -m tests.hostile

writes the table of the user guide from what happens.
"""

import re
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import sparse

from skwot import GMMFlowFitter, WassersteinUnmixer, mixtures, stack_sources
from tests.generators.flows import rescaled

PAGE = Path(__file__).parent.parent / "docs" / "user_guide" / "what_happens_if.rst"
HEAD = """.. ``python -m tests.hostile`` writes this page: change the cases there.

.. _what_happens_if:

===============
What happens if
===============

Inputs that are wrong, extreme or missing, and what comes of them. The tests try each of
these, and this table is written from what they find. Where a weight or a distance is
the answer, it is the right one.

"""

X = np.array([[0.0], [1.0], [8.0], [9.0], [0.4], [8.4], [8.6], [8.8]])
Y = np.array([0, 0, 1, 1, -1, -1, -1, -1])
NAMES = np.array(["a", "a", "b", "b", "?", "?", "?", "?"])
ONE = ([1.0], [[0.0, 0.0]], [np.eye(2)])
FAR = ([1.0], [[3.0, 4.0]], [np.eye(2)])


def _weights(X=X, y=Y, masses=None, **parameters):
    return WassersteinUnmixer(**parameters).fit(X, y, masses).weights_


def _unmix(bag, **arguments):
    return WassersteinUnmixer().fit(X[:4], Y[:4]).unmix(bag, **arguments)


def _loss(initial, target, **parameters):
    size = len(initial[0])
    return GMMFlowFitter(size, init=initial, target=target, **parameters).fit().loss_


def _in_unit(mixture, unit):
    return rescaled(mixtures.Mixture(*map(np.array, mixture)), unit)


def _with(row, value):
    changed = X.copy()
    changed[row] = value
    return changed


UNMIXING = {
    "labels are missing (NaN or None)": lambda: _weights(y=np.where(Y < 0, np.nan, Y)),
    "the label of the target is spelt otherwise": lambda: _weights(y=Y.astype(str)),
    "no row has the label of the target": lambda: _weights(
        y=NAMES, target_label="target"
    ),
    "all rows are the target": lambda: _weights(y=np.full(8, -1)),
    "there is one source": lambda: _weights(y=np.where(Y < 0, -1, 0)),
    "two sources are the same": lambda: _weights(
        np.vstack([X, X[:2]]), np.append(Y, [2, 2])
    ),
    "the number of labels is wrong": lambda: _weights(y=Y[:5]),
    "X has NaN": lambda: _weights(_with(0, np.nan)),
    "X has infinity": lambda: _weights(_with(0, np.inf)),
    "X is sparse": lambda: _weights(sparse.csr_array(X)),
    "X has one dimension": lambda: _weights(X[:, 0]),
    "X is empty": lambda: _weights(X[:0], Y[:0]),
    "X has masked entries": lambda: _weights(np.ma.masked_greater(X, 8.5)),
    "X is a list of samples": lambda: WassersteinUnmixer().fit([X[:2], X[2:4]], X[4:]),
    "X is in a unit of 1e-150": lambda: _weights(1e-150 * X),
    "X is in a unit of 1e150": lambda: _weights(1e150 * X),
    "squares of X are too large for a number": lambda: _weights(
        1e200 * X, metric="sqeuclidean"
    ),
    "X is at 1e9, and differs in the sixth digit after": lambda: _weights(X + 1e9),
    "all rows are the same": lambda: _weights(np.ones_like(X)),
    "a mass is negative": lambda: _weights(masses=[-1, *np.ones(7)]),
    "a mass is NaN": lambda: _weights(masses=[np.nan, *np.ones(7)]),
    "a source has no mass": lambda: _weights(masses=[0, 0, *np.ones(6)]),
    "the target has no mass": lambda: _weights(masses=[*np.ones(4), *np.zeros(4)]),
    "masses span 24 orders of magnitude": lambda: _weights(
        masses=[1e-12, 1e-12, 1e12, 1e12, *np.full(4, 1e-6)]
    ),
    "the cosine of a row of zeros is asked for": lambda: _weights(metric="cosine"),
    "parameters contradict each other": lambda: _weights(
        loss="sinkhorn", outlier_cost=1.0
    ),
    "one step is too few": lambda: _weights(
        np.random.default_rng(0).normal(size=(60, 2)),
        np.repeat([0, 1, -1], 20),
        solver="pgd",
        max_iter=1,
    ),
    "no source explains anything": lambda: _weights(
        X + 100.0 * (Y[:, None] < 0), outlier_cost=1.0
    ),
    "a new bag has other features": lambda: _unmix(np.ones((3, 2))),
    "a new bag is one row": lambda: _unmix([[8.2]]),
    "a group has no mass": lambda: _unmix(
        [[0.0], [9.0]], groups=["x", "y"], sample_weight=[1, 0]
    ),
    "a group has no name": lambda: _unmix([[0.0], [9.0]], groups=["x", None]),
    "frames have columns in another order": lambda: stack_sources(
        [pd.DataFrame({"u": [1.0], "v": [2.0]}), pd.DataFrame({"v": [1.0], "u": [2.0]})]
    ),
}
FLOWS = {
    "start and target are the same": lambda: _loss(ONE, ONE),
    "a component of the target is in two parts": lambda: _loss(
        ONE, ([0.5, 0.5], [[0.0, 0.0]] * 2, [np.eye(2)] * 2)
    ),
    "covariances are zero, and reg_covar, too": lambda: _loss(
        (*ONE[:2], [np.zeros((2, 2))]), (*FAR[:2], [np.zeros((2, 2))]), reg_covar=0
    ),
    "covariances have a condition of 1e14": lambda: _loss(
        (*ONE[:2], [np.diag([1e7, 1e-7])]), (*FAR[:2], [np.diag([1e7, 1e-7])])
    ),
    "a covariance is not symmetric": lambda: _loss(
        ONE, (*FAR[:2], [[[1.0, 0.5], [0.0, 1.0]]])
    ),
    "a covariance has a negative eigenvalue": lambda: _loss(
        ONE, (*FAR[:2], [-np.eye(2)])
    ),
    "weights do not sum to one": lambda: _loss(ONE, ([0.7], *FAR[1:])),
    "a weight is 1e-16": lambda: _loss(
        ONE, ([1 - 1e-16, 1e-16], [[3.0, 4.0], [0.0, 0.0]], [np.eye(2)] * 2)
    ),
    "means have NaN": lambda: _loss(ONE, ([1.0], [[np.nan, 0.0]], [np.eye(2)])),
    "the unit is 1e-100": lambda: _loss(_in_unit(ONE, 1e-100), _in_unit(FAR, 1e-100)),
    "the unit is 1e100": lambda: _loss(_in_unit(ONE, 1e100), _in_unit(FAR, 1e100)),
    "the target has other features": lambda: _loss(ONE, ([1.0], [[0.0]], [[[1.0]]])),
    "the target is data": lambda: _loss(ONE, np.zeros((9, 2))),
    "there are fewer rows than components": lambda: GMMFlowFitter(9).fit(
        np.ones((2, 1))
    ),
    "there are neither data nor a target": lambda: GMMFlowFitter(2).fit(),
    "all rows of the data are the same": lambda: (
        GMMFlowFitter(1).fit(np.ones((5, 2))).means_[0]
    ),
    "one step is too few": lambda: _loss(
        (ONE[0], ONE[1], [np.diag([1.0, 9.0])]),
        (FAR[0], FAR[1], [[[4.0, 1.0], [1.0, 2.0]]]),
        max_iter=1,
    ),
    "float32 is given": lambda: (
        mixtures.mw2(
            tuple(np.float32(x) for x in ONE), tuple(np.float32(x) for x in FAR)
        ).value
    ),
}


def outcome(call):
    """Say what comes of a call: its answer, its error, and its warnings."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            said = _describe(call())
        except Exception as error:  # whatever a user would see
            said = f"``{type(error).__name__}``: {_sentence(error)}"
    for kind in sorted({one.category.__name__ for one in caught}):
        first = next(one for one in caught if one.category.__name__ == kind)
        said += f"; ``{kind}``: {_sentence(first.message)}"
    return said


def _describe(answer):
    values = np.asarray(answer, dtype=float)
    values = np.where(abs(values) < 1e-20, 0.0, values)
    numbers = np.array2string(values, formatter={"float_kind": lambda x: f"{x:.4g}"})
    return numbers.replace("\n", "")


def _sentence(message):
    """Beginning of a message, without figures that may vary, as literal text."""
    first = re.split(r"\. | \(|: array", " ".join(str(message).split()))[0].rstrip(".")
    return f"``{first.replace('`', '')}``"


def table(title, cases):
    """Write one table."""
    rows = [f"   * - {what}\n     - {outcome(call)}" for what, call in cases.items()]
    return "\n".join(
        [
            title,
            "=" * len(title),
            "",
            ".. list-table::",
            "   :header-rows: 1",
            "   :widths: 35 65",
            "",
            "   * - If",
            "     - then",
            *rows,
            "",
        ]
    )


def page():
    """Write the page."""
    return HEAD + "\n".join(
        [
            table("WassersteinUnmixer", UNMIXING),
            table("GMMFlowFitter", FLOWS),
        ]
    )


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
