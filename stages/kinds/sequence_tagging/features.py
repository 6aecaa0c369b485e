"""A conditional random field on features of words that are made by hand, by CRFsuite."""

import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from stages.kinds.sequence_tagging.lexicon import shape

# The longest beginning and end of a word that is a feature.
AFFIX = 3
# Neighbours on either side.
REACH = 2


def of(words: Sequence[str], offsets: np.ndarray) -> list[list[str]]:
    """Returns the features of each word: its text, shape, beginnings and ends, what its neighbours
    are, and where a sentence starts and ends.

    Args:
        words: of all sentences. offsets: (sentences + 1,) the first word of each, and the end.
    """
    own = {word: _own(word) for word in set(words)}
    found = []
    for first, after in zip(offsets[:-1].tolist(), offsets[1:].tolist(), strict=True):
        for place in range(first, after):
            features = [*own[words[place]], "bias"]
            for shift in (*range(-REACH, 0), *range(1, REACH + 1)):
                if first <= place + shift < after:
                    other = words[place + shift]
                    features += [f"{shift}:lower={other.lower()}", f"{shift}:shape={shape(other)}"]
                    if abs(shift) == 1:
                        features.append(f"{shift}:word={other}")
                else:
                    features.append(f"{shift}:none")
            found.append(features)
    return found


def _own(word: str) -> list[str]:
    lower = word.lower()
    affixes = range(1, min(AFFIX, len(word)) + 1)
    return [
        f"word={word}",
        f"lower={lower}",
        f"shape={shape(word)}",
        f"pattern={_pattern(word)}",
        *(f"prefix={lower[:size]}" for size in affixes),
        *(f"suffix={lower[-size:]}" for size in affixes),
    ]


def _pattern(word: str) -> str:
    """Returns a word with X, x and 0 in place of its letters and digits, each once in a row."""
    pattern = ""
    for character in word[:40]:
        mark = (
            "0"
            if character.isdigit()
            else "X"
            if character.isupper()
            else "x"
            if character.isalpha()
            else character
        )
        pattern += mark if not pattern.endswith(mark) else ""
    return pattern


def train(
    features: Sequence[Sequence[str]],
    tags: Sequence[str],
    offsets: np.ndarray,
    c1: float,
    c2: float,
    iterations: int,
) -> bytes:
    """Returns a trained model, by L-BFGS (orthant-wise where `c1` is above 0), which draws nothing
    at random.

    Args:
        features: of each word. tags: of each word. offsets: (sentences + 1,).
        c1, c2: the factors of the sum of the absolute weights and of that of their squares.
        iterations: at most.
    """
    import pycrfsuite

    trainer = pycrfsuite.Trainer(verbose=False)
    for first, after in zip(offsets[:-1].tolist(), offsets[1:].tolist(), strict=True):
        trainer.append(pycrfsuite.ItemSequence(features[first:after]), tags[first:after])
    trainer.set_params({"c1": c1, "c2": c2, "max_iterations": iterations})
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model"
        trainer.train(str(path))
        return path.read_bytes()


def tag(model: bytes, features: Sequence[Sequence[str]], offsets: np.ndarray) -> list[str]:
    """Returns the most probable tags of the words of each sentence."""
    import pycrfsuite

    tagger = pycrfsuite.Tagger()
    tagger.open_inmemory(model)
    found: list[str] = []
    for first, after in zip(offsets[:-1].tolist(), offsets[1:].tolist(), strict=True):
        found += tagger.tag(pycrfsuite.ItemSequence(features[first:after]))
    return found
