"""The share of test sequences whose parity the network tells."""

from collections.abc import Callable
from typing import Annotated, Any

import numpy as np
import pandas as pd
from stages.kinds.parity import Examples, Ingested
from stages.kinds.parity.scores import SCORES
from stages.kinds.parity.train import Sequences

from stages import drawing
from stages.files.task_data import TaskData
from stages.kinds.data import Baselines, Evaluation, Judged
from stages.sections import one_of


class Parameters(Judged):
    score: Annotated[str, one_of(SCORES)] = "accuracy"


def evaluate(
    data: TaskData[Ingested, Examples],
    predict: Callable[..., np.ndarray],
    baselines: Baselines,
    parameters: Parameters,
    retrain: Callable[[Any, str], Callable[..., np.ndarray]],
) -> Evaluation:
    examples = data.examples
    numbers = examples.numbers_of("test")
    logits = predict(Sequences(examples, numbers))[:, 0]
    right = (logits > 0) == examples.odd[numbers]
    results = pd.DataFrame({"length": examples.lengths[numbers], "accuracy": right.astype(float)})
    curve = results.groupby("length", as_index=False).mean().assign(method="model")
    title = "accuracy on the test split, by length"
    return Evaluation({"accuracy": float(right.mean())}, curve, title)


def draw(axes: Any, curve: pd.DataFrame) -> None:
    drawing.draw_methods(axes, curve, "length", "accuracy", "bits", "accuracy")
