"""Check the built documentation without a network.

    python tools/check_links.py docs/_build/html

Every link, picture, style and script of a page leads to a file that is there, with the
anchor that is named; nothing is loaded from elsewhere; and every picture has a text.
"""

import re
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

LOADED = {("img", "src"), ("script", "src"), ("link", "href"), ("source", "src")}
LOADED |= {("iframe", "src"), ("video", "src"), ("img", "srcset"), ("source", "srcset")}
# These name a page, and load nothing.
RELATIONS = {"canonical", "next", "prev", "index", "search", "genindex", "author"}
# An address that a style sheet loads from elsewhere.
STYLE_FROM_ELSEWHERE = re.compile(
    r"""(?:url\(|@import)\s*["']?((?:https?:)?//[^"')]+)"""
)


class Page(HTMLParser):
    """References, anchors and pictures of a page."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = path
        self.anchors: set[str] = set()
        self.references: list[tuple[str, str, str]] = []
        self.pictures: list[dict[str, str]] = []
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Gather what an element says."""
        found = {name: value or "" for name, value in attrs}
        names = ("id", "name") if tag == "a" else ("id",)
        self.anchors |= {found[name] for name in names if name in found}
        if tag == "img":
            self.pictures.append(found)
        if tag == "link" and set(found.get("rel", "").split()) & RELATIONS:
            tag = "a"
        for name in ("href", "src"):
            if name in found:
                self.references.append((tag, name, found[name]))
        for part in filter(None, found.get("srcset", "").split(",")):
            self.references.append((tag, "srcset", part.split()[0]))

    handle_startendtag = handle_starttag


def broken_references(page: Page, pages: dict[Path, Page]) -> Iterator[str]:
    """Say which references of a page lead nowhere, or load from elsewhere."""
    for tag, name, target in page.references:
        address = urlsplit(target)
        if address.scheme in ("data", "mailto"):
            continue
        if address.scheme or address.netloc:
            if (tag, name) in LOADED:
                yield f"loads from elsewhere: {target}"
            continue
        path = page.path
        if address.path:
            path = (page.path.parent / unquote(address.path)).resolve()
        if not path.is_file():
            yield f"no such file: {target}"
        elif address.fragment and path in pages:
            if unquote(address.fragment) not in pages[path].anchors:
                yield f"no such anchor: {target}"


def words(text: str) -> str:
    """Letters and digits of a text, apart by single spaces."""
    return " ".join(re.findall(r"[a-z]+|\d+", text.lower()))


def wordless_pictures(page: Page) -> Iterator[str]:
    """Say which pictures of a page have no text, or only the file's name."""
    for picture in page.pictures:
        source, text = picture.get("src", ""), words(picture.get("alt", ""))
        name = words(Path(urlsplit(source).path).stem)
        if not text:
            yield f"picture without a text: {source}"
        elif f" {text} " in f" {name} ":
            yield f"picture whose text is its file's name: {source}"


def foreign_styles(folder: Path) -> Iterator[str]:
    """Say which style sheets load from elsewhere."""
    for path in sorted(folder.rglob("*.css")):
        for address in STYLE_FROM_ELSEWHERE.findall(path.read_text(encoding="utf-8")):
            yield f"{path.relative_to(folder)}: loads from elsewhere: {address}"


def check(folder: Path) -> list[str]:
    """All that is wrong with the pages of a folder, one line each."""
    folder = folder.resolve()
    found = [path.relative_to(folder) for path in sorted(folder.rglob("*.html"))]
    pages = {
        folder / path: Page(folder / path)
        for path in found
        if path.parts[0] != "_static"
    }
    problems = [
        f"{path.relative_to(folder)}: {problem}"
        for path, page in pages.items()
        for problem in (*broken_references(page, pages), *wordless_pictures(page))
    ]
    if not pages:
        problems.append(f"no pages in {folder}")
    return [*problems, *foreign_styles(folder)]


def main() -> None:
    """Print what is wrong, and fail if anything is."""
    problems = check(Path(sys.argv[1]))
    print("\n".join(problems) or "All links lead somewhere, all pictures have a text.")
    sys.exit(bool(problems))


if __name__ == "__main__":
    main()
