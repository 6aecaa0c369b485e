"""The kinds of tasks: what differs between forecasting and every other way to learn from sequences.

A kind is a folder here and one line in `PREPARED_BY`. Its modules are named as the stages they serve, so that a stage depends
on nothing but what it runs: a new score retrains nothing. Each module that has parameters defines them as `Parameters`
(a `stages.sections.Section`); besides, the stages call:

- `ingest.ingest(parts, parameters)`: raw tables -> the typed table with its column `split`, and what `about.json` says of it;
  `ingest.columns_to_read(parameters)`: which columns these are.
- `baseline.baseline(arrays, about, parameters)`: examples -> `{method: scores}`, and the arrays that evaluation needs.
- `train.build(about, parameters)`: a Keras network; `train.loss(parameters)`: its elementwise loss.
- `evaluate.evaluate(arrays, about, predict, floors, floor_arrays, parameters)`: scores, curves, and what was fitted on validation.
- `predict.predict(table, about, arrays, widths, run)`: what comes next, as a table; `predict.join`: newer rows behind the known ones;
  `predict.plot`: what to draw of it.
- `batches(arrays, about, split)` of train and evaluate: the source of batches of a split, `stages.networks.training.Batches`.

No kind loops over epochs, and none opens a file.
"""

from importlib import import_module
from types import ModuleType

# The table of kinds: the stage that turns the ingested table of a kind into examples.
PREPARED_BY = {"forecasting": "scale_and_window"}


def part(kind: str, stage: str) -> ModuleType:
    """Returns the module of `kind` that serves `stage`. It is imported only now, so a stage pays for nothing else."""
    return import_module(f"stages.kinds.{kind}.{stage}")
