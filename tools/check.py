"""Tells by its exit code whether parameters, graph, lock file and repository are in order. Reads no
data; needs none.

Run from the folder of `dvc.yaml`: `python -m tools.check`. One line a fault, and exit code 1 if
there is any. With `--staged` it is about what Git would commit, code and all, not about what else
stands in the work tree.
"""

import os
import re
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Iterator
from configparser import ConfigParser
from configparser import Error as ConfigError
from pathlib import Path
from typing import Any


def _of_code(error: Exception) -> str:
    """Says in a line which code cannot be imported. To find such code is what this is for, so it
    must not fail by it itself."""
    place = traceback.extract_tb(error.__traceback__)[-1]
    path, line = (
        (error.filename, error.lineno)
        if isinstance(error, SyntaxError)
        else (place.filename, place.lineno)
    )
    return f"{path}, line {line}: expected code that can be imported, received: {type(error).__name__}: {error}"


try:
    from stages import check as stage_check
    from stages import command
    from stages.errors import InputError
    from stages.files import parameters
    from stages.kinds import PREPARED_BY
    from tools import graph, one_line
except Exception as error:
    sys.exit(f"error: {_of_code(error)}")

# Options of DVC remotes that are secrets: they belong into .dvc/config.local, which Git ignores.
SECRETS = re.compile(
    r"password|passphrase|secret|token|(access|account|customer)_key|connection_string|credential|keyfile|sas_"
)
NO_SECRETS = ("ask_password", "ask_passphrase", "keyfile")


def main(arguments: list[str]) -> None:
    parser = command.parser(__doc__, task=False)
    parser.add_argument(
        "--staged", action="store_true", help="check what Git would commit instead of the work tree"
    )
    if parser.parse_args(arguments).staged:
        sys.exit(_check_staged(Path.cwd()))
    found = list(faults(Path.cwd()))
    if found:
        raise InputError("\n".join([f"{len(found)} fault{'s' if len(found) > 1 else ''}", *found]))


def faults(root: Path) -> Iterator[str]:
    """Yields one line for everything that is not in order in the project at `root`."""
    try:
        stage_check.check(parameters.read_all(root / "params.yaml"))
        found = list(undeclared(root))
    except InputError as error:
        yield from str(error).splitlines()  # the graph is made of these
    except Exception as error:
        yield _of_code(error)
    else:
        yield from found
        yield from _repository(root)


def undeclared(root: Path) -> Iterator[str]:
    """Yields one line for everything that a stage imports or reads and `dvc.yaml` does not declare,
    or the other way round."""
    stages = parameters.read_all(root / "dvc.yaml").get("stages")
    if not isinstance(stages, dict):
        raise InputError(
            f"dvc.yaml: stages: expected a mapping of stages by name, received {stages!r}"
        )
    for name, entry in stages.items():
        body = entry.get("do", entry) if isinstance(entry, dict) else entry
        if not isinstance(body, dict):
            yield f"dvc.yaml: stages.{name}: expected a mapping with cmd, deps, params and outs, received {body!r}"
            continue
        lists = {part: body.get(part, []) for part in ("deps", "params")}
        wrong = {part: value for part, value in lists.items() if not isinstance(value, list)}
        yield from (
            f"dvc.yaml: stages.{name}.{part}: expected a list, received {value!r}"
            for part, value in wrong.items()
        )
        if not wrong:
            try:
                yield from _undeclared_by(root, str(name), entry, body)
            except InputError as error:
                yield str(error)


def _undeclared_by(
    root: Path, name: str, entry: dict[str, Any], body: dict[str, Any]
) -> Iterator[str]:
    # However Python is called; what a command of another kind reads is not known.
    modules = {
        module
        for module in re.findall(r"\bstages[./](\w+)", str(body.get("cmd")))
        if (root / f"stages/{module}.py").exists()
    }
    if not modules:
        return
    given = {
        "deps": {str(path) for path in body.get("deps", []) if str(path).startswith("stages/")},
        "params": {str(key) for entry in body.get("params", []) for key in _parameters_of(entry)},
    }
    imported, read = set(), set()
    for module in modules:
        imported |= graph.declared(root, module, of_a_kind=entry.get("foreach") == "${tasks}")
        read |= graph.parameters_read(
            root, module, "${item}" if module in PREPARED_BY.values() else "${key}"
        )
    for part, found, how in (("deps", imported, "imported"), ("params", read, "read")):
        yield from (
            f"dvc.yaml: {name}: {key} is {how} and not among its {part}: add it"
            for key in sorted(found - given[part])
        )
        yield from (
            f"dvc.yaml: {name}: {key} is among its {part} and not {how}: remove it"
            for key in sorted(given[part] - found)
        )


def _parameters_of(entry: Any) -> list[Any]:
    """Returns the parameters that an entry of `params` names in params.yaml: its own name, or those
    of a mapping of files."""
    return (entry.get("params.yaml") or []) if isinstance(entry, dict) else [entry]


