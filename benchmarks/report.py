"""Run the benchmarks, keep their output, and write the user guide's page from it.

    python -m benchmarks.report [--data hipc_stanford.npz] [--only NAME ...]
    python -m benchmarks.report --write

Each benchmark's output goes to ``benchmarks/results/NAME.txt``, below a header with the
command, the machine and the versions. A benchmark whose file is there is not run again,
unless ``--only`` names it; so a run that was stopped goes on where it was. ``--write``
runs nothing: it fills the page from what is there. ``--data`` is the cytometry of
`bench_hipc`; without it the benchmarks that need it are left out. ``--list`` shows them
all.
"""

import argparse
import datetime
import os
import platform
import shlex
import subprocess
import sys
import time
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

from benchmarks.page import growth, write
from benchmarks.page.results import read_results

ROOT = Path(__file__).parents[1]
RESULTS = Path(__file__).parent / "results"
GUIDE = ROOT / "docs" / "user_guide"
THREADS = "1"
PACKAGES = {
    "skwot": "skwot",
    "NumPy": "numpy",
    "SciPy": "scipy",
    "scikit-learn": "scikit-learn",
    "POT": "POT",
    "PyTorch": "torch",
    "HiGHS": "highspy",
    "QuaPy": "quapy",
    "CytOpT": "CytOpT",
}


class Run(NamedTuple):
    """A benchmark: its module, its arguments, and what it cannot do without."""

    module: str
    arguments: str = ""
    takes_data: bool = False
    package: str | None = None


def prevalence(name, takes_data=False):
    return Run("bench_prevalence", f"--sets {name}", takes_data, "quapy")


def intervals(cases):
    return Run(
        "bench_intervals", f"--draws 30 --minutes 60 --cases {cases}", package="quapy"
    )


RUNS = {
    "prevalence-digits": prevalence("digits"),
    "prevalence-breast-cancer": prevalence("breast_cancer"),
    "prevalence-wine": prevalence("wine"),
    "prevalence-hipc-same": prevalence("'HIPC same' --draws 20", takes_data=True),
    "prevalence-hipc-other": prevalence("'HIPC other' --draws 20", takes_data=True),
    "selection": Run("bench_selection"),
    "gallery": Run("bench_gallery_unmixing"),
    "unmixing": Run("bench_unmixing", "table loop memory"),
    "line": Run("bench_line"),
    "hipc": Run("bench_hipc", "--exact 8000 16000", True),
    "hipc-semirelaxed": Run("bench_hipc", "--loss semirelaxed --exact 0", True),
    "intervals": intervals("semirelaxed 'semirelaxed, classifier'"),
    "intervals-transport": intervals(
        "'W1, components' 'W1, debiased' 'W1, classifier' --sets breast_cancer"
    ),
    "goodness": Run("bench_goodness", "--draws 100"),
    "goodness-euclidean": Run("bench_goodness", "--draws 100 --metric euclidean"),
    "contamination": Run("bench_contamination"),
    "flow": Run("bench_flow"),
    "flow-uses": Run("bench_flow_uses"),
    "conditions": Run("bench_conditions"),
    "growth": Run("bench_growth"),
    "scale-rows": Run("bench_scale", "rows"),
    "scale-bags": Run("bench_scale", "bags"),
}


def processor():
    """The model's name, where the system tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    names = [line.split(":")[1].strip() for line in lines if line.startswith("model n")]
    return names[0] if names else platform.processor() or platform.machine()


def versions():
    found = [f"Python {platform.python_version()}"]
    for name, distribution in PACKAGES.items():
        try:
            found.append(f"{name} {metadata.version(distribution)}")
        except metadata.PackageNotFoundError:
            continue
    return ", ".join(found)


def header(run):
    """What the page says about a run, one line each; the data's path stays out."""
    data = " --data hipc_stanford.npz" * run.takes_data
    command = f"python -m benchmarks.{run.module} {run.arguments}{data}"
    return {
        "command": " ".join(command.split()),
        "date": datetime.date.today().isoformat(),
        "processor": processor(),
        "threads": THREADS,
        "versions": versions(),
    }


def execute(name, run, data):
    """Run a benchmark and keep its output, if it ends well."""
    print(f"==> {name}", flush=True)
    command = [sys.executable, "-m", f"benchmarks.{run.module}"]
    command += shlex.split(run.arguments)
    if run.takes_data:
        command += ["--data", str(data)]
    environment = os.environ | {"OMP_NUM_THREADS": THREADS}
    start = time.perf_counter()
    found = subprocess.run(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True
    )
    if found.returncode:
        print(f"{name} ended with {found.returncode}", file=sys.stderr)
        return
    lines = header(run) | {"took": f"{time.perf_counter() - start:.0f} s"}
    text = "".join(f"{key}: {value}\n" for key, value in lines.items())
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{name}.txt").write_text(f"{text}\n{found.stdout}")


def pages():
    """Texts of the pages by their paths, from the results that are there."""
    found = read_results(RESULTS)
    results = {name: found[name] for name in RUNS if name in found}
    missing = [name for name in RUNS if name not in found]
    return {
        GUIDE / "benchmarks.rst": write(results, missing),
        GUIDE / "growth.rst": growth.write(results),
    }


def chosen(options):
    """Names of the runs to do."""
    names = options.only or [
        name for name in RUNS if not (RESULTS / f"{name}.txt").exists()
    ]
    missing = {name: lacks(RUNS[name], options.data) for name in names}
    for name in names:
        if missing[name]:
            print(f"{name} is left out, because {missing[name]}")
    return [name for name in names if not missing[name]]


def lacks(run, data):
    """Why a benchmark cannot be run here, or None."""
    if run.takes_data and data is None:
        return "--data is not given"
    if run.package and find_spec(run.package) is None:
        return f"{run.package} is not installed"
    return None


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="+", choices=RUNS, metavar="NAME")
    parser.add_argument("--data", type=Path, metavar="FILE")
    parser.add_argument("--write", action="store_true", help="the page only")
    parser.add_argument("--list", action="store_true", help="the names only")
    options = parser.parse_args()
    if options.list:
        print(*RUNS, sep="\n")
        return
    if not options.write:
        for name in chosen(options):
            execute(name, RUNS[name], options.data)
    for path, text in pages().items():
        path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
