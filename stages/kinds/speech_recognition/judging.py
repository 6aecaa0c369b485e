"""The scores of transcripts, of the network and the baselines alike, by jiwer's alignments: the
fewest words, or characters, that have to be replaced, taken out or put in."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

import numpy as np

from stages.drawing import shown
from stages.files.task_data import TaskData
from stages.kinds.speech_recognition import Examples, Ingested

EDITS = ("substitutions", "deletions", "insertions")
# In a picture of confusions, the words that are confused most.
SHOWN = 20
NOTHING = "∅"


@dataclass(frozen=True)
class Comparison:
    """Transcripts that were found, compared with the right ones.

    Attributes:
        edits: (recordings, 3) of words, as `EDITS`. words: (recordings,) in the right transcripts.
        letters: (recordings, 2) edits of characters, and characters of the right transcripts.
        right: (recordings,) bool, whether a transcript has no edit.
        confusions: how often a right word was taken for a found one; `NOTHING` where there is none.
    """

    edits: np.ndarray
    words: np.ndarray
    letters: np.ndarray
    right: np.ndarray
    confusions: Counter[tuple[str, str]]

    def scores(self, chosen: np.ndarray | None = None) -> dict[str, float]:
        """Returns the scores of all recordings, or of those that are chosen, (recordings,) bool."""
        rows = slice(None) if chosen is None else chosen
        words, letters = self.words[rows].sum(), self.letters[rows].sum(0)
        edits = self.edits[rows].sum(0) / words
        return {
            "wer": float(edits.sum()),
            "cer": float(letters[0] / letters[1]),
            "accuracy": float(self.right[rows].mean()),
            **dict(zip(EDITS, edits.tolist(), strict=True)),
        }

    def interval(self, draws: int, seed: int) -> dict[str, float]:
        """Returns the bounds of the 95 % interval of the word error rate: quantiles over `draws`
        draws of as many recordings, with replacement (the percentile bootstrap; Efron, 1979)."""
        rng, count = np.random.default_rng(seed), len(self.words)
        errors, rates = self.edits.sum(1), []
        for _ in range(draws):
            drawn = rng.integers(0, count, count)
            rates.append(errors[drawn].sum() / self.words[drawn].sum())
        low, high = np.quantile(rates, [0.025, 0.975])
        return {"wer_low": float(low), "wer_high": float(high)}


@dataclass(frozen=True)
class Judge:
    """What the transcripts of a split are compared with.

    Attributes:
        names: of the recordings. transcripts: the right ones. speakers: empty where none is named.
    """

    names: np.ndarray
    transcripts: list[str]
    speakers: np.ndarray

    def __call__(self, found: Sequence[str]) -> Comparison:
        """Compares the transcripts that were found for the recordings."""
        import jiwer

        words = jiwer.process_words(self.transcripts, list(found))
        letters = jiwer.process_characters(self.transcripts, list(found))
        edits = np.array([_edits(chunks) for chunks in words.alignments])
        confusions: Counter[tuple[str, str]] = Counter()
        for right, guess, chunks in zip(
            words.references, words.hypotheses, words.alignments, strict=True
        ):
            confusions.update(_pairs(right, guess, chunks))
        return Comparison(
            edits=edits,
            words=np.array([len(text) for text in words.references]),
            letters=np.array(
                [
                    (sum(_edits(chunks)), len(text))
                    for chunks, text in zip(letters.alignments, letters.references, strict=True)
                ]
            ),
            right=(edits == 0).all(1),
            confusions=confusions,
        )

    @property
    def groups(self) -> tuple[str, dict[str, np.ndarray]]:
        """What recordings are told apart by, and which of them each group has, (recordings,) bool:
        their speaker, or, where none is named, how many words they have."""
        if (self.speakers != "").any():
            return "speaker", {name: self.speakers == name for name in sorted(set(self.speakers))}
        counts = np.array([len(text.split()) for text in self.transcripts])
        return "words", {str(count): counts == count for count in np.unique(counts)}


def judge(data: TaskData[Ingested, Examples], split: str) -> Judge:
    """Returns the judge of a split."""
    numbers = data.examples.numbers_of(split)
    table = data.ingested.read(["recording", "transcript", "speaker"]).iloc[numbers]
    speakers = table["speaker"].to_numpy(str)
    return Judge(table["recording"].to_numpy(str), table["transcript"].tolist(), speakers)


def signature() -> str:
    """Returns how the scores are computed, for those who compare them with others."""
    return (
        f"jiwer {version('jiwer')}, errors of all recordings by the words (characters and spaces) "
        "of all transcripts, as ingest has normalised them"
    )


def _edits(chunks: Sequence[Any]) -> tuple[int, int, int]:
    """Returns the substitutions, deletions and insertions of an alignment."""
    found = {"substitute": 0, "delete": 0, "insert": 0, "equal": 0}
    for chunk in chunks:
        spoken = chunk.ref_end_idx - chunk.ref_start_idx
        found[chunk.type] += max(spoken, chunk.hyp_end_idx - chunk.hyp_start_idx)
    return found["substitute"], found["delete"], found["insert"]


def _pairs(
    right: Sequence[str], guess: Sequence[str], chunks: Sequence[Any]
) -> list[tuple[str, str]]:
    """Returns the words of an alignment side by side."""
    pairs: list[tuple[str, str]] = []
    for chunk in chunks:
        own = list(right[chunk.ref_start_idx : chunk.ref_end_idx])
        other = list(guess[chunk.hyp_start_idx : chunk.hyp_end_idx])
        size = max(len(own), len(other))
        own += [NOTHING] * (size - len(own))
        other += [NOTHING] * (size - len(other))
        pairs += zip(own, other, strict=True)
    return pairs


def draw_confusions(axes: Any, confusions: Counter[tuple[str, str]]) -> None:
    """Draws how often right words (rows) were taken for others (columns), those with most errors
    first in the choice, in their alphabetical order."""
    wrong: Counter[str] = Counter()
    for (right, guess), count in confusions.items():
        for word in {right, guess} - {NOTHING} if right != guess else set():
            wrong[word] += count
    frequent = Counter({right: 0 for right, _ in confusions if right != NOTHING})
    frequent.update(wrong)
    names = [*sorted(word for word, _ in frequent.most_common(SHOWN)), NOTHING]
    counts = np.array([[confusions[right, guess] for guess in names] for right in names])
    shares = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1, aspect="auto")
    axes.grid(False)
    labels = [shown(name, 12) for name in names]
    axes.set_xticks(range(len(names)), labels, rotation=90)
    axes.set_yticks(range(len(names)), labels)
    axes.set_xlabel(f"found ({NOTHING}: missed)")
    axes.set_ylabel(f"spoken ({NOTHING}: made up)")
    for row, column in np.argwhere(counts).tolist():
        colour = "white" if shares[row, column] > 0.6 else "black"
        axes.text(
            column, row, str(counts[row, column]), ha="center", va="center", size=6, color=colour
        )
