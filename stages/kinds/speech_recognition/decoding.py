"""From a network's scores to transcripts, and where their words are."""

import re
from collections.abc import Callable
from typing import Annotated, Any

import numpy as np
from pydantic import Field

from stages.audio.segments import extents
from stages.kinds.speech_recognition import Examples
from stages.kinds.speech_recognition.train import Recordings
from stages.sections import Count, Section
from stages.text import ctc

# What counts as speech, between quiet (0) and loud (1). In strings of digits the starts of words
# were so found to 15 ms and their ends to 61 ms (medians), and by the network alone to 86 and 284.
SPEECH = 0.2
# Seconds of a pause at which a word ends: the closure of a stop within a word is shorter. Without
# this limit, words that the network missed and noise in long pauses made others seconds longer.
PAUSE = 0.1


class Decoding(Section):
    """How transcripts are found.

    beams: beginnings of transcripts that the prefix beam search (Hannun et al., 2014) holds at a
        time; 1, without the following two: the likeliest path alone (greedy).
    language_weight: factor of log p of a transcript by a trigram model of the training transcripts,
        which is added to log p of the sound; 0: none.
    bonus: what each label adds, against the model's preference for short transcripts.
    """

    beams: Count = 8
    language_weight: Annotated[float, Field(ge=0)] = 0.0
    bonus: float = 0.0


class Heard:
    """What a network heard in recordings.

    Attributes:
        log_p: (recordings, steps, labels + 1) log p of the labels and the blank at each step.
        steps: (recordings,) each recording's own.
        ids: the labels of each transcript. texts: the transcripts.
    """

    def __init__(
        self,
        examples: Examples,
        numbers: np.ndarray,
        log_p: np.ndarray,
        steps: np.ndarray,
        ids: list[np.ndarray],
    ) -> None:
        self._examples, self._numbers = examples, numbers
        self.log_p, self.steps, self.ids = log_p, steps, ids
        self.texts = [" ".join(examples.transcript(own).split()) for own in ids]

    def words(self) -> list[list[dict[str, Any]]]:
        """Returns the `word`s of each transcript with `start` and `end`, in seconds, and
        `confidence`.

        The likeliest path says at which steps the network is sure of a word, which are fewer than
        it lasts; from there it reaches as far as the recording's energy does. The confidence is the
        highest probability of a label; of a word's labels the lowest one.
        """
        counts = np.array([len(own) for own in self.ids])
        labels = np.zeros((len(self.ids), max(int(counts.max(initial=0)), 1)), np.int64)
        labels[np.arange(labels.shape[1]) < counts[:, None]] = np.concatenate(self.ids)
        where = ctc.align(self.log_p, self.steps, labels, counts)
        return [
            self._words_of(row, where.first[row], where.after[row], where.highest[row])
            if count
            else []
            for row, count in enumerate(counts.tolist())
        ]

    def _words_of(
        self, row: int, first: np.ndarray, after: np.ndarray, sure: np.ndarray
    ) -> list[dict[str, Any]]:
        examples, number = self._examples, self._numbers[row]
        names = [examples.labels_known[label] for label in self.ids[row].tolist()]
        # The first label of each word, and the one behind its last.
        words = [(place, place + 1) for place in range(len(names))]
        if examples.unit == "characters":
            words = [match.span() for match in re.finditer(r"[^ ]+", "".join(names))]
        start, frames = int(examples.starts[number]), int(examples.lengths[number])
        marks = np.array([(first[place], after[end - 1]) for place, end in words]).reshape(-1, 2)
        features = np.asarray(examples.features[start : start + frames], np.float32)
        marks = np.minimum(marks * examples.stride, frames)
        pause = max(round(PAUSE / examples.hop), 1)
        return [
            {
                "word": "".join(names[place:end]),
                "start": round(begins * examples.hop, 3),
                "end": round(ends * examples.hop, 3),
                "confidence": round(float(sure[place:end].min()), 4),
            }
            for (place, end), (begins, ends) in zip(
                words, extents(features, marks, SPEECH, pause).tolist(), strict=True
            )
        ]


def hear(
    predict: Callable[..., np.ndarray],
    examples: Examples,
    numbers: np.ndarray,
    decoding: Decoding,
) -> Heard:
    """Returns what a network hears in the recordings `numbers`.

    Args:
        predict: the network: batches -> its outputs.
    """
    recordings = Recordings(examples, numbers)
    log_p = _log_softmax(predict(recordings))
    steps = recordings.lengths
    if decoding.beams == 1 and not decoding.language_weight and not decoding.bonus:
        return Heard(examples, numbers, log_p, steps, ctc.greedy(log_p, steps))
    language = None
    if decoding.language_weight:
        known = examples.numbers_of("train")
        known = known[examples.spelled[known]]
        language = ctc.counted(*examples.labels_of(known), examples.blank + 1)
    found = ctc.beam_search(
        log_p, steps, decoding.beams, language, decoding.language_weight, decoding.bonus
    )
    return Heard(examples, numbers, log_p, steps, [hypothesis.ids for hypothesis in found])


def _log_softmax(scores: np.ndarray) -> np.ndarray:
    shifted = scores - scores.max(2, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(2, keepdims=True))
