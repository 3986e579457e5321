"""How fast flows are, where they end, and what they are used for."""

import numpy as np

from benchmarks.page.rst import (
    heading,
    needs,
    only,
    parts,
    power,
    prose,
    seconds,
    table,
)

LOSS = """
    The first table has the cost of one step: of the loss :math:`MW_2^2` between two
    mixtures, with its gradient, on average over a flow of 50 steps. POT's is
    ``ot.gmm.gmm_ot_loss`` with autograd. Both were given the same mixtures, in turn.
    The values of the two differ by {values} at most, relative to them, and the
    gradients by {gradients}.
"""

LOSS_MORE = """
    The ratio grows with the number of components, because POT computes all pairs of
    components, and skwot those that can matter. At {size} components and features POT
    takes {pot:.0f} MiB of memory, and skwot {skwot:.0f}.

    The second table has the whole flow, in 20 dimensions, between mixtures of as many
    components with equal weights. "Of the start" is the loss at the end, relative to
    that at the start. POT's gallery loop, Adam with the rate .03, was stopped after
    {steps_20} and {steps_50} steps.
"""

ACCURACY_CONCLUSION = """
    An automatic flow ends at rest within {slowest} s, {least:.0f} to {most:.0f} times
    sooner than the loop ends its steps, which is still far from the minimum then. If
    you need the end and not the path, take ``solver="bures"``.
"""

MINIMA = """
    {total} random problems with as many components as the target has, so that the least
    loss is zero. "Stuck" are those that end above a millionth of the first loss. The
    seconds are the mean of one flow.
"""

MINIMA_CONCLUSION = """
    Without swaps {without} of {total} flows end in a local minimum, with them {with_}
    do. Swaps are on wherever you give no start. They cost {factor:.1f} times the time
    in the mean.
"""

REDUCTION = """
    **Reduction** of 40 components to 8, by ``solver="bures"`` from one start by
    k-means++, for pixels of a picture (three features) and digits (ten components),
    with targets from {seeds} seeds of scikit-learn's EM. Losses are :math:`MW_2^2`.
"""

REDUCTION_CONCLUSION = """
    Swaps lower the loss of a reduction by {gain:.0f} % in the mean. POT's loop of 100
    steps of rate .01, from eight of the target's components drawn at random, took {pot}
    s for the first targets of the picture and of digits, and ended at {worse} times the
    loss of the flow with swaps.
"""

BARYCENTRE = """
    **Barycentres** of three mixtures, 20 random problems, relative to 100 iterations of
    POT's ``gmm_barycenter_fixed_point`` from the same start, whose weights it keeps.
    The columns are the mean squared distance to the three mixtures, as a part of POT's,
    and the median ratio of the times.
"""

BARYCENTRE_CONCLUSION = """
    The flow ends nearer to the mixtures than POT's iteration in each problem: at most
    at {largest} of its distance. Swaps come nearest, and take most of the time.
"""

TRANSPORT = """
    **Transport** of pixels from one picture's palette to another's, with ten
    components. "Distance" is :math:`W_2` between 2,000 moved pixels that were not used
    to fit and as many of the target. Seconds are those of 100,000 pixels; POT's
    ``gmm_ot_apply_map`` was timed on 2,000, and its time multiplied by 50.
"""

TRANSPORT_CONCLUSION = """
    Both packages compute the same maps, and skwot is {barycentric:.0f} and {random:.0f}
    times as fast. Take ``"random"`` if the moved samples should have the target's
    distribution, and ``"barycentric"`` if neighbours should stay neighbours.
"""

CONDITIONS = """
    Errors against 100 digits of mpmath, for pairs of covariances whose eigenvalues go
    from one down to the inverse of the condition; the largest of {features} features.
    The error of the squared distance is relative to it, and that of the map is whitened
    by both covariances. "Rotated" are two covariances with random axes, "equal" a
    covariance and itself, whose distance is zero, and in "units" the condition comes
    from the units of the features.
"""

CONDITIONS_CONCLUSION = """
    The distance keeps all its digits. The map keeps {units} digits at a condition of
    1e12 where that comes from units, so there is no need to scale features for the sake
    of digits. Where components are thin in other directions, it keeps {rotated}.
"""

CELLS = {
    "rotated, distance": (0, 0),
    "rotated, map": (0, 1),
    "equal, map": (1, 1),
    "units, distance": (2, 0),
    "units, map": (2, 1),
}


@needs("flow")
def speed(records):
    losses, found = parts(records, "loss"), parts(records, "accuracy")
    rows = [
        (
            *r["size"],
            seconds(r["pot"]),
            seconds(r["seconds"]),
            f"{r['ratio']:.1f}",
        )
        for r in losses
    ]
    flows = [
        (
            r["components"],
            f'"{r["solver"]}"',
            "fixed" if r["fixed_weights"] else "free",
            r["steps"],
            seconds(r["seconds"]),
            power(r["relative"]),
            seconds(r["pot"]),
            power(r["pot_relative"]),
            f"{r['pot'] / r['seconds']:.0f}",
        )
        for r in found
    ]
    header = ["components", "solver", "weights", "steps", "seconds", "of the start"]
    values, gradients = np.max([r["differences"] for r in losses], axis=0)
    ratios = [r["pot"] / r["seconds"] for r in found]
    return (
        heading("How fast are flows?")
        + prose(LOSS, values=power(values), gradients=power(gradients))
        + "\n\n"
        + table(["components", "features", "POT, s", "skwot, s", "ratio"], rows)
        + prose(LOSS_MORE, **memory(records), **pot_steps(found))
        + "\n\n"
        + table([*header, "POT, s", "of the start, POT", "ratio"], flows)
        + prose(
            ACCURACY_CONCLUSION,
            slowest=seconds(max(r["seconds"] for r in found)),
            least=min(ratios),
            most=max(ratios),
        )
    )


