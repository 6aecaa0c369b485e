"""Repairs what DVC leaves when it is killed: a `dvc.lock` that is cut off, and a note that it still
runs. Removes the entries of tasks that were taken out.

DVC writes both files in place. Of a `dvc.lock` that was cut off, the whole stages are kept; those
behind them are as in Git's last commit, and the run-cache restores what was run since when `dvc
repro` runs again. What was there stays beside it, as a copy. `make run` does this first; where
nothing is broken, nothing. A lock file with any other fault is left as it is: somebody has written
it so, and has to decide.
"""

import json
import logging
import re
import shutil
import subprocess
from collections.abc import Callable, Collection
from io import StringIO
from itertools import count
from pathlib import Path
from typing import Any

import psutil
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from stages import command
from stages.errors import InputError
from stages.files import parameters
from stages.files.writing import write_text
from tools import locks

log = logging.getLogger("reprise")

LOCK = Path("dvc.lock")
HEADER = "schema: '2.0'\nstages:\n"
STAGE = re.compile(r"  [^\s'\"-]")  # the first line of a stage's entry


def main(arguments: list[str]) -> None:
    command.parser(__doc__, task=False).parse_args(arguments)
    running = Path(".dvc/tmp/rwlock")
    if running.exists():
        if any(_lives(process) for process in _processes(running)):
            return  # it may be writing just now; a second DVC says by itself that it has to wait
        running.unlink()
    if not LOCK.exists():
        return
    try:
        text = _text(LOCK.read_bytes())
        kept = whole_stages(text, _stages_without_outputs())
    except InputError as error:
        raise InputError(
            f"{error}. It was not cut off, so it is left as it is: settle that by hand; git diff "
            "dvc.lock shows what changed"
        ) from None
    if text and kept == text:
        _remove_unknown_stages(text)
        return
    committed = subprocess.run(
        ["git", "show", f"HEAD:./{LOCK}"], capture_output=True, text=True
    ).stdout
    repaired = joined(committed if _passes(locks.stages_of, committed) else "", kept)
    copy = _copy(LOCK)
    if repaired:
        write_text(LOCK, repaired)
    else:
        LOCK.unlink()
    log.warning(
        "dvc.lock was cut off when DVC was killed: its whole stages are kept, the others are "
        "taken from Git's last commit"
    )
    log.warning("What was there is kept as %s", copy)


def _remove_unknown_stages(text: str) -> None:
    """Removes the entries of tasks and stages that were taken out, which DVC leaves."""
    try:
        graph = parameters.read_all(Path("dvc.yaml")).get("stages")
        params = parameters.read_all()
    except InputError:  # DVC says what is wrong with these
        return
    names: set[str] = set()
    for name, entry in graph.items() if isinstance(graph, dict) else ():
        foreach = entry.get("foreach") if isinstance(entry, dict) else None
        items = params.get(str(foreach).strip("${}")) or () if foreach else ()
        names |= {f"{name}@{item}" for item in items} if foreach else {name}
    yaml = YAML()
    content = yaml.load(text)
    unknown = [name for name in content["stages"] if name not in names]
    if not unknown or not names:
        return
    copy = _copy(LOCK)
    for name in unknown:
        del content["stages"][name]
    out = StringIO()
    yaml.dump(content, out)
    write_text(LOCK, out.getvalue())
    log.warning("dvc.lock had entries of stages that do not exist: %s", ", ".join(unknown))
    log.warning("They are removed. What was there is kept as %s", copy)


def whole_stages(text: str, without_outputs: Collection[str] = ()) -> str:
    """Returns the beginning of a `dvc.lock` up to the last stage that is whole; all of it, if it
    is.

    Raises `InputError` if it is neither whole nor the beginning of a file that DVC would write.
    `without_outputs`: names of stages in `dvc.yaml` that have none; of any other one, the end of
    its entry is missing where its outputs are.
    """
    if HEADER.startswith(text):
        return ""
    *lines, open_line = text.split("\n")
    starts = [number for number, line in enumerate(lines) if STAGE.match(line)]
    start = starts[-1] if starts and not STAGE.match(open_line) else len(lines)
    before = "".join(f"{line}\n" for line in lines[:start])
    if not open_line and _passes(locks.stages_of, text):
        stages = locks.stages_of(text)
        name = list(stages)[-1] if stages else ""
        if not stages or "outs" in stages[name] or name.partition("@")[0] in without_outputs:
            return text
    elif not (
        _is_beginning(lines[start:])
        and open_line[:2].strip(" ") == ""
        and (before == HEADER or _passes(locks.stages_of, before))
    ):
        locks.stages_of(text)
        raise InputError(f"dvc.lock: expected a newline at its end, received {open_line[:40]!r}")
    return "" if before == HEADER else before


