"""Logistic regression on what stands in a text: the TF-IDF of its tokens, of pairs of them and of
runs of their characters."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
from pydantic import Field

from stages.errors import InputError
from stages.sections import Count, Positive, Section

if TYPE_CHECKING:
    from sklearn.feature_extraction.text import TfidfVectorizer

# Words, and every other visible character by itself.
TOKEN = r"\w+|[^\w\s]"
# Digits that are kept of what is counted in all texts, and of what is fitted.
IDF_DIGITS, FITTED_DIGITS = 6, 4
# How long runs of characters are at most, from two on. None goes over the end of a word.
Characters = Annotated[int, Field(ge=2, le=20)]


class Parameters(Section):
    """How the regression is fitted to the training texts.

    characters: how long the runs of characters are that are counted beside tokens and pairs, from
        two on; null: none are counted.
    minimum_texts: training texts in which a token, pair or run must occur.
    penalty: half of it times the squared length of the coefficients is added to the sum of the
        losses.
    """

    characters: Characters | None = None
    minimum_texts: Count = 1
    penalty: Positive = 0.1


@dataclass(frozen=True)
class Linear:
    """A fitted regression.

    Attributes:
        vectorizers: what counts the terms of texts.
        coefficients: (terms, classes) of the terms of all vectorizers. intercept: (classes,).
    """

    vectorizers: "list[TfidfVectorizer]"
    coefficients: np.ndarray
    intercept: np.ndarray

    def logits(self, texts: Sequence[str]) -> np.ndarray:
        """Returns a logit for each class, (texts, classes) float32."""
        found = features(self.vectorizers, texts) @ self.coefficients + self.intercept
        return found.astype(np.float32)

    def content(self) -> str:
        """Returns the regression as JSON: of each part of its terms what counts them, and for each
        term its inverse document frequency and its coefficients."""
        parts, first = [], 0
        for vectorizer in self.vectorizers:
            terms = vectorizer.get_feature_names_out().tolist()
            own = self.coefficients[first : first + len(terms)].tolist()
            numbers = zip(vectorizer.idf_.tolist(), own, strict=True)
            entries = {term: [idf, *row] for term, (idf, row) in zip(terms, numbers, strict=True)}
            characters = vectorizer.ngram_range[1] if vectorizer.analyzer == "char_wb" else None
            parts.append({"characters": characters, "terms": entries})
            first += len(terms)
        return json.dumps(
            {"intercept": self.intercept.tolist(), "parts": parts}, ensure_ascii=False, indent=0
        )


def from_json(content: str) -> Linear:
    """Returns the regression whose `content()` this is."""
    about, vectorizers, coefficients = json.loads(content), [], []
    for part in about["parts"]:
        terms = part["terms"]
        vectorizer = _vectorizer(part["characters"], 1, {term: i for i, term in enumerate(terms)})
        numbers = np.array(list(terms.values()))
        vectorizer.idf_ = numbers[:, 0]
        vectorizers.append(vectorizer)
        coefficients.append(numbers[:, 1:])
    return Linear(vectorizers, np.concatenate(coefficients), np.array(about["intercept"]))


def fit(texts: Sequence[str], labels: np.ndarray, parameters: Parameters) -> Linear:
    """Fits the regression.

    Args:
        labels: (texts,) int, each class at least once.

    Raises:
        InputError: no term is in as many texts as `minimum_texts`.
    """
    vectorizers = fitted(
        texts, parameters.characters, parameters.minimum_texts, "tokenize_text.linear"
    )
    for vectorizer in vectorizers:
        vectorizer.idf_ = vectorizer.idf_.round(IDF_DIGITS)
    numbers = regression(features(vectorizers, texts), labels, parameters.penalty)
    return Linear(vectorizers, *(array.round(FITTED_DIGITS) for array in numbers))


def fitted(
    texts: Sequence[str], characters: int | None, minimum_texts: int, section: str
) -> "list[TfidfVectorizer]":
    """Returns what counts the terms of the training texts: of tokens and pairs, and of characters.

    Args:
        characters, minimum_texts: as in the parameters. section: of `minimum_texts`.
    """
    vectorizers = [_vectorizer(None, minimum_texts)]
    if characters is not None:
        vectorizers.append(_vectorizer(characters, minimum_texts))
    try:
        return [vectorizer.fit(texts) for vectorizer in vectorizers]
    except ValueError:
        raise InputError(
            f"{section}.minimum_texts: expected a number of texts that some words occur in, "
            f"received {minimum_texts}: lower it"
        ) from None


def _vectorizer(
    characters: int | None, minimum_texts: int, vocabulary: dict[str, int] | None = None
) -> "TfidfVectorizer":
    from sklearn.feature_extraction.text import TfidfVectorizer

    return TfidfVectorizer(
        analyzer="word" if characters is None else "char_wb",
        ngram_range=(1, 2) if characters is None else (2, characters),
        token_pattern=TOKEN if characters is None else None,
        sublinear_tf=True,
        min_df=minimum_texts,
        vocabulary=vocabulary,
    )


def features(vectorizers: "Sequence[TfidfVectorizer]", texts: Sequence[str]) -> Any:
    """Returns the terms of texts, sparse (texts, terms): those of each vectorizer have length 1."""
    from scipy.sparse import hstack

    parts = [vectorizer.transform(texts) for vectorizer in vectorizers]
    return hstack(parts, format="csr") if len(parts) > 1 else parts[0]


def regression(terms: Any, labels: np.ndarray, penalty: float) -> tuple[np.ndarray, np.ndarray]:
    """Returns the coefficients (terms, classes) and the intercept (classes,).

    Args:
        terms: (texts, terms). labels: (texts,) int. penalty: as in the parameters.
    """
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression(C=1 / penalty, solver="lbfgs", max_iter=1000)
    model.fit(terms, labels)
    coefficients, intercept = model.coef_.T, model.intercept_
    if len(intercept) > 1:
        return coefficients, intercept
    # Of two classes the regression has one number, for the second.
    return np.pad(coefficients, ((0, 0), (1, 0))), np.pad(intercept, (1, 0))
