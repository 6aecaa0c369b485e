"""The baselines of speech recognition: the likeliest transcript, and words that are cut out by
their energy and classified by their spectrum."""

import logging
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field

from stages.audio.segments import fixed, segments
from stages.errors import InputError
from stages.files.task_data import TaskData
from stages.kinds.data import Baselines, Judged
from stages.kinds.speech_recognition import Examples, Ingested
from stages.kinds.speech_recognition.judging import Judge, judge
from stages.scores import MethodScores
from stages.sections import Positive, Section

log = logging.getLogger("reprise")

Method = Literal["likeliest_transcript", "nearest_word", "logistic_regression", "svm"]
Threshold = Annotated[float, Field(gt=0, lt=1)]
Classify = Callable[[np.ndarray], np.ndarray]
# Classifiers learn from at most so many words, of so many different ones: a support vector machine
# then learns in seconds.
MOST_WORDS, MOST_KNOWN = 5000, 200
# Words are told apart by pauses if so large a share of the training recordings is cut right.
LEAST = 0.1


class Parameters(Section):
    """methods: `likeliest_transcript`: the most frequent one of training. The others cut a
        recording into words where its energy is low, and classify each by the mel-frequency
        cepstral coefficients at 12 points of it: `nearest_word`: the word of the nearest one in
        training; `logistic_regression`; `svm`: a support vector machine with Gaussian kernel. They
        learn from recordings that are cut into as many words as their transcript has, at most 5,000
        of the 200 most frequent words. Where less than a tenth of the training recordings is cut
        so, as in continuous speech, they are left out. Where each training transcript is one word,
        a recording is one, from its first to its last sound.
    thresholds: of the energy, between quiet (0) and loud (1); the one with the best word error rate
        on validation is taken.
    shortest_pause, shortest_word: seconds.
    """

    methods: Annotated[list[Method], Field(min_length=1)] = [
        "likeliest_transcript",
        "nearest_word",
        "logistic_regression",
        "svm",
    ]
    thresholds: Annotated[list[Threshold], Field(min_length=1)] = [0.2, 0.3, 0.4, 0.5, 0.6]
    shortest_pause: Positive = 0.03
    shortest_word: Positive = 0.08


@dataclass(frozen=True)
class Chosen:
    """A classifier of words, the threshold that cuts them out, and their scores on validation."""

    threshold: float
    classify: Classify
    validation: dict[str, float]


def baseline(
    data: TaskData[Ingested, Examples], parameters: Parameters, judged: Judged
) -> Baselines:
    """Returns each method's scores on the test and the validation split, and no arrays.

    Raises:
        InputError: if there are classifiers alone, and recordings are not to be cut into words.
    """
    judges = {split: judge(data, split) for split in ("train", "validation", "test")}
    scores: dict[str, MethodScores] = {}
    if "likeliest_transcript" in parameters.methods:
        likeliest = Counter(judges["train"].transcripts).most_common(1)[0][0]
        test, validation = (
            judges[split]([likeliest] * len(judges[split].transcripts)).scores()
            for split in ("test", "validation")
        )
        scores["likeliest_transcript"] = {**test, "validation": validation}
    single = all(len(text.split()) == 1 for text in judges["train"].transcripts)
    for method, chosen in _chosen(data.examples, judges, parameters, single).items():
        words = Words(data.examples, "test", chosen.threshold, parameters, single=single)
        test = judges["test"](words.transcripts(chosen.classify)).scores()
        scores[method] = {**test, "validation": chosen.validation}
    return Baselines({method: scores[method] for method in parameters.methods if method in scores})


def _chosen(
    examples: Examples, judges: dict[str, Judge], parameters: Parameters, single: bool
) -> dict[str, Chosen]:
    """Returns the classifiers, each with the best threshold on validation, of equal ones the first;
    none where no threshold cuts enough training recordings into their words."""
    methods: list[str] = [name for name in parameters.methods if name != "likeliest_transcript"]
    best: dict[str, Chosen] = {}
    largest = 0.0
    for threshold in parameters.thresholds if methods else ():
        train = Words(examples, "train", threshold, parameters, single=single)
        vectors, labels, share = train.labelled(judges["train"].transcripts)
        largest = max(largest, share)
        if share < LEAST or len(set(labels)) < 2:
            continue
        validation = Words(examples, "validation", threshold, parameters, single=single)
        for method in methods:
            classify = fitted(method, vectors, labels)
            scores = judges["validation"](validation.transcripts(classify)).scores()
            if method not in best or scores["wer"] < best[method].validation["wer"]:
                best[method] = Chosen(threshold, classify, scores)
    if methods and not best:
        _leave_out(methods, largest, parameters)
    return best


