"""The kinds of tasks: what differs between forecasting and every other way to learn from sequences.

A kind is a folder here and one line in `PREPARED_BY`. Its modules are named as the stages they serve, so that a stage depends
on nothing but what it runs: a new score retrains nothing. Each module that has parameters defines them as `Parameters`
(a `stages.sections.Section`); besides, the stages call:

| module | function | what it is given and gives |
|---|---|---|
| ingest | `ingest(raw, parameters)` | the raw table -> the typed table with its column `split`, and what `about.json` says of it |
| baseline | `baseline(examples, parameters)` | examples -> `{name: scores}`, and the arrays that evaluation needs |
| train | `build(about, parameters)`, `loss(parameters)`, `batches(examples, parameters, split)` | a Keras network, its loss, batches as `stages.arrays.batches.Batches` |
| evaluate | `evaluate(examples, forecast, baselines)`, `HEADLINE` | scores, curves and fitted intervals; the score to compare tasks by, and its direction |
| predict | `predict(...)`, `picture(...)` | the future as a table |

No kind loops over epochs, and none opens a file.
"""

from importlib import import_module
from types import ModuleType

# The table of kinds: the stage that turns the ingested table of a kind into examples.
PREPARED_BY = {"forecasting": "scale_and_window"}


def part(kind: str, stage: str) -> ModuleType:
    """Returns the module of `kind` that serves `stage`. It is imported only now, so a stage pays for nothing else."""
    return import_module(f"stages.kinds.{kind}.{stage}")
