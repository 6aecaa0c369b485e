"""Clones of the project's last commit in other folders: no cache, no results, nothing but what Git and the raw data hold."""

import shutil
import subprocess
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from stages.errors import InputError

__all__ = ["clone", "lock_of", "outs"]


def clone(root: Path, target: Path) -> Path:
    """Clones HEAD of the repository at `root` to `target`. Raw files that were added by hand are copied from `root`."""
    subprocess.run(["git", "clone", "--quiet", str(root), str(target)], check=True)
    listed = subprocess.run(["git", "ls-files", "-z", "*.dvc"], cwd=root, check=True, capture_output=True, text=True).stdout.split("\0")
    for path in filter(None, listed):
        raw = path.removesuffix(".dvc")
        if not (root / raw).exists():
            raise InputError(f"expected the raw data {raw}, found none: run dvc pull or dvc checkout {raw}")
        (shutil.copytree if (root / raw).is_dir() else shutil.copy2)(root / raw, target / raw)
    return target


def lock_of(root: Path) -> dict[str, Any]:
    """Returns the stages of the project's `dvc.lock`."""
    return YAML(typ="safe").load(root / "dvc.lock")["stages"]


def outs(root: Path) -> dict[str, str]:
    """Returns the sum of every output that `dvc.lock` names."""
    return {out["path"]: out["md5"] for stage in lock_of(root).values() for out in stage.get("outs", [])}
