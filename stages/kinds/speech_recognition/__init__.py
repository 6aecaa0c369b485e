"""Speech recognition: the words that are spoken in a recording."""

from dataclasses import dataclass

import numpy as np

from stages.audio.features import Spectrum
from stages.batching import padded
from stages.kinds.speech_recognition.spectra import Normalization, Reader
from stages.splits import SPLITS


@dataclass(frozen=True)
class Ingested:
    """What `ingest` says of its table: one row a recording, `recording`, `transcript`, `speaker`
    (empty where none is named), `split`, and `samples`, the bytes of its 16-bit numbers.

    Attributes:
        rate: samples a second.
        recordings, seconds: how many, and how long they are in all, by split.
        speakers: their names, by split; empty where none are named.
        words: of the training transcripts, how many different ones.
        unknown: the share of the words of each split that training lacks.
        source_recordings: how many recordings each split has before strings are made of them; empty
            without `strings`.
        dropped: how many recordings are past the split's numbers.
    """

    rate: int
    recordings: dict[str, int]
    seconds: dict[str, float]
    speakers: dict[str, list[str]]
    words: int
    unknown: dict[str, float]
    source_recordings: dict[str, int]
    dropped: int


@dataclass(frozen=True)
class Examples:
    """Features and labels of recordings in flat arrays: split after split, and behind them the
    variations of the training recordings.

    Attributes:
        recordings: how many each split has, without variations. variations: how many there are.
        unit: what a label stands for, `words` or `characters`.
        labels_known: their names by id. The blank of CTC is the id behind the last one.
        rate, window, hop, bands, lowest, highest: of the spectrum, as `Spectrum` has them.
        normalize, channel, dynamic_range, stride: as in the section `extract_features`.
        features: (frames, bands) float16, normalised.
        starts, lengths: (recordings,) the first frame and the number of frames of each.
        labels: (labels,) int32 of all transcripts. label_starts, label_counts: (recordings,).
        spelled: (recordings,) bool, whether training has all labels of a transcript.
        mean, deviation: (bands,) float32, by which features are normalised.
    """

    recordings: dict[str, int]
    variations: int
    unit: str
    labels_known: list[str]
    rate: int
    window: float
    hop: float
    bands: int
    lowest: float
    highest: float | None
    normalize: Normalization
    channel: float
    dynamic_range: float | None
    stride: int
    features: np.ndarray
    starts: np.ndarray
    lengths: np.ndarray
    labels: np.ndarray
    label_starts: np.ndarray
    label_counts: np.ndarray
    spelled: np.ndarray
    mean: np.ndarray
    deviation: np.ndarray

    def numbers_of(self, split: str) -> np.ndarray:
        """Returns the numbers of a split's recordings, without variations."""
        sizes = [self.recordings[name] for name in SPLITS]
        first = sum(sizes[: SPLITS.index(split)])
        return np.arange(first, first + self.recordings[split])

    def steps_of(self, numbers: np.ndarray) -> np.ndarray:
        """Returns how many steps recordings have, (recordings,): of `stride` frames each."""
        return -(-np.asarray(self.lengths)[numbers] // self.stride)

    @property
    def reader(self) -> Reader:
        """How recordings become frames, before training's normalisation."""
        spectrum = Spectrum(self.rate, self.window, self.hop, self.bands, self.lowest, self.highest)
        return Reader(spectrum, self.normalize, self.channel, self.dynamic_range)

    @property
    def blank(self) -> int:
        """The id of the blank."""
        return len(self.labels_known)

    def labels_of(self, numbers: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Returns the labels of recordings, (recordings, most), 0 behind a recording's own, and how
        many each has, (recordings,) int32."""
        counts = np.asarray(self.label_counts[numbers])
        most = max(int(counts.max(initial=0)), 1)
        labels, _ = padded(self.labels, self.label_starts[numbers], counts, most)
        return labels, counts.astype(np.int32)

    def transcript(self, ids: np.ndarray) -> str:
        """Returns the text of labels."""
        names = [self.labels_known[number] for number in ids.tolist()]
        return ("" if self.unit == "characters" else " ").join(names)
