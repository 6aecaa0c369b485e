"""Git's merge driver for `dvc.lock`: merges by stage, and refuses only what two people really changed differently.

python -m tools.merge_lock BASE OURS THEIRS      # writes the result to OURS; exit code 1 on a conflict

`make setup` tells Git of it. An entry that one side changed is that side's. One that both changed, each by other inputs, as `summarize`
over two tasks, is the result of neither: it is left out, and `dvc repro` runs that stage. Where both changed one parameter or one file
differently, and it is no output of another stage, the file is left with the usual marks of a conflict.
"""

import logging
import subprocess
import sys
from io import StringIO
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from stages import command

log = logging.getLogger("reprise")
MISSING = object()


class ConflictError(Exception):
    """Both sides changed the same thing differently; the arguments are where it stands."""


def main(arguments: list[str]) -> None:
    parser = command.parser(__doc__, task=False)
    for name in ("base", "ours", "theirs"):
        parser.add_argument(name, type=Path)
    given = parser.parse_args(arguments)
    paths = (given.base, given.ours, given.theirs)
    yaml = YAML()
    base, ours, theirs = (yaml.load(path.read_text(encoding="utf-8")) or {} for path in paths)
    sides = [content.get("stages") or {} for content in (base, ours, theirs)]
    stages, left_out, conflicts = merged(*sides)
    # All three get what is merged, and each its own entries of what is not: so Git's marks stand around these alone.
    for path, side in zip(paths, sides, strict=True):
        out = StringIO()
        yaml.dump({**(ours or theirs), "stages": {**stages, **{name: side[name] for name in conflicts if name in side}}}, out)
        path.write_text(out.getvalue(), encoding="utf-8")
    if conflicts:
        log.error("dvc.lock: both sides changed %s: keep one side's entries, or leave them out and run dvc repro", ", ".join(conflicts))
        sys.exit(min(subprocess.run(["git", "merge-file", *map(str, (given.ours, given.base, given.theirs))]).returncode, 1))
    if left_out:
        log.warning("dvc.lock: both sides changed what %s are made of: run dvc repro and commit", ", ".join(left_out))


def merged(base: dict[str, Any], ours: dict[str, Any], theirs: dict[str, Any]) -> tuple[dict[str, Any], list[str], list[str]]:
    """Merges the stages of three lock files. Returns them, the names of those that have to run again, and of those in conflict."""
    stages, left_out, conflicts = {}, [], []
    made = {out["path"] for side in (base, ours, theirs) for stage in side.values() for out in stage.get("outs", [])}
    for name in {**ours, **theirs}:
        sides = [side.get(name, MISSING) for side in (base, ours, theirs)]
        try:
            chosen = _chosen(*sides)
        except ConflictError:
            try:
                for part in ("cmd", "deps", "params"):
                    _inputs(*(_part(side, part, made) for side in sides))
                left_out.append(name)
            except ConflictError:
                conflicts.append(name)
            continue
        if chosen is not MISSING:
            stages[name] = chosen
    return stages, left_out, conflicts


def _chosen(base: Any, ours: Any, theirs: Any) -> Any:
    """The rule of every three-way merge: what one side changed is that side's."""
    if ours == theirs or theirs == base:
        return ours
    if ours == base:
        return theirs
    raise ConflictError


def _inputs(base: Any, ours: Any, theirs: Any) -> None:
    """Raises `ConflictError` if both changed one input: the same file, or the same parameter."""
    try:
        _chosen(base, ours, theirs)
    except ConflictError:
        if all(isinstance(side, list) for side in (base, ours, theirs)) and all(
            [of for of in side if of in base] == base for side in (ours, theirs)
        ):
            return  # both added to a list of names, as two people do who each add a task
        if not (isinstance(ours, dict) and isinstance(theirs, dict)):
            raise
        before = base if isinstance(base, dict) else {}
        for key in {**ours, **theirs}:
            _inputs(*(side.get(key, MISSING) for side in (before, ours, theirs)))


def _part(stage: Any, part: str, made: set[str]) -> Any:
    """A part of a stage's entry; its files as a mapping of paths, without those that other stages make: these settle their own."""
    found = stage.get(part, MISSING) if isinstance(stage, dict) else MISSING
    if not isinstance(found, list):
        return found
    return {entry["path"]: entry.get("md5") for entry in found if not any(f"{path}/".startswith(f"{entry['path']}/") for path in made)}


if __name__ == "__main__":
    command.run(main)
