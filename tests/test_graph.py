"""The shape of the project: which code may import which, and that the benchmarks and the
development set run the same graph."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from stages import check as stage_check
from stages import kinds
from tests.conftest import ROOT, SMALL, Run, committed, copy_project
from tools import graph

PIPELINES = [ROOT, ROOT / "benchmarks", ROOT / "recipe"]


def test_only_stage_files_read_parameters() -> None:
    for path in (ROOT / "stages").rglob("*.py"):
        if path.parent != ROOT / "stages" and path != ROOT / "stages/files/parameters.py":
            calls = {
                getattr(node, "module", None)
                for node in ast.walk(ast.parse(path.read_text()))
                if isinstance(node, ast.ImportFrom)
            }
            assert "stages.files.parameters" not in calls, path


@pytest.mark.published
@pytest.mark.parametrize("folder", [".", "benchmarks", "recipe"])
def test_the_committed_parameters_are_in_order(folder: str) -> None:
    stage_check.check(YAML(typ="safe").load(committed(f"{folder}/params.yaml")))


def test_dvc_yaml_declares_the_code_and_the_parameters_of_every_stage() -> None:
    assert not list(graph.faults(ROOT))
    assert len((ROOT / "dvc.yaml").read_text().splitlines()) < 185


@pytest.mark.parametrize("root", PIPELINES[1:], ids=lambda root: root.name)
def test_other_projects_run_the_same_graph(root: Path) -> None:
    assert (root / "dvc.yaml").read_text() == (ROOT / "dvc.yaml").read_text()
    for name in ("stages", "requirements.lock", ".dvcignore"):
        assert (root / name).samefile(ROOT / name)


# What the modules of a folder of stages may import of stages; those of the stages may import all.
SHARED = {
    "arithmetic",
    "batching",
    "drawing",
    "errors",
    "formats",
    "scores",
    "sections",
    "splits",
    "watch",
}
ALLOWED = {
    "series": {"series"},
    "text": {"text"},
    "audio": {"audio"},
    "files": {"files", "series", "text", "audio"},
    "networks": {"networks", "series", "text"},
    "kinds": {"kinds", "networks", "series", "text", "audio", "files"},
}


def imports_of(path: Path) -> Iterator[list[str]]:
    """Yields the names of what a file imports of `stages`, split at the dots."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "stages":
            names = str(node.module).split(".")[1:]
            yield from ([*names, alias.name] for alias in node.names)
        elif isinstance(node, ast.Import):
            imported = [alias.name.split(".") for alias in node.names]
            yield from (names[1:] for names in imported if names[0] == "stages")


@pytest.mark.parametrize("folder", ALLOWED)
def test_imports_point_one_way(folder: str) -> None:
    for path in (ROOT / "stages" / folder).rglob("*.py"):
        for names in imports_of(path):
            assert names[0] in ALLOWED[folder] | SHARED, f"{path} imports {'.'.join(names)}"


def test_a_kind_imports_no_other_kind() -> None:
    for kind in kinds.names():
        for path in (ROOT / "stages/kinds" / kind).glob("*.py"):
            of_kinds = {names[1] for names in imports_of(path) if names[0] == "kinds"}
            assert not of_kinds & set(kinds.names()) - {kind}, path


def test_nothing_outside_its_folder_names_a_kind() -> None:
    """What a new developer would have to edit for a new kind: nothing."""
    names = re.compile(rf"(kinds[./]|[\"'`])({'|'.join(kinds.names())})\b")
    folders = [ROOT / "stages/kinds" / kind for kind in kinds.names()]
    paths = [path for folder in ("stages", "tools") for path in (ROOT / folder).rglob("*.py")]
    for path in [
        *paths,
        ROOT / "dvc.yaml",
        ROOT / "Makefile",
        ROOT / "tests/kinds/test_contract.py",
    ]:
        if not any(path.is_relative_to(folder) for folder in folders):
            assert not (match := names.search(path.read_text())), f"{path} names {match[0]}"


@pytest.mark.parametrize("root", PIPELINES, ids=lambda root: root.name)
def test_no_stage_of_a_task_runs_before_all_parameters_are_checked(root: Path) -> None:
    """Names become parts of commands; and DVC, which runs stages in any order that their files
    allow, says of a missing file no more."""
    for name, stage in YAML(typ="safe").load(root / "dvc.yaml")["stages"].items():
        assert "foreach" not in stage or "data/checked.txt" in stage["do"]["deps"], name


HOSTILE = {
    "a task that is not in its list": (
        "scale_and_window: [small, own]",
        "scale_and_window: [own]",
        "expected 'small' in this list",
    ),
    "a source's name that is a command": (
        "  hourly:",
        "  'hourly; touch made':",
        "expected a name of up to 100 ASCII letters",
    ),
    "a source's name that is run in quotes": (
        "  hourly:",
        "  '$(touch made)':",
        "expected a name of up to 100 ASCII letters",
    ),
}


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory, run: Run) -> Path:
    """A project in which nothing has run."""
    return copy_project(tmp_path_factory.mktemp("fresh") / "project", run)


@pytest.mark.parametrize(
    "case",
    [pytest.param(case, marks=[pytest.mark.slow] * ("quotes" in case)) for case in HOSTILE],
)
def test_a_wrong_name_stops_a_run_before_any_command(case: str, fresh: Path, forked: Run) -> None:
    old, new, message = HOSTILE[case]
    assert old in SMALL
    (fresh / "params.yaml").write_text(SMALL.replace(old, new))
    done = forked(fresh, "dvc", "repro", "predict@small", ok=False)
    assert done.returncode != 0
    assert message in done.stderr
    assert not (fresh / "made").exists()
