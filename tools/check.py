"""Tells by its exit code whether parameters, graph, lock file and repository are in order. Reads no data; needs none.

Run from the folder of `dvc.yaml`: `python -m tools.check`. One line a fault, and exit code 1 if there is any.
"""

import re
import subprocess
from collections.abc import Iterator
from configparser import ConfigParser, ParsingError
from pathlib import Path
from typing import Any

from stages import check as stage_check
from stages import command
from stages.errors import InputError
from stages.files import parameters
from stages.kinds import PREPARED_BY
from tools import graph

# Options of DVC remotes that are secrets: they belong into .dvc/config.local, which Git ignores.
SECRETS = re.compile(r"password|passphrase|secret|token|(access|account|customer)_key|connection_string|credential|keyfile|sas_")
NO_SECRETS = ("ask_password", "ask_passphrase", "keyfile")


def main(arguments: list[str]) -> None:
    command.parser(__doc__, task=False).parse_args(arguments)
    found = list(faults(Path.cwd()))
    if found:
        raise InputError("\n".join([f"{len(found)} fault{'s' if len(found) > 1 else ''}", *found]))


def faults(root: Path) -> Iterator[str]:
    """Yields one line for everything that is not in order in the project at `root`."""
    try:
        stage_check.check(parameters.read_all(root / "params.yaml"))
        stages = parameters.read_all(root / "dvc.yaml")["stages"]
    except InputError as error:
        yield from str(error).splitlines()
        return  # the graph is made of these
    yield from _graph(root, stages)
    yield from _repository(root)


def _graph(root: Path, stages: dict[str, Any]) -> Iterator[str]:
    for name, entry in stages.items():
        body = entry.get("do", entry)
        if f"-m stages.{name}" not in str(body.get("cmd")):
            continue  # a command of another kind: what it reads is not known
        deps = {str(path) for path in body["deps"] if str(path).startswith("stages/")}
        imported = graph.declared(root, name, of_a_kind=entry.get("foreach") == "${tasks}")
        yield from (f"dvc.yaml: {name}: {path} is imported and not among its deps: add it" for path in sorted(imported - deps))
        yield from (f"dvc.yaml: {name}: {path} is among its deps and not imported: remove it" for path in sorted(deps - imported))
        given = set(body["params"])
        read = graph.parameters_read(root, name, "${item}" if name in PREPARED_BY.values() else "${key}")
        yield from (f"dvc.yaml: {name}: {key} is read and not among its params: add it" for key in sorted(read - given))
        yield from (f"dvc.yaml: {name}: {key} is among its params and not read: remove it" for key in sorted(given - read))


def _repository(root: Path) -> Iterator[str]:
    """What DVC knows: stale stages, and outputs and secrets in places where they are not meant to be."""
    from dvc.exceptions import DvcException
    from dvc.repo import Repo

    try:
        with Repo(root) as repo:
            yield from _stale(repo)
            cached = [out.fs_path for out in repo.index.outs if out.use_cache]
            done = subprocess.run(["git", "ls-files", "-z", "--", *cached], cwd=root, capture_output=True, text=True)
            yield from (
                f"{path} is a cached output and in Git as well: git rm --cached {path}" for path in filter(None, done.stdout.split("\0"))
            )
    except DvcException as error:
        yield f"DVC: {error}"
    yield from _secrets(root / ".dvc/config")


def _stale(repo: Any) -> Iterator[str]:
    """Every stage whose entry in `dvc.lock` is not of its command, code, parameters and data as they are now.

    A dependency that is another stage's output is compared with that stage's entry, so nothing has to be pulled. Of stages that are
    stale only because others are, none is named: `dvc repro` says what it runs.
    """
    made = {out.fs_path: out for out in repo.index.outs}
    for stage in repo.index.stages:
        if not stage.cmd:
            continue
        reasons = ["its command changed"] if stage.cmd_changed else []
        for dependency in stage.deps:
            if hasattr(dependency, "params"):
                for changes in dependency.status().values():
                    reasons += [f"parameter {name} {how}" for name, how in changes.items()] if isinstance(changes, dict) else [str(changes)]
            elif dependency.fs_path in made:
                if made[dependency.fs_path].hash_info != dependency.hash_info:
                    reasons.append(f"{dependency.def_path} is no longer what it was made of")
            elif any(path.startswith(f"{dependency.fs_path}/") and not out.exists for path, out in made.items()):
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
        config.read_string(path.read_text(encoding="utf-8"))
    except ParsingError as error:
        yield f"{path.parent.name}/{path.name}: {error}"
        return
    for section in config.sections():
        for key, value in config[section].items():
            secret = SECRETS.search(key) and key not in NO_SECRETS
            if secret or re.search(r"://[^/@\s]+:[^/@\s]+@", value):
                yield f".dvc/config: {section}: {key} is a secret and in Git: change it, and keep it with dvc remote modify --local"


if __name__ == "__main__":
    command.run(main)
