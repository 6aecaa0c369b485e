"""Text classification: one of several labels for a whole text, such as its sentiment."""

from dataclasses import dataclass

import numpy as np

from stages.formats import Reading

# The splits, with the training texts that have no label, in the order in which they are stored.
PARTS = ("train", "unlabelled", "validation", "test")


@dataclass(frozen=True)
class Ingested:
    """What `ingest` says of its table.

    Attributes:
        reading: what was detected while reading the raw file, such as its separator.
        classes: the labels of the training texts, sorted.
        texts: how many each of `PARTS` has.
        by_class: of each split, how many texts each class has.
        dropped: how many texts are in none of them, as they are empty, past the split's numbers, or
            without a label outside of training.
        repeated: how many texts of `validation` stand in training too, and of `test` in training
            or validation.
    """

    reading: Reading
    classes: list[str]
    texts: dict[str, int]
    by_class: dict[str, list[int]]
    dropped: int
    repeated: dict[str, int]


@dataclass(frozen=True)
class Examples:
    """Token ids of all texts in one flat array, part after part.

    Attributes:
        classes: the labels, sorted: a class is the number of its label.
        unit: of the tokens. tokenizer: the sha256 of its file.
        known: how many ids training texts have. Ids from there on are of words that `vectors` alone
            know.
        longest, cut: as in the section `tokenize_text`. shortened: how many texts of each split
            were cut.
        texts: how many each of `PARTS` has.
        unknown_rate: the share of unknown tokens in each split.
        covered: the share of the tokens of each split, and of the training `vocabulary`, that have
            a vector; empty without vectors.
        token_ids: (tokens,) of all texts.
        starts, lengths: (texts,) the first token and the number of tokens of each text.
        labels: (texts,) the class of each text; -1: it has none.
        vectors: (ids, numbers) float32, pretrained, zeros for a token without one; (0, 0): none.
        linear: (texts, classes) float32, the logits of a linear model of the training texts; (0,
            0): none.
    """

    classes: list[str]
    unit: str
    tokenizer: str
    known: int
    longest: int | None
    cut: str
    shortened: dict[str, int]
    texts: dict[str, int]
    unknown_rate: dict[str, float]
    covered: dict[str, float]
    token_ids: np.ndarray
    starts: np.ndarray
    lengths: np.ndarray
    labels: np.ndarray
    vectors: np.ndarray
    linear: np.ndarray

    def numbers_of(self, part: str) -> np.ndarray:
        """Returns the numbers of the texts of one of `PARTS`."""
        first = sum(self.texts[name] for name in PARTS[: PARTS.index(part)])
        return np.arange(first, first + self.texts[part])
