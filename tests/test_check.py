"""`make check` finds what is wrong, one planted fault at a time."""

import pickle
import re
import shutil
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML
from ruamel.yaml.constructor import SafeConstructor

from tests.conftest import SET_UP, Run
from tests.planted import IMPORTED, PLANTED, STALE
from tests.planting import append, remove, replace
from tools.check import faults

LOAD = YAML.load


@cache
def loaded(text: str) -> bytes:
    return pickle.dumps(LOAD(YAML(typ="safe"), text))


@pytest.fixture(autouse=True)
def parsed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A fault leaves most files as they are, and a check parses params.yaml 24 times: most of its
    time."""

    def load(self: YAML, stream: Any) -> Any:
        if isinstance(stream, str) and self.Constructor is SafeConstructor:
            return pickle.loads(loaded(stream))
        return LOAD(self, stream)

    monkeypatch.setattr(YAML, "load", load)


@pytest.mark.parametrize(
    "line_ends", ["false", pytest.param("input", marks=pytest.mark.slow), "true"]
)
def test_a_finished_run_is_in_order_also_where_nothing_was_pulled(
    line_ends: str, finished: Path, tmp_path: Path, run: Run
) -> None:
    assert not list(faults(finished))
    run(tmp_path, "git", "clone", "-q", "-c", f"core.autocrlf={line_ends}", str(finished), "clone")
    assert not (tmp_path / "clone/data/models").exists()
    assert not list(faults(tmp_path / "clone"))
    assert not run(tmp_path / "clone", "git", "status", "--short").stdout


# What another one of the same sort stands for.
ALIKE = {
    *("stale code, by a relative import", "stale code, by an import by name"),
    *(
        f"code that is not declared, {how}"
        for how in ("called with options", "in a list of commands")
    ),
    *("file of code that DVC does not see", "frozen stage of a task"),
    *("code with a NUL byte", "code that is not UTF-8", "stage whose body is a text"),
    *(f"dvc.yaml {what}" for what in ("with a list of stages", "that is a list", "that is empty")),
    *("deps that are null", "dependency that is a number", "dependency that is a list"),
    *("params that are a number", "params that name a number", "outs that are a mapping"),
    *("command that is null", "foreach that is a number"),
    *("lock file of marks", "lock file that is a list", "configuration that is not UTF-8"),
}


@pytest.mark.parametrize(
    "fault", [pytest.param(name, marks=[pytest.mark.slow] * (name in ALIKE)) for name in PLANTED]
)
def test_a_planted_fault_is_found(fault: str, project: Path) -> None:
    plant, expected = PLANTED[fault]
    plant(project)
    found = list(faults(project))
    assert [line for line in found if expected in line], "\n".join(found)
    assert not [line for line in found if "\n" in line or "Traceback" in line]


def test_a_configuration_that_is_missing_holds_no_secret(project: Path) -> None:
    remove(".dvc/config")(project)
    assert not list(faults(project))


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("command.py", "def f(:"),
        ("kinds/__init__.py", "import no_such_module"),
        ("kinds/forecasting/train.py", "def f(:"),
        *(
            pytest.param(*case, marks=pytest.mark.slow)
            for case in (
                ("command.py", "import no_such_module"),
                ("kinds/__init__.py", "def f(:"),
                ("kinds/forecasting/train.py", "import no_such_module"),
                ("sections.py", "def f(:"),
                ("sections.py", "import no_such_module"),
            )
        ),
    ],
)
def test_code_that_cannot_be_imported_is_told_in_a_line(
    path: str, code: str, project: Path, run: Run
) -> None:
    append(f"stages/{path}", f"\n{code}\n")(project)
    done = run(project, "python", "-m", "tools.check", ok=False)
    assert done.returncode == 1
    expected = (
        rf"error: (1 fault\n)?\S*stages/{path}, line \d+: expected code that can be imported, "
        r"received: .+\n"
    )
    assert re.fullmatch(expected, done.stderr), done.stderr


def test_the_command_needs_no_tensorflow_and_tells_by_its_exit_code(
    project: Path, run: Run, forked: Run
) -> None:
    code = (
        "import sys; from tools import check; check.main([]); "
        "assert not {'tensorflow', 'keras'} & sys.modules.keys()"
    )
    run(project, "python", "-c", code)
    replace("params.yaml", "units: 2", "units: 3")(project)
    done = forked(project, "python", "-m", "tools.check", ok=False)
    assert done.returncode == 1
    assert done.stderr.startswith("error: ")
    assert "Traceback" not in done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("folder", [".", "a folder/it's one"])
def test_the_hook_checks_what_is_committed(
    folder: str, finished: Path, tmp_path: Path, run: Run
) -> None:
    project = tmp_path / "repository" / folder
    shutil.copytree(finished, project, symlinks=True)
    if folder != ".":
        shutil.rmtree(project / ".git")
        run(tmp_path / "repository", "git", "init", "-q")
        run(project, "git", "add", "-A")
        run(project, "git", "commit", "-qm", "start")
    run(
        project, "bash", "-euc", f"{SET_UP}; make hooks; make hooks"
    )  # a second time it is there already

    def commit(*arguments: str, ok: bool) -> str:
        done = run(project, "git", "commit", "-qm", "x", *arguments, ok=ok)
        assert (done.returncode == 0) == ok
        assert "Traceback" not in done.stderr
        return done.stderr

    # What is in the work tree alone is not looked at.
    replace("params.yaml", "units: 2", "units: 3")(project)
    (project / "notes.txt").write_text("")
    run(project, "git", "add", "notes.txt")
    commit(ok=True)
    # That which is in the index alone is: parameters, code, and a cached output.
    append("stages/files/tables.py", "\nfrom stages.series import metrics  # noqa\n")(project)
    run(project, "git", "add", "-A")
    run(project, "git", "add", "-f", "data/models/own/about.json")
    replace("params.yaml", "units: 3", "units: 2")(project)
    said = commit(ok=False)
    assert "train@own is stale" in said
    assert f"ingest@own is stale, {STALE}: {IMPORTED}" in said
    assert "data/models/own/about.json is a cached output and in Git as well" in said
    run(project, "git", "reset", "-q", "--hard")
    # `git commit FILE` and `--all` have an index of their own.
    replace("params.yaml", "units: 2", "units: two")(project)
    (project / "notes.txt").write_text("more")
    wrong = "tasks.own.train.units: expected a valid integer"
    assert wrong in commit("params.yaml", ok=False)
    if folder != ".":
        assert wrong in commit("--all", ok=False)
        commit("notes.txt", ok=True)


def test_a_hook_that_is_there_already_stays(finished: Path, project: Path, run: Run) -> None:
    hook = project / ".git/hooks/pre-commit"
    hook.write_text("#!/bin/sh\necho mine\n")
    done = run(project, "bash", "-euc", f"{SET_UP}; make hooks", ok=False)
    assert done.returncode != 0
    assert "pre-commit is there already: add this line to it" in done.stderr
    assert hook.read_text() == "#!/bin/sh\necho mine\n"
