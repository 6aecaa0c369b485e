"""Tells by its exit code whether parameters, graph, lock file and repository are in order. Reads no
data; needs none.

Run from the folder of `dvc.yaml`: `python -m tools.check`. One line a fault, and exit code 1 if
there is any. With `--staged` it is about what Git would commit, code and all, not about what else
stands in the work tree.
"""

import os
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path


def _of_code(error: Exception) -> str:
    """Returns a line that names the code that cannot be imported, or that failed. To find such
    code is what this is for, so that it must not end with a traceback itself."""
    place = traceback.extract_tb(error.__traceback__)[-1]
    path, line = (
        (error.filename, error.lineno)
        if isinstance(error, SyntaxError)
        else (place.filename, place.lineno)
    )
    message = " ".join(str(error).split())
    return (
        f"{path}, line {line}: expected code that can be imported, received: "
        f"{type(error).__name__}: {message}"
    )


try:
    from stages import check as stage_check
    from stages import command
    from stages.errors import InputError
    from stages.files import parameters
    from tools import graph, interfaces, repository
except Exception as error:
    sys.exit(f"error: {_of_code(error)}")


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
    wrong = list(_of_check(_parameters, root))
    yield from wrong
    # The graph is made of the parameters.
    if not wrong:
        yield from dict.fromkeys(line for check in CHECKS for line in _of_check(check, root))


def _parameters(root: Path) -> Iterator[str]:
    stage_check.check(parameters.read_all(root / "params.yaml"))
    yield from ()


# Each yields one line for every fault that it finds in the project at a path.
CHECKS: tuple[Callable[[Path], Iterator[str]], ...] = (
    graph.faults,
    interfaces.faults,
    repository.faults,
)


def _of_check(check: Callable[[Path], Iterator[str]], root: Path) -> Iterator[str]:
    """Yields what a check finds. What it cannot cope with is a fault as well."""
    try:
        yield from check(root)
    except InputError as error:
        yield from str(error).splitlines()
    except Exception as error:
        yield _of_code(error)


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
