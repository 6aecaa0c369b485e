"""What is wrong in `dvc.yaml`, found by reading it and the code of the stages.

The code that a stage runs is declared by one file, which the stage `code` writes. What a stage
reads of data is known only when it runs: see `stages.watch`.
"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from stages import code, kinds
from stages.errors import InputError
from stages.files import parameters
from stages.syntax import parsed

# Outputs that are small enough for Git; all others are in DVC's cache.
IN_GIT = ("data/checked.txt", "data/code", "data/metrics")
# Settings of a stage or an output that hide a change from DVC, or results from the run-cache.
HIDING = ("frozen", "always_changed", "persist")


def faults(root: Path) -> Iterator[str]:
    """Yields one line for everything that is wrong in `dvc.yaml`."""
    stages = parameters.read_all(root / "dvc.yaml").get("stages")
    if not isinstance(stages, dict):
        raise InputError(
            f"dvc.yaml: stages: expected a mapping of stages by name, received {stages!r}"
        )
    for name in kinds.PREPARING:
        tasks = parameters.read_all(root / "params.yaml").get(name) or []
        yield from (
            f"params.yaml: {name}: {task} is twice in this list: remove one"
            for task in sorted({task for task in tasks if tasks.count(task) > 1})
        )
    for name, entry in stages.items():
        body = entry.get("do", entry) if isinstance(entry, dict) else entry
        if not isinstance(body, dict):
            yield (
                f"dvc.yaml: stages.{name}: expected a mapping with cmd, deps, params and outs, "
                f"received {body!r}"
            )
            continue
        lists = {key: body.get(key, []) for key in ("deps", "params", "outs", "plots")}
        wrong = {key: value for key, value in lists.items() if not isinstance(value, list)}
        yield from (
            f"dvc.yaml: stages.{name}.{key}: expected a list, received {value!r}"
            for key, value in wrong.items()
        )
        if not wrong:
            yield from _repeated(name, lists)
            yield from _hidden(name, entry, body)
            try:
                yield from _undeclared(root, str(name), body)
            except InputError as error:
                yield f"dvc.yaml: {name}: {error}"


def _repeated(name: str, lists: dict[str, list[Any]]) -> Iterator[str]:
    for key, entries in lists.items():
        names = [
            str(next(iter(entry), "") if isinstance(entry, dict) else entry) for entry in entries
        ]
        yield from (
            f"dvc.yaml: {name}: {one} is twice among its {key}: remove one"
            for one in sorted({one for one in names if names.count(one) > 1})
        )


def _hidden(name: str, entry: dict[str, Any], body: dict[str, Any]) -> Iterator[str]:
    """Yields settings with which DVC would no longer re-run, restore or share a result."""
    for key in HIDING:
        if entry.get(key) or body.get(key):
            yield f"dvc.yaml: {name}: {key} hides changes from DVC: remove it"
    outs = body.get("outs", [])
    for out in [*outs, *body.get("plots", [])]:
        for path, settings in out.items() if isinstance(out, dict) else ():
            settings = settings if isinstance(settings, dict) else {}
            if settings.get("persist"):
                yield f"dvc.yaml: {name}: {path}: persist loses the run-cache: remove it"
            if settings.get("push") is False:
                yield f"dvc.yaml: {name}: {path}: push: false keeps it from others: remove it"
            if settings.get("cache") is False and out in outs and path not in IN_GIT:
                yield (
                    f"dvc.yaml: {name}: {path} is no longer cached, so that no result can be "
                    "restored or shared: remove cache: false"
                )


def _undeclared(root: Path, name: str, body: dict[str, Any]) -> Iterator[str]:
    """Yields differences between what the modules that a stage runs need and what it declares."""
    # However Python is called; what another command reads is not known.
    modules = sorted(
        module
        for module in set(re.findall(r"\bstages[./](\w+)", str(body.get("cmd"))))
        if (root / f"stages/{module}.py").exists()
    )
    if not modules:
        return
    expected = {"deps": set[str](), "params": set[str]()}
    for module in modules:
        each = "${item}" if module in kinds.PREPARING else "${key}"
        expected["deps"] |= _code_of(module)
        expected["params"] |= parameters_read(root, module, each)
    declared = {
        "deps": {path for path in map(str, body.get("deps", [])) if _is_code(path)},
        "params": {str(key) for entry in body.get("params", []) for key in _parameters_of(entry)},
    }
    for key, verb in (("deps", "needed"), ("params", "read")):
        yield from (
            f"dvc.yaml: {name}: {one} is {verb} and not among its {key}: add it"
            for one in sorted(expected[key] - declared[key])
        )
        yield from (
            f"dvc.yaml: {name}: {one} is among its {key} and not {verb}: remove it"
            for one in sorted(declared[key] - expected[key])
        )


def _code_of(module: str) -> set[str]:
    """Returns the dependencies that stand for the code of a stage."""
    if module == "code":
        return {"stages", str(code.PINS)}
    if module in code.ONCE:
        return {f"data/code/{module}.txt"}
    return {f"data/code/{module}/{'${item}' if module in kinds.PREPARING else '${item.kind}'}.txt"}


def _is_code(path: str) -> bool:
    return path.split("/")[0] in ("stages", str(code.PINS)) or path.startswith("data/code")


def _parameters_of(entry: Any) -> list[Any]:
    """Returns the parameters that an entry of `params` names in params.yaml: its own name, or those
    of a mapping of files."""
    if not isinstance(entry, dict):
        return [entry]
    names = entry.get("params.yaml") or []
    if not isinstance(names, list):
        raise InputError(f"params.yaml: expected a list of parameters, received {names!r}")
    return names


def parameters_read(root: Path, stage: str, each: str) -> set[str]:
    """Returns the parameters that a stage's own file reads, as `dvc.yaml` names them; `each` stands
    for the task or source."""
    path = root / f"stages/{stage}.py"
    read: set[str] = set()
    for function, call in _calls_of_parameters(parsed(path)):
        match function:
            case "seed" | "arithmetic":
                read.add(function)
            case "kind":
                read.add(f"tasks.{each}.kind")
            case "section":
                read.add(f"tasks.{each}.{_section(call, path)}")
            case "source":
                read.add(f"sources.{each}")
            case "all_tasks" if stage in code.ONCE:
                read.add("tasks")
            case "read_all":
                # What is taken out of the whole file stands behind the call, or the whole of it is
                # checked.
                whole = {"seed", "arithmetic", "sources", "tasks", *kinds.PREPARING}
                some = {"fetch": {f"sources.{each}"}, "code": {"tasks"}, "summarize": {"tasks"}}
                read |= some.get(stage, whole)
    return read


def _calls_of_parameters(tree: ast.Module) -> Iterator[tuple[str, ast.Call]]:
    """Yields the calls of functions of `stages.files.parameters`, by whatever name they were
    imported."""
    modules, functions = {"parameters"}, {}
    for node in ast.walk(tree):
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            for alias in node.names:
                if isinstance(node, ast.ImportFrom) and (node.module or "").endswith(
                    "files.parameters"
                ):
                    functions[alias.asname or alias.name] = alias.name
                elif alias.asname and alias.name.endswith("parameters"):
                    modules.add(alias.asname)
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            called = node.func
            if isinstance(called, ast.Attribute) and ast.unparse(called.value) in {
                *modules,
                "stages.files.parameters",
            }:
                yield called.attr, node
            elif isinstance(called, ast.Name) and called.id in functions:
                yield functions[called.id], node


def _section(call: ast.Call, path: Path) -> str:
    """Returns the name of the section that a call of `parameters.section` reads."""
    name = next(
        (word.value for word in call.keywords if word.arg == "stage"),
        call.args[1] if len(call.args) > 1 else None,
    )
    if isinstance(name, ast.Constant) and isinstance(name.value, str):
        return name.value
    received = repr(ast.unparse(name)) if name else "none"
    expected = "expected the section's name as a literal, so that dvc.yaml can be compared with it"
    raise InputError(f"{path}, line {call.lineno}: {expected}; received {received}")
