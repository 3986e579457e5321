"""Check what users would install: the archives in dist/, built from this source.

    python tools/check_dist.py [PYTHON ...]

The wheel is installed with the extra "plot" in an empty environment, in which the
blocks of the README run, far from the source. That is done with each PYTHON; without
any, with this one, and with the newer ones that are on the path.
"""

import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
DIST = ROOT / "dist"
IN_SOURCE = (
    "README.md",
    "CHANGELOG.md",
    "CITATION.cff",
    "LICENSE",
    "Makefile",
    "constraints.txt",
    "benchmarks/bench_flow.py",
    "docs/conf.py",
    "docs/index.rst",
    "examples/demo.py",
    "skwot/py.typed",
    "tests/test_unmixer.py",
    "tests/_unmixing/solvers/test_newton.py",
)
BLOCK = re.compile(r"```python\n(.*?)```", re.DOTALL)
# What the environment runs: the installed package, not the source.
PREAMBLE = """
import pathlib, sys, skwot
assert pathlib.Path(sys.prefix) in pathlib.Path(skwot.__file__).parents, skwot.__file__
"""


def only(pattern: str) -> Path:
    """Find the one archive of a kind."""
    found = sorted(DIST.glob(pattern))
    if len(found) != 1:
        sys.exit(f"dist/ must hold one {pattern}; got {[one.name for one in found]}")
    return found[0]


def describe(archive: Path, n_entries: int) -> None:
    """Print how large an archive is."""
    size = archive.stat().st_size / 1e3
    print(f"{archive.name}: {n_entries} entries, {size:.0f} kB", flush=True)


def check_source(archive: Path) -> None:
    """Ask for everything that the repository has, and nothing that was built."""
    with tarfile.open(archive) as opened:
        names = {name.partition("/")[2] for name in opened.getnames()}
    missing = [name for name in IN_SOURCE if name not in names]
    built = [name for name in names if "_build/" in name or "__pycache__" in name]
    if missing or built:
        sys.exit(f"{archive.name} lacks {missing}, and has {built[:5]}")
    describe(archive, len(names))


def check_wheel(archive: Path) -> None:
    """Ask for the package alone."""
    with zipfile.ZipFile(archive) as opened:
        names = opened.namelist()
    others = {name.partition("/")[0] for name in names if not name.startswith("skwot")}
    if others or "skwot/py.typed" not in names:
        sys.exit(f"{archive.name} has {others} beside the package, or lacks py.typed")
    describe(archive, len(names))


def usable(pythons: list[str]) -> list[str]:
    """Choose those that start, are new enough and can make environments."""
    code = "import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))"
    found = []
    for python in filter(None, map(shutil.which, pythons)):
        asked = subprocess.run([python, "-c", code], capture_output=True, check=False)
        if asked.returncode == 0:
            found.append(python)
    return found


def run_readme(wheel: Path, interpreter: str) -> None:
    """Install the wheel in an empty environment, and run the README in it."""
    version = [interpreter, "--version"]
    print(subprocess.check_output(version, text=True).strip(), flush=True)
    blocks = BLOCK.findall((ROOT / "README.md").read_text(encoding="utf-8"))
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([interpreter, "-m", "venv", folder], check=True)
        python = str(Path(folder) / "bin" / "python")
        pip = [python, "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
        constraints = ["--constraint", str(ROOT / "constraints.txt")]
        subprocess.run([*pip, *constraints, f"{wheel}[plot]"], check=True)
        for number, block in enumerate(blocks, 1):
            print(f"README, block {number} of {len(blocks)}", flush=True)
            command = [python, "-W", "error", "-c", PREAMBLE + block]
            subprocess.run(command, check=True, cwd=folder)


def main() -> None:
    """Check both archives."""
    wheel = only("*.whl")
    check_source(only("*.tar.gz"))
    check_wheel(wheel)
    newer = [f"python3.{minor}" for minor in range(sys.version_info.minor + 1, 20)]
    for interpreter in usable(sys.argv[1:] or [sys.executable, *newer]):
        run_readme(wheel, interpreter)


if __name__ == "__main__":
    main()
