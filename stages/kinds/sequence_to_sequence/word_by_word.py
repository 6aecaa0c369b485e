"""Outputs word by word: for each word of the source the one that IBM model 1 finds likeliest."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from stages.text import alignment, tokens


@dataclass(frozen=True)
class Dictionary:
    """For each source word a target word.

    Attributes:
        words: with the space before them, if they have one.
        shares: of a source word's occurrences in training, those in which the target word is
            expected to come from it.
    """

    words: dict[str, str]
    shares: dict[str, float]

    def outputs(self, sources: Sequence[str], least: float) -> list[str]:
        """Returns an output for each source: a word that training lacks stays as it is, and one
        whose share is below `least` is left out."""
        return ["".join(self._output(source, least)).strip() for source in sources]

    def _output(self, source: str, least: float) -> Iterator[str]:
        for word in split(source):
            # At the beginning of a sentence it may be capital.
            forms = (word, word.lower(), word.title())
            known = next((form for form in forms if form in self.words), None)
            if known is None:
                yield word
            elif self.shares[known] >= least:
                yield self.words[known]


def split(text: str) -> list[str]:
    """Returns the words, punctuation marks and short forms of a text, each with a space before it
    if one is there, and the first one with a space."""
    end, words = -1, []
    for start, stop in tokens.spans(text, contractions=True):
        words.append(text[start:stop] if start == end else f" {text[start:stop]}")
        end = stop
    return words


def learn(sources: Sequence[str], targets: Sequence[str], iterations: int, most: int) -> Dictionary:
    """Learns the dictionary by IBM model 1.

    Args:
        sources, targets: of which the nth ones belong together.
        most: pairs of words that are held; where there are more, it learns of the first texts.
    """
    (source, source_words), (target, target_words) = _numbered(sources), _numbered(targets)
    texts = alignment.within(source, target, most)
    source, target = source.first(texts), target.first(texts)
    found, counts = alignment.ibm1(source, target, iterations).likeliest(source.size)
    occurrences = np.bincount(source.ids, minlength=source.size)
    entries = zip(source_words, found.tolist(), counts.tolist(), occurrences.tolist(), strict=True)
    kept = [entry for entry in entries if entry[1] >= 0]
    return Dictionary(
        {word: target_words[number] for word, number, _, _ in kept},
        {word: count / occurrence for word, _, count, occurrence in kept},
    )


def _numbered(texts: Sequence[str]) -> tuple[alignment.Words, list[str]]:
    """Returns the words of texts as numbers, and the word of each number."""
    known: dict[str, int] = {}
    split_texts = [split(text) for text in texts]
    ids = [known.setdefault(word, len(known)) for words in split_texts for word in words]
    lengths = [len(words) for words in split_texts]
    return alignment.Words(np.array(ids, np.int64), np.array(lengths, np.int64), len(known)), list(
        known
    )