def _repository(root: Path) -> Iterator[str]:
    """What DVC knows: stale stages, and outputs and secrets in places where they are not meant to
    be."""
    if not (root / ".dvc").is_dir():  # DVC would look for one in the folders above
        yield "expected the folder .dvc beside dvc.yaml, found none: take it from Git, or run dvc init"
        return
    from dvc.repo import Repo

    try:
        with Repo(root) as repo:
            found = list(_stale(repo))
            cached = [out.fs_path for out in repo.index.outs if out.use_cache]
    except (
        Exception
    ) as error:  # of DVC's own, and what else it ends with where a file is not as DVC writes it
        yield f"DVC: {one_line(error)}"
    else:
        yield from found
        done = subprocess.run(
            ["git", "ls-files", "-z", "--", *cached], cwd=root, capture_output=True, text=True
        )
        yield from (
            f"{path} is a cached output and in Git as well: git rm --cached {path}"
            for path in filter(None, done.stdout.split("\0"))
        )
    yield from _secrets(root / ".dvc/config")


def _stale(repo: Any) -> Iterator[str]:
    """Every stage whose entry in `dvc.lock` is not of its command, code, parameters and data as
    they are now.

    A dependency that is another stage's output is compared with that stage's entry, so nothing has
    to be pulled. Of stages that are stale only because others are, none is named: `dvc repro` says
    what it runs.
    """
    made = {out.fs_path: out for out in repo.index.outs}
    for stage in repo.index.stages:
        if not stage.cmd:
            continue
        reasons = ["its command changed"] if stage.cmd_changed else []
        for dependency in stage.deps:
            if hasattr(dependency, "params"):
                for changes in dependency.status().values():
                    reasons += (
                        [f"parameter {name} {how}" for name, how in changes.items()]
                        if isinstance(changes, dict)
                        else [str(changes)]
                    )
            elif dependency.fs_path in made:
                if made[dependency.fs_path].hash_info != dependency.hash_info:
                    reasons.append(f"{dependency.def_path} is no longer what it was made of")
            elif any(
                path.startswith(f"{dependency.fs_path}/") and not out.exists
                for path, out in made.items()
            ):
                pass  # a folder of outputs that were not all pulled: nothing to compare
            elif not dependency.exists:
                reasons.append(f"{dependency.def_path} is missing")
            elif dependency.changed_checksum():
                reasons.append(f"{dependency.def_path} changed")
        for out in stage.outs:
            if not out.hash_info:
                reasons.append(f"{out.def_path} was never written")
            elif not out.use_cache and not out.exists:
                reasons.append(f"{out.def_path} is missing")
            elif not out.use_cache and out.changed_checksum():
                reasons.append(f"{out.def_path} is not what the stage wrote")
        if reasons:
            yield f"dvc.lock: {stage.name} is stale, run dvc repro and commit dvc.lock: {', '.join(sorted(set(reasons)))}"


def _secrets(path: Path) -> Iterator[str]:
    config = ConfigParser(interpolation=None, strict=False)
    try:
        config.read_string(path.read_text(encoding="utf-8") if path.exists() else "")
    except (ConfigError, UnicodeDecodeError) as error:
        yield f".dvc/config: expected sections of keys and values, received: {one_line(error)}"
        return
    for section in config.sections():
        for key, value in config[section].items():
            secret = SECRETS.search(key) and key not in NO_SECRETS
            if secret or re.search(r"://[^/@\s]+:[^/@\s]+@", value):
                yield f".dvc/config: {section}: {key} is a secret and in Git: change it, and keep it with dvc remote modify --local"


def _check_staged(root: Path) -> int:
    """Checks the files of Git's index, in a folder of their own and by their own code. Returns the
    exit code."""

    def git(*arguments: str) -> str:
        return subprocess.run(
            ["git", *arguments], cwd=root, check=True, capture_output=True, text=True
        ).stdout

    # During `git commit FILE` the index is a temporary one: Git names it to its hooks, and here.
    prefix, repository, index = git(
        "rev-parse", "--show-prefix", "--absolute-git-dir", "--git-path", "index"
    ).splitlines()
    with tempfile.TemporaryDirectory() as folder:
        git("checkout-index", "--all", "--quiet", f"--prefix={folder}/")
        project = Path(folder) / prefix
        if (project / ".dvc").is_dir():
            # DVC finds no repository of Git's there, and needs none. What it notes goes away with
            # the folder.
            (project / ".dvc/config.local").write_text(
                f"[core]\n    no_scm = true\n    site_cache_dir = {folder}/.dvc_site\n"
            )
        of_the_index = {
            "GIT_DIR": repository,
            "GIT_WORK_TREE": folder,
            "GIT_INDEX_FILE": str(root / index),
        }
        return subprocess.run(
            [sys.executable, "-m", "tools.check"], cwd=project, env={**os.environ, **of_the_index}
        ).returncode


if __name__ == "__main__":
    command.run(main)
