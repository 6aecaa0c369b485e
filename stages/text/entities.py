"""Entities of tagged texts, and how many of them were found: counts, precision, recall and F1 as
Tjong Kim Sang's script `conlleval` has them (CoNLL-2000 and CoNLL-2003)."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np

from stages.text import tags


@dataclass(frozen=True)
class Entities:
    """The entities of a corpus in the order of the texts; (entities,) each.

    Attributes:
        texts: the text of each.
        first: its first token, counted over all texts. after: the token after its last one.
        types: strings.
    """

    texts: np.ndarray
    first: np.ndarray
    after: np.ndarray
    types: np.ndarray

    def __len__(self) -> int:
        return len(self.first)

    def where(self, chosen: np.ndarray) -> "Entities":
        """Returns some of the entities, (entities,) bool."""
        return Entities(
            self.texts[chosen], self.first[chosen], self.after[chosen], self.types[chosen]
        )


@dataclass(frozen=True)
class Counts:
    """How many entities there are, how many were predicted, and how many of these are right: of the
    same first and last token and the same type."""

    entities: int
    predicted: int
    correct: int

    @property
    def precision(self) -> float:
        """The share of the predicted entities that are right; 0 if none was predicted."""
        return self.correct / self.predicted if self.predicted else 0.0

    @property
    def recall(self) -> float:
        """The share of the entities that were found; 0 if there are none."""
        return self.correct / self.entities if self.entities else 0.0

    @property
    def f1(self) -> float:
        """2 P R / (P + R); 0 if nothing is right."""
        return 2 * self.correct / (self.entities + self.predicted) if self.correct else 0.0


def find(ids: np.ndarray, names: Sequence[str], offsets: np.ndarray) -> Entities:
    """Returns the entities of a corpus in any scheme, by the rules of `stages.text.tags`.

    Args:
        ids: (tokens,) of tags. names: of the tags. offsets: (texts + 1,).
    """
    begins, ends = tags.boundaries(ids, names, offsets)
    first = np.flatnonzero(begins)
    texts = np.searchsorted(offsets, first, side="right") - 1
    kinds = tags.split(names)[1]
    return Entities(texts, first, np.flatnonzero(ends) + 1, kinds[np.asarray(ids)[first]])


def found(entities: Entities, predicted: Entities) -> np.ndarray:
    """Returns which entities are also predicted, (entities,) bool: the same tokens, the same type.
    Called the other way round it tells which of the predicted ones are right."""
    if not len(predicted):
        return np.zeros(len(entities), bool)
    # Entities do not overlap, so at most one starts at a token.
    place = np.minimum(np.searchsorted(predicted.first, entities.first), len(predicted) - 1)
    return (
        (predicted.first[place] == entities.first)
        & (predicted.after[place] == entities.after)
        & (predicted.types[place] == entities.types)
    )


def count(entities: Entities, predicted: Entities) -> Counts:
    return Counts(len(entities), len(predicted), int(found(entities, predicted).sum()))


def count_by_type(entities: Entities, predicted: Entities) -> dict[str, Counts]:
    """Returns the counts of each type that is there or was predicted, by the sorted types."""
    return {
        kind: count(
            entities.where(entities.types == kind), predicted.where(predicted.types == kind)
        )
        for kind in sorted({*entities.types.tolist(), *predicted.types.tolist()})
    }


def surfaces(entities: Entities, words: Sequence[str]) -> list[str]:
    """Returns the words of each entity, joined by spaces.

    Args:
        words: (tokens,) of all texts.
    """
    spans = zip(entities.first.tolist(), entities.after.tolist(), strict=True)
    return [" ".join(words[first:after]) for first, after in spans]


def count_by_novelty(
    entities: Entities, predicted: Entities, words: Sequence[str], training: Collection[str]
) -> dict[str, Counts]:
    """Returns the counts of the entities that are `seen` in training texts and of those that are
    `unseen` there, by their words, whatever their type (Augenstein, Derczynski and Bontcheva,
    "Generalisation in named entity recognition", 2017).

    Args:
        words: (tokens,) of all texts.
        training: the `surfaces` of the training texts' entities.
    """
    known = set(training)
    seen, guessed = (
        np.array([surface in known for surface in surfaces(each, words)], bool)
        for each in (entities, predicted)
    )
    return {
        "seen": count(entities.where(seen), predicted.where(guessed)),
        "unseen": count(entities.where(~seen), predicted.where(~guessed)),
    }
