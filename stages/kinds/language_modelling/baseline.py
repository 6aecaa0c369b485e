"""The baselines of a language model: unigrams and interpolated trigrams, counted, on the tokens
that the network is scored on."""

from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from stages.files.task_data import TaskData
from stages.kinds.data import Baselines, Judged
from stages.scores import MethodScores
from stages.sections import Section
from stages.text import language, ngrams
from stages.text.data import IngestedTexts, TextExamples


class Parameters(Section):
    """methods: `unigram`: how frequent a token is; `trigram`: interpolated Kneser-Ney smoothing,
    given the two tokens before it."""

    methods: Annotated[list[Literal["unigram", "trigram"]], Field(min_length=1)] = [
        "unigram",
        "trigram",
    ]


def baseline(
    data: TaskData[IngestedTexts, TextExamples], parameters: Parameters, judged: Judged
) -> Baselines:
    """Returns each method's scores on the test tokens, and no arrays."""
    examples = data.examples
    train, train_starts = _tokens_and_starts(examples, "train")
    test, test_starts = _tokens_and_starts(examples, "test")
    scores: dict[str, MethodScores] = {}
    for method in parameters.methods:
        if method == "unigram":
            log_probabilities = ngrams.unigram(train, examples.vocabulary_size, test)
        else:
            model = ngrams.KneserNey(train, examples.vocabulary_size, train_starts)
            log_probabilities = model.log_probabilities(test, test_starts)
        if test_starts is not None:
            log_probabilities = log_probabilities[~test_starts]
        scores[method] = language.scores(-log_probabilities, examples)
    return Baselines(scores)


def _tokens_and_starts(examples: TextExamples, split: str) -> tuple[np.ndarray, np.ndarray | None]:
    """Returns the tokens of a split, and where texts start, (tokens,) bool; None in a stream, where
    everything before a token is known."""
    ids, starts = examples.tokens_of(split)
    ids = np.asarray(ids, np.int64)
    if examples.examples == "stream":
        return ids, None
    marks = np.zeros(len(ids), bool)
    marks[starts[:-1][starts[:-1] < len(ids)]] = True
    return ids, marks
