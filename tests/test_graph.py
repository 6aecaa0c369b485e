"""The shape of the project: which code may import which, and that the benchmarks run the same
graph."""

import ast
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from stages import check as stage_check
from tests.conftest import ROOT, SMALL, Run, committed, copy_project
from tools import graph

PIPELINES = [ROOT, ROOT / "benchmarks"]


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
@pytest.mark.parametrize("folder", [".", "benchmarks"])
def test_the_committed_parameters_are_in_order(folder: str) -> None:
    stage_check.check(YAML(typ="safe").load(committed(f"{folder}/params.yaml")))


def test_dvc_yaml_declares_the_code_and_the_parameters_of_every_stage() -> None:
    assert not list(graph.faults(ROOT))
    assert len((ROOT / "dvc.yaml").read_text().splitlines()) < 170


def test_the_benchmarks_run_the_same_graph() -> None:
    assert (ROOT / "benchmarks/dvc.yaml").read_text() == (ROOT / "dvc.yaml").read_text()
    for name in ("stages", "requirements.lock", ".dvcignore"):
        assert (ROOT / "benchmarks" / name).samefile(ROOT / name)


# Which packages a package of stages may import; stage files may import all.
ALLOWED = {
    "series": {"series"},
    "text": {"text", "series"},
    "files": {"files", "series", "text"},
    "networks": {"networks", "series", "text"},
    "kinds": {"kinds", "networks", "series", "text"},
}


SHARED = {"errors", "formats", "sections", "splits", "watch"}


@pytest.mark.parametrize("package", ALLOWED)
def test_imports_point_one_way(package: str) -> None:
    for path in (ROOT / "stages" / package).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if (
                isinstance(node, ast.ImportFrom)
                and node.module
                and node.module.startswith("stages.")
            ):
                imported = node.module.split(".")[1]
                assert imported in ALLOWED[package] | SHARED, f"{path} imports {node.module}"


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


@pytest.mark.parametrize("case", HOSTILE)
def test_a_wrong_name_stops_a_run_before_any_command(case: str, tmp_path: Path, run: Run) -> None:
    old, new, message = HOSTILE[case]
    project = copy_project(tmp_path / "project", run, SMALL.replace(old, new))
    for seed in ("1", "2"):  # the order of stages that do not depend on each other is that of a set
        done = run(project, "dvc", "repro", "predict@small", ok=False, PYTHONHASHSEED=seed)
        assert done.returncode != 0
        assert message in done.stderr
    assert not (project / "made").exists()
