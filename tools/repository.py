"""What is wrong in a project's repository: stages that are stale, files that are in Git and must
not be or are missing there, and secrets."""

import hashlib
import re
import subprocess
from collections.abc import Iterator
from configparser import ConfigParser
from configparser import Error as ConfigError
from pathlib import Path
from typing import Any

from stages import code
from stages.files import parameters
from tools import locks, one_line

# Options of DVC remotes that are secrets: they belong into .dvc/config.local, which Git ignores.
SECRETS = re.compile(
    r"password|passphrase|secret|token|(access|account|customer)_key|connection_string|credential|"
    r"keyfile|sas_"
)
NO_SECRETS = ("ask_password", "ask_passphrase", "keyfile")
# In an address: a password, a name alone where it can only be a token, or a parameter.
SECRETS_IN_ADDRESS = re.compile(
    r"://[^/@\s]+:[^/@\s]+@|^https?://[^/@\s]+@|[?&;][^=&]*(sig|token|key|secret|password)[^=&]*=",
    re.IGNORECASE,
)
# What each clone keeps for itself.
OF_A_CLONE = ("data/checkpoints", "data/times", ".dvc/cache", ".dvc/tmp", ".dvc/config.local")


def faults(root: Path) -> Iterator[str]:
    """Yields one line for everything that is wrong in the repository of the project at `root`."""
    if not (root / ".dvc").is_dir():  # DVC would look for one in the folders above
        yield (
            "expected the folder .dvc beside dvc.yaml, found none: take it from Git, or run dvc "
            "init"
        )
        return
    files = code.contents(root, code.kinds_of_tasks(parameters.read_all(root / "params.yaml")))
    from dvc.repo import Repo

    try:
        with Repo(root) as repo:
            repo.index.check_graph()
            found = [*_stale(repo, files), *_unknown(repo, root), *_ignored(repo, root)]
            found += _untracked(repo, root)
            cached = [out.fs_path for out in repo.index.outs if out.use_cache]
    except Exception as error:  # whatever DVC ends with where a file is not as it writes it
        yield f"DVC: {one_line(error)}"
    else:
        yield from found
        yield from (
            f"{path} is a cached output and in Git as well: git rm --cached {path}"
            for path in tracked(root, *cached)
        )
    yield from (
        f"{path} belongs to one clone alone and is in Git: git rm --cached {path}"
        for path in tracked(root, *OF_A_CLONE)
    )
    yield from _secrets(root / ".dvc/config")


def tracked(root: Path, *paths: str) -> list[str]:
    """Returns the files at or below some paths that Git tracks; none without a repository."""
    return _listed(root, "--", *paths) if paths else []


def _listed(root: Path, *arguments: str) -> list[str]:
    """Returns the files that `git ls-files` lists."""
    command = ["git", "ls-files", "-z", *arguments]
    done = subprocess.run(command, cwd=root, capture_output=True)
    return [path for path in done.stdout.decode(errors="replace").split("\0") if path]


def _stale(repo: Any, files: dict[str, str]) -> Iterator[str]:
    """Yields every stage whose entry in `dvc.lock` does not belong to its command, code, parameters
    and data as they are now.

    `files` holds what those in `data/code` would if they were written now. A dependency that is
    another stage's output is compared with that stage's entry, so that nothing has to be pulled. Of
    stages that are stale only because others are, none is named: `dvc repro` says what it runs.
    """
    made = {out.fs_path: out for out in repo.index.outs}
    for stage in repo.index.stages:
        if not stage.cmd:
            continue
        reasons = ["its command changed"] if stage.cmd_changed else []
        for dependency in stage.deps:
            reasons += _changes(dependency, made, files)
        for out in stage.outs:
            if not out.hash_info:
                reasons.append(f"{out.def_path} was never written")
            elif not out.use_cache and not out.exists:
                reasons.append(f"{out.def_path} is missing")
            elif not out.use_cache and out.changed_checksum():
                reasons.append(f"{out.def_path} is not what the stage wrote")
        if reasons:
            yield (
                f"dvc.lock: {stage.name} is stale, run dvc repro and commit dvc.lock: "
                f"{', '.join(sorted(set(reasons)))}"
            )


