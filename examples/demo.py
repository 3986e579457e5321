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
import numpy as np
from matplotlib.animation import Animation

from skwot import GMMFlowFitter

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
    names = runpy.run_path(str(script), run_name="__main__")
    if isinstance(names.get("flow"), GMMFlowFitter):
        compare_weights(names["flow"])
    print(f"({time.perf_counter() - start:.1f} s)")
    name = script.stem.removeprefix("plot_")
    save_animations(name, names)
    save_figures(name)


def compare_weights(flow):
    """Weights of the target's components, and of those that have moved to each."""
    goal = flow.plan_.argmax(axis=1)
    arrived = np.bincount(goal, flow.weights_, minlength=len(flow.target_weights_))
    print("truth      ", flow.target_weights_.round(3))
    print("arrived    ", arrived.round(3))
    print(f"distance left, MW2 squared: {flow.loss_:.1e}")


def save_animations(name, names):
    """Save moving pictures, and close their figures, which would be one frame each."""
    FIGURES.mkdir(exist_ok=True)
    for animation in names.values():
        if isinstance(animation, Animation):
            path = FIGURES / f"{name}.gif"
            animation.save(path, writer="pillow")
            plt.close(animation._fig)
            print(f"animation: {path}")


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
    scripts = [EXAMPLES / name for name in DEMONSTRATION]
    if everything:
        scripts = sorted(EXAMPLES.glob("plot_*.py"))
    for script in scripts:
        run(script)


if __name__ == "__main__":
    main()