def joined(committed: str, newer: str) -> str:
    """Returns the lock file `committed` with the stages of `newer` in place of its own. Both may be
    empty."""
    yaml = YAML()
    contents = [yaml.load(text) for text in (committed, newer) if text]
    if len(contents) < 2:
        return committed or newer
    contents[0].setdefault("stages", {}).update(contents[1]["stages"])
    out = StringIO()
    yaml.dump(contents[0], out)
    return out.getvalue()


def _is_beginning(lines: list[str]) -> bool:
    """Returns whether `lines` can be the first ones of a stage's entry."""
    if not all(line.startswith("  ") for line in lines if line):
        return False
    text = HEADER + "".join(f"{line}\n" for line in lines)
    try:
        stages = YAML(typ="safe").load(text)["stages"] or {}
    except YAMLError as error:
        # A text in quotation marks, or a list in brackets, of which only the end is missing.
        mark, problem = getattr(error, "problem_mark", None), str(getattr(error, "problem", ""))
        return (
            mark is not None
            and mark.line >= text.count("\n")
            and bool(re.search("end of stream|',' or", problem))
        )
    except ValueError:
        return False
    written = {name: entry for name, entry in _without_open_end(stages).items() if entry}
    return len(stages) < 2 and _passes(locks.validate, {"schema": "2.0", "stages": written})


def _without_open_end(value: Any) -> Any:
    """Returns `value` without the last of its keys, at any depth, if nothing stands behind it
    yet."""
    if isinstance(value, dict) and value:
        *others, (key, last) = value.items()
        return dict(others if last is None else [*others, (key, _without_open_end(last))])
    return (
        [*value[:-1], _without_open_end(value[-1])] if isinstance(value, list) and value else value
    )


def _passes(check: Callable[[Any], object], value: Any) -> bool:
    try:
        check(value)
    except InputError:
        return False
    return True


def _text(content: bytes) -> str:
    """Returns `content` as text. A character of which the end was cut off is left out."""
    for end in range(len(content), max(len(content) - 4, -1), -1):
        try:
            return content[:end].decode()
        except UnicodeDecodeError as error:
            wrong = error
    line = content.count(b"\n", 0, wrong.start) + 1
    raise InputError(
        f"dvc.lock, line {line}: expected UTF-8, received the byte {content[wrong.start]:#04x}"
    )


def _stages_without_outputs() -> set[str]:
    """Returns the names of the stages that `dvc.yaml` gives no outputs; none if it cannot be read,
    which DVC tells."""
    try:
        stages = parameters.read_all(Path("dvc.yaml")).get("stages")
    except InputError:
        return set()
    bodies = (
        {name: entry.get("do", entry) for name, entry in stages.items() if isinstance(entry, dict)}
        if isinstance(stages, dict)
        else {}
    )
    return {
        name
        for name, body in bodies.items()
        if not any(body.get(part) for part in ("outs", "metrics", "plots"))
    }


def _copy(path: Path) -> Path:
    """Copies a file to a name of its own in DVC's folder of temporary files, which Git ignores.
    Returns the copy."""
    folder = Path(".dvc/tmp")
    folder.mkdir(parents=True, exist_ok=True)
    copy = next(
        copy
        for copy in (folder / f"{path.name}.{number}" for number in count(1))
        if not copy.exists()
    )
    shutil.copy2(path, copy)
    return copy


def _processes(path: Path) -> set[int]:
    """Returns the processes that DVC has noted as running; none, if the file was cut off."""
    try:
        noted = json.loads(path.read_text(encoding="utf-8"))
        writing, reading = noted.get("write", {}).values(), noted.get("read", {}).values()
        return {
            int(entry["pid"])
            for entry in [*writing, *(entry for entries in reading for entry in entries)]
        }
    except (ValueError, TypeError, AttributeError, KeyError):
        return set()


def _lives(process: int) -> bool:
    """Whether the process is a running DVC. DVC itself asks only whether there is one of that
    number, be it a dead or another one."""
    try:
        found = psutil.Process(process)
        return found.status() != psutil.STATUS_ZOMBIE and any(
            "dvc" in word for word in found.cmdline()
        )
    except (psutil.Error, ValueError, OverflowError):
        return False


if __name__ == "__main__":
    command.run(main)
