"""Git's merge driver for `dvc.lock`: merges by stage, and refuses only what two people really
changed differently.

python -m tools.merge_lock BASE OURS THEIRS      # writes the result to OURS; exit code 1 on a
conflict

`make setup` tells Git of it. An entry that one side changed is that side's. One that both changed,
each by other inputs, as `summarize` over two tasks, is the result of neither: it is left out, and
`dvc repro` runs that stage. Where both changed one parameter or one file differently, and it is no
output of another stage, the file is left with the usual marks of a conflict. So it is where one of
the three cannot be read: then the files are merged as text.

The stage `code`, which reads the project's code, is never in conflict: Git merges code, and what
the stage writes follows from it.
"""

import logging
import os
import subprocess
import sys
from io import StringIO
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from stages import command
from tools import locks, one_line

log = logging.getLogger("reprise")
MISSING = object()
# What these stages read is in Git, which merges it by itself.
OF_GIT = ("code",)


class ConflictError(Exception):
    """Both sides changed the same thing differently; the arguments are where it stands."""


def main(arguments: list[str]) -> None:
    parser = command.parser(__doc__, task=False)
    for name in ("base", "ours", "theirs"):
        parser.add_argument(name, type=Path)
    given = parser.parse_args(arguments)
    paths = {"base": given.base, "ours": given.ours, "theirs": given.theirs}
    try:
        left_out, conflicts = _merge(paths)
    except Exception as error:
        # Git takes a file without marks for merged, so that no failure may pass by.
        log.error(
            "dvc.lock is merged as text, as its stages cannot be: %s. Settle the conflict and run "
            "dvc repro",
            one_line(error),
        )
        _mark_conflict(paths)
        sys.exit(1)
    if conflicts:
        log.error(
            "dvc.lock: both sides changed %s: keep one side's entries, or leave them out and run "
            "dvc repro",
            ", ".join(conflicts),
        )
        _mark_conflict(paths)
        sys.exit(1)
    if left_out:
        log.warning(
            "dvc.lock: both sides changed what %s are made of: run dvc repro and commit",
            ", ".join(left_out),
        )


def _merge(paths: dict[str, Path]) -> tuple[list[str], list[str]]:
    """Writes what is merged to all three files, and to each its own entries of what is not: Git's
    marks stand around these alone.

    Returns the names of the stages that have to run again, and of those in conflict.
    """
    texts = {side: path.read_text(encoding="utf-8") for side, path in paths.items()}
    for side, text in texts.items():
        if text or side != "base":  # where both sides added the file, Git gives an empty base
            locks.stages_of(text, side)
    yaml = YAML()
    contents = {side: yaml.load(text) or {} for side, text in texts.items()}
    sides = {side: content.get("stages") or {} for side, content in contents.items()}
    stages, left_out, conflicts = merged(**sides)
    order, results = {**sides["ours"], **sides["theirs"]}, {}
    for side, own in sides.items():
        kept = {**stages, **{name: own[name] for name in conflicts if name in own}}
        out = StringIO()
        yaml.dump(
            {**contents["ours"], "stages": {name: kept[name] for name in order if name in kept}},
            out,
        )
        results[side] = out.getvalue()
    for side, text in results.items():
        paths[side].write_text(text, encoding="utf-8")
    return left_out, conflicts


def _mark_conflict(paths: dict[str, Path]) -> None:
    """Leaves `ours` with the marks of a conflict: around what both changed; if that is nothing,
    around all that differs."""
    for base in (paths["base"], Path(os.devnull)):
        command = ["git", "merge-file", "-p", "-q", "-L", "ours", "-L", "base", "-L", "theirs"]
        done = subprocess.run(
            [*command, paths["ours"], base, paths["theirs"]],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        if 0 < done.returncode < 128:
            paths["ours"].write_bytes(done.stdout)
            return
    ours, theirs = (
        paths[side].read_bytes().removesuffix(b"\n") for side in ("ours", "theirs")
    )  # no text for Git
    paths["ours"].write_bytes(
        b"\n".join([b"<<<<<<< ours", ours, b"=======", theirs, b">>>>>>> theirs", b""])
    )


def merged(
    base: dict[str, Any], ours: dict[str, Any], theirs: dict[str, Any]
) -> tuple[dict[str, Any], list[str], list[str]]:
    """Merges the stages of three lock files. Returns them, the names of those that have to run
    again, and of those in conflict."""
    stages, left_out, conflicts = {}, [], []
    made = {
        out["path"]
        for side in (base, ours, theirs)
        for stage in side.values()
        for out in stage.get("outs", [])
    }
    for name in {**ours, **theirs}:
        sides = [side.get(name, MISSING) for side in (base, ours, theirs)]
        try:
            chosen = _chosen(*sides)
        except ConflictError:
            try:
                if name not in OF_GIT:
                    for key in ("cmd", "deps", "params"):
                        _expect_mergeable(*(_inputs(side, key, made) for side in sides))
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


def _expect_mergeable(base: Any, ours: Any, theirs: Any) -> None:
    """Raises `ConflictError` if both changed one input: the same file, or the same parameter."""
    try:
        _chosen(base, ours, theirs)
    except ConflictError:
        if all(isinstance(side, list) for side in (base, ours, theirs)) and all(
            [name for name in side if name in base] == base for side in (ours, theirs)
        ):
            return  # both added to a list of names, as two people do who each add a task
        if not (isinstance(ours, dict) and isinstance(theirs, dict)):
            raise
        before = base if isinstance(base, dict) else {}
        for key in {**ours, **theirs}:
            _expect_mergeable(*(side.get(key, MISSING) for side in (before, ours, theirs)))


def _inputs(stage: Any, key: str, made: set[str]) -> Any:
    """Returns the command, files or parameters of a stage's entry; files as a mapping of paths,
    without those that other stages make: these settle their own."""
    inputs = stage.get(key, MISSING) if isinstance(stage, dict) else MISSING
    if not isinstance(inputs, list):
        return inputs
    return {
        entry["path"]: entry.get("md5")
        for entry in inputs
        if not any(_overlap(path, entry["path"]) for path in made)
    }


def _overlap(first: str, second: str) -> bool:
    """Whether one of two paths is the other or inside of it."""
    return f"{first}/".startswith(f"{second}/") or f"{second}/".startswith(f"{first}/")


if __name__ == "__main__":
    command.run(main)
