"""The baselines of text classification: the most frequent class, and logistic regression on what
stands in a text."""

from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
from pydantic import Field

from stages.files.task_data import TaskData
from stages.kinds.data import Baselines, Judged
from stages.kinds.text_classification import Examples, Ingested, linear, measuring
from stages.kinds.text_classification.scores import SCORES
from stages.scores import MethodScores
from stages.sections import Count, Positive, Section
from stages.splits import SPLITS

if TYPE_CHECKING:
    import pandas as pd


class Parameters(Section):
    """methods: `majority`: the share of each class in training; `tfidf`: logistic regression on
        TF-IDF of words and pairs of them; `tfidf_characters`: and of runs of characters.
    characters: how long such runs are, from two on.
    minimum_texts: training texts in which a word, pair or run must occur.
    penalties: of the regressions, half of each times the squared length of the coefficients is
        added to the sum of the losses; the one with the best score on validation is taken.
    """

    methods: Annotated[
        list[Literal["majority", "tfidf", "tfidf_characters"]], Field(min_length=1)
    ] = ["majority", "tfidf"]
    characters: linear.Characters = 5
    minimum_texts: Count = 1
    penalties: Annotated[list[Positive], Field(min_length=1)] = [0.01, 0.03, 0.1, 0.3, 1.0, 3.0]


def baseline(
    data: TaskData[Ingested, Examples], parameters: Parameters, judged: Judged
) -> Baselines:
    """Returns the scores of each method on test and validation texts, and no arrays."""
    examples = data.examples
    labels = {name: np.asarray(examples.labels[examples.numbers_of(name)]) for name in SPLITS}
    scores: dict[str, MethodScores] = {}
    if "majority" in parameters.methods:
        counts = np.bincount(labels["train"], minlength=len(examples.classes))
        logits = np.log(counts / counts.sum())
        scores["majority"] = _scored(
            labels, {name: np.tile(logits, (len(labels[name]), 1)) for name in SPLITS[1:]}
        )
    table = data.ingested.read(["text", "label", "split"])
    table = table[table["label"].notna()]
    for method in parameters.methods:
        if method != "majority":
            characters = parameters.characters if method == "tfidf_characters" else None
            scores[method] = _tfidf(table, labels, parameters, characters, judged.score)
    return Baselines(scores)


def _scored(labels: dict[str, np.ndarray], logits: dict[str, np.ndarray]) -> dict[str, Any]:
    return {
        **measuring.scores(logits["test"], labels["test"]),
        "validation": measuring.scores(logits["validation"], labels["validation"]),
    }


def _tfidf(
    table: "pd.DataFrame",
    labels: dict[str, np.ndarray],
    parameters: Parameters,
    characters: int | None,
    score: str,
) -> dict[str, Any]:
    """Returns the scores of the logistic regression whose penalty has the best `score` on
    validation, and that `penalty`: of equally good ones the first."""
    texts = {name: table["text"][table["split"] == number] for number, name in enumerate(SPLITS)}
    vectorizers = linear.fitted(texts["train"], characters, parameters.minimum_texts, "baseline")
    terms = {name: linear.features(vectorizers, own) for name, own in texts.items()}
    found: dict[float, dict[str, Any]] = {}
    for penalty in parameters.penalties:
        coefficients, intercept = linear.regression(terms["train"], labels["train"], penalty)
        logits = {name: terms[name] @ coefficients + intercept for name in SPLITS[1:]}
        found[penalty] = _scored(labels, logits)
    penalty = max(found, key=lambda penalty: _goodness(found[penalty]["validation"], score))
    return {**found[penalty], "penalty": penalty}


def _goodness(scores: dict[str, float], name: str) -> float:
    """Returns a number that is larger for a better score; a score that does not exist is worst."""
    value = scores.get(name, float("nan"))
    return float(np.nan_to_num(-value if SCORES[name].better == "lower" else value, nan=-np.inf))
