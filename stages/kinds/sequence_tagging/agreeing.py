"""What the other occurrences of a name say of one: most names mean one thing in neighbouring
sentences (Krishnan and Manning, "An effective two-stage model for exploiting non-local dependencies
in named entity recognition", 2006)."""

from typing import Annotated

import numpy as np
from pydantic import Field

from stages.batching import Batch, padded
from stages.kinds.sequence_tagging import Examples
from stages.kinds.sequence_tagging.lexicon import SHAPES
from stages.kinds.sequence_tagging.train import Sentences
from stages.text import tags

# How far the occurrences of a name agree on its type: 0: not at all; 1: they are the same.
Agreement = Annotated[float, Field(ge=0, le=1)]
# Sentences before and behind one that are its neighbours.
REACH = 20
# The ids of shapes without a capital letter.
_NO_NAMES = [
    SHAPES.index(shape) + 1 for shape in ("small letters", "digits", "digits and marks", "marks")
]


class Agreed(Sentences):
    """Sentences with what is added to the scores of their tags as targets, (sentences, length,
    tags)."""

    def __init__(self, examples: Examples, numbers: np.ndarray, added: np.ndarray) -> None:
        super().__init__(examples, numbers)
        self._added, self._firsts = added, np.cumsum(self.lengths) - self.lengths

    def cut(self, indices: np.ndarray, length: int | None = None) -> Batch:
        batch = super().cut(indices, length)
        steps = batch["mask"].shape[1]
        added, _ = padded(self._added, self._firsts[indices], self.lengths[indices], steps)
        return {**batch, "targets": added}


def added(
    scores: np.ndarray, examples: Examples, numbers: np.ndarray, agreement: float
) -> np.ndarray:
    """Returns what is to be added to the scores of tags, (tokens, tags) float32.

    Args:
        scores: (tokens, tags), of the sentences `numbers`.
        agreement: how far the log probabilities of types that the occurrences of a name have come
            to their mean, 0 to 1.
    """
    kinds = tags.split(examples.tag_names[: scores.shape[1]])[1]
    names, of_tag = np.unique(kinds, return_inverse=True)
    scores = scores.astype(np.float64)
    by_type = np.stack(
        [np.logaddexp.reduce(scores[:, of_tag == kind], axis=1) for kind in range(len(names))], 1
    )
    by_type -= np.logaddexp.reduce(by_type, axis=1)[:, None]
    offsets = np.asarray(examples.offsets)
    lengths = offsets[numbers + 1] - offsets[numbers]
    sentences = np.repeat(np.arange(len(numbers)), lengths)
    places = np.arange(len(scores)) + (offsets[numbers] - np.cumsum(lengths) + lengths)[sentences]
    change = neighbours_mean(by_type, _names(examples, places), sentences) - by_type
    return (agreement * change[:, of_tag]).astype(np.float32)


def _names(examples: Examples, places: np.ndarray) -> np.ndarray:
    """Returns a number of each token's spelling, (tokens,); -1: it has no capital letter."""
    first = np.asarray(examples.character_starts)[places]
    lengths = np.asarray(examples.character_starts)[places + 1] - first
    characters, _ = padded(examples.characters, first, lengths, examples.longest)
    # Characters that training lacks are all alike.
    spelled = np.column_stack([examples.words[places], characters])
    numbers = np.unique(spelled, axis=0, return_inverse=True)[1].ravel()
    return np.where(np.isin(examples.shapes[places], _NO_NAMES), -1, numbers)


def neighbours_mean(values: np.ndarray, names: np.ndarray, sentences: np.ndarray) -> np.ndarray:
    """Returns the mean of the values of all tokens of the same name in a sentence and its
    neighbours, (tokens, ...); of a token without a name its own values.

    Args:
        values: (tokens, ...). names: (tokens,) numbers, -1 for none. sentences: (tokens,) numbers,
            counted up.
    """
    result, order = values.copy(), np.lexsort((sentences, names))
    order = order[names[order] >= 0]
    if not len(order):
        return result
    # Sentences of different names are never neighbours on this line.
    line = names[order] * (int(sentences[-1]) + 2 * REACH + 1) + sentences[order]
    first, after = np.searchsorted(line, line - REACH), np.searchsorted(line, line + REACH, "right")
    sums = np.concatenate([np.zeros_like(values[:1]), np.cumsum(values[order], axis=0)])
    result[order] = (sums[after] - sums[first]) / (after - first)[:, None]
    return result
