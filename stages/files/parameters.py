"""`params.yaml`: read as DVC reads it (YAML 1.2), and checked against the sections' types."""

import re
import reprlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.constructor import SafeConstructor
from ruamel.yaml.nodes import Node

from stages import watch
from stages.arithmetic import Arithmetic
from stages.errors import InputError
from stages.sections import Section, Seed

PATH = Path("params.yaml")
SectionType = TypeVar("SectionType", bound=Section)

# The parser takes a second for 40 KB; nobody writes parameters beyond these limits by hand.
LARGEST_FILE = 1 << 18
MOST_VALUES = 200_000
# How errors show a value, and how many faults of one section they list.
_SHORT = reprlib.Repr()
_SHORT.maxstring = _SHORT.maxother = 80
_LISTED = 5


def read_all(path: Path = PATH) -> dict[str, Any]:
    """Returns the content of the whole file, which callers must not change.

    Raises `InputError` if the file is missing, not YAML, or not a mapping.
    """
    try:
        with watch.paused():
            text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise InputError(
            f"expected {path} in the current folder, found none: run from the folder that holds "
            "dvc.yaml"
        ) from None
    except UnicodeDecodeError as error:
        raise InputError(
            f"{path}: expected UTF-8 text, received other bytes at offset {error.start}: save the "
            "file as UTF-8"
        ) from None
    if len(text) > LARGEST_FILE:
        raise InputError(
            f"{path}: expected at most {LARGEST_FILE} characters, received {len(text)}: put "
            "data into files of their own"
        )
    content = _parsed(path, text)
    if not isinstance(content, dict):
        raise InputError(
            f"{path}: expected keys such as seed and tasks at the top, received "
            f"{type(content).__name__}"
        )
    return watch.declared_parameters(content) if path == PATH else content


class _Constructor(SafeConstructor):
    """Builds values from YAML's nodes, unless nested aliases would multiply a few into too many."""

    def construct_document(self, node: Node) -> Any:
        if _count(node, {}) > MOST_VALUES:
            raise InputError(
                f"expected at most {MOST_VALUES} values, received more, counting what aliases "
                "(*name) repeat"
            )
        return super().construct_document(node)


def _count(node: Node, counts: dict[int, int]) -> int:
    """Returns the number of values in a node with all its aliases written out.

    In memory, every aliased node exists only once; `counts` holds those already counted, by id.
    """
    if id(node) not in counts:
        counts[id(node)] = MOST_VALUES  # A node that contains itself is infinite.
        children: list[Node] = []
        if isinstance(node.value, str):
            node.value.encode()  # fails for half of a surrogate pair
        else:
            for entry in node.value:
                children += entry if isinstance(entry, tuple) else [entry]
        counts[id(node)] = 1 + sum(_count(child, counts) for child in children)
    return counts[id(node)]


@lru_cache(maxsize=2)
def _parsed(path: Path, text: str) -> Any:
    yaml = YAML(typ="safe", pure=True)
    yaml.Constructor = _Constructor
    try:
        return yaml.load(text)
    except InputError as error:
        raise InputError(f"{path}: {error}") from None
    except RecursionError:
        raise InputError(
            f"{path}: expected a few levels of lists and keys, received hundreds"
        ) from None
    except Exception as error:  # The parser raises many types on odd tags and numbers.
        mark = getattr(error, "problem_mark", None)
        line, culprit = (f", line {mark.line + 1}", "line") if mark else ("", "value")
        problem = getattr(error, "problem", None) or next(
            iter(str(error).splitlines()), type(error).__name__
        )
        raise InputError(
            f"{path}{line}: expected valid YAML, received: {problem}. Repair that {culprit}"
        ) from None


def all_tasks() -> dict[str, Any]:
    """Returns the entries of all tasks by their names."""
    return validated(read_all().get("tasks"), dict[str, Any], "tasks")


def task(name: str) -> dict[str, Any]:
    """Returns the entry of the task called `name`."""
    tasks = all_tasks()
    if name not in tasks:
        raise InputError(
            f"{PATH}: expected the name of a task, one of {', '.join(tasks)}; received {name!r}"
        )
    return validated(tasks[name], dict[str, Any], f"tasks.{name}")


def kind(name: str) -> str:
    """Returns the kind of the task called `name`."""
    return validated(task(name).get("kind"), str, f"tasks.{name}.kind")


def seed() -> int:
    return validated(read_all().get("seed"), Seed, "seed")


def arithmetic() -> Arithmetic:
    """Returns which instructions networks are to use."""
    chosen: Arithmetic = validated(read_all().get("arithmetic"), Arithmetic, "arithmetic")
    return chosen


def section(name: str, stage: str, model: type[SectionType]) -> SectionType:
    """Returns the section `stage` of the task called `name`, checked against `model`."""
    return validated(task(name).get(stage, {}), model, f"tasks.{name}.{stage}")


