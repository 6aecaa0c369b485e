"""Git merges by the drivers that `make setup` installs."""

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.conftest import SET_UP, Run, copy_project
from tests.test_merge_lock import LOCK


def lock(a: str, b: str) -> str:
    """Returns the lock file with other sums of what the stage `a` reads and the stage `b` writes,
    each of one digit."""
    text = LOCK.replace(f"a.py\n      md5: {'f' * 32}", f"a.py\n      md5: {a * 32}")
    return text.replace(f"b.txt\n      md5: {'f' * 32}", f"b.txt\n      md5: {b * 32}")


@pytest.fixture(scope="module", params=[".", "a folder/it's one"])
def repository(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, run: Run
) -> Path:
    """A project that is set up, at the top of its repository or in a folder of it; what is returned
    is the project's folder."""
    top = tmp_path_factory.mktemp("repository")
    project = copy_project(top / request.param, run)
    if request.param != ".":
        shutil.rmtree(project / ".git")
        run(top, "git", "init", "-q")
        # Packages of these names at the top are others.
        for name in ("tools", "stages"):
            (top / name).mkdir()
            (top / name / "__init__.py").write_text("raise ImportError\n")
    run(project, "bash", "-euc", SET_UP)
    (project / "dvc.lock").write_text(LOCK)
    run(top, "git", "add", "-A")
    run(top, "git", "commit", "-qm", "base")
    return project


def merge(
    repository: Path, tmp_path: Path, run: Run, ours: str, theirs: str
) -> tuple[subprocess.CompletedProcess[str], Path]:
    top = Path(run(repository, "git", "rev-parse", "--show-toplevel").stdout.strip())
    project = shutil.copytree(top, tmp_path / "top", symlinks=True) / repository.relative_to(top)
    first = run(project, "git", "branch", "--show-current").stdout.strip()
    for branch, text in (("theirs", theirs), (first, ours)):
        run(project, "git", "checkout", "-q", *(["-b"] if branch == "theirs" else []), branch)
        (project / "dvc.lock").write_text(text)
        run(project, "git", "commit", "-qm", branch, "dvc.lock")
    return run(project, "git", "merge", "theirs", ok=False), project


def test_git_merges_by_stage(repository: Path, tmp_path: Path, run: Run) -> None:
    done, project = merge(repository, tmp_path, run, lock("a", "f"), lock("f", "b"))
    assert done.returncode == 0, done.stderr
    assert (project / "dvc.lock").read_text() == lock("a", "b")


def test_git_merges_the_files_that_name_code(repository: Path, tmp_path: Path, run: Run) -> None:
    project = shutil.copytree(repository, tmp_path / "project", symlinks=True)
    if not (project / ".git").exists():
        run(project, "git", "init", "-q")
        run(project, "bash", "-euc", "make setup")
    file = project / "data/code/train/forecasting.txt"
    file.parent.mkdir(parents=True)
    file.write_text("0  a.py\n0  b.py\n")
    run(project, "git", "add", "-A")
    run(project, "git", "commit", "-qm", "base")
    first = run(project, "git", "branch", "--show-current").stdout.strip()
    for branch, text in (("theirs", "0  a.py\n2  b.py\n"), (first, "1  a.py\n0  b.py\n")):
        run(project, "git", "checkout", "-q", *(["-b"] if branch == "theirs" else []), branch)
        file.write_text(text)
        run(project, "git", "commit", "-qam", branch)
    run(project, "git", "merge", "-q", "theirs")
    assert "<<<<<<<" not in file.read_text()


def test_git_stops_at_a_conflict(repository: Path, tmp_path: Path, run: Run) -> None:
    done, project = merge(repository, tmp_path, run, lock("a", "f"), lock("b", "b"))
    assert done.returncode == 1
    assert "both sides changed a: keep one side's entries" in done.stdout + done.stderr
    text = (project / "dvc.lock").read_text()
    assert text.count("<<<<<<< ours\n") == text.count(">>>>>>> theirs\n") == 1
    assert f"md5: {'b' * 32}\n" in text.partition(">>>>>>> theirs")[2].partition("  b:")[2]


@pytest.mark.parametrize("fault", ["no environment", "no package", "no code"])
@pytest.mark.parametrize(
    "theirs", [lock("b", "f"), lock("f", "b")], ids=["the same line", "other lines"]
)
def test_without_the_environment_git_stops_with_marks(
    fault: str, theirs: str, repository: Path, tmp_path: Path, run: Run
) -> None:
    top = Path(run(repository, "git", "rev-parse", "--show-toplevel").stdout.strip())
    broken = shutil.copytree(top, tmp_path / "broken", symlinks=True) / repository.relative_to(top)
    if fault == "no environment":
        (broken / ".venv/bin").unlink()
    elif fault == "no package":
        (broken / "tools/locks.py").write_text("import no_such_module\n")
    else:
        (broken / "tools/merge_lock.py").unlink()
    done, project = merge(broken, tmp_path, run, lock("a", "f"), theirs)
    assert done.returncode == 1
    assert "run make setup there, and merge again" in done.stdout + done.stderr
    text = (project / "dvc.lock").read_text()
    assert text.count("<<<<<<< ours\n") == text.count(">>>>>>> theirs\n") > 0
    run(project, "git", "merge", "--abort")
    assert (project / "dvc.lock").read_text() == lock("a", "f")


def test_a_criss_cross_has_no_marks_in_its_base(repository: Path, tmp_path: Path, run: Run) -> None:
    """Where two branches have merged each other, Git merges their bases first, with a driver as
    well."""
    done, project = merge(repository, tmp_path, run, lock("a", "f"), lock("b", "f"))
    assert done.returncode == 1
    first = run(project, "git", "branch", "--show-current").stdout.strip()
    (project / "dvc.lock").write_text(lock("c", "f"))
    run(project, "git", "commit", "-qam", "settled here")
    run(project, "git", "checkout", "-q", "theirs")
    run(project, "git", "merge", "-q", f"{first}~1", ok=False)
    (project / "dvc.lock").write_text(lock("d", "b"))
    run(project, "git", "commit", "-qam", "settled there")
    done = run(project, "git", "merge", first, ok=False)
    assert "both sides changed a: keep one side's entries" in done.stdout + done.stderr
    assert (project / "dvc.lock").read_text().count("<<<<<<<") == 1
