"""How long unmixing takes, and how large the samples can be."""

import numpy as np

from benchmarks.page.rst import (
    heading,
    needs,
    only,
    parts,
    power,
    prose,
    seconds,
    size,
    table,
)

MIB = 1024  # in a GiB

ROWS = """
    The table is about the default loss. "lp" is the joint linear programme, which is
    the default for it, and "pgd" the descent to a gap of 1e-4. Sources are Gaussian,
    and the cost is the Euclidean distance. "emd2" is one call of POT's ``ot.emd2`` at
    the weights that were found, with the matrix of costs given; the ratio is that of
    "lp" to it, and "solves" is how many such problems the descent solves.
"""

ROWS_CONCLUSION = """
    From about 2,000 rows on each side, the whole fit takes less time than the one
    transport problem at its solution, because it needs no matrix of costs. The descent
    solves {least} to {most} transport problems instead, the more the more sources there
    are.

    On the problem of POT's gallery (100 rows of the target, two sources of 50), the
    default takes {fit} s, and the gallery's loop of 500 steps {loop} s: {ratio:.0f}
    times as long. Its best loss is {excess:.0e} above the optimum, relative to it; the
    default's gap is {gap}. At 2,000 rows a side with ten sources the loop would take
    {long:.0f} s, from {steps} steps that were timed, and the default takes {short} s.
"""

LARGE = """
    Memory is what a fit takes at its peak: in a process of its own, above what the
    imports take, for Gaussians; of the whole process for the others, {imports}. The gap
    is relative to the loss. For cytometry, the error is that against manual gating, in
    thousandths, the mean of several seeds of k-means where there are.
"""

LARGE_CONCLUSION = """
    The semi-relaxed loss takes seconds for tens of thousands of cells. An exact solve
    of the default loss takes more than quadratic time: beyond ten or twenty thousand
    rows on each side set ``max_support``, whose error is the same here within
    {change:.1f} thousandths. With a single feature, the default sorts, and millions of
    rows are fine. At 10,000 rows a side the matrix of costs alone would take
    {dense:,.0f} MiB.
"""


@needs("unmixing", "gallery")
def rows(records, gallery):
    found = parts(records, "table")
    lines = [
        (
            f"{r['size'][0]:,}",
            *r["size"][1:],
            seconds(r["emd"]),
            seconds(r["lp"]),
            f"{r['lp'] / r['emd']:.2f}",
            r["solves"] or "—",
        )
        for r in found
    ]
    solves = [r["solves"] for r in found if r["solves"]]
    (small,), (loop,) = gallery, parts(records, "loop")
    figures = {
        "least": min(solves),
        "most": max(solves),
        "fit": seconds(small["fit"]),
        "loop": seconds(small["loop"]),
        "ratio": small["loop"] / small["fit"],
        "excess": small["loop_loss"] / small["loss"] - 1,
        "gap": power(small["gap"] / small["loss"]),
        "long": loop["loop"],
        "steps": loop["steps"],
        "short": seconds(loop["fit"]),
    }
    header = [
        "rows a side",
        "sources",
        "features",
        "emd2, s",
        "lp, s",
        "ratio",
        "solves",
    ]
    return (
        heading("How fast is unmixing?")
        + prose(ROWS)
        + "\n\n"
        + table(header, lines)
        + prose(ROWS_CONCLUSION, **figures)
    )


def gaussians(records):
    return [
        (
            f"Gaussians, 10 features, {r['metric']}",
            size(r["n"], r["n"]),
            seconds(r["seconds"]),
            f"{r['peak']:.0f}",
            "",
            "",
        )
        for r in parts(records, "memory")
    ]


def one_feature(records):
    return [
        (
            f"one feature, {r['metric']}",
            size(r["sizes"]["source"] * r["sizes"]["sources"], r["sizes"]["target"]),
            seconds(r["seconds"]),
            f"{MIB * r['memory']:.0f}",
            power(r["gap"]),
            f"{r['error']:.2f}",
        )
        for r in records
    ]


def cytometry(records, loss):
    """One row for each size and support, of the means over seeds."""
    cases = {(*r["cells"], r["max_support"]): None for r in records}
    lines = []
    for *cells, support in sorted(cases, key=lambda case: (case[2] or 10**6, case[0])):
        same = only(records, cells=cells, max_support=support)
        means = {
            key: np.mean([r[key] for r in same])
            for key in ("seconds", "memory", "gap", "error")
        }
        how = f", max_support={support}" if support else ""
        lines.append(
            (
                f"cytometry, {loss}{how}",
                size(*cells),
                seconds(means["seconds"]),
                f"{MIB * means['memory']:.0f}",
                power(means["gap"]),
                f"{means['error']:.1f}",
            )
        )
    return lines


@needs("unmixing", "line", "hipc", "hipc-semirelaxed")
def large(unmixing, line, hipc, semirelaxed):
    whole = [r for r in hipc if r["cells"] == max(q["cells"] for q in hipc)]
    by_support = {}
    for r in whole:
        by_support.setdefault(r["max_support"], []).append(r["error"])
    means = [np.mean(errors) for errors in by_support.values()]
    lines = [
        *gaussians(unmixing),
        *one_feature(line),
        *cytometry(hipc, "default loss"),
        *cytometry(semirelaxed, "semirelaxed"),
    ]
    header = ["what", "rows", "seconds", "MiB", "gap", "error"]
    return (
        heading("How large can samples be?")
        + prose(LARGE, imports="imports and data included")
        + "\n\n"
        + table(header, lines)
        + prose(
            LARGE_CONCLUSION,
            change=max(means) - min(means),
            dense=parts(unmixing, "memory")[0]["dense"],
        )
    )
