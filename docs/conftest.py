"""The pages' examples are tests; what is made from other sources is not collected."""

import matplotlib
import pytest

matplotlib.use("Agg")

collect_ignore = ["conf.py", "_ext", "_build", "_templates", "auto_examples"]
collect_ignore += ["generated"]


@pytest.fixture(autouse=True)
def close_figures():
    """Close what an example of a page has drawn."""
    yield
    import matplotlib.pyplot as plt

    plt.close("all")
