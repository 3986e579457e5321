"""Intersphinx inventories from a plain table, so that the build needs no network."""

import tomllib
import zlib
from pathlib import Path

HEADER = """# Sphinx inventory version 2
# Project: {project}
# Version:
# The remainder of this file is compressed using zlib.
"""
KINDS = ("class", "exception", "function", "method", "attribute", "module")
MEMBERS = ("method", "attribute")


def location(name: str, kind: str, project: dict) -> str:
    """Address of an object, relative to the project's documentation."""
    parent = name.rpartition(".")[0]
    pages = project.get("pages", {})
    owner = parent if kind in MEMBERS else name
    default = pages.get(owner, project["page"].format(name=owner, module=parent))
    anchor = f"module-{name}" if kind == "module" else name
    return f"{pages.get(name, default)}#{anchor}"


def lines(project: dict) -> list[str]:
    """Entries of one inventory: name, role, priority, location and text."""
    entries = [
        f"{name} py:{kind} 1 {location(name, kind, project)} -"
        for kind in KINDS
        for name in project.get(kind, [])
    ]
    for label, (target, text) in project.get("labels", {}).items():
        entries.append(f"{label} std:label -1 {target} {text}")
    for term in project.get("terms", []):
        anchor = f"{project['glossary']}#term-{term.replace(' ', '-')}"
        entries.append(f"{term} std:term -1 {anchor} -")
    return entries


def write(table: Path, folder: Path) -> dict[str, tuple[str, str]]:
    """Write one inventory for each project, and return the intersphinx mapping."""
    folder.mkdir(parents=True, exist_ok=True)
    mapping = {}
    for name, project in tomllib.loads(table.read_text(encoding="utf-8")).items():
        body = zlib.compress("\n".join([*lines(project), ""]).encode())
        path = folder / f"{name}.inv"
        path.write_bytes(HEADER.format(project=name).encode() + body)
        mapping[name] = (project["url"], str(path))
    return mapping


def names(table: Path) -> set[str]:
    """All that the table says where to find: objects, labels and terms."""
    projects = tomllib.loads(table.read_text(encoding="utf-8")).values()
    kinds = (*KINDS, "labels", "terms")
    return {
        name for project in projects for kind in kinds for name in project.get(kind, [])
    }
