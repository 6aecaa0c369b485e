"""The kinds of tasks: what differs between forecasting and every other way to learn from sequences.

A kind is a folder here, and nothing outside of its folder names it. Its modules are named as the
stages they serve, so that a stage runs and depends on no other code: a new score retrains nothing.
What each module offers is in `stages.kinds.interfaces`, what they take and return in
`stages.kinds.data`. Besides, a kind has the templates of its plots for DVC, `curve.json` and
`prediction.json`, and a `sample` for the tests; one whose networks can be used without this project
has a module `export`, and one whose networks can start from those of another purpose a module
`pretrain`. CONTRIBUTING.md builds one step by step.

No kind loops over epochs, and none writes a file.
"""

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, overload

from stages.errors import InputError

if TYPE_CHECKING:
    from stages.kinds import interfaces

FOLDER = Path(__file__).parent
# The stages that turn an ingested table into examples; a kind has the module of one of them.
PREPARING = ("scale_and_window", "tokenize_text", "extract_features")


def names() -> list[str]:
    """Returns the names of all kinds."""
    return sorted(path.parent.name for path in FOLDER.glob("*/__init__.py"))


def preparing(kind: str) -> str:
    """Returns the stage that prepares the examples of `kind`."""
    return next(stage for stage in PREPARING if (FOLDER / kind / f"{stage}.py").is_file())


def has(kind: str, name: str) -> bool:
    """Returns whether `kind` has an optional module."""
    return (FOLDER / kind / f"{name}.py").is_file()


def package(kind: str) -> "interfaces.Package":
    """Returns the package of `kind`, which names the dataclasses of its data."""
    if kind not in names():
        raise InputError(
            f"params.yaml: expected one of the kinds {', '.join(names())}, received {kind!r}"
        )
    return import_module(f"stages.kinds.{kind}")


@overload
def module(kind: str, stage: Literal["ingest"]) -> "interfaces.Ingest": ...
@overload
def module(
    kind: str, stage: Literal["scale_and_window", "tokenize_text", "extract_features"]
) -> "interfaces.Prepare": ...
@overload
def module(kind: str, stage: Literal["baseline"]) -> "interfaces.Baseline": ...
@overload
def module(kind: str, stage: Literal["train"]) -> "interfaces.Train": ...
@overload
def module(kind: str, stage: Literal["pretrain"]) -> "interfaces.Pretrain": ...
@overload
def module(kind: str, stage: Literal["evaluate"]) -> "interfaces.Evaluate": ...
@overload
def module(kind: str, stage: Literal["scores"]) -> "interfaces.Scores": ...
@overload
def module(kind: str, stage: Literal["predict"]) -> "interfaces.Predict": ...
@overload
def module(kind: str, stage: Literal["sample"]) -> "interfaces.Samples": ...
@overload
def module(kind: str, stage: str) -> Any: ...
def module(kind: str, stage: str) -> Any:
    """Returns the module of `kind` that serves `stage`. It is imported only now, so that a stage
    pays for nothing else."""
    package(kind)
    return import_module(f"stages.kinds.{kind}.{stage}")
