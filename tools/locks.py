"""`dvc.lock`: read as DVC reads it. What DVC could not use is refused in one line."""

from typing import Any

import voluptuous
from dvc.schema import COMPILED_LOCKFILE_SCHEMA
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from stages.errors import InputError

MARKS = ("<<<<<<<", "|||||||", "=======", ">>>>>>>")


def stages_of(text: str, name: str = "dvc.lock") -> dict[str, Any]:
    """Returns the stages of a lock file with the content `text`. Raises `InputError` if it is none;
    `name` is what it is called there."""
    for number, line in enumerate(text.split("\n"), 1):
        if line.startswith(MARKS):
            raise InputError(
                f"{name}, line {number}: expected no marks of a merge conflict, received "
                f"{line[:40]!r}"
            )
    try:
        content = YAML(typ="safe").load(text)
    except YAMLError as error:
        mark, problem = getattr(error, "problem_mark", None), getattr(error, "problem", None)
        line = f", line {mark.line + 1}" if mark else ""
        raise InputError(
            f"{name}{line}: expected valid YAML, received: {problem or str(error).splitlines()[0]}"
        ) from None
    except (ValueError, RecursionError) as error:  # of a value such as the date 2026-02-30
        raise InputError(f"{name}: expected valid YAML, received: {error}") from None
    validate(content, name)
    return content.get("stages") or {}


def validate(content: Any, name: str = "dvc.lock") -> None:
    """Raises `InputError` if `content` has not the form of a lock file."""
    try:
        COMPILED_LOCKFILE_SCHEMA(content)
    except voluptuous.Invalid as error:
        where = f": {'.'.join(map(str, error.path))}" if error.path else ""
        raise InputError(f"{name}{where}: {error.msg}, as DVC writes it") from None
