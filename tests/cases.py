"""Generated cases as files: what failed once is tried again for ever."""

import json

import numpy as np

from skwot.mixtures import Mixture
from tests.check_flow import check_flow
from tests.check_unmixing import check_unmixing
from tests.generators.flows import FlowCase, draw_flow
from tests.generators.unmixings import Unmixing, draw_unmixing

FAMILIES = {
    "unmixing": (draw_unmixing, check_unmixing, Unmixing),
    "flow": (draw_flow, check_flow, FlowCase),
}


def write_case(path, family, case, message):
    """Write a case, and what was wrong with it."""
    content = {"family": family, "message": message, "case": case._asdict()}
    text = json.dumps(content, default=_encode, indent=1, allow_nan=False)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text + "\n", encoding="utf-8")


def read_case(path):
    """Read a case; return the function that checks it, too."""
    content = json.loads(path.read_text(encoding="utf-8"))
    _, check, kind = FAMILIES[content["family"]]
    return check, kind(**{name: _decode(x) for name, x in content["case"].items()})


def _encode(value):
    if isinstance(value, np.ndarray):
        return {"array": value.tolist()}
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"no case holds a {type(value).__name__}")


def _decode(value):
    if isinstance(value, dict):
        if set(value) == {"array"}:
            return np.array(value["array"])
        return {name: _decode(part) for name, part in value.items()}
    if isinstance(value, list):
        parts = [_decode(part) for part in value]
        if len(parts) == 3 and all(isinstance(part, np.ndarray) for part in parts):
            return Mixture(*parts)  # a tuple becomes a list in JSON
        return parts
    return value
