"""The user guide's page on what larger samples, and more of them, cost."""

import numpy as np

from benchmarks.page.rst import heading, needs, prose, seconds, table

TOP = """\
.. This page is written by ``python -m benchmarks.report --write``: change the texts in
   benchmarks/page/growth.py, not here.

.. _growth:

============
How it grows
============

.. currentmodule:: skwot

"""

BEGINNING = """
    This page says what each step costs when samples have more rows, when there are more
    sources, features or bags, where one machine ends, and what is still exact beyond
    that. Times are in seconds on one thread, memory is what a step needs beside the
    rows, in MiB. :ref:`benchmarks` compares with other packages.
"""

STEPS = """
    Each line changes one size and keeps the others: 2,000 rows in each source and in
    the target, five sources, five features, Gaussians that overlap. ``quantize`` has
    1,000,000 rows to move, and the flow 20 components as its target. The last column is
    the power of the size with which the time grows, between the last two sizes.
"""

CONCLUSION = """
    What ten minutes are enough for is extrapolated from the largest size measured.

    - **The default** with several features takes a little more than the square of the
    rows: about {exact} rows in each source and in the target.

    - **One feature** is sorted, and millions of rows take seconds.

    - **loss="semirelaxed"** takes products of source rows and target rows, and little
    memory: about {likely} rows.

    - **loss="sinkhorn"** holds matrices of costs, between sources, too. It is for some
    thousand rows.

    - **max_support** grows with the rows: about {fewer} rows, for which memory ends
    before time.

    - **quantize** to given points grows with rows times points, and needs memory for
    one chunk.

    - **Bags** cost their sum, whatever their number.
"""

KINDS = [
    ("default, one process", "the optimum, up to the gap that is certified"),
    (
        "``max_support``",
        "the optimum for the moved samples; the loss for the rows is within "
        "``quantization_error_``; the weights have no bound",
    ),
    (
        ":func:`quantize` to given points",
        "the optimum for the moved samples; ``error`` is the exact cost of the move",
    ),
    (
        ":func:`quantize` with ``max_support``, in chunks",
        "the optimum for the moved samples; ``error`` bounds the cost of the move",
    ),
    (
        "``n_jobs``, or a cluster of processors of one kind",
        "the same numbers as in one process, to the last bit",
    ),
]

WEIGHTS = """
    A bound on the loss says little about the weights. If all samples move to the same
    points, a target that is a mixture of the sources remains one, and its weights are
    found up to sampling error, however few points there are. A target from another
    batch is no exact mixture, and needs many: see :ref:`how_to_large_samples`.
"""

BEYOND = """
    Ten sources and a target of {features} features, {rows:,} rows in all, were drawn in
    chunks on the workers and never stored. On two workers of 1.5 GB, moving them to
    {points} common points and finding the weights took {minutes:.1f} minutes. The
    largest worker needed {memory:.2f} GB. The weights are off by {error:.2f}
    thousandths in the mean, and by {apart:.2f} from those of {fewer:,} rows in memory.
    The reported cost of moving the target to these points is {given:.4f}, and
    {exact:.4f} as measured from all rows again. To centres of its own, chunk by chunk,
    the bound reported is {bound:.2f}, and the cost measured {free:.2f}.
"""

BAGS = """
    {bags:,} bags of 500 rows in 50 files took {one:.0f} s on one worker and {two:.0f} s
    on two, {gain:.2f} times as fast, and {alone:.0f} s in one process. The weights are
    the same to the last bit.
"""

NAMES = {
    "wasserstein": "default",
    "one feature": "default, one feature",
    "semirelaxed": '``loss="semirelaxed"``',
    "sinkhorn": '``loss="sinkhorn"``',
    "max_support": "``max_support=500``",
    "quantize": "quantize to 500 points",
    "unmix": "unmix, 500 rows a bag",
    "unmix, semirelaxed": "the same, semirelaxed",
    "bootstrap": "bootstrap, 200 replicates",
    "flow": "flow, half as many components",
}
SIZES = {
    "n": "rows",
    "K": "sources",
    "d": "features",
    "bags": "bags",
    "points": "points",
    "components": "components",
}


def series(records):
    """Records of one step of which one size varies, by step and name of the size."""
    found = {}
    for r in records:
        found.setdefault((r["step"], r["varies"]), []).append(r)
    return found


def power(records, varies):
    """Power with which time grows from the last size but one to the last."""
    before, last = records[-2:]
    sizes = last["sizes"][varies] / before["sizes"][varies]
    return np.log(last["seconds"] / before["seconds"]) / np.log(sizes)


def rows_in(limit, records, least):
    """How many rows a time would be enough for, rounded down to two digits.

    The power with which time grows is that of the last two sizes, or a larger one that
    is known.
    """
    last = records[-1]
    factor = (limit / last["seconds"]) ** (1 / max(power(records, "n"), least))
    size = last["sizes"]["n"] * factor
    unit = 10 ** (int(np.log10(size)) - 1)
    return f"{int(size // unit * unit):,}"


@needs("growth")
def steps(records):
    found = series(records)
    lines = []
    for (step, varies), own in found.items():
        sizes, times, memory = zip(
            *[(r["sizes"][varies], r["seconds"], r["memory"]) for r in own],
            strict=True,
        )
        first, last = (f"{sizes[end]:,}" for end in (0, -1))
        lines.append(
            (
                NAMES[step],
                f"{first} … {last} {SIZES[varies]}",
                f"{seconds(times[0])} … {seconds(times[-1])}",
                f"{memory[0]:.0f} … {memory[-1]:.0f}",
                f"{power(own, varies):.1f}",
            )
        )
    header = ["step", "sizes", "seconds", "MiB", "power"]
    limits = {
        name: rows_in(600, found[step, "n"], least)
        for name, step, least in [
            ("exact", "wasserstein", 2),
            ("likely", "semirelaxed", 2),
            ("fewer", "max_support", 1),
        ]
    }
    return (
        heading("What each step costs")
        + prose(STEPS)
        + "\n\n"
        + table(header, lines)
        + prose(CONCLUSION, **limits)
    )


def kinds():
    return (
        heading("What is exact, and what has a bound")
        + table(["how", "what is certain"], KINDS)
        + prose(WEIGHTS)
    )


@needs("scale-rows", "scale-bags")
def beyond(rows, bags):
    (large,), (many,) = rows, bags
    figures = {
        "features": large["features"],
        "rows": large["rows"],
        "points": large["points"],
        "minutes": large["seconds"] / 60,
        "memory": large["memory"],
        "error": large["error"],
        "apart": large["apart"],
        "fewer": large["rows"] // 50,
        "given": large["reported"][0],
        "exact": large["measured"][0],
        "bound": large["reported"][1],
        "free": large["measured"][1],
    }
    one, two = many["times"]
    times = {"one": one, "two": two, "alone": many["alone"], "gain": many["gain"]}
    return (
        heading("Beyond one machine")
        + prose(BEYOND, **figures)
        + "\n\n"
        + prose(BAGS, bags=many["bags"], **times)
    )


def write(results):
    """The page as a text, of those sections that all results are there for."""
    parts = [prose(BEGINNING)]
    if steps.needs <= results.keys():
        parts.append(steps(results))
    parts.append(kinds())
    if beyond.needs <= results.keys():
        parts.append(beyond(results))
    return TOP + "\n\n".join(parts) + "\n"
