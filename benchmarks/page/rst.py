"""What the sections of the page are made of: prose, tables, numbers, their origin."""

import functools
import textwrap

import numpy as np

SPACE = "\N{NO-BREAK SPACE}"


def needs(*names, also=()):
    """Mark a function that makes a section with the results that it is made from.

    It gets the records of each result, also of those in `also` that are there.
    """

    def mark(function):
        @functools.wraps(function)
        def section(results):
            used = [*names, *(name for name in also if name in results)]
            text = function(*(results[name].records for name in used))
            return text + origin(results, used)

        section.needs = set(names)
        return section

    return mark


def origin(results, names):
    """The scripts and the command that the section above comes from."""
    headers = [results[name].header for name in names]
    modules = sorted({header["command"].split()[2] for header in headers})
    scripts = " and ".join(f"``{module.replace('.', '/')}.py``" for module in modules)
    data = any("--data" in header["command"] for header in headers)
    command = " ".join(
        ["python -m benchmarks.report --only", *names, *(["--data FILE"] * data)]
    )
    title = "Script" if len(modules) == 1 else "Scripts"
    taken = sum(float(header["took"].split()[0]) for header in headers)
    return "\n\n" + prose(
        f"{title}: {scripts}. Command: ``{command}``. It took "
        f"{max(1, round(taken / 60))} min."
    )


def heading(text, line="="):
    return f"{text}\n{line * len(text)}\n\n"


def prose(text, **figures):
    """Paragraphs of a width, with the figures filled in."""
    paragraphs = textwrap.dedent(text).strip().format(**figures).split("\n\n")
    return "\n\n".join(
        textwrap.fill(
            paragraph,
            88,
            subsequent_indent="  " * paragraph.startswith("- "),
            break_on_hyphens=False,
            break_long_words=False,
        )
        for paragraph in paragraphs
    )


def table(header, rows):
    """A simple table of reStructuredText, with a blank line after it."""
    lines = [[str(cell) for cell in row] for row in (header, *rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    rule = "  ".join("=" * width for width in widths)
    first, *others = (
        "  ".join(
            cell.ljust(width) for cell, width in zip(line, widths, strict=True)
        ).rstrip()
        for line in lines
    )
    return "\n".join([rule, first, rule, *others, rule]) + "\n\n"


def plus_minus(values, digits=1):
    """Mean and its standard error."""
    error = np.std(values, ddof=1) / np.sqrt(len(values))
    return spread(np.mean(values), error, digits)


def spread(value, error, digits=1):
    return f"{value:.{digits}f}{SPACE}±{SPACE}{error:.{digits}f}"


def size(*numbers):
    """Numbers of rows on both sides."""
    return f"{SPACE}\N{MULTIPLICATION SIGN}{SPACE}".join(f"{n:,}" for n in numbers)


def seconds(value):
    """Two significant digits, or whole seconds."""
    return f"{value:.0f}" if value >= 9.95 else f"{value:#.2g}"


def power(value):
    """An order of magnitude, such as 1e-15, or 0."""
    return f"{value:.0e}" if value else "0"


def only(records, **fields):
    """The records with these fields."""
    return [r for r in records if all(r[key] == fields[key] for key in fields)]


def parts(records, part):
    return [r for r in records if r.get("part") == part]
