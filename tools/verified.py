"""`data/verified.json`: on which processors a run gave the bytes of `dvc.lock`, task by task.

It names no machine. An entry holds for the outputs whose digest stands beside it: those of another
run start a new list.
"""

import hashlib
import json
from pathlib import Path

from stages.files.writing import read_json, write_json
from tools import clones

PATH = Path("data/verified.json")


def digests(root: Path) -> dict[str, str]:
    """Returns a digest of the outputs of every task in `dvc.lock`."""
    stages, outs = clones.lock_of(root), clones.outs(root)
    tasks = [name.removeprefix("train@") for name in stages if name.startswith("train@")]
    own = {
        task: sorted((path, md5) for path, md5 in outs.items() if task in Path(path).parts)
        for task in tasks
    }
    return {
        task: hashlib.sha256(json.dumps(entries).encode()).hexdigest()[:16]
        for task, entries in own.items()
    }


def add(root: Path, tasks: list[str], processor: str) -> None:
    """Records that `processor` gave the bytes of some tasks, and drops what is out of date."""
    now = digests(root)
    valid = _valid(root, now)
    for task in tasks:
        valid[task] = sorted({*valid.get(task, []), processor})
    entries = {task: {"outputs": now[task], "processors": valid[task]} for task in sorted(valid)}
    write_json(root / PATH, entries)


def read(root: Path) -> dict[str, list[str]]:
    """Returns the processors that gave the present outputs of each task."""
    return _valid(root, digests(root))


def _valid(root: Path, now: dict[str, str]) -> dict[str, list[str]]:
    entries = read_json(root / PATH) if (root / PATH).exists() else {}
    return {
        task: entries[task]["processors"]
        for task, digest in now.items()
        if entries.get(task, {}).get("outputs") == digest
    }


def table(root: Path) -> list[str]:
    """Returns lines of Markdown: the processors, and the tasks whose outputs each gave."""
    tasks: dict[str, list[str]] = {}
    for task, processors in read(root).items():
        for processor in processors:
            tasks.setdefault(processor, []).append(f"`{task}`")
    rows = (f"| {processor} | {', '.join(tasks[processor])} |" for processor in sorted(tasks))
    return ["| processor | tasks |", "|---|---|", *rows]