def _leave_out(methods: list[str], share: float, parameters: Parameters) -> None:
    """Says why there are no classifiers of words."""
    need, received = (
        "need pauses between words, and",
        (
            f"their energy cuts {share:.1%} of the training recordings into as many words as their "
            "transcripts have"
        ),
    )
    if share >= LEAST:
        need, received = "tell words apart, and", "training recordings have one word only"
    if len(methods) == len(parameters.methods):
        raise InputError(
            "baseline.methods: expected words, at least two different ones, with pauses between "
            f"them, received recordings of other speech: {received}: add likeliest_transcript"
        )
    log.warning("without %s: these %s %s", ", ".join(methods), need, received)


class Words:
    """The words of a split's recordings, cut out by their energy; `single`: each recording is a
    word, from its first to its last sound.

    Attributes:
        counts: (recordings,) how many each has. vectors: (words, numbers).
    """

    def __init__(
        self,
        examples: Examples,
        split: str,
        threshold: float,
        parameters: Parameters,
        *,
        single: bool = False,
    ) -> None:
        pause, word = (
            max(round(seconds / examples.hop), 1)
            for seconds in (parameters.shortest_pause, parameters.shortest_word)
        )
        coefficients, found = min(13, examples.bands), []
        for number in examples.numbers_of(split).tolist():
            start = examples.starts[number]
            frames = examples.features[start : start + examples.lengths[number]]
            features = np.asarray(frames, np.float32)
            bounds = segments(features, threshold, pause, word)
            if single:
                bounds = np.array([[bounds[0, 0], bounds[-1, 1]]])
            found.append(fixed(features, bounds[:, 0], bounds[:, 1], coefficients=coefficients))
        self.counts = np.array([len(own) for own in found])
        self.vectors = np.concatenate(found)

    def labelled(self, transcripts: list[str]) -> tuple[np.ndarray, np.ndarray, float]:
        """Returns the vectors and the words (as text) of the recordings that were cut into as many
        words as their transcripts have, as many as classifiers learn from; and the share of these
        recordings."""
        texts = [text.split() for text in transcripts]
        fits = self.counts == np.array([len(text) for text in texts])
        words = [word for text, fit in zip(texts, fits, strict=True) if fit for word in text]
        frequent = {word for word, _ in Counter(words).most_common(MOST_KNOWN)}
        kept = np.flatnonzero([word in frequent for word in words])
        # From all over the split: its recordings may be sorted by their words.
        most = min(len(kept), MOST_WORDS)
        kept = kept[np.linspace(0, len(kept), most, endpoint=False).astype(np.int64)]
        vectors = self.vectors[np.repeat(fits, self.counts)]
        return vectors[kept], np.array(words, str)[kept], float(fits.mean())

    def transcripts(self, classify: Classify) -> list[str]:
        """Returns the transcript of each recording, by a classifier of vectors."""
        words = np.split(classify(self.vectors), np.cumsum(self.counts)[:-1])
        return [" ".join(own.tolist()) for own in words]


def fitted(method: str, vectors: np.ndarray, labels: np.ndarray) -> Classify:
    """Returns a classifier of vectors, fitted on labelled ones, which are standardised."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.neighbors import KNeighborsClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import SVC

    models: dict[str, Callable[[], Any]] = {
        "nearest_word": lambda: KNeighborsClassifier(1),
        "logistic_regression": lambda: LogisticRegression(C=0.1, max_iter=1000),
        "svm": lambda: SVC(C=10.0),
    }
    model = make_pipeline(StandardScaler(), models[method]())
    model.fit(vectors, labels)
    return model.predict
