"""Lines of a benchmark's output from which the page of the user guide is made."""

import json

MARK = "@ "


def record(**fields):
    """Print named numbers and arrays as a line that `read_records` finds again."""
    print(MARK + json.dumps(fields, default=lambda x: x.tolist()), flush=True)


def read_records(text):
    """All that was recorded in a benchmark's output, as dictionaries."""
    lines = text.splitlines()
    return [json.loads(line[len(MARK) :]) for line in lines if line.startswith(MARK)]
