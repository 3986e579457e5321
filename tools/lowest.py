"""Print the lowest versions that pyproject.toml declares, as constraints for pip.

    python tools/lowest.py [EXTRA ...]

The other packages keep the versions of constraints.txt, and so does PyTorch: releases
as old as its lowest are published only with gigabytes of libraries for graphics cards.
"""

import re
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
KEPT = {"torch"}
LOWEST = re.compile(r"(?P<name>[\w.-]+)(\[[\w,-]+\])?\s*>=\s*(?P<version>[\w.]+)")


def canonical(name: str) -> str:
    """Spell a package's name as the package index compares it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def lowest_versions(extras: list[str]) -> dict[str, str]:
    """Lowest version of each package that the build, the package or an extra needs."""
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    project = declared["project"]
    requirements = [*declared["build-system"]["requires"], *project["dependencies"]]
    for extra in extras:
        requirements += project["optional-dependencies"][extra]
    found = {}
    for requirement in requirements:
        match = LOWEST.match(requirement)
        if match:
            found[canonical(match["name"])] = match["version"]
        elif not requirement.startswith(f"{project['name']}["):
            raise ValueError(f"{requirement!r} has no lowest version.")
    return found


def main() -> None:
    """Print one constraint a line."""
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pinned = dict(line.split("==") for line in lines if not line.startswith("#"))
    versions = {canonical(name): version for name, version in pinned.items()}
    lowest = lowest_versions(sys.argv[1:])
    versions |= {name: lowest[name] for name in lowest if name not in KEPT}
    print("\n".join(f"{name}=={version}" for name, version in versions.items()))


if __name__ == "__main__":
    main()
