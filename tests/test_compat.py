"""What the package takes from others without their promise to keep it.

If a test fails here after an upgrade, its message says what to do. Pinning the version
before is always possible, in `pyproject.toml` and in `constraints.txt`.
"""

import ast
import sys
from importlib import import_module
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "skwot"
COMPAT = PACKAGE / "_compat.py"
MODULES = sorted(path for path in PACKAGE.rglob("*.py") if path != COMPAT)
# These are importable under a name without underscore, and still nobody's promise.
UNDOCUMENTED = {"ot.lp.emd_wrap"}

BY_HAND = "Check the parameters by hand in `fit`, with the same messages."
REMEDIES = {
    "sklearn.base._fit_context": (
        "Call `self._validate_params()` at the head of each `fit` instead of "
        "decorating it."
    ),
    "sklearn.utils._safe_indexing": (
        "Index by hand: `X.iloc[rows]` for a frame of pandas, `X[rows]` for arrays, "
        "sparse matrices and frames of polars, and a comprehension for lists."
    ),
    "sklearn.utils._optional_dependencies.check_matplotlib_support": (
        "Import matplotlib within `try`, and raise an ImportError that says how to "
        "install it."
    ),
    "sklearn.utils._set_output._get_output_config": (
        "Read `estimator._sklearn_output_config`, else "
        "`sklearn.get_config()['transform_output']`."
    ),
    "sklearn.utils._param_validation.HasMethods": BY_HAND,
    "sklearn.utils._param_validation.Interval": BY_HAND,
    "sklearn.utils._param_validation.StrOptions": BY_HAND,
    "sklearn.utils._param_validation.validate_params": (
        "Check the arguments of `bootstrap` by hand, with the same messages."
    ),
    "sklearn.utils.validation._check_sample_weight": (
        "Use `sklearn.utils.check_array(sample_weight, ensure_2d=False, "
        "ensure_non_negative=True)` and `check_consistent_length`; None means ones."
    ),
    "ot.lp.emd_wrap.emd_c": (
        "Call `ot.emd(a, b, cost, numItermax=..., log=True, center_dual=False, "
        "check_marginals=False, potentials_init=...)`. Small problems take several "
        "times longer: see `benchmarks/bench_compat.py`."
    ),
    "ot.lp.emd_wrap.emd_c_sparse": (
        "Call `ot.emd` with a `scipy.sparse.coo_array` of costs. POT 0.9.7 ignores "
        "`potentials_init` there, so that each call starts anew: see "
        "`benchmarks/bench_compat.py`."
    ),
    "highspy.Highs.enableCallbacks": (
        "See whether `highspy.Highs()` still writes its banner to the standard output. "
        "If not, replace `QuietHighs` by it, else silence what it calls now."
    ),
    "joblib._dask.DaskDistributedBackend": (
        "See whether `tests/test_concurrency.py` passes without `hear_of_deaths`. If "
        "so, remove it, else change it: it needs `Parallel._backend` and its `submit`."
    ),
}

# What is reached through an object, where no import names it.
USED_BY_NAME = {"highspy.Highs.enableCallbacks", "joblib._dask.DaskDistributedBackend"}


def is_unpromised(dotted):
    """Whether a dotted name is undocumented or a part starts with one underscore."""
    parts = dotted.split(".")
    private = any(part[:1] == "_" and part[:2] != "__" for part in parts)
    return private or any(f"{dotted}.".startswith(f"{name}.") for name in UNDOCUMENTED)


def is_foreign(dotted):
    root = dotted.partition(".")[0]
    return root not in {"skwot", *sys.stdlib_module_names}


def dotted_name(node):
    """``a.b.c`` of nested attributes, None if they do not start at a name."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        before = dotted_name(node.value)
        return before and f"{before}.{node.attr}"
    return None


def private_names(code):
    """Dotted names that code takes from private parts of other packages."""
    tree = ast.parse(code)
    names = {}  # what each imported name stands for
    taken = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                root = alias.name.partition(".")[0]
                names[alias.asname or root] = alias.name if alias.asname else root
                taken.add(alias.name)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            for alias in node.names:
                full = f"{node.module}.{alias.name}"
                names[alias.asname or alias.name] = full
                taken.add(full)
    for node in ast.walk(tree):
        name = isinstance(node, ast.Attribute) and dotted_name(node)
        if name:
            root, _, rest = name.partition(".")
            if root in names:
                taken.add(f"{names[root]}.{rest}")
    return {name for name in taken if is_foreign(name) and is_unpromised(name)}


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.stem)
def test_only_compat_names_what_others_keep_private(path):
    assert not private_names(path.read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    ("code", "names"),
    [
        ("from sklearn.base import _fit_context", {"sklearn.base._fit_context"}),
        ("from sklearn._loss import x as y", {"sklearn._loss.x"}),
        ("import sklearn._loss", {"sklearn._loss"}),
        (
            "import sklearn.base\nsklearn.base._a.b()",
            {"sklearn.base._a.b", "sklearn.base._a"},
        ),
        ("import numpy as np\nnp._core", {"numpy._core"}),
        ("def f():\n    from ot.lp.emd_wrap import emd_c", {"ot.lp.emd_wrap.emd_c"}),
        ("import ot\not.lp.emd_wrap", {"ot.lp.emd_wrap"}),
        ("from ot.lp import emd_wrap", {"ot.lp.emd_wrap"}),
        ("import numpy\nnumpy.__version__", set()),
        ("import sys\nsys._getframe()", set()),
        ("from skwot._ot import transport", set()),
        ("class A:\n    def f(self):\n        return self._x._y", set()),
    ],
)
def test_private_names_are_found(code, names):
    assert private_names(code) == names


def test_there_is_a_remedy_for_each_private_name():
    taken = private_names(COMPAT.read_text(encoding="utf-8"))
    assert taken | USED_BY_NAME == set(REMEDIES)


@pytest.mark.parametrize("name", REMEDIES)
def test_private_name_exists(name):
    parts = name.split(".")
    found = None
    for end in range(len(parts), 0, -1):
        try:
            found, rest = import_module(".".join(parts[:end])), parts[end:]
        except ModuleNotFoundError:
            continue
        break
    for part in rest:
        assert hasattr(found, part), f"{name} is gone. {REMEDIES[name]}"
        found = getattr(found, part)
