"""The shape of the project: which code may import which, and that the benchmarks run the same graph."""

import ast
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from stages.kinds import PREPARED_BY
from tests.conftest import ROOT

PIPELINES = [ROOT, ROOT / "benchmarks"]


def test_only_stage_files_read_parameters() -> None:
    for path in (ROOT / "stages").rglob("*.py"):
        if path.parent != ROOT / "stages" and path != ROOT / "stages/files/parameters.py":
            calls = {getattr(node, "module", None) for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.ImportFrom)}
            assert "stages.files.parameters" not in calls, path


@pytest.mark.parametrize("root", PIPELINES, ids=lambda root: root.name)
def test_every_task_is_in_the_list_of_its_preparing_stage(root: Path) -> None:
    params = YAML(typ="safe").load(root / "params.yaml")
    for stage in set(PREPARED_BY.values()):
        assert params[stage] == [name for name, task in params["tasks"].items() if PREPARED_BY[task["kind"]] == stage]


def test_the_benchmarks_run_the_same_graph() -> None:
    assert (ROOT / "benchmarks/dvc.yaml").read_text() == (ROOT / "dvc.yaml").read_text()
    assert (ROOT / "benchmarks/stages").samefile(ROOT / "stages")


# Which packages a package of stages may import; stage files may import all.
ALLOWED = {"arrays": {"arrays"}, "files": {"files", "arrays"}, "networks": {"networks", "arrays"}, "kinds": {"kinds", "networks", "arrays"}}


@pytest.mark.parametrize("package", ALLOWED)
def test_imports_point_one_way(package: str) -> None:
    for path in (ROOT / "stages" / package).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("stages."):
                imported = node.module.split(".")[1]
                assert imported in ALLOWED[package] | {"errors", "formats", "sections"}, f"{path} imports {node.module}"
