"""Words to numbers: the id of a word, those of its characters, and the shape of its letters."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from stages.text import tokens

# What a word looks like, by ids from 1; 0 is padding.
SHAPES = (
    "small letters",
    "a capital, then small letters",
    "capitals",
    "one capital",
    "capitals inside",
    "digits",
    "digits and marks",
    "digits and letters",
    "letters and marks",
    "marks",
)
_DIGIT = re.compile(r"\d")


@dataclass(frozen=True)
class Encoded:
    """Some words.

    Attributes:
        words, shapes: (words,) ids.
        characters: (characters,) ids, word after word. lengths: (words,) how many each word has.
    """

    words: np.ndarray
    shapes: np.ndarray
    characters: np.ndarray
    lengths: np.ndarray


@dataclass(frozen=True)
class Lexicon:
    """The ids of words and characters.

    Attributes:
        words, characters: the vocabularies. Those of `words` are in small letters where `lower`.
        digits: whether all digits of a word count as 0, before its id is looked up.
        longest: the most characters of a word; those in the middle of a longer one are left out.
    """

    words: tokens.Words
    characters: tokens.Characters
    digits: bool
    longest: int

    def encode(self, words: Sequence[str]) -> Encoded:
        """Returns the numbers of each word."""
        numbers: dict[str, int] = {}
        places = np.fromiter((numbers.setdefault(word, len(numbers)) for word in words), np.int64)
        distinct = list(numbers)
        spelled = [spelling(word, self.words.lower, self.digits) for word in distinct]
        characters = self.characters.encode([shortened(word, self.longest) for word in distinct])
        starts = np.cumsum(characters.lengths) - characters.lengths
        lengths = characters.lengths[places]
        first = np.repeat(starts[places] - (np.cumsum(lengths) - lengths), lengths)
        return Encoded(
            words=self.words.lookup(spelled)[places].astype(np.int32),
            shapes=np.fromiter(map(shape, distinct), np.uint8, len(distinct))[places],
            characters=characters.ids[first + np.arange(len(first))].astype(np.int32),
            lengths=lengths,
        )


def fit(
    words: Sequence[str], *, lower: bool, digits: bool, minimum_count: int, longest: int
) -> Lexicon:
    """Returns the lexicon of training words; words that occur less often than `minimum_count` are
    unknown."""
    counts = Counter(spelling(word, lower, digits) for word in words)
    counts.pop(tokens.SPECIAL[tokens.UNKNOWN], None)
    # By count, then by word: the same words give the same ids, whatever their order.
    kept = sorted(
        (word for word, count in counts.items() if count >= minimum_count),
        key=lambda word: (-counts[word], word),
    )
    special = list(tokens.SPECIAL)
    vocabulary = tokens.Words(
        [*special, *kept], [0] * len(special) + [counts[word] for word in kept], lower, False
    )
    characters = tokens.fit([words], "characters", None, 1, False, False)
    assert isinstance(characters, tokens.Characters)
    return Lexicon(vocabulary, characters, digits, min(longest, max(map(len, words))))


def from_json(words: str, characters: str, *, digits: bool, longest: int) -> Lexicon:
    """Returns the lexicon of two vocabularies as JSON."""
    vocabulary, alphabet = tokens.from_json(words), tokens.from_json(characters)
    assert isinstance(vocabulary, tokens.Words)
    assert isinstance(alphabet, tokens.Characters)
    return Lexicon(vocabulary, alphabet, digits, longest)


def spelling(word: str, lower: bool, digits: bool) -> str:
    """Returns a word as vocabularies have it."""
    word = word.lower() if lower else word
    return _DIGIT.sub("0", word) if digits else word


def shortened(word: str, longest: int) -> str:
    """Returns the beginning and the end of a word, `longest` characters together."""
    if len(word) <= longest:
        return word
    return word[: longest - longest // 2] + word[len(word) - longest // 2 :]


def shape(word: str) -> int:
    """Returns the id of a word's shape."""
    letters = [character for character in word if character.isalpha()]
    marks = any(not character.isalnum() for character in word)
    if any(character.isdigit() for character in word):
        return 8 if letters else 7 if marks else 6
    if not letters:
        return 10
    if marks and not all(character.isalpha() or character in ".'-’" for character in word):
        return 9
    upper = [letter.isupper() for letter in letters]
    if not any(upper):
        return 1
    if all(upper):
        return 3 if len(letters) > 1 else 4
    return 5 if any(upper[1:]) else 2
