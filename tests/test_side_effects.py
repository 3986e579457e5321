"""What a process keeps, or is spared, when it uses the estimators."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent


def test_every_call_is_silent_and_leaves_the_process_as_it_was():
    # HiGHS writes from C, so that only the file descriptors show it.
    command = [sys.executable, "-m", "tests.every_call"]
    result = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, check=False
    )
    written = result.returncode, result.stdout, result.stderr
    assert written == (0, "", "")
