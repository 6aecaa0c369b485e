"""`params.yaml`: read as DVC reads it (YAML 1.2), and checked against the sections' types."""

import re
import reprlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.constructor import SafeConstructor
from ruamel.yaml.nodes import Node

from stages import watch
from stages.errors import InputError
from stages.sections import Section, Seed

PATH = Path("params.yaml")
SectionType = TypeVar("SectionType", bound=Section)

# The parser takes a second for 40 KB; beyond these, a file of parameters is not one that somebody
# wrote.
LARGEST_FILE = 1 << 18
MOST_VALUES = 200_000
# What is shown of a value, and how many faults of one section.
_SHOWN = reprlib.Repr()
_SHOWN.maxstring = _SHOWN.maxother = 80
_TOLD = 5


def read_all(path: Path = PATH) -> dict[str, Any]:
    """Returns the whole file; nobody changes it. Raises `InputError` if it is missing, not YAML, or
    not a mapping."""
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
            f"{path}: expected at most {LARGEST_FILE} characters, received {len(text)}: data "
            "belong into files of their own"
        )
    content = _parsed(path, text)
    if not isinstance(content, dict):
        raise InputError(
            f"{path}: expected keys such as seed and tasks at the top, received "
            f"{type(content).__name__}"
        )
    return watch.declared_parameters(content) if path == PATH else content


class _Constructor(SafeConstructor):
    """Makes values of YAML's nodes, unless aliases that are repeated in aliases make too many of a
    few."""

    def construct_document(self, node: Node) -> Any:
        if _count(node, {}) > MOST_VALUES:
            raise InputError(
                f"expected at most {MOST_VALUES} values, received more, counted with what aliases "
                "(*name) repeat"
            )
        return super().construct_document(node)


