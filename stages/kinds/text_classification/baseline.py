"""The baselines of text classification: the most frequent class, and logistic regression on the
words of a text and their pairs."""

from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
from pydantic import Field

from stages.errors import InputError
from stages.files.task_data import TaskData
from stages.kinds.data import Baselines, Judged
from stages.kinds.text_classification import Examples, Ingested, measuring
from stages.kinds.text_classification.scores import SCORES
from stages.scores import MethodScores
from stages.sections import Count, Positive, Section
from stages.splits import SPLITS

if TYPE_CHECKING:
    import pandas as pd

# Words, and every other visible character by itself.
TOKEN = r"\w+|[^\w\s]"


class Parameters(Section):
    """methods: `majority`: the share of each class in training; `tfidf`: logistic regression on
    TF-IDF of words and pairs of them.
    minimum_texts: training texts in which a word or pair must occur.
    penalties: of `tfidf`, half of each times the squared length of the coefficients is added to the
        sum of the losses; the one with the best score on validation is taken.
    """

    methods: Annotated[list[Literal["majority", "tfidf"]], Field(min_length=1)] = [
        "majority",
        "tfidf",
    ]
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
    if "tfidf" in parameters.methods:
        table = data.ingested.read(["text", "label", "split"])
        scores["tfidf"] = _tfidf(table[table["label"].notna()], labels, parameters, judged.score)
    return Baselines(scores)


def _scored(labels: dict[str, np.ndarray], logits: dict[str, np.ndarray]) -> dict[str, Any]:
    return {
        **measuring.scores(logits["test"], labels["test"]),
        "validation": measuring.scores(logits["validation"], labels["validation"]),
    }


def _tfidf(
    table: "pd.DataFrame", labels: dict[str, np.ndarray], parameters: Parameters, score: str
) -> dict[str, Any]:
    """Returns the scores of the logistic regression whose penalty has the best `score` on
    validation, and that `penalty`: of equally good ones the first."""
    from sklearn.linear_model import LogisticRegression

    features = _features(table, parameters.minimum_texts)
    found: dict[float, dict[str, Any]] = {}
    for penalty in parameters.penalties:
        model = LogisticRegression(C=1 / penalty, solver="lbfgs", max_iter=1000)
        model.fit(features["train"], labels["train"])
        logits = {name: _logits(model, features[name]) for name in SPLITS[1:]}
        found[penalty] = _scored(labels, logits)
    penalty = max(found, key=lambda penalty: _goodness(found[penalty]["validation"], score))
    return {**found[penalty], "penalty": penalty}


def _goodness(scores: dict[str, float], name: str) -> float:
    """Returns a number that is larger for a better score; a score that does not exist is worst."""
    value = scores.get(name, float("nan"))
    return float(np.nan_to_num(-value if SCORES[name].better == "lower" else value, nan=-np.inf))


def _features(table: "pd.DataFrame", minimum_texts: int) -> dict[str, Any]:
    """Returns the TF-IDF of the texts of each split, sparse (texts, words and pairs)."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    texts = {name: table["text"][table["split"] == number] for number, name in enumerate(SPLITS)}
    vectorizer = TfidfVectorizer(
        ngram_range=(1, 2), sublinear_tf=True, min_df=minimum_texts, token_pattern=TOKEN
    )
    try:
        train = vectorizer.fit_transform(texts["train"])
    except ValueError:
        raise InputError(
            "baseline.minimum_texts: expected a number of texts that some words occur in, received "
            f"{minimum_texts}: lower it"
        ) from None
    return {
        "train": train,
        **{name: vectorizer.transform(texts[name]) for name in SPLITS[1:]},
    }


def _logits(model: Any, features: Any) -> np.ndarray:
    """Returns (texts, classes): of two classes the regression has one number, for the second."""
    decided = model.decision_function(features)
    return decided if decided.ndim == 2 else np.stack([np.zeros_like(decided), decided], 1)
