"""The files of results: a header, an empty line, and a benchmark's output."""

from typing import NamedTuple

from benchmarks.records import read_records


class Result(NamedTuple):
    """The header's lines by name, and what the benchmark recorded."""

    header: dict
    records: list


def read_result(path):
    header, _, output = path.read_text(encoding="utf-8").partition("\n\n")
    lines = dict(line.split(": ", 1) for line in header.splitlines())
    return Result(lines, read_records(output))


def read_results(folder):
    return {path.stem: read_result(path) for path in sorted(folder.glob("*.txt"))}
