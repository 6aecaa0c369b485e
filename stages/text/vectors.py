"""Pretrained word vectors: the words that have one, and the vectors of tokens."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

# What short forms of English, and words of one letter, stand for. Some files lack all of them.
STAND_INS = {
    "n't": "not",
    "'m": "am",
    "'re": "are",
    "'ve": "have",
    "'ll": "will",
    "'s": "is",
    "i": "me",
    "a": "an",
}


@dataclass(frozen=True)
class Vectors:
    """The vectors of words.

    Attributes:
        words: each of them once, mostly the most frequent first.
        values: (words, numbers) float32.
    """

    words: list[str]
    values: np.ndarray

    @cached_property
    def _rows(self) -> dict[str, int]:
        return {word: row for row, word in enumerate(self.words)}

    def of(self, tokens: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
        """Looks tokens up as they are written and, if that is no word here, in lower case; then as
        the word that `STAND_INS` has for it.

        Returns:
            The vectors, (tokens, numbers) float32, with zeros for a token that has none; and
            whether each token has one, (tokens,) bool.
        """
        get = self._rows.get
        lowered = ((token, token.lower()) for token in tokens)
        found = (
            get(token, get(lower, get(STAND_INS.get(lower, lower), -1))) for token, lower in lowered
        )
        rows = np.fromiter(found, np.int64, len(tokens))
        covered = rows >= 0
        result = np.zeros((len(tokens), self.values.shape[1]), np.float32)
        result[covered] = self.values[rows[covered]]
        return result, covered
