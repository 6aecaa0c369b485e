"""Mends what DVC leaves when it is killed: a `dvc.lock` that is cut off, and a note that it still runs.

DVC writes both files in place. Of a `dvc.lock` that was cut off, the whole stages are kept; those behind them are as in Git's last commit,
and the run-cache restores what was run since when `dvc repro` runs again. `make run` does this first; where nothing is broken, nothing.
"""

import json
import logging
import subprocess
from io import StringIO
from pathlib import Path

import psutil
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from stages import command
from stages.errors import InputError
from stages.files.writing import write_text

log = logging.getLogger("reprise")


def main(arguments: list[str]) -> None:
    command.parser(__doc__, task=False).parse_args(arguments)
    running = Path(".dvc/tmp/rwlock")
    if running.exists():
        if any(_lives(process) for process in _processes(running)):
            return  # it may be writing just now; a second DVC says by itself that it has to wait
        running.unlink()
    lock = Path("dvc.lock")
    if lock.exists() and not is_lock(text := lock.read_text(encoding="utf-8", errors="replace")):
        if "\n<<<<<<< " in text:
            raise InputError("dvc.lock: expected no marks of a conflict: settle the merge, see SHARING.md, and run again")
        committed = subprocess.run(["git", "show", "HEAD:./dvc.lock"], capture_output=True, text=True).stdout
        write_text(lock, joined(committed, whole_stages(text)))
        log.warning("dvc.lock was cut off when DVC was killed: its whole stages are kept, the others are taken from Git's last commit")


def whole_stages(text: str) -> str:
    """Returns the beginning of a `dvc.lock` up to the last stage that is whole; all of it, if it is."""
    lines = text.splitlines(keepends=True)
    ends = [number for number, line in enumerate(lines) if line.startswith("  ") and line[2:3].strip() and line[2] not in "-'\""]
    for end in [len(lines), *reversed(ends)]:
        if is_lock(beginning := "".join(lines[:end])):
            return beginning
    return ""


def joined(committed: str, newer: str) -> str:
    """Returns the lock file `committed` with the stages of `newer` in place of its own. Both may be empty."""
    yaml = YAML()
    contents = [yaml.load(text) for text in (committed, newer) if text]
    if len(contents) < 2:
        return committed or newer
    contents[0]["stages"].update(contents[1]["stages"])
    out = StringIO()
    yaml.dump(contents[0], out)
    return out.getvalue()


def is_lock(text: str) -> bool:
    """Returns whether `text` can be a lock file of DVC's."""
    if not text.endswith("\n"):
        return False
    try:
        content = YAML(typ="safe").load(text)
    except YAMLError:
        return False
    stages = content.get("stages") if isinstance(content, dict) and content.get("schema") == "2.0" else None
    if not isinstance(stages, dict) or not all(isinstance(stage, dict) and "cmd" in stage for stage in stages.values()):
        return False
    # Only of the last stage the end may be missing: its outputs stand there.
    return not stages or "outs" in list(stages.values())[-1]


def _processes(path: Path) -> set[int]:
    """Returns the processes that DVC has noted as running; none, if the file was cut off."""
    try:
        noted = json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        return set()
    writing, reading = noted.get("write", {}).values(), noted.get("read", {}).values()
    return {entry["pid"] for entry in [*writing, *(entry for entries in reading for entry in entries)]}


def _lives(process: int) -> bool:
    """Whether the process is a running DVC. DVC itself asks only whether there is one of that number, be it a dead or another one."""
    try:
        found = psutil.Process(process)
        return found.status() != psutil.STATUS_ZOMBIE and any("dvc" in word for word in found.cmdline())
    except psutil.Error:
        return False


if __name__ == "__main__":
    command.run(main)
