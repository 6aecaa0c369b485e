"""What stages write for each other about texts."""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from stages.formats import Reading
from stages.splits import SPLITS


@dataclass(frozen=True)
class IngestedTexts:
    """What `ingest` says of a table of texts.

    Attributes:
        reading: what was detected while reading the raw file, such as its separator.
        texts: how many each split has. dropped: how many are in none, as they are empty.
        same: whether all texts are in all splits.
    """

    reading: Reading
    texts: dict[str, int]
    dropped: int
    same: bool


@dataclass(frozen=True)
class TextExamples:
    """Token ids in one flat array.

    Attributes:
        tokenizer: the sha256 of its file.
        ends: whether each text ends with the token `end_id`.
        fitted_on: the texts from which the vocabulary comes.
        tokens, characters, words: how many each split has.
        unknown_rate: the share of unknown tokens in each split; spelling_nats: -log p of their
            spelling in all.
        lengths: quantiles of the texts' numbers of tokens, in each split.
        token_ids: (tokens,), of all splits.
        offsets: (texts + 1,) where each text starts in `token_ids`, and their end.
        texts: (3, 2) first text of each split, and the text after the last one.
    """

    examples: Literal["stream", "prefixes"]
    unit: str
    vocabulary_size: int
    tokenizer: str
    pad_id: int
    unknown_id: int
    end_id: int
    ends: bool
    fitted_on: dict[str, Any]
    tokens: dict[str, int]
    characters: dict[str, int]
    words: dict[str, int]
    unknown_rate: dict[str, float]
    spelling_nats: dict[str, float]
    lengths: dict[str, list[float]]
    token_ids: np.ndarray
    offsets: np.ndarray
    texts: np.ndarray

    def tokens_of(self, split: str) -> tuple[np.ndarray, np.ndarray]:
        """Returns the ids of a split, (tokens,), and where its texts start, (texts + 1,)."""
        first, last = self.texts[SPLITS.index(split)]
        offsets = np.asarray(self.offsets[first : last + 1])
        return self.token_ids[offsets[0] : offsets[-1]], offsets - offsets[0]
