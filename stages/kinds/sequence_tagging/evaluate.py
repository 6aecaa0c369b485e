"""How many entities the network finds, by type, and what it gets wrong."""

import json
from collections.abc import Callable
from typing import Annotated, Any

import numpy as np
import pandas as pd

from stages.drawing import COLOURS, shown
from stages.files.task_data import TaskData
from stages.kinds.data import Baselines, Evaluation, Judged
from stages.kinds.sequence_tagging import Examples, Ingested
from stages.kinds.sequence_tagging.agreeing import Agreement
from stages.kinds.sequence_tagging.decoding import decode
from stages.kinds.sequence_tagging.judging import Judge, judge
from stages.kinds.sequence_tagging.scores import SCORES
from stages.sections import Count, Seed, one_of
from stages.text import entities
from stages.text.entities import Entities

SHOWN = 30


class Parameters(Judged):
    """agreement: how far the occurrences of a name in neighbouring sentences agree on its type: 0:
        not at all; 1: it is the same. It helps where sentences stand in their documents' order.
    draws, seed: of the bootstrap over test sentences from which the interval of F1 comes.
    """

    score: Annotated[str, one_of(SCORES)] = "f1"
    agreement: Agreement = 0.0
    draws: Count = 1000
    seed: Seed = 0


def evaluate(
    data: TaskData[Ingested, Examples],
    predict: Callable[..., np.ndarray],
    baselines: Baselines,
    parameters: Parameters,
    retrain: Callable[[Any, str], Callable[..., np.ndarray]],
) -> Evaluation:
    """Scores the network on the test split.

    Returns:
        The scores, with the 95 % interval of F1; precision, recall and F1 of each type as parts and
        as the curve; and `errors.jsonl`, the sentences with another entity than the right ones.
    """
    examples = data.examples
    tagged = {
        split: decode(predict, examples, examples.numbers_of(split), parameters.agreement)
        for split in ("validation", "test")
    }
    test = judge(data, "test")
    found, probability = tagged["test"]
    parts = test.by_type(found)
    curve = pd.DataFrame([{"type": name, **part} for name, part in parts.items()])
    return Evaluation(
        scores={**test.scores(found), **test.interval(found, parameters.draws, parameters.seed)},
        curve=curve.assign(method="model"),
        title="F1 on the test split, by type",
        files={"errors.jsonl": _errors(test, found, probability)},
        validation=judge(data, "validation").scores(tagged["validation"][0]),
        parts=parts,
    )


def _errors(test: Judge, found: np.ndarray, probability: np.ndarray) -> str:
    """Returns a line for each sentence in which entities were missed or made up."""
    gold, predicted = test.entities(), test.entities(found)
    missed = gold.texts[~entities.found(gold, predicted)]
    made_up = predicted.texts[~entities.found(predicted, gold)]
    lines = []
    for sentence in np.union1d(missed, made_up).tolist():
        first, after = test.offsets[sentence : sentence + 2].tolist()
        line = {
            "sentence": sentence,
            "tokens": test.words[first:after],
            "entities": _spans(gold.where(gold.texts == sentence), test, first),
            "predicted": _spans(
                predicted.where(predicted.texts == sentence), test, first, probability
            ),
        }
        lines.append(json.dumps(line, ensure_ascii=False) + "\n")
    return "".join(lines)


def _spans(
    spans: Entities, test: Judge, start: int, probability: np.ndarray | None = None
) -> list[dict[str, Any]]:
    """Returns the entities of a sentence that starts at the token `start`."""
    rows = []
    columns = (spans.first.tolist(), spans.after.tolist(), spans.types.tolist())
    for first, after, kind in zip(*columns, strict=True):
        row = {
            "text": " ".join(test.words[first:after]),
            "type": kind,
            "start": first - start,
            "end": after - start,
        }
        if probability is not None:
            row["probability"] = round(float(probability[first:after].min()), 4)
        rows.append(row)
    return rows


def draw(axes: Any, curve: pd.DataFrame) -> None:
    """Draws F1 of each type, the most frequent ones first, with how many entities it has."""
    rows = curve.sort_values("entities", ascending=False, kind="stable").head(SHOWN).iloc[::-1]
    places = np.arange(len(rows))
    axes.barh(places, rows["f1"], color=COLOURS["network"])
    labels = [
        f"{shown(str(name), 40)} ({count})"
        for name, count in zip(rows["type"], rows["entities"], strict=True)
    ]
    axes.set_yticks(places, labels)
    axes.set_xlim(0, 1)
    axes.set_xlabel("F1")
