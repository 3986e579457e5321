"""The user guide's page on benchmarks, written from their recorded results."""

from benchmarks.page import flows, frame, prevalences, speed, trust

SECTIONS = [
    prevalences.accuracy,
    prevalences.classifiers,
    prevalences.selection,
    speed.rows,
    speed.large,
    trust.intervals,
    trust.goodness,
    trust.contamination,
    flows.speed,
    flows.minima,
    flows.uses,
    flows.conditions,
]


def write(results, missing):
    """The page as a text, of those sections that all results are there for.

    It ends with the names of the benchmarks that are missing.
    """
    sections = [
        section(results) for section in SECTIONS if section.needs <= results.keys()
    ]
    return (
        "\n\n".join([frame.beginning(), *sections, frame.end(results, missing)]) + "\n"
    )
