"""`dvc.yaml` is true: it declares every file that a stage imports and every parameter that it reads."""

import ast
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from stages.kinds import PREPARED_BY
from tests.graph import ROOT, files_of

PIPELINES = [ROOT, ROOT / "benchmarks"]
STAGES: dict[str, Any] = YAML(typ="safe").load(ROOT / "dvc.yaml")["stages"]
# The stages that run for tasks of any kind.
OF_A_KIND = [name for name, stage in STAGES.items() if stage.get("foreach") == "${tasks}"]


def body(name: str) -> dict[str, Any]:
    return STAGES[name].get("do", STAGES[name])


@pytest.mark.parametrize("name", STAGES)
def test_a_stage_declares_exactly_the_files_it_imports(name: str) -> None:
    """A stage of all kinds declares what any of them imports: DVC has no lists of dependencies by kind."""
    code = {str(path) for path in body(name)["deps"] if str(path).startswith("stages/")}
    assert code == declared(name)


def declared(name: str) -> set[str]:
    """Returns the files that the stage has to declare, as they stand in `dvc.yaml`."""
    if name not in OF_A_KIND:
        return files_of(name, None)
    return {path.replace(f"kinds/{kind}/", "kinds/${item.kind}/") for kind in PREPARED_BY for path in files_of(name, kind)}


@pytest.mark.parametrize("name", STAGES)
def test_a_stage_declares_exactly_the_parameters_it_reads(name: str) -> None:
    each = "${item}" if name in PREPARED_BY.values() else "${key}"
    assert set(body(name)["params"]) == parameters_read(ROOT / f"stages/{name}.py", each)


def parameters_read(path: Path, each: str) -> set[str]:
    """Returns the parameters that a stage's own file reads, as `dvc.yaml` names them."""
    read = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and getattr(node.func.value, "id", "") == "parameters"):
            continue
        match node.func.attr:
            case "seed":
                read.add("seed")
            case "kind":
                read.add(f"tasks.{each}.kind")
            case "section":
                read.add(f"tasks.{each}.{node.args[1].value}")  # type: ignore[attr-defined]
            case "read_all":
                # What is taken out of the whole file stands behind the call, or the whole of it is checked.
                whole = {"seed", "sources", "tasks", *PREPARED_BY.values()}
                read |= {"check": whole, "fetch": {f"sources.{each}"}, "summarize": {"tasks"}}[path.stem]
    return read


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
                assert imported in ALLOWED[package] | {"errors", "sections"}, f"{path} imports {node.module}"
