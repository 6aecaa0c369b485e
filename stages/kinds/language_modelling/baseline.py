"""The floors of a language model: counted unigrams, and interpolated trigrams, on the tokens that
the network is scored on."""

from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field

from stages.sections import Section
from stages.text import language, ngrams, streams


class Parameters(Section):
    """methods: `unigram`: how often a token is; `trigram`: interpolated Kneser-Ney of the two
    tokens before it."""

    methods: Annotated[list[Literal["unigram", "trigram"]], Field(min_length=1)] = [
        "unigram",
        "trigram",
    ]


def baseline(
    arrays: dict[str, np.ndarray], about: dict[str, Any], parameters: Parameters
) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Returns each method's scores on the test tokens, and no arrays."""
    train, train_starts = streams.tokens_of(arrays, "train")
    test, test_starts = streams.tokens_of(arrays, "test")
    train, test = np.asarray(train, np.int64), np.asarray(test, np.int64)
    prefixes = about["examples"] == "prefixes"
    # A text of its own starts anew; in a stream all before a token is known.
    of_train, of_test = (
        _marks(starts, len(ids)) if prefixes else None
        for ids, starts in ((train, train_starts), (test, test_starts))
    )
    scores: dict[str, Any] = {}
    for method in parameters.methods:
        if method == "unigram":
            found = ngrams.unigram(train, about["vocabulary_size"], test)
        else:
            found = ngrams.KneserNey(train, about["vocabulary_size"], of_train).log_probabilities(
                test, of_test
            )
        scores[method] = language.scores(-(found if of_test is None else found[~of_test]), about)
    return scores, {}


def _marks(starts: np.ndarray, tokens: int) -> np.ndarray:
    marks = np.zeros(tokens, bool)
    marks[starts[:-1][starts[:-1] < tokens]] = True
    return marks
