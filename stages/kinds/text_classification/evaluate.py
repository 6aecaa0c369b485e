"""The network's scores on the test texts, which classes it takes for which, and how far its
probabilities hold."""

import json
from collections.abc import Callable
from typing import Annotated, Any

import numpy as np
import pandas as pd

from stages.drawing import COLOURS, shown
from stages.files.task_data import TaskData
from stages.kinds.data import Baselines, Evaluation, Judged, Picture
from stages.kinds.text_classification import Examples, Ingested, measuring
from stages.kinds.text_classification.scores import SCORES
from stages.kinds.text_classification.texts import Texts
from stages.sections import Count, one_of

# Up to so many classes the picture has names, and numbers.
NAMED, NUMBERED = 40, 12


class Parameters(Judged):
    """errors: how many of the wrong test texts, those with the highest probability, are listed."""

    score: Annotated[str, one_of(SCORES)] = "accuracy"
    errors: Count = 50


def evaluate(
    data: TaskData[Ingested, Examples],
    predict: Callable[..., np.ndarray],
    baselines: Baselines,
    parameters: Parameters,
    retrain: Callable[[Any, str], Callable[..., np.ndarray]],
) -> Evaluation:
    """Scores the network on the test split, and by class.

    Args:
        predict: the network: batches -> logits (texts, classes).

    Returns:
        The scores; the curve is the confusion table `actual`, `predicted`, `count`; `errors.jsonl`
        has the wrong test texts of which the network was surest.
    """
    examples = data.examples
    labels, logits = {}, {}
    for split in ("validation", "test"):
        numbers = examples.numbers_of(split)
        labels[split] = np.asarray(examples.labels[numbers])
        logits[split] = predict(Texts(examples, numbers))
    logs = measuring.log_probabilities(logits["test"])
    counts = measuring.confusion(logs, labels["test"])
    places = [(row, column) for row in range(len(counts)) for column in range(len(counts))]
    curve = pd.DataFrame(
        {
            "actual": [examples.classes[row] for row, _ in places],
            "predicted": [examples.classes[column] for _, column in places],
            "count": counts.ravel(),
        }
    )
    bins = measuring.calibration(logs, labels["test"])
    reliability = Picture(
        "accuracy by the probability of the answer", [lambda axes: draw_reliability(axes, bins)]
    )
    return Evaluation(
        measuring.scores(logits["test"], labels["test"]),
        curve,
        "test texts by their actual and predicted class",
        files={"errors.jsonl": _errors(data, logs, labels["test"], parameters.errors)},
        pictures={"calibration": reliability},
        validation=measuring.scores(logits["validation"], labels["validation"]),
        parts=measuring.parts(logits["test"], labels["test"], examples.classes),
    )


def _errors(
    data: TaskData[Ingested, Examples], logs: np.ndarray, labels: np.ndarray, count: int
) -> str:
    """Returns the wrong test texts with the highest probabilities as JSON lines."""
    predicted = logs.argmax(1)
    wrong = np.flatnonzero(predicted != labels)
    surest = wrong[np.argsort(-logs[wrong].max(1), kind="stable")][:count]
    table = data.ingested.read(["text", "split"])
    texts = table["text"][table["split"] == 2].to_numpy(object)
    classes = data.examples.classes
    lines = [
        {
            "text": texts[number],
            "actual": classes[labels[number]],
            "predicted": classes[predicted[number]],
            "probability": round(float(np.exp(logs[number].max())), 4),
        }
        for number in surest
    ]
    return "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)


def draw(axes: Any, curve: pd.DataFrame) -> None:
    """Draws the confusion table, shaded by the share of each actual class."""
    names = list(dict.fromkeys(curve["actual"]))
    counts = curve["count"].to_numpy().reshape(len(names), len(names))
    shares = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    axes.imshow(shares, cmap="Reds", vmin=0, vmax=1, aspect="auto")
    axes.grid(False)
    if len(names) <= NAMED:
        labels = [shown(name, 20) for name in names]
        axes.set_xticks(range(len(names)), labels, rotation=90 if len(names) > 8 else 0)
        axes.set_yticks(range(len(names)), labels)
    if len(names) <= NUMBERED:
        for (row, column), count in np.ndenumerate(counts):
            colour = "white" if shares[row, column] > 0.5 else "black"
            axes.text(column, row, str(count), ha="center", va="center", color=colour)
    axes.set_xlabel("predicted")
    axes.set_ylabel("actual")


def draw_reliability(axes: Any, bins: pd.DataFrame) -> None:
    """Draws the accuracy of each bin over its mean probability, by its number of texts, beside what
    it should be."""
    axes.plot(
        [0, 1], [0, 1], color=COLOURS["baseline"], linestyle="dashed", label="as it should be"
    )
    sizes = 10 + 190 * bins["texts"] / bins["texts"].max()
    axes.plot(bins["probability"], bins["accuracy"], color=COLOURS["network"], label="network")
    axes.scatter(
        bins["probability"], bins["accuracy"], s=sizes, color=COLOURS["network"], alpha=0.5
    )
    low = min(bins["probability"].min(), bins["accuracy"].min())
    axes.set_xlim(max(0, low - 0.05), 1.02)
    axes.set_ylim(max(0, low - 0.05), 1.02)
    axes.set_xlabel("probability of the predicted class (larger dots: more texts)")
    axes.set_ylabel("accuracy")
    axes.legend(frameon=False, loc="upper left")
