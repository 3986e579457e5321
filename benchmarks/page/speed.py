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
    From about 2,000 rows on each side, the whole fit takes about as long as the one
    transport problem at its solution, or less. The descent solves {least} to {most}
    transport problems instead, the more the more sources there are.

    On the problem of POT's gallery (100 rows of the target, two sources of 50), the
    default takes {fit} s, and the gallery's loop of 500 steps {loop} s: {ratio:.0f}
    times as long. Its best loss is {excess:.0e} above the optimum, relative to it; the
    default's gap is {gap}. At 2,000 rows a side with ten sources the loop would take
    {long:.0f} s, from {steps} steps that were timed, and the default takes {short} s.
"""

LARGE = """
    "MiB" is the memory at the peak of a fit: for Gaussians above what the imports take,
    otherwise of the whole process, with imports and data. The gap is relative to the
    loss. Errors are in thousandths.
"""

ABOUT_CYTOMETRY = """
    Cytometry is one patient's cells against another's, with seven markers; the error is
    that against manual gating. With ``max_support`` the numbers are means over seeds of
    k-means.
"""

LARGE_CONCLUSION = """
    With a single feature the default loss is evaluated by sorting, and two million rows
    take {line} s. With several features an exact solve takes more than quadratic time:
    beyond ten or twenty thousand rows on each side set ``max_support``, or take
    ``loss="semirelaxed"``. No solve by "lp" holds the matrix of costs, which alone
    would take {dense:,.0f} MiB at 10,000 rows a side.
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


def cytometry(records):
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
                f"cytometry, {records[0]['loss']}{how}",
                size(*cells),
                seconds(means["seconds"]),
                f"{MIB * means['memory']:.0f}",
                power(means["gap"]),
                f"{means['error']:.1f}",
            )
        )
    return lines


@needs("unmixing", "line", also=["hipc", "hipc-semirelaxed"])
def large(unmixing, line, *runs):
    lines = [*gaussians(unmixing), *one_feature(line)]
    lines += [row for run in runs for row in cytometry(run)]
    header = ["what", "rows", "seconds", "MiB", "gap", "error"]
    return (
        heading("How large can samples be?")
        + prose(LARGE + ABOUT_CYTOMETRY * bool(runs))
        + "\n\n"
        + table(header, lines)
        + prose(
            LARGE_CONCLUSION,
            dense=parts(unmixing, "memory")[0]["dense"],
            line=seconds(line[0]["seconds"]),
        )
    )