def memory(records):
    pot, skwot = parts(records, "memory")
    both = " and ".join(map(str, pot["size"]))
    return {"size": both, "pot": pot["growth"], "skwot": skwot["growth"]}


def pot_steps(found):
    return {f"steps_{r['components']}": r["pot_steps"] for r in found}


@needs("flow-uses")
def minima(records):
    found = parts(records, "minima")
    rows = [
        (
            *r["size"],
            r["problems"],
            *r["stuck"],
            *(seconds(value) for value in r["seconds"]),
        )
        for r in found
    ]
    stuck = np.sum([r["stuck"] for r in found], axis=0)
    times = np.sum([r["seconds"] for r in found], axis=0)
    total = sum(r["problems"] for r in found)
    header = ["components", "features", "problems", "stuck", "stuck, swaps"]
    return (
        heading("How far do flows end from the minimum?")
        + prose(MINIMA, total=total)
        + "\n\n"
        + table([*header, "seconds", "seconds, swaps"], rows)
        + prose(
            MINIMA_CONCLUSION,
            total=total,
            without=stuck[0],
            with_=stuck[1] or "none",
            factor=times[1] / times[0],
        )
    )


def reductions(records):
    found = parts(records, "reduction")
    rows = [
        (
            r["data"],
            r["seed"],
            *(cell for how in ("without", "with") for cell in loss_and_time(r[how])),
        )
        for r in found
    ]
    header = ["data", "seed", "loss", "seconds", "loss, swaps", "seconds, swaps"]
    pots = [r for r in found if "pot" in r]
    figures = {
        "gain": 1e2 * np.mean([1 - r["with"][0] / r["without"][0] for r in found]),
        "pot": " and ".join(seconds(r["pot"][1]) for r in pots),
        "worse": " and ".join(f"{r['pot'][0] / r['with'][0]:.2f}" for r in pots),
    }
    return (
        prose(REDUCTION, seeds=len({r["seed"] for r in found}))
        + "\n\n"
        + table(header, rows)
        + prose(REDUCTION_CONCLUSION, **figures)
    )


def loss_and_time(pair):
    return f"{pair[0]:.5f}", seconds(pair[1])


def barycentres(records):
    rows = [
        (
            r["how"],
            f"{min(r['ratios']):.3f}",
            f"{np.median(r['ratios']):.3f}",
            f"{max(r['ratios']):.3f}",
            f"{r['speed']:.0f}",
        )
        for r in parts(records, "barycentre")
    ]
    largest = max(max(r["ratios"]) for r in parts(records, "barycentre"))
    return (
        prose(BARYCENTRE)
        + "\n\n"
        + table(["flow", "least", "median", "largest", "times faster"], rows)
        + prose(BARYCENTRE_CONCLUSION, largest=f"{largest:.2f}")
    )


def transports(records):
    rows = [
        (
            f'"{r["method"]}"',
            seconds(1e5 * r["seconds"]),
            seconds(1e5 * r["pot"]),
            *(f"{distance:.4f}" for distance in r["distances"]),
        )
        for r in parts(records, "transport")
    ]
    faster = {r["method"]: r["pot"] / r["seconds"] for r in parts(records, "transport")}
    header = ["method", "seconds", "POT, s", "distance", "distance, POT"]
    return (
        prose(TRANSPORT)
        + "\n\n"
        + table(header, rows)
        + prose(TRANSPORT_CONCLUSION, **faster)
    )


@needs("flow-uses")
def uses(records):
    return "\n\n".join(
        [
            heading("What are flows used for, and how well?").rstrip(),
            reductions(records),
            barycentres(records).rstrip(),
            transports(records),
        ]
    )


@needs("conditions")
def conditions(records):
    # At condition one the covariances are equal, and the distance is zero.
    exponents = sorted({r["exponent"] for r in records} - {0})
    worst = {
        e: np.max([r["errors"] for r in only(records, exponent=e)], axis=0)
        for e in exponents
    }
    rows = [
        (f"1e{e}", *(power(worst[e][cell]) for cell in CELLS.values()))
        for e in exponents
    ]
    features = [str(d) for d in sorted({r["features"] for r in records})]
    digits = np.floor(-np.log10(worst[12])).astype(int)
    return (
        heading("What digits remain for ill-conditioned covariances?")
        + prose(CONDITIONS, features=f"{', '.join(features[:-1])} and {features[-1]}")
        + "\n\n"
        + table(["condition", *CELLS], rows)
        + prose(CONDITIONS_CONCLUSION, rotated=digits[0, 1], units=digits[2, 1])
    )
