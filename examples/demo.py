"""Run examples and write their figures to the folder ``figures``.

Without an argument, the two problems that the package starts from and a class
prevalence; with ``--all``, every example.
"""

import argparse
import runpy
import time
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt

EXAMPLES = Path(__file__).resolve().parent
FIGURES = EXAMPLES.parent / "figures"
DEMONSTRATION = [
    "plot_wasserstein_unmixing.py",
    "plot_gmm_flow.py",
    "plot_digits_prevalence.py",
]


def run(script):
    print(f"\n=== {script.name}")
    start = time.perf_counter()
    runpy.run_path(str(script), run_name="__main__")
    print(f"({time.perf_counter() - start:.1f} s)")
    save_figures(script.stem.removeprefix("plot_"))


def save_figures(name):
    FIGURES.mkdir(exist_ok=True)
    for number in plt.get_fignums():
        path = FIGURES / f"{name}_{number}.png"
        plt.figure(number).savefig(path, bbox_inches="tight")
        print(f"figure: {path}")
    plt.close("all")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--all", action="store_true", help="run every example")
    everything = parser.parse_args().all
    scripts = sorted(EXAMPLES.glob("plot_*.py"))
    for script in scripts:
        if everything or script.name in DEMONSTRATION:
            run(script)


if __name__ == "__main__":
    main()
