"""The kinds of tasks: what differs between forecasting and every other way to learn from sequences.

A kind is a folder here and one line in `PREPARED_BY`. Its modules are named as the stages they
serve, so that a stage depends on nothing but what it runs: a new score retrains nothing. Each
module that has parameters defines them as `Parameters` (a `stages.sections.Section`); besides, the
stages call:

- `ingest.ingest(parts, parameters)`: raw tables -> the typed table with its column `split`, and
  what `about.json` says of it;
  `ingest.columns_to_read(parameters)`: what is read of the raw file, a `Wanted`; `ingest.READS`:
  what reads it, of `stages.files.readers`.
- `baseline.baseline(arrays, about, parameters)`: examples -> `{method: scores}`, and the arrays
  that evaluation needs.
- `train.build(about, parameters)`: a Keras network; `train.loss(parameters)`: its elementwise loss.
- `train.batches(arrays, about, split, parameters)`: the source of batches of a split,
  `stages.networks.training.Batches`.
- `evaluate.evaluate(arrays, about, predict, floors, floor_arrays, parameters)`: scores, a table of
  curves, and what was fitted on
  validation; `evaluate.CURVE`: what is drawn of the curves.
- `predict.predict(known, network, parameters, given)`: what comes next, a `Prediction`;
  `predict.arguments(parser)`: what can be asked on
  the command line; `predict.DRAWN`: the picture of it.

No kind loops over epochs, and none opens a file.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

from stages.errors import InputError

# The stages that turn an ingested table into examples; a kind has the module of one of them.
PREPARING = ("scale_and_window", "tokenize_text")


def names() -> list[str]:
    """Returns the names of all kinds: a kind is a folder here."""
    return sorted(path.parent.name for path in Path(__file__).parent.glob("*/__init__.py"))


def preparing(kind: str) -> str:
    """Returns the stage that prepares the examples of `kind`."""
    folder = Path(__file__).parent / kind
    return next(stage for stage in PREPARING if (folder / f"{stage}.py").is_file())


def module(kind: str, stage: str) -> ModuleType:
    """Returns the module of `kind` that serves `stage`. It is imported only now, so that a stage
    pays for nothing else."""
    if kind not in names():
        raise InputError(
            f"params.yaml: expected one of the kinds {', '.join(names())}, received {kind!r}"
        )
    return import_module(f"stages.kinds.{kind}.{stage}")


@dataclass(frozen=True)
class Known:
    """What a prediction starts from.

    Attributes:
        examples: what the preparing stage wrote, `arrays` and `about`; `fitted`: the arrays of the
            evaluation.
        ingested: what `about.json` says of the ingested table. layout: the task's section `ingest`.
        table: reads the ingested table. raw: reads a raw file that is laid out like the task's.
        text: reads a text file that the preparing stage wrote, by its name.
        checked: checks a dictionary against a section's type.
    """

    examples: Any
    fitted: dict[str, Any]
    ingested: dict[str, Any]
    layout: Any
    table: Callable[[], Any]
    raw: Callable[[Path], list[Any]]
    text: Callable[[str], str]
    checked: Callable[[dict[str, Any], Any], Any]

    @property
    def about(self) -> dict[str, Any]:
        return self.examples.about


@dataclass(frozen=True)
class Curve:
    """Which columns of a table are drawn, what the axes are called, and what the picture is of."""

    x: str
    y: str
    x_label: str
    y_label: str
    title: str
    logarithmic: bool = True


@dataclass(frozen=True)
class Prediction:
    """What comes next: `files` by name, the `rows` of a plot and its `title`; or the answer to what
    was `asked` on the command line, as the content of a file, and as it is `said`."""

    files: dict[str, str] = field(default_factory=dict)
    rows: Any = None
    title: str = ""
    asked: str | None = None
    said: str = ""
