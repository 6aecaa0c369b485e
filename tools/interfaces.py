"""Lets mypy hold the modules of every kind to their interfaces.

No code names all kinds, so the assignments that mypy checks are written for the folders that there
are. `make check` looks at names and parameters alone, which takes no mypy: `faults`.
"""

import inspect
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

from stages import command, kinds
from stages.kinds import interfaces


def main(arguments: list[str]) -> None:
    command.parser(__doc__, task=False).parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "interfaces_of_kinds.py"
        path.write_text(assignments(), encoding="utf-8")
        sys.exit(subprocess.run([sys.executable, "-m", "mypy", str(path)]).returncode)


def assignments() -> str:
    """Returns the code of one assignment for each module of each kind."""
    lines = ["from stages.kinds import interfaces"]
    for number, (module, interface) in enumerate(_modules()):
        name = f"interfaces.{interface.__name__}"
        lines += [f"import {module}", f"module_{number}: {name} = {module}"]
    return "\n".join(lines) + "\n"


def faults() -> Iterator[str]:
    """Yields one line for each name that a module of a kind lacks, or whose parameters are others
    than those of its interface."""
    for name, interface in _modules():
        path = f"{name.replace('.', '/')}.py"
        kind, _, stage = name.removeprefix("stages.kinds.").partition(".")
        module = kinds.module(kind, stage) if stage else kinds.package(kind)
        says = f"as stages.kinds.interfaces.{interface.__name__} says"
        for member, expected in _members(interface).items():
            if not hasattr(module, member):
                yield f"{path}: expected {member}, {says}, found none"
            elif callable(expected) and not _fits(module, member, expected):
                signature = ", ".join(list(inspect.signature(expected).parameters)[1:])
                yield f"{path}: {member}: expected the parameters ({signature}), {says}"


def _modules() -> Iterator[tuple[str, type]]:
    """Yields the name of each module of each kind, with its interface."""
    for kind in kinds.names():
        yield f"stages.kinds.{kind}", interfaces.Package
        for stage, interface in interfaces.MODULES.items():
            if stage not in kinds.PREPARING or stage == kinds.preparing(kind):
                yield f"stages.kinds.{kind}.{stage}", interface


def _members(interface: type) -> dict[str, object]:
    """Returns the functions and attributes that an interface asks for."""
    members = {
        name: value for base in reversed(interface.__mro__) for name, value in vars(base).items()
    }
    return {name: value for name, value in members.items() if not name.startswith("_")}


def _fits(module: ModuleType | object, name: str, expected: object) -> bool:
    """Whether a function takes the parameters of `expected`, and needs no others."""
    assert callable(expected)
    own = list(inspect.signature(getattr(module, name)).parameters.values())
    wanted = list(inspect.signature(expected).parameters)[1:]
    return [parameter.name for parameter in own[: len(wanted)]] == wanted and all(
        parameter.default is not parameter.empty for parameter in own[len(wanted) :]
    )


if __name__ == "__main__":
    command.run(main)
