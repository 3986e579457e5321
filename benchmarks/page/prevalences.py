"""Errors of prevalences: which method, what a classifier adds, and how to choose."""

import numpy as np

from benchmarks.page.rst import (
    SPACE,
    heading,
    needs,
    plus_minus,
    prose,
    seconds,
    spread,
    table,
)

SETS = ["prevalence-digits", "prevalence-breast-cancer", "prevalence-wine"]
CYTOMETRY = ["prevalence-hipc-same", "prevalence-hipc-other"]
# Titles that say more than the names in the script.
TITLES = {"EDx": "EDx, Euclidean", "JCPOT .1": "JCPOT .1, squared"}

ACCURACY = """
    Each draw splits a data set anew: half of the rows, with their labels, are the
    sources, and the target has {n_rows} others, with prevalences drawn from the uniform
    distribution on the simplex. There are {draws} draws, or as many as the number in
    brackets says; all methods see the same ones.

    The last but one column is relative to the better of EMQ and KDEyML on each set and
    the same draws, as a geometric mean over the sets. The methods are in its order.
    "Seconds" are those of one estimate on digits, without fitting.
"""

COLUMNS = """
    HIPC is flow cytometry with seven markers and ten types of cells. The sources are up
    to 200 cells of each type of one patient, and the target is from the same patient or
    from another one.
"""

METHODS = """
    What the names mean:

    - **semirelaxed**, **W1**, **W2^2** and **Sinkhorn** are :class:`WassersteinUnmixer`
    with ``loss="semirelaxed"``, with its default loss and the metrics ``"euclidean"``
    and ``"sqeuclidean"``, and with ``loss="sinkhorn"`` and ``reg=.05``. **debias** is
    with ``debias=True``.

    - **classifier** is with ``classifier=LogisticRegression()``. EMQ and KDEyML, of
    QuaPy, see the same logistic regression.

    - EDx is QuaPy's, too, JCPOT and the gallery's loop of 500 steps are POT's, and
    CytOpT is a package of that name. JCPOT's number is its ``reg_e``: .1 is its
    default, and .02 one of the two best of six on other draws.

    - All see standardised features, CytOpT those scaled to the unit interval. W1, W2^2
    and Sinkhorn without a classifier, JCPOT, the loop and "semirelaxed, Euclidean" see
    20 principal components, or as many as there are.
"""

CONCLUSION = """
    What to conclude:

    - If a classifier can learn the classes, take ``loss="semirelaxed"`` with
    ``classifier=``. Its error is {clf} times that of the better of EMQ and KDEyML. Draw
    by draw it is lower than EMQ's by {clf_emq} and than KDEyML's by {clf_kde}, in the
    same unit.

    - Without a classifier, take ``loss="semirelaxed"`` too: {bare} times, lower than
    EMQ's by {bare_emq} and than KDEyML's by {bare_kde}.

    - The losses of transport are for sources that are known exactly, such as spectra,
    and for a certificate on the cost itself. For samples of classes W1 has {w1} times
    the error, with ``debias`` {debias}.
"""

CLASSIFIERS = """
    The table has ratios of errors with and without ``classifier=LogisticRegression()``,
    on the draws of the table above.
"""

CLASSIFIERS_CONCLUSION = """
    A classifier lowers the error of each loss. Losses of transport gain most, because
    distances between class probabilities say more than those between features. The
    semi-relaxed loss gains least: it weighs features by itself, and uses them beside
    the probabilities.
"""

SELECTION = """
    ``GridSearchCV`` with :class:`~model_selection.PrevalenceShiftSplit` chose among two
    losses and three metrics on half of the rows. Each setting was then tried on {bags}
    bags of 200 rows of the other half. "Chosen" is the error of the setting that the
    search chose, "least" and "largest" are over all settings.
"""

SELECTION_CONCLUSION = """
    The search found the best setting on {hits} of {sets} sets. The worst setting has up
    to {worst:.1f} times the least error.
"""


def names_of(samples):
    return [sample[0]["set"].replace("_", " ") for sample in samples]


def cell(errors, draws):
    fewer = f"{SPACE}({len(errors)})" if len(errors) < draws else ""
    return plus_minus(1e3 * errors) + fewer


