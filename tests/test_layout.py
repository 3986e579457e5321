"""The layout of the package, as far as import contracts do not state it."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "skwot"
MODULES = [path for path in sorted(PACKAGE.rglob("*.py")) if path.stem != "__init__"]
KERNELS = [path for path in MODULES if path.parts[-2] not in ("skwot", "_plot")]
MOST_ARGUMENTS = 7


def definitions(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    kinds = ast.FunctionDef | ast.ClassDef
    return [node for node in ast.walk(tree) if isinstance(node, kinds)]


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.stem)
def test_every_module_has_a_test_module_of_its_name(path):
    folder = ROOT / "tests" / path.parent.relative_to(PACKAGE)
    assert (
        not definitions(path)
        or (folder / f"test_{path.stem.removeprefix('_')}.py").exists()
    )


@pytest.mark.parametrize("path", KERNELS, ids=lambda path: path.stem)
def test_no_function_of_the_numerics_takes_many_arguments(path):
    for node in definitions(path):
        if isinstance(node, ast.FunctionDef):
            arguments = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
            names = [one.arg for one in arguments if one.arg not in ("self", "cls")]
            assert len(names) <= MOST_ARGUMENTS, f"{node.name}: {names}"