def _changes(dependency: Any, made: dict[str, Any], files: dict[str, str]) -> list[str]:
    """Returns what changed in a dependency since the stage ran.

    Args:
        made: the outputs of all stages, by their paths.
        files: what the files in `data/code` would hold if they were written now.
    """
    if hasattr(dependency, "params"):
        return [
            change
            for changes in dependency.status().values()
            for change in (
                [f"parameter {name} {how}" for name, how in changes.items()]
                if isinstance(changes, dict)
                else [str(changes)]
            )
        ]
    path = dependency.def_path
    name = path.removeprefix(f"{code.FOLDER.as_posix()}/")
    if name != path:
        return _changes_of_code(dependency, files.get(name))
    if dependency.fs_path in made:
        is_other = made[dependency.fs_path].hash_info != dependency.hash_info
        return [f"{path} is no longer what it was made of"] if is_other else []
    below = [out for made_at, out in made.items() if made_at.startswith(f"{dependency.fs_path}/")]
    if any(not out.exists for out in below):
        return []  # a folder of outputs that were not all pulled: nothing to compare
    if not dependency.exists:
        return [f"{path} is missing"]
    return [f"{path} changed"] if dependency.changed_checksum() else []


def _changes_of_code(dependency: Any, text: str | None) -> list[str]:
    """Returns the modules and packages that changed since the stage ran; `text` is what the file
    that names them would hold now, None if there would be no such file."""
    if text is None:
        return [f"{dependency.def_path} is of no stage and kind that exists"]
    recorded = getattr(dependency.hash_info, "value", None)
    if hashlib.md5(text.encode(), usedforsecurity=False).hexdigest() == recorded:
        return []
    file = Path(dependency.fs_path)
    before = file.read_bytes() if file.is_file() else b""
    if hashlib.md5(before, usedforsecurity=False).hexdigest() != recorded:
        return ["its code changed"]
    return [f"{name} changed" for name in code.changes(before.decode(), text)]


def _unknown(repo: Any, root: Path) -> Iterator[str]:
    """Yields entries of `dvc.lock` whose stages do not exist."""
    lock = root / "dvc.lock"
    text = lock.read_text(encoding="utf-8") if lock.exists() else ""
    names = {getattr(stage, "name", None) for stage in repo.index.stages}
    for name in locks.stages_of(text) if text else ():
        if name not in names:
            yield f"dvc.lock: {name}: dvc.yaml has no such stage: run python -m tools.repair"


def _ignored(repo: Any, root: Path) -> Iterator[str]:
    """Yields files of code that `.dvcignore` hides: DVC would not see them change. That outputs are
    hidden DVC says itself."""
    for path in sorted(root.glob("stages/**/*")):
        ignored = repo.dvcignore.is_ignored_dir if path.is_dir() else repo.dvcignore.is_ignored_file
        if "__pycache__" not in path.parts and ignored(str(path.absolute())):
            yield f".dvcignore: {path.relative_to(root).as_posix()} is code and hidden from DVC"


def _untracked(repo: Any, root: Path) -> Iterator[str]:
    """Yields raw data that neither DVC nor Git tracks, also where it is in a folder of which either
    tracks other files, and that DVC tracks by a file that is not in Git."""
    made = [out.fs_path for out in repo.index.outs]
    for dependency in repo.index.deps:
        path = dependency.fs_path
        if hasattr(dependency, "params") or dependency.def_path.startswith("stages"):
            continue
        inside = [out for out in made if f"{path}/".startswith(f"{out}/")]
        is_made = inside or any(out.startswith(f"{path}/") for out in made)
        loose = [] if is_made or tracked(root, path) else [dependency.def_path]
        if not inside and not loose:
            # Git ignores what DVC tracks there, whose own files are listed below.
            others = _listed(root, "--others", "--exclude-standard", "--", path)
            loose = [name for name in others if not name.endswith((".dvc", ".gitignore"))]
        yield from (
            f"{name} is raw data that nobody tracks: run dvc add {name} and commit its .dvc file"
            for name in loose
        )
    if tracked(root, "."):
        for stage in repo.index.stages:
            if stage.is_data_source and not tracked(root, stage.path):
                name = stage.path_in_repo
                yield f"{name} is missing from Git: git add {name}"


def _secrets(path: Path) -> Iterator[str]:
    config = ConfigParser(interpolation=None, strict=False)
    try:
        config.read_string(path.read_text(encoding="utf-8") if path.exists() else "")
    except (ConfigError, UnicodeDecodeError) as error:
        yield (f".dvc/config: expected sections of keys and values, received: {one_line(error)}")
        return
    for section in config.sections():
        for key, value in config[section].items():
            is_secret = SECRETS.search(key) and key not in NO_SECRETS
            if is_secret or SECRETS_IN_ADDRESS.search(value):
                yield (
                    f".dvc/config: {section}: {key} is a secret and in Git: change it, and keep it "
                    "with dvc remote modify --local"
                )
