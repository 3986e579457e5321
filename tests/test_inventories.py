"""What the documentation links to in other projects is there under its name."""

import importlib.util
import pydoc
import tomllib
import zlib
from pathlib import Path

import pytest

DOCS = Path(__file__).parent.parent / "docs"
TABLE = DOCS / "inventories.toml"
SPECIFICATION = importlib.util.spec_from_file_location(
    "inventories", DOCS / "_ext" / "inventories.py"
)
inventories = importlib.util.module_from_spec(SPECIFICATION)
SPECIFICATION.loader.exec_module(inventories)

PROJECTS = tomllib.loads(TABLE.read_text(encoding="utf-8"))
SMALL = """
[some]
url = "https://some.org/"
page = "api/{name}.html"
class = ["some.Thing", "some.part.Other"]
method = ["some.Thing.act", "some.part.Other.act"]
module = ["some"]
glossary = "words.html"
terms = ["two words"]

[some.pages]
"some.part.Other" = "others.html"
some = "index.html"

[some.labels]
start = ["guide.html#start", "How to start"]
"""


def objects(project):
    kinds = [PROJECTS[project].get(kind, []) for kind in inventories.KINDS]
    return {name for names in kinds for name in names}


@pytest.mark.parametrize("project", PROJECTS)
def test_every_object_exists(project):
    assert {name for name in objects(project) if pydoc.locate(name) is None} == set()


@pytest.mark.parametrize("project", PROJECTS)
def test_every_page_belongs_to_an_object(project):
    assert set(PROJECTS[project].get("pages", {})) <= objects(project)


def test_an_inventory_says_where_things_stand(tmp_path):
    table = tmp_path / "table.toml"
    table.write_text(SMALL)
    url, path = inventories.write(table, tmp_path / "made")["some"]
    *header, body = Path(path).read_bytes().split(b"\n", 4)
    assert url == "https://some.org/"
    assert header[:2] == [b"# Sphinx inventory version 2", b"# Project: some"]
    assert zlib.decompress(body).decode().splitlines() == [
        "some.Thing py:class 1 api/some.Thing.html#some.Thing -",
        "some.part.Other py:class 1 others.html#some.part.Other -",
        "some.Thing.act py:method 1 api/some.Thing.html#some.Thing.act -",
        "some.part.Other.act py:method 1 others.html#some.part.Other.act -",
        "some py:module 1 index.html#module-some -",
        "start std:label -1 guide.html#start How to start",
        "two words std:term -1 words.html#term-two-words -",
    ]


def test_all_names_are_known(tmp_path):
    table = tmp_path / "table.toml"
    table.write_text(SMALL)
    assert {"some.Thing.act", "start", "two words"} < inventories.names(table)
