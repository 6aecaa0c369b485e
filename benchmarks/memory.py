"""The memory of a process, for benchmarks. Imports nothing that takes memory itself."""

import re
from pathlib import Path


def peak() -> float:
    """Returns the largest memory that this program has held so far, in MiB (Linux)."""
    # getrusage would count what the process held before it became this program.
    match = re.search(r"VmHWM:\s+(\d+)", Path("/proc/self/status").read_text())
    assert match is not None
    return int(match[1]) / 1024
