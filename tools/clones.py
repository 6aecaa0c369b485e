"""Clones of the project's last commit in other folders: no cache, no results, nothing but what Git
and the raw data hold."""

import shutil
import subprocess
from pathlib import Path
from typing import Any

from stages.errors import InputError
from tools import locks

__all__ = ["clone", "lock_of", "outs"]


def clone(root: Path, target: Path) -> Path:
    """Clones HEAD of the repository of the project at `root` to `target`. Raw files that were added
    by hand are copied from `root`.

    Returns the project's folder there, which need not be the repository's top.
    """
    top, prefix = _git(root, "rev-parse", "--show-toplevel", "--show-prefix").split("\n")[:2]
    _git(root, "clone", "--quiet", top, str(target))
    project = target / prefix
    for path in filter(None, _git(root, "ls-files", "-z", "*.dvc").split("\0")):
        raw = path.removesuffix(".dvc")
        if not (root / raw).exists():
            raise InputError(
                f"expected the raw data {raw}, found none: run dvc pull or dvc checkout {raw}"
            )
        (shutil.copytree if (root / raw).is_dir() else shutil.copy2)(root / raw, project / raw)
    return project


def lock_of(root: Path) -> dict[str, Any]:
    """Returns the stages of the project's `dvc.lock`."""
    return locks.stages_of((root / "dvc.lock").read_text(encoding="utf-8", errors="replace"))


def outs(root: Path) -> dict[str, str]:
    """Returns the sum of every output that `dvc.lock` names."""
    return {
        out["path"]: out.get("md5", "")
        for stage in lock_of(root).values()
        for out in stage.get("outs", [])
    }


def _git(root: Path, *arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=root, capture_output=True, text=True)
    if done.returncode:
        raise InputError(f"git {arguments[0]}: {' '.join(done.stderr.split())}")
    return done.stdout
