"""Whether intervals cover, tests hold their level, and outliers are left out."""

from benchmarks.page.rst import heading, needs, prose, seconds, spread, table

INTERVALS = """
    These are nominal 95 % intervals for prevalences from the uniform distribution on
    the simplex, in targets of 200 rows, by :meth:`~WassersteinUnmixer.bootstrap` with
    {resamples} replicates. "Coverage" is the share of intervals, in per cent, that
    contain the prevalence in the population. Widths are in thousandths. EMQ is QuaPy's
    ``AggregativeBootstrap``; "classes known" resamples rows whose classes are known,
    which shows what plain resampling does where nothing else is unknown. The last but
    one column is the width relative to EMQ's on the same draws, and "seconds" are those
    of all intervals of one target.
"""

INTERVALS_CONCLUSION = """
    Take percentiles, which is the default. On digits, with ``loss="semirelaxed"`` and a
    classifier, they cover {percentile} %, where EMQ's intervals cover {emq} %, and have
    {ratio} times the width. "basic" reflects them at the estimate and covers {basic} %.
    On breast cancer, with its two classes, {draws} draws are too few to tell the
    methods apart.

    What is learned from the sources is not learned anew in a replicate. So intervals
    can be too narrow where the sources are small.
"""

GOODNESS = """
    The test is :meth:`~WassersteinUnmixer.goodness_of_fit` with ``loss="semirelaxed"``,
    on {draws} targets of 200 rows. The table has the share of p-values, in per cent,
    that are at most .05. Where the target is a mixture of the sources, it should be 5;
    elsewhere it is how often the test finds out, and should be high. The columns are
    metrics.
"""

GOODNESS_ROWS = {
    ("gaussians", "mixture"): "a mixture: Gaussians in five dimensions",
    ("digits", "mixture"): "a mixture: digits",
    ("digits", "foreign class"): "digits, 15 % of a class without a source",
    ("digits", "blends"): "digits, each row .3 of one and .7 of another",
    ("digits", "shift"): "digits, each pixel shifted by 5 % of its range",
}

GOODNESS_CONCLUSION = """
    With the default metric the test finds all three kinds of fault nearly always. On
    digits it also finds fault with {level} % of the mixtures: so take a p-value between
    .01 and .05 for a hint, not for a proof.
"""

FOREIGN = """
    A part of the target is in no source. "Balanced" is the error without
    ``outlier_cost``, "error" that with it, and "largest" its largest over the draws.
    "Clean" is the error without ``outlier_cost`` on a target from which the foreign
    part was removed by hand. All errors are of the weights of the known sources, in
    thousandths; so is what is left unexplained, with its standard deviation over the
    draws.

    Spectra are five isotope envelopes that overlap, with peaks one unit apart; a tenth
    of the intensity is in noise peaks, or nothing is, and the other peaks are off by
    the jitter (standard deviation). On "one grid" only the heights of peaks tell the
    compounds apart. Of digits, each class in turn has no source.
"""

FOREIGN_CONCLUSION = """
    For spectra, set ``outlier_cost`` to a few times the precision of the positions: the
    error then falls from {balanced:.0f} to {error}. A value that is too high, a fifth
    of the distance of two peaks, leaves {high:.1f}. For digits ``"auto"`` takes the
    error from {digits:.1f} to {auto:.1f}, and costs a little, {lost:.1f} instead of
    {kept:.1f}, where nothing is foreign.
"""


@needs("intervals", also=["intervals-transport"])
def intervals(*runs):
    rows = [
        (
            r["set"].replace("_", " "),
            r["method"].replace("_", " "),
            r["draws"],
            spread(r["coverage"], r["coverage_error"]),
            f"{r['width']:.0f}",
            f"{r['ratio']:.2f}",
            seconds(r["seconds"]) if r["seconds"] else "",
        )
        for run in runs
        for r in run
    ]
    header = ["set", "method", "draws", "coverage, %", "width", "to EMQ's", "seconds"]
    return (
        heading("Do intervals cover?")
        + prose(INTERVALS, resamples=200)
        + "\n\n"
        + table(header, rows)
        + prose(INTERVALS_CONCLUSION, **on_digits(runs[0]))
    )


def on_digits(records):
    found = {r["method"]: r for r in records if r["set"] == "digits"}
    ours = "semirelaxed, classifier, "
    methods = {
        "percentile": f"{ours}percentile",
        "basic": f"{ours}basic",
        "emq": "EMQ, QuaPy",
    }
    figures = {
        name: spread(found[method]["coverage"], found[method]["coverage_error"])
        for name, method in methods.items()
    }
    chosen = found[methods["percentile"]]
    return figures | {"ratio": f"{chosen['ratio']:.2f}", "draws": chosen["draws"]}


def per_cent(share, draws):
    """With the standard error of a share."""
    return spread(1e2 * share, 1e2 * (share * (1 - share) / draws) ** 0.5)


@needs("goodness", also=["goodness-euclidean"])
def goodness(*runs):
    shares = [
        {(r["sources"], r["target"]): per_cent(r["share"], r["draws"]) for r in run}
        for run in runs
    ]
    rows = [
        (name, *(found[key] for found in shares)) for key, name in GOODNESS_ROWS.items()
    ]
    draws = " or ".join(str(n) for n in sorted({run[0]["draws"] for run in runs}))
    return (
        heading("Does the test of fit hold its level and find faults?")
        + prose(GOODNESS, draws=draws)
        + "\n\n"
        + table(["target", *(f'"{run[0]["metric"]}"' for run in runs)], rows)
        + prose(GOODNESS_CONCLUSION, level=shares[0]["digits", "mixture"])
    )


def few(error):
    return f"{error:.1f}" if error >= 0.05 else "less than 0.1"


@needs("contamination")
def contamination(records):
    rows = [
        (
            r["target"],
            r["draws"],
            *(f"{r[key]:.1f}" for key in ("balanced", "error", "largest", "clean")),
            spread(r["unexplained"], r["spread"], 0),
        )
        for r in records
    ]
    header = ["target", "draws", "balanced", "error", "largest", "clean", "unexplained"]
    _, narrow, wide, *_ = records
    foreign, none = records[-2:]
    figures = {
        "balanced": narrow["balanced"],
        "error": few(narrow["error"]),
        "high": wide["error"],
        "digits": foreign["balanced"],
        "auto": foreign["error"],
        "lost": none["error"],
        "kept": none["balanced"],
    }
    return (
        heading("What if the target holds something foreign?")
        + prose(FOREIGN)
        + "\n\n"
        + table(header, rows)
        + prose(FOREIGN_CONCLUSION, **figures)
    )