def validated(value: Any, model: Any, where: str) -> Any:
    """Returns `value` as `model`, any type that pydantic knows.

    Args:
        where: the keys in `params.yaml` that lead to the value.

    Raises:
        InputError: for each fault, where in the file it is, and what was expected and received.
    """
    if isinstance(value, watch.Undeclared):
        value.refuse()
    return checked(value, model, lambda keys: f"{PATH}: {'.'.join([where, *keys])}")


def checked(value: Any, model: Any, name: Callable[[Sequence[str]], str]) -> Any:
    """Returns `value` as `model`.

    Args:
        name: returns what a user calls the value behind some keys of `value`, for error messages.
    """
    if value is None and isinstance(model, type) and issubclass(model, Section):
        value = {}
    try:
        return TypeAdapter(model).validate_python(value)
    except ValidationError as error:
        faults = _of_best_members(
            [_Fault([], fault["loc"], fault) for fault in error.errors(include_url=False)], value
        )
        listed = [fault.describe(name, model) for fault in faults[:_LISTED]]
        more = [f"{len(faults) - _LISTED} more faults"] if len(faults) > _LISTED else []
        raise InputError("; ".join([*listed, *more])) from None
    # A check met a value for which it was not made, such as an invalid pattern or a huge number.
    except Exception as error:
        raise InputError(
            f"{name([])}: expected values that can be used, received {_SHORT.repr(value)}: {error}"
        ) from None


@dataclass(frozen=True)
class _Fault:
    """One of pydantic's errors.

    Attributes:
        keys: the keys in `params.yaml` that lead to the faulty value.
        location: what is left of pydantic's location, below `keys`.
        details: pydantic's own account of the error.
    """

    keys: list[str]
    location: tuple[int | str, ...]
    details: Mapping[str, Any]

    @property
    def cost(self) -> float:
        """How much this fault speaks against the member of a union that has it.

        Most, if only one of value and member is a section.
        """
        error, is_section = self.details["type"], isinstance(self.details["input"], dict)
        if error == "model_type" or (error == "literal_error" and is_section):
            return 100
        return 1.5 if error in ("missing", "extra_forbidden") else 1

    @property
    def expected(self) -> str:
        if self.details["type"] == "model_type":
            name = self.details["ctx"]["class_name"]
            models = [model for model in _subclasses(Section) if model.__name__ == name]
            # A name that several sections have tells nothing.
            return (
                f"the keys {', '.join(models[0].model_fields)}"
                if len(models) == 1
                else "keys with values"
            )
        if self.details["type"] == "dict_type":
            return "keys with values"
        message = self.details["msg"].removeprefix("Value error, ")
        return re.sub(r"^\w+ should (be|have) |( after validation)?, not \d+$", "", message)

    def describe(self, name: Callable[[Sequence[str]], str], model: Any) -> str:
        """Returns the fault in words; `name` as for `checked`."""
        place = name(self.keys)
        if self.details["type"] == "extra_forbidden":
            fields = ", ".join(getattr(model, "model_fields", {})) if len(self.keys) == 1 else ""
            return f"{place} is not a known key" + (f"; expected one of {fields}" if fields else "")
        if self.details["type"] == "missing":
            return f"{place} is missing"
        return f"{place}: expected {self.expected}, received {_SHORT.repr(self.details['input'])}"


def _of_best_members(faults: list[_Fault], value: Any) -> list[_Fault]:
    """Returns the faults at and below `value`; if it may have one of several types, those of the
    type that fits best.

    A pydantic location holds keys of the value and names of a union's members; whatever is not a
    key of `value` is the name of a member.
    """
    result = [fault for fault in faults if not fault.location]
    below: dict[tuple[int | str, bool], list[_Fault]] = {}
    for fault in faults:
        if fault.location:
            step, *rest = fault.location
            is_key = (
                _has(value, step)
                or (not rest and fault.details["type"] == "missing")
                or step == "[key]"
            )
            keys = [*fault.keys, str(step)] if is_key and step != "[key]" else fault.keys
            below.setdefault((step, is_key), []).append(_Fault(keys, tuple(rest), fault.details))
    members = []
    for (step, is_key), own in below.items():
        if is_key:
            result += _of_best_members(own, value[step] if _has(value, step) else None)
        else:
            members.append(_of_best_members(own, value))
    return result + _best(members, value)


def _best(members: list[list[_Fault]], value: Any) -> list[_Fault]:
    """Returns the faults of the member of a union that fits `value` best.

    If `value` as a whole fits none of them, they become a single fault.
    """
    if len(members) > 1 and all(
        len(faults) == 1 and faults[0].details["input"] is value for faults in members
    ):
        expected = " or ".join(dict.fromkeys(faults[0].expected for faults in members))
        details = {"type": "union", "msg": expected, "input": value}
        return [_Fault(members[0][0].keys, (), details)]
    return min(members, key=lambda faults: sum(fault.cost for fault in faults), default=[])


def _has(value: Any, key: int | str) -> bool:
    if isinstance(value, dict):
        return key in value
    return isinstance(value, list) and isinstance(key, int) and key < len(value)


def _subclasses(base: type[Section]) -> Iterator[type[Section]]:
    for model in base.__subclasses__():
        yield model
        yield from _subclasses(model)
