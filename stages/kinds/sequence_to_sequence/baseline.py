"""The baselines of sequence to sequence: parts of the source, the target of the most similar
training source, and word by word."""

import re
from collections.abc import Callable, Iterable, Sequence
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field

from stages.files.task_data import TaskData
from stages.kinds.data import Baselines, Judged
from stages.kinds.sequence_to_sequence import Examples, Ingested, word_by_word
from stages.kinds.sequence_to_sequence.judging import Judge, judge
from stages.scores import MethodScores
from stages.sections import Count, Section
from stages.splits import SPLITS

Method = Literal["copy", "lead", "first_words", "nearest", "ibm1"]
# What may end a sentence, with the quotation marks and brackets that follow; and an empty line.
_END = re.compile(r"[.!?…]+[\"'”’»)\]]*(?=\s|$)|[。！？]+[”’」』）]*|\n\s*\n")
# Words, and every other visible character by itself.
_TOKEN = r"\w+|[^\w\s]"
# Numbers that are held at a time, when each text is compared with all training sources.
_HELD = 8_000_000


class Parameters(Section):
    """methods: `copy`: the source; `lead`: its first sentence; `first_words`: its first words;
        `nearest`: the target of the training source with the most similar TF-IDF; `ibm1`: for each
        word of the source the likeliest one by IBM model 1.
    words: how many words `first_words` takes. Of these and the next two, the value that is best
        on validation is taken.
    ngrams: up to how many words in a row `nearest` compares.
    shares: `ibm1` leaves a word of the source out if the likeliest one comes from it in a smaller
        share of its occurrences than this.
    iterations: of expectation maximisation, for IBM model 1.
    word_pairs: pairs of words of both sides that IBM model 1 holds at most, with about 50 bytes
        each; where training has more, it learns of the first texts.
    """

    methods: Annotated[list[Method], Field(min_length=1)] = [
        "copy",
        "lead",
        "first_words",
        "nearest",
        "ibm1",
    ]
    words: Annotated[list[Count], Field(min_length=1)] = [
        *range(1, 11),
        *(12, 15, 20, 25, 30, 40, 50, 70, 100),
    ]
    ngrams: Annotated[list[Annotated[int, Field(ge=1, le=5)]], Field(min_length=1)] = [1, 2]
    shares: Annotated[list[Annotated[float, Field(ge=0, le=1)]], Field(min_length=1)] = [
        *(0.0, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5, 0.6)
    ]
    iterations: Count = 10
    word_pairs: Count = 20_000_000


def baseline(
    data: TaskData[Ingested, Examples], parameters: Parameters, judged: Judged
) -> Baselines:
    """Returns the scores of each method on test and validation, and no arrays.

    Each has the lists `by_length`: each score of the groups of test sources of about the same
    length, as `Judge.lengths` names them.
    """
    train, validation, test = (judge(data, split) for split in SPLITS)
    splits = {"validation": validation, "test": test}
    scores: dict[str, MethodScores] = {}
    for method in parameters.methods:
        outputs, chosen = _outputs(method, train, splits, parameters, judged.score)
        counts = test.count(outputs["test"])
        scores[method] = {
            **counts.scores(),
            **counts.intervals(),
            **chosen,
            "validation": validation.count(outputs["validation"]).scores(),
            "by_length": test.by_length(counts),
        }
    return Baselines(scores)


def _outputs(
    method: Method,
    train: Judge,
    splits: dict[str, Judge],
    parameters: Parameters,
    score: str,
) -> tuple[dict[str, list[str]], dict[str, float]]:
    """Returns a method's outputs of each split, and what was chosen on validation."""
    targets = [own[0] for own in train.references]
    if method == "first_words":
        return _chosen("words", parameters.words, _first_words, splits, score)
    if method == "ibm1":
        dictionary = word_by_word.learn(
            train.sources, targets, parameters.iterations, parameters.word_pairs
        )
        return _chosen("share", parameters.shares, dictionary.outputs, splits, score)
    if method == "nearest":

        def of_nearest(sources: Sequence[str], ngrams: int) -> list[str]:
            return [targets[number] for number in nearest(train.sources, sources, ngrams)]

        return _chosen("ngrams", parameters.ngrams, of_nearest, splits, score)
    sources = {name: split.sources for name, split in splits.items()}
    if method == "lead":
        return {name: list(map(first_sentence, texts)) for name, texts in sources.items()}, {}
    return sources, {}


def _chosen(
    name: str,
    values: Iterable[Any],
    outputs: Callable[[Sequence[str], Any], list[str]],
    splits: dict[str, Judge],
    score: str,
) -> tuple[dict[str, list[str]], dict[str, float]]:
    """Returns the outputs by the value that has the best score on validation, the first of equals,
    and that value by its name."""
    validation, test = splits["validation"], splits["test"]
    # Values that give the same outputs are scored once.
    found: dict[tuple[str, ...], Any] = {}
    for value in values:
        found.setdefault(tuple(outputs(validation.sources, value)), value)
    scores = {own: validation.count(own, [score]).scores()[score] for own in found}
    # All scores are better if they are higher.
    best = max(scores, key=lambda own: scores[own])
    chosen = found[best]
    return {"validation": list(best), "test": outputs(test.sources, chosen)}, {name: chosen}


def _first_words(sources: Sequence[str], words: int) -> list[str]:
    return [" ".join(source.split()[:words]) for source in sources]


def first_sentence(text: str) -> str:
    """Returns the first sentence: what goes to the first mark that may end one, unless a small
    letter follows, as behind an abbreviation, or to an empty line."""
    text = text.strip()
    for end in _END.finditer(text):
        rest = text[end.end() :].lstrip()
        if not rest[:1].islower() or not end.group().strip():
            return text[: end.end()].strip()
    return text


def nearest(train: Sequence[str], texts: Sequence[str], ngrams: int) -> list[int]:
    """Returns for each text the number of the training text with the largest cosine of TF-IDF, the
    first of equals.

    Args:
        ngrams: up to how many words in a row are compared.
    """
    from sklearn.feature_extraction.text import TfidfVectorizer

    vectorizer = TfidfVectorizer(token_pattern=_TOKEN, ngram_range=(1, ngrams), sublinear_tf=True)
    known = vectorizer.fit_transform(train).T.tocsr()
    vectors = vectorizer.transform(texts)
    chunk = max(1, _HELD // len(train))
    found: list[int] = []
    for start in range(0, len(texts), chunk):
        cosines = (vectors[start : start + chunk] @ known).toarray()
        found += np.argmax(cosines, 1).tolist()
    return found