def _count(node: Node, known: dict[int, int]) -> int:
    """Returns how many values there are in a node with all its aliases written out; the memory
    holds each only once."""
    if id(node) not in known:
        known[id(node)] = MOST_VALUES  # what holds itself has no end
        if isinstance(node.value, str):
            node.value.encode()  # half of a surrogate pair is no text
            parts: list[Node] = []
        else:
            parts = [
                part
                for entry in node.value
                for part in (entry if isinstance(entry, tuple) else [entry])
            ]
        known[id(node)] = 1 + sum(_count(part, known) for part in parts)
    return known[id(node)]


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
    except Exception as error:  # on odd tags and numbers the parser raises anything
        where = getattr(error, "problem_mark", None)
        line, what = (f", line {where.line + 1}", "line") if where else ("", "value")
        problem = getattr(error, "problem", None) or next(
            iter(str(error).splitlines()), type(error).__name__
        )
        raise InputError(
            f"{path}{line}: expected valid YAML, received: {problem}. Repair that {what}"
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


def section(name: str, stage: str, model: type[SectionType]) -> SectionType:
    """Returns the section `stage` of the task called `name`, checked against `model`."""
    return validated(task(name).get(stage, {}), model, f"tasks.{name}.{stage}")


def validated(value: Any, model: Any, where: str) -> Any:
    """Returns `value` as `model`, any type that pydantic knows.

    Raises `InputError` with what is wrong, where in the file: what was expected, what was received.
    """
    if isinstance(value, watch.Undeclared):
        value.refuse()
    return checked(value, model, lambda keys: f"{PATH}: {'.'.join([where, *keys])}")


def checked(value: Any, model: Any, name: Callable[[Sequence[str]], str]) -> Any:
    """Returns `value` as `model`; in errors, `name` gives what a user calls the value that stands
    behind some keys."""
    if value is None and isinstance(model, type) and issubclass(model, Section):
        value = {}
    try:
        return TypeAdapter(model).validate_python(value)
    except ValidationError as error:
        faults = _of_best_members(
            [_Fault([], fault["loc"], fault) for fault in error.errors(include_url=False)], value
        )
        told = [fault.told(name, model) for fault in faults[:_TOLD]]
        more = [f"{len(faults) - _TOLD} more faults"] if len(faults) > _TOLD else []
        raise InputError("; ".join([*told, *more])) from None
    except Exception as error:  # a check that met what it did not expect: a pattern that is none, a number that is too large
        raise InputError(
            f"{name([])}: expected values that can be used, received {_SHOWN.repr(value)}: {error}"
        ) from None


@dataclass(frozen=True)
class _Fault:
    """What pydantic found wrong: the keys that lead to it, what is left of its location, and all
    that is known of it."""

    keys: list[str]
    location: tuple[int | str, ...]
    known: Any

    @property
    def cost(self) -> float:
        """How much speaks against the member of a union that has this fault: most, if one is a
        section and the other is not."""
        is_section = isinstance(self.known["input"], dict)
        if self.known["type"] == "model_type" or (
            self.known["type"] == "literal_error" and is_section
        ):
            return 100
        return 1.5 if self.known["type"] in ("missing", "extra_forbidden") else 1

    @property
    def expected(self) -> str:
        if self.known["type"] == "model_type":
            kinds = [
                kind
                for kind in _sections(Section)
                if kind.__name__ == self.known["ctx"]["class_name"]
            ]
            return (
                f"the keys {', '.join(kinds[0].model_fields)}"
                if len(kinds) == 1
                else "keys with values"
            )
        if self.known["type"] == "dict_type":
            return "keys with values"
        message = self.known["msg"].removeprefix("Value error, ")
        return re.sub(r"^\w+ should (be|have) |( after validation)?, not \d+$", "", message)

    def told(self, name: Callable[[Sequence[str]], str], model: Any) -> str:
        if self.known["type"] == "extra_forbidden":
            fields = ", ".join(getattr(model, "model_fields", {})) if len(self.keys) == 1 else ""
            return f"{name(self.keys)} is not a known key" + (
                f"; expected one of {fields}" if fields else ""
            )
        if self.known["type"] == "missing":
            return f"{name(self.keys)} is missing"
        return f"{name(self.keys)}: expected {self.expected}, received {_SHOWN.repr(self.known['input'])}"


def _of_best_members(faults: list[_Fault], value: Any) -> list[_Fault]:
    """Returns the faults at and below `value`; where it may be one of several types, those of the
    type that fits best.

    A location holds keys, and the validator's names of a union's members: those are what the value
    does not have.
    """
    found: list[_Fault] = [fault for fault in faults if not fault.location]
    below: dict[tuple[int | str, bool], list[_Fault]] = {}
    for fault in faults:
        if fault.location:
            part, *rest = fault.location
            is_key = (
                _has(value, part)
                or (not rest and fault.known["type"] == "missing")
                or part == "[key]"
            )
            keys = [*fault.keys, str(part)] if is_key and part != "[key]" else fault.keys
            below.setdefault((part, is_key), []).append(_Fault(keys, tuple(rest), fault.known))
    members = []
    for (part, is_key), of_part in below.items():
        if is_key:
            found += _of_best_members(of_part, value[part] if _has(value, part) else None)
        else:
            members.append(_of_best_members(of_part, value))
    return found + _best(members, value)


def _best(members: list[list[_Fault]], value: Any) -> list[_Fault]:
    """Returns the faults of the member of a union that fits `value` best; one fault, if it fits
    none of them as a whole."""
    if len(members) > 1 and all(
        len(faults) == 1 and faults[0].known["input"] is value for faults in members
    ):
        together = " or ".join(dict.fromkeys(faults[0].expected for faults in members))
        return [_Fault(members[0][0].keys, (), {"type": "union", "msg": together, "input": value})]
    return min(members, key=lambda faults: sum(fault.cost for fault in faults), default=[])


def _has(value: Any, part: int | str) -> bool:
    return (
        part in value
        if isinstance(value, dict)
        else isinstance(value, list) and isinstance(part, int) and part < len(value)
    )


def _sections(base: type[Section]) -> Iterator[type[Section]]:
    for kind in base.__subclasses__():
        yield kind
        yield from _sections(kind)
