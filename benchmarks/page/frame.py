"""What is above and below the sections of the page."""

from benchmarks.page.rst import heading, prose, table

TOP = """\
.. This page is written by ``python -m benchmarks.report --write``: change the texts in
   benchmarks/page/, not here.

.. _benchmarks:

==========
Benchmarks
==========

.. currentmodule:: skwot

"""

BEGINNING = """
    This page says how accurate and how fast skwot is, beside other packages where they
    answer the same question. Each section asks one question, and has a table, what to
    conclude from it, and the command that prints its numbers.

    - **Errors** are mean absolute errors of prevalences, in *thousandths of a
    prevalence*: an error of 10 means that the shares of the classes are off by one
    percentage point in the mean. Less is better. A number behind ± is the standard
    error of the mean.

    - **Times** are in seconds, on one thread.

    - **Ratios** compare two runs on the same machine, and have no unit. They are a
    better guide to another machine than seconds are.

    - **Memory** is in MiB.

    Errors are the same in each run. Times are not: they were taken on a machine that
    had other work to do, where a run can take twice as long as on an idle one.
"""

AGAIN = """
    One command runs all benchmarks and writes this page. It keeps the output of each in
    ``benchmarks/results/``, with the command, the date, the machine and the versions,
    and does not run again what is there, unless ``--only`` names it:
"""

COMMANDS = """\
.. code-block:: console

   $ python -m benchmarks.report --data hipc_stanford.npz
   $ python -m benchmarks.report --data hipc_stanford.npz --only goodness
   $ python -m benchmarks.report --write

"""

OTHERS = """
    ``--write`` only fills the page from the results that are there; ``make benchmarks``
    runs what has no result yet. The cytometry data are not part of skwot: ``--data`` is
    a file of them, described in ``benchmarks/bench_hipc.py``, and without it the
    benchmarks that need it are left out. So are QuaPy and CytOpT where they are not
    installed.

    Two more scripts are for those who work on skwot: ``benchmarks/bench_compat.py``
    times POT's compiled functions against its public ones, and
    ``benchmarks/bench_stalls.py`` times the solvers on costs with many ties.
    ``make fuzz`` checks thousands of generated problems, by a dense linear programme
    among others.
"""


def beginning():
    return TOP + prose(BEGINNING)


def machines(results):
    """Processor, versions and date, with the names of the runs where these differ."""
    found = {}
    for name, result in results.items():
        known = (result.header[key] for key in ("processor", "versions", "date"))
        found.setdefault(tuple(known), []).append(name)
    texts = []
    for (processor, versions, date), names in found.items():
        which = "" if len(found) == 1 else f" These are {', '.join(names)}."
        texts.append(f"Measured on {date}, {processor}, one thread; {versions}.{which}")
    return "\n\n".join(prose(text) for text in texts)


def absent(missing):
    names = ", ".join(f"``{name}``" for name in missing)
    return prose(f"Not measured here: {names}.") + "\n\n" if missing else ""


def end(results, missing):
    rows = [
        (f"``{name}``", result.header["took"].removesuffix(" s"))
        for name, result in results.items()
    ]
    return (
        heading("Machine, versions, and how to run it again")
        + machines(results)
        + "\n\n"
        + table(["run", "seconds"], rows)
        + absent(missing)
        + prose(AGAIN)
        + "\n\n"
        + COMMANDS
        + prose(OTHERS)
    )
