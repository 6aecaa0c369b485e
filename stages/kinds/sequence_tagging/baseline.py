"""The baselines of tagging: the most frequent tag of each word, and a conditional random field on
features that are made by hand."""

from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from stages.files.task_data import TaskData
from stages.kinds.data import Baselines, Judged
from stages.kinds.sequence_tagging import Examples, Ingested, features
from stages.kinds.sequence_tagging.judging import Judge, judge
from stages.scores import MethodScores
from stages.sections import Count, Section
from stages.text import tags


class Penalty(Section):
    """c1, c2: the factors of the sum of the absolute weights and of that of their squares."""

    c1: Annotated[float, Field(ge=0)]
    c2: Annotated[float, Field(ge=0)]


class Parameters(Section):
    """methods: `most_frequent_tag`: that of each word in training, O for one that training lacks;
        `feature_crf`: a conditional random field (Lafferty et al., 2001) on words, parts of words
        and neighbours.
    penalties: of which the feature CRF takes the one with the best F1 on validation.
    iterations: of its training, at most.
    """

    methods: Annotated[list[Literal["most_frequent_tag", "feature_crf"]], Field(min_length=1)] = [
        "most_frequent_tag",
        "feature_crf",
    ]
    penalties: Annotated[list[Penalty], Field(min_length=1)] = [
        Penalty(c1=0.1, c2=0.1),
        Penalty(c1=0.0, c2=0.5),
    ]
    iterations: Count = 100


def baseline(
    data: TaskData[Ingested, Examples], parameters: Parameters, judged: Judged
) -> Baselines:
    """Returns each method's scores on the test and the validation split, and no arrays."""
    train, validation, test = (judge(data, split) for split in ("train", "validation", "test"))
    scores: dict[str, MethodScores] = {}
    for method in parameters.methods:
        if method == "most_frequent_tag":
            table = _most_frequent(train)
            predicted = [_looked_up(table, split) for split in (validation, test)]
        else:
            predicted = _feature_crf(train, validation, test, parameters)
        scores[method] = {
            **test.scores(predicted[1]),
            "validation": validation.scores(predicted[0]),
        }
    return Baselines(scores)


def _most_frequent(train: Judge) -> dict[str, int]:
    """Returns the most frequent tag of each word as it is written; the first one of equals."""
    distinct = {word: number for number, word in enumerate(dict.fromkeys(train.words))}
    numbers = np.fromiter(map(distinct.__getitem__, train.words), np.int64, len(train.words))
    counts = np.zeros((len(distinct), len(train.names)), np.int64)
    np.add.at(counts, (numbers, train.tags), 1)
    return dict(zip(distinct, counts.argmax(1).tolist(), strict=True))


def _looked_up(table: dict[str, int], split: Judge) -> np.ndarray:
    return np.array([table.get(word, 0) for word in split.words], np.int32)


def _feature_crf(
    train: Judge, validation: Judge, test: Judge, parameters: Parameters
) -> list[np.ndarray]:
    """Returns the tags of validation and test by the penalty that is best on validation."""
    # Fewer tags are faster, and no worse here.
    learned, names = tags.convert(train.tags, train.names, train.offsets, "iob2")
    found = [features.of(split.words, split.offsets) for split in (train, validation, test)]
    best: tuple[float, list[np.ndarray]] = (-1.0, [])
    for penalty in parameters.penalties:
        model = features.train(
            found[0],
            [names[number] for number in learned],
            train.offsets,
            penalty.c1,
            penalty.c2,
            parameters.iterations,
        )
        predicted = []
        for split, of_split in zip((validation, test), found[1:], strict=True):
            written = features.tag(model, of_split, split.offsets)
            ids, own = tags.encode(written)
            predicted.append(_renamed(ids, own, split))
        if (f1 := validation.scores(predicted[0])["f1"]) > best[0]:
            best = f1, predicted
    return best[1]


def _renamed(ids: np.ndarray, names: list[str], split: Judge) -> np.ndarray:
    """Returns the same entities in the scheme, and by the ids, of a split's tags."""
    scheme = tags.detect(np.arange(len(split.names)), split.names, np.arange(len(split.names) + 1))
    known = tags.types(split.names)
    converted, targets = tags.convert(ids, names, split.offsets, scheme.scheme, known)
    index = {name: number for number, name in enumerate(split.names)}
    return np.array([index[name] for name in targets], np.int32)[converted]
