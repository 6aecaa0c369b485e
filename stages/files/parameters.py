"""`params.yaml`: read as DVC reads it (YAML 1.2), and checked against the sections' types."""

from pathlib import Path
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from stages.errors import InputError
from stages.sections import Section

PATH = Path("params.yaml")
SectionType = TypeVar("SectionType", bound=Section)


def read_all(path: Path = PATH) -> dict[str, Any]:
    """Returns the whole file. Raises `InputError` if it is missing, not YAML, or not a mapping."""
    try:
        content = YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"expected {path} in the current folder, found none: run from the folder that holds dvc.yaml") from None
    except (YAMLError, UnicodeDecodeError) as error:
        where = getattr(error, "problem_mark", None)
        line = f", line {where.line + 1}" if where else ""
        problem = getattr(error, "problem", None) or str(error).splitlines()[0]
        raise InputError(f"{path}{line}: expected valid YAML, received: {problem}. Mend that line") from None
    if not isinstance(content, dict):
        raise InputError(f"{path}: expected keys such as seed and tasks at the top, received {type(content).__name__}")
    return content


def task(name: str) -> dict[str, Any]:
    """Returns the entry of the task called `name`."""
    tasks = read_all().get("tasks") or {}
    if name not in tasks:
        raise InputError(f"{PATH}: expected the name of a task, one of {', '.join(tasks)}; received {name!r}")
    return tasks[name]


def kind(name: str) -> str:
    """Returns the kind of the task called `name`."""
    return task(name)["kind"]


def seed() -> int:
    return read_all()["seed"]


def section(name: str, stage: str, model: type[SectionType]) -> SectionType:
    """Returns the section `stage` of the task called `name`, checked against `model`."""
    return validated(task(name).get(stage, {}), model, f"tasks.{name}.{stage}")


def validated(value: Any, model: Any, where: str) -> Any:
    """Returns `value` as `model`, any type that pydantic knows.

    Raises `InputError` with one line a fault: the key, what was expected, what was received.
    """
    try:
        return TypeAdapter(model).validate_python({} if value is None else value)
    except ValidationError as error:
        raise InputError("; ".join(_fault(fault, where, model) for fault in error.errors())) from None


def _fault(fault: Any, where: str, model: Any) -> str:
    # The names of a union's members stand in the location; they are no keys of the file.
    keys = [str(part) for part in fault["loc"] if not (isinstance(part, str) and part[:1].isupper())]
    key = ".".join([where, *keys])
    if fault["type"] == "extra_forbidden":
        known = ", ".join(getattr(model, "model_fields", {})) if len(keys) == 1 else ""
        return f"{PATH}: {key} is not a known key" + (f"; expected one of {known}" if known else "")
    if fault["type"] == "missing":
        return f"{PATH}: {key} is missing"
    expected = fault["msg"].removeprefix("Value error, ").removeprefix("Input should be ")
    return f"{PATH}: {key}: expected {expected}, received {fault['input']!r}"