def errors_by_method(records):
    return {r["method"]: np.array(r["errors"]) for r in records}


def relative(errors):
    """Errors of each draw over the mean of the better quantifier on the same draws."""
    best = min((errors["EMQ"], errors["KDEyML"]), key=np.mean)
    return {
        name: values / best[: len(values)].mean() for name, values in errors.items()
    }


def geometric_mean(values):
    return np.exp(np.mean(np.log(values)))


def paired(scaled, method, other):
    """How much lower the relative error is than the other's: mean over the sets."""
    differences = [
        sample[other][: len(sample[method])] - sample[method] for sample in scaled
    ]
    variances = [d.var(ddof=1) / len(d) for d in differences]
    error = np.sqrt(np.sum(variances)) / len(scaled)
    return spread(np.mean([d.mean() for d in differences]), error, 2)


@needs(*SETS, also=CYTOMETRY)
def accuracy(*samples):
    sets = [errors_by_method(sample) for sample in samples]
    scaled = [relative(errors) for errors in sets]
    common = set.intersection(*map(set, sets))
    means = {
        name: geometric_mean([one[name].mean() for one in scaled]) for name in common
    }
    draws = len(sets[0]["EMQ"])
    times = {r["method"]: r["seconds"] for r in samples[0]}
    rows = [
        (
            TITLES.get(name, name),
            *(cell(errors[name], draws) for errors in sets),
            f"{means[name]:.2f}",
            seconds(times[name]),
        )
        for name in sorted(means, key=means.get)
    ]
    about = ACCURACY + COLUMNS * any("HIPC" in name for name in names_of(samples))
    return (
        heading("Which method is most accurate?")
        + prose(about, n_rows=200, draws=draws)
        + "\n\n"
        + table(["method", *names_of(samples), "relative", "seconds"], rows)
        + prose(METHODS)
        + "\n\n"
        + prose(CONCLUSION, **conclusion(means, scaled))
    )


def conclusion(means, scaled):
    best, bare = "semirelaxed, classifier", "semirelaxed"
    return {
        "clf": f"{means[best]:.2f}",
        "clf_emq": paired(scaled, best, "EMQ"),
        "clf_kde": paired(scaled, best, "KDEyML"),
        "bare": f"{means[bare]:.2f}",
        "bare_emq": paired(scaled, bare, "EMQ"),
        "bare_kde": paired(scaled, bare, "KDEyML"),
        "w1": f"{means['W1']:.2f}",
        "debias": f"{means['W1, debias']:.2f}",
    }


@needs(*SETS, also=CYTOMETRY)
def classifiers(*samples):
    sets = [errors_by_method(sample) for sample in samples]
    rows = []
    for name in ("W1", "W1, debias", "W2^2", "Sinkhorn .05", "semirelaxed"):
        ratios = [
            errors[f"{name}, classifier"].mean() / errors[name].mean()
            for errors in sets
        ]
        cells = (f"{ratio:.2f}" for ratio in (*ratios, geometric_mean(ratios)))
        rows.append((name, *cells))
    return (
        heading("What does a classifier add?")
        + prose(CLASSIFIERS)
        + "\n\n"
        + table(["loss", *names_of(samples), "geometric mean"], rows)
        + prose(CLASSIFIERS_CONCLUSION)
    )


@needs("selection")
def selection(records):
    rows, ratios = [], []
    for r in records:
        errors = r["errors"]
        least, largest = min(errors.values()), max(errors.values())
        cells = (f"{error:.1f}" for error in (errors[r["chosen"]], least, largest))
        rows.append((r["set"].replace("_", " "), r["chosen"], *cells))
        ratios.append((errors[r["chosen"]] / least, largest / least))
    chosen, wrong = np.transpose(ratios)
    figures = {"hits": (chosen == 1).sum(), "sets": len(rows), "worst": wrong.max()}
    return (
        heading("Does cross-validation choose well?")
        + prose(SELECTION, bags=records[0]["bags"])
        + "\n\n"
        + table(["set", "loss, metric", "chosen", "least", "largest"], rows)
        + prose(SELECTION_CONCLUSION, **figures)
    )
