"""Look at the built documentation in a browser, and check what can be measured.

    python tools/screenshots.py [PAGE ...]

Each page is opened in headless Chromium at the width of a laptop and of a telephone, in
the light and the dark theme. Pictures go to docs/_build/screenshots. The script fails
if something is wider than the page, if a line of code is cut on a laptop, or if
axe-core finds a violation of the guidelines for accessible pages (WCAG 2.1, levels A
and AA), which include the contrast of words and texts for pictures. It needs the extra
`screenshots` and a Chromium, on PATH or named by the variable CHROMIUM.
"""

import os
import shutil
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from importlib.resources import files
from itertools import product
from pathlib import Path

BUILD = Path(__file__).resolve().parents[1] / "docs" / "_build"
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")
PAGES = (
    "index",
    "user_guide/quick_start",
    "user_guide/benchmarks",
    "user_guide/errors",
    "generated/skwot.WassersteinUnmixer",
    "auto_examples/index",
    "auto_examples/plot_color_transfer",
    "auto_examples/plot_gmm_flow",
)
LAPTOP, TELEPHONE = (1280, 800), (390, 844)
THEMES = ("light", "dark")
PATIENCE = 120_000  # milliseconds, on a machine that has other work to do
GUIDELINES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"]
# How docutils marks up references and the fields of docstrings.
NOT_OURS = ["aria-deprecated-role", "aria-required-children", "definition-list"]

# Elements that stick out of the page, unless a container with a scroll bar holds them.
MEASURE = """
() => {
  const width = window.innerWidth;
  const problems = [];
  const root = document.documentElement;
  if (root.scrollWidth > width) {
    problems.push(`the page is ${root.scrollWidth} px wide, the window ${width}`);
  }
  const name = (element) =>
    [element.tagName.toLowerCase(), ...element.classList].join(".");
  const scrolls = (element) => {
    for (let parent = element; parent; parent = parent.parentElement) {
      const { overflowX, clipPath, clip } = getComputedStyle(parent);
      if (clipPath !== "none" || clip !== "auto") return true;
      const bar = parent !== element && ["auto", "scroll"].includes(overflowX);
      if (bar && !parent.matches(".bd-article-container")) return true;
    }
    return false;
  };
  for (const element of document.body.querySelectorAll("*")) {
    const box = element.getBoundingClientRect();
    const seen = element.checkVisibility() && box.width && box.height;
    if (seen && box.right > width + 1 && !scrolls(element)) {
      problems.push(`${name(element)} ends at ${Math.round(box.right)} px of ${width}`);
    }
  }
  return problems;
}
"""
CUT_CODE = """
() => [...document.querySelectorAll("article pre")]
  .filter((pre) => pre.checkVisibility() && pre.scrollWidth > pre.clientWidth + 1)
  .map((pre) => `code is cut by ${pre.scrollWidth - pre.clientWidth} px: `
    + pre.textContent.split("\\n").reduce((a, b) => (a.length >= b.length ? a : b)))
"""
ACCESSIBILITY = """
async ([guidelines, others]) => {
  const rules = Object.fromEntries(others.map((rule) => [rule, { enabled: false }]));
  const options = { runOnly: guidelines, rules, resultTypes: ["violations"] };
  const results = await axe.run(document, options);
  return results.violations.flatMap((violation) => violation.nodes.map((node) =>
    `${violation.id}: ${node.target.join(" ")}: ${node.failureSummary}`));
}
"""
SET_THEME = """
localStorage.setItem("mode", "{theme}");
localStorage.setItem("theme", "{theme}");
"""


def find_browser() -> str:
    """Path of a Chromium, or an end with a message that says how to get one."""
    named = os.environ.get("CHROMIUM")
    for name in (named,) if named else BROWSERS:
        path = shutil.which(name)
        if path:
            return path
    sys.exit(
        f"No browser was found: looked for {named or ', '.join(BROWSERS)}. Install "
        "Chromium (Debian, Ubuntu: apt-get install chromium), or name one: "
        "CHROMIUM=/path/to/chromium"
    )


class Quiet(SimpleHTTPRequestHandler):
    """A server that does not say what it serves."""

    def log_message(self, *args: object) -> None:
        """Say nothing."""


@contextmanager
def serve(folder: Path) -> Iterator[str]:
    """Serve a folder to this machine, and yield its address."""
    handler = partial(Quiet, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def inspect(page, path: Path, *, is_wide: bool) -> list[str]:
    """Take a picture of an open page, and say what is wrong with it."""
    page.evaluate("() => window.MathJax?.startup?.promise")
    problems = page.evaluate(MEASURE)
    if is_wide:
        problems += page.evaluate(CUT_CODE)
    page.screenshot(path=path, full_page=True)
    axe = files("axe_playwright_python").joinpath("axe.min.js")
    page.evaluate(axe.read_text(encoding="utf-8"))
    return problems + page.evaluate(ACCESSIBILITY, [GUIDELINES, NOT_OURS])


def open_pages(browser, address: str, names: list[str]) -> Iterator[str]:
    """Open all pages at both widths in both themes, and yield what is wrong."""
    folder = BUILD / "screenshots"
    folder.mkdir(parents=True, exist_ok=True)
    for (width, height), theme in product((LAPTOP, TELEPHONE), THEMES):
        viewport = {"width": width, "height": height}
        context = browser.new_context(viewport=viewport, reduced_motion="reduce")
        context.set_default_timeout(PATIENCE)
        context.add_init_script(SET_THEME.replace("{theme}", theme))
        for name in names:
            page = context.new_page()
            page.goto(f"{address}/{name}.html")
            where = f"{name.replace('/', '-')}-{width}-{theme}"
            is_wide = (width, height) == LAPTOP
            for problem in inspect(page, folder / f"{where}.png", is_wide=is_wide):
                yield f"{where}: {problem}"
            page.close()
        context.close()


def main() -> None:
    """Print what is wrong, and fail if anything is."""
    names = [name.removesuffix(".html") for name in sys.argv[1:]] or list(PAGES)
    missing = [name for name in names if not (BUILD / "html" / f"{name}.html").exists()]
    if missing:
        sys.exit(f"These pages are not built (make docs builds them): {missing}")
    executable = find_browser()
    # Only here, so that what is missing is said without it.
    from playwright.sync_api import sync_playwright

    with serve(BUILD / "html") as address, sync_playwright() as playwright:
        # A container's root has no sandbox; the pages are our own.
        browser = playwright.chromium.launch(
            executable_path=executable, args=["--no-sandbox"]
        )
        problems = list(open_pages(browser, address, names))
        browser.close()
    print("\n".join(problems))
    print(f"{len(names)} pages, {len(problems)} problems: {BUILD / 'screenshots'}")
    sys.exit(bool(problems))


if __name__ == "__main__":
    main()
