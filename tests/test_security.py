"""What the package never does to a machine."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest
import skops.io as skops

from skwot import GMMFlowFitter, WassersteinUnmixer
from skwot.datasets import make_unmixing

PACKAGE = Path(__file__).parent.parent / "skwot"
FORBIDDEN_CALLS = {"eval", "exec", "compile", "__import__", "open", "input"}
FORBIDDEN_MODULES = {
    "ctypes", "dill", "cloudpickle", "ftplib", "http", "marshal", "pickle", "requests",
    "runpy", "shelve", "shutil", "smtplib", "socket", "subprocess", "tempfile",
    "urllib",
}  # fmt: skip
# Of modules that are otherwise harmless, what runs a program, or reads or writes files.
FORBIDDEN_ATTRIBUTES = {
    "system", "popen", "fork", "execv", "execve", "spawnv", "unlink", "rmdir",
    "makedirs", "mkdir", "rename", "write_text", "write_bytes", "savez", "savetxt",
    "tofile", "to_csv", "to_pickle", "to_parquet", "savefig", "fromfile", "loadtxt",
}  # fmt: skip
# `save` of an animation is called by nobody here, `load` would unpickle.
FORBIDDEN_QUALIFIED = {"np.load", "np.save", "torch.load", "torch.save", "joblib.dump"}
FORBIDDEN_QUALIFIED |= {"os.remove", "joblib.load", "joblib.Memory", "torch.hub"}


def offences(code):
    """What a module has that it must not have."""
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Import):
            names = {alias.name.partition(".")[0] for alias in node.names}
            yield from names & FORBIDDEN_MODULES
        elif isinstance(node, ast.ImportFrom):
            yield from {str(node.module).partition(".")[0]} & FORBIDDEN_MODULES
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            yield from {node.func.id} & FORBIDDEN_CALLS
        elif isinstance(node, ast.Attribute):
            yield from {node.attr} & FORBIDDEN_ATTRIBUTES
            yield from {ast.unparse(node)} & FORBIDDEN_QUALIFIED


@pytest.mark.parametrize(
    "path", sorted(PACKAGE.rglob("*.py")), ids=lambda path: path.stem
)
def test_the_source_runs_no_text_and_writes_no_file(path):
    # Matplotlib makes a film in a file only, which is gone before anybody sees it.
    excused = {"tempfile"} if path.name == "animation.py" else set()
    assert set(offences(path.read_text(encoding="utf-8"))) <= excused


@pytest.mark.parametrize(
    "code",
    [
        "eval('1')",
        "import pickle",
        "from urllib.request import urlopen",
        "import os\nos.system('ls')",
        "open('x', 'w')",
        "import numpy as np\nnp.load('x')",
        "from pathlib import Path\nPath('x').write_text('y')",
    ],
)
def test_offences_are_found(code):
    assert set(offences(code))


def fitted():
    X, y, _ = make_unmixing(n_source_samples=20, random_state=0)
    return [
        *(
            WassersteinUnmixer(loss=loss).fit(X, y)
            for loss in ("wasserstein", "sinkhorn", "semirelaxed")
        ),
        WassersteinUnmixer(outlier_cost="auto", random_state=0).fit(X, y),
        *(
            GMMFlowFitter(2, covariance_type=kind, random_state=0).fit(X)
            for kind in ("full", "diag", "tied", "spherical")
        ),
    ]


def test_skops_has_to_trust_nothing_but_the_classes():
    for estimator in fitted():
        kind = type(estimator)
        untrusted = skops.get_untrusted_types(data=skops.dumps(estimator))
        assert untrusted == [f"{kind.__module__}.{kind.__name__}"]


SCRIPT = """
import warnings
from skwot import GMMFlowFitter, WassersteinUnmixer
from skwot.datasets import make_unmixing

warnings.simplefilter("ignore")
X, y, _ = make_unmixing(n_source_samples=20, random_state=0)
for loss in ("wasserstein", "semirelaxed"):
    unmixer = WassersteinUnmixer(loss=loss).fit(X, y)
    unmixer.bootstrap(n_resamples=2)
GMMFlowFitter(2).fit(X).transport(X)
"""


def test_fitting_writes_no_file(tmp_path):
    """Neither where it runs, nor at home, nor among the temporary files."""
    places = [tmp_path / name for name in ("work", "home", "temporary")]
    for place in places:
        place.mkdir()
    work, home, temporary = map(str, places)
    environment = os.environ | {
        "HOME": home,
        "USERPROFILE": home,
        "TMPDIR": temporary,
        "PYTHONPATH": os.pathsep.join([str(PACKAGE.parent), *sys.path]),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    command = [sys.executable, "-c", SCRIPT]
    subprocess.run(command, cwd=work, env=environment, check=True)
    assert not [path for place in places for path in place.rglob("*")]
