"""Recordings to normalised log-mel energies, and transcripts to labels, in flat arrays. Only
training recordings decide what labels there are, and by what energies are normalised."""

from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import pandas as pd
from pydantic import Field, model_validator

from stages.audio import perturbing
from stages.audio.features import Spectrum
from stages.errors import InputError
from stages.files import tables
from stages.files.task_data import IngestedTable
from stages.kinds.data import Prepared
from stages.kinds.speech_recognition import Examples, Ingested
from stages.kinds.speech_recognition.spectra import Moments, Normalization, Reader
from stages.sections import Count, Positive, Section, Seed
from stages.text import ctc

# Frames that are normalised at a time.
BLOCK = 1 << 16
# Recordings whose samples are read at a time.
ROWS = 16


class Variations(Section):
    """Variations of the training recordings, which stand beside them as further examples.

    count: of each recording.
    speeds: one is drawn for each: 1.1 is shorter and higher (Ko et al., 2015).
    warp: by how much the frequencies of the bands are scaled up or down at most, as those of a
        shorter or longer vocal tract (Jaitly and Hinton, 2013).
    noise: dB that white noise stays below the recording, at least and at most; null: none.
    """

    count: Count = 1
    speeds: Annotated[list[Annotated[float, Field(ge=0.5, le=2)]], Field(min_length=1)] = [
        *(0.9, 0.95, 1.0, 1.05, 1.1),
    ]
    warp: Annotated[float, Field(ge=0, le=0.3)] = 0.1
    noise: (
        Annotated[list[Annotated[float, Field(ge=0)]], Field(min_length=2, max_length=2)] | None
    ) = None
    seed: Seed = 0

    @model_validator(mode="after")
    def _ordered(self) -> "Variations":
        if self.noise is not None and self.noise[0] > self.noise[1]:
            raise ValueError("the first number of `noise` no larger than the second one")
        return self

    @property
    def drawn_from(self) -> perturbing.Variations:
        """The variations of which one is drawn for each recording."""
        noise = None if self.noise is None else (self.noise[0], self.noise[1])
        return perturbing.Variations(tuple(self.speeds), self.warp, 0.0, noise)


class Parameters(Section):
    """How recordings become examples.

    unit: what the network's labels stand for. With `words` it knows those of training alone.
    window, hop: seconds that a frame covers, and from one to the next.
    bands: mel bands between `lowest` and `highest` Hz; null: half of the rate.
    stride: frames that the network makes one step of.
    normalize: by the mean and deviation of each band, `training`: over all training recordings;
        `level`: likewise, after the mean of each recording's speech was taken off, which says how
        loud it is; `recording`: over the recording itself.
    channel: with `level`, which part of the mean in each band, rather than over all bands, is taken
        off: it is what the microphone and the room do, and what is said. The fewer words a
        recording has, the less of it is the microphone. 1 is mean normalisation (Atal, 1974).
    dynamic_range: dB below a recording's loudest moment at which what is quieter counts as silence;
        null: none.
    variations: of training recordings; null: none.
    """

    unit: Literal["words", "characters"] = "characters"
    window: Positive = 0.025
    hop: Positive = 0.010
    bands: Annotated[int, Field(ge=1, le=256)] = 40
    lowest: Annotated[float, Field(ge=0)] = 20.0
    highest: Positive | None = None
    stride: Count = 3
    normalize: Normalization = "level"
    channel: Annotated[float, Field(ge=0, le=1)] = 0.5
    dynamic_range: Positive | None = 52.0
    variations: Variations | None = None

    def reader(self, rate: int) -> Reader:
        """Returns how recordings of a rate become frames."""
        spectrum = Spectrum(rate, self.window, self.hop, self.bands, self.lowest, self.highest)
        return Reader(spectrum, self.normalize, self.channel, self.dynamic_range)


def prepare(ingested: IngestedTable[Ingested], parameters: Parameters, scratch: Path) -> Prepared:
    """Computes the features of all recordings, and the labels of their transcripts."""
    about, varied = ingested.about, parameters.variations
    reader, train = parameters.reader(about.rate), about.recordings["train"]
    path, moments, lengths = scratch / "energies", Moments(parameters.bands), []
    with path.open("wb") as file:
        for number, energies in enumerate(_energies(ingested, varied, reader)):
            if number < train:
                moments.add(energies)
            energies.tofile(file)
            lengths.append(len(energies))
    mean, deviation = moments.result()
    if parameters.normalize == "recording":
        mean, deviation = np.zeros_like(mean), np.ones_like(deviation)
    table = ingested.read(["recording", "transcript", "split"])
    labels_known, labels, counts, spelled = _labels(table, parameters.unit)
    label_starts = np.cumsum(counts) - counts
    # Behind all recordings, the variations of those of training.
    rows = np.append(
        np.arange(len(table)), np.tile(np.arange(train), varied.count if varied else 0)
    )
    examples = Examples(
        recordings=about.recordings,
        variations=len(rows) - len(table),
        unit=parameters.unit,
        labels_known=labels_known,
        rate=about.rate,
        window=parameters.window,
        hop=parameters.hop,
        bands=parameters.bands,
        lowest=parameters.lowest,
        highest=parameters.highest,
        normalize=parameters.normalize,
        channel=parameters.channel,
        dynamic_range=parameters.dynamic_range,
        stride=parameters.stride,
        features=_normalised(path, scratch / "features.npy", mean, deviation),
        starts=np.cumsum(lengths) - lengths,
        lengths=np.array(lengths),
        labels=labels,
        label_starts=label_starts[rows],
        label_counts=counts[rows],
        spelled=spelled[rows],
        mean=mean,
        deviation=deviation,
    )
    _expect_spelled(examples)
    _expect_steps(examples, table["recording"].to_numpy(object)[rows])
    told = f"frames {len(examples.features)}, labels {len(labels_known)}"
    return Prepared(examples, f"{told}, variations {examples.variations}")


def _expect_spelled(examples: Examples) -> None:
    """Raises `InputError` if no validation recording could be in the loss."""
    numbers = examples.numbers_of("validation")
    if not examples.spelled[numbers].any():
        other = ", or take characters as extract_features.unit" if examples.unit == "words" else ""
        raise InputError(
            f"expected a validation recording all of whose {examples.unit} training has, received "
            f"{len(numbers)} without: split the recordings in another way{other}"
        )


def _expect_steps(examples: Examples, names: np.ndarray) -> None:
    """Raises `InputError` if a recording, of training or validation, has fewer steps than CTC needs
    for its labels. `names`: (recordings,), with variations, of which the sped-up ones may be too
    short although their recordings are not."""
    numbers = np.setdiff1d(np.arange(len(names)), examples.numbers_of("test"))
    steps, needed = examples.steps_of(numbers), ctc.needed(*examples.labels_of(numbers))
    is_short = (steps < needed) & examples.spelled[numbers]
    varied = numbers >= len(names) - examples.variations
    recordings = np.flatnonzero(is_short & ~varied)
    short = recordings if len(recordings) else np.flatnonzero(is_short)
    if len(short):
        first, named = short[0], list(dict.fromkeys(names[numbers[short]]))
        faster = "" if len(recordings) else "sped-up variations of "
        remedy = "" if len(recordings) else "lower extract_features.variations.speeds, "
        raise InputError(
            "expected recordings that are long enough for their transcripts, received "
            f"{faster}{', '.join(named[:5])} ({len(short)} in all): the first has "
            f"{steps[first]} steps of {examples.stride} frames, and its transcript needs "
            f"{needed[first]}: {remedy}correct the transcripts, take the recordings out, or lower "
            "extract_features.stride or .hop"
        )


def _energies(
    ingested: IngestedTable[Ingested], variations: Variations | None, reader: Reader
) -> Iterator[np.ndarray]:
    """Yields the energies of each recording, (frames, bands), and then those of the variations."""
    for samples in _samples(ingested):
        yield reader(samples)
    for copy in range(variations.count if variations else 0):
        assert variations is not None
        rng, drawn_from = np.random.default_rng([variations.seed, copy]), variations.drawn_from
        for samples in islice(_samples(ingested), ingested.about.recordings["train"]):
            variation = drawn_from.draw(rng)
            varied = perturbing.vary(samples, variation, rng)
            yield reader(varied, variation.warp)


def _samples(ingested: IngestedTable[Ingested]) -> Iterator[np.ndarray]:
    for chunk in tables.read_chunks(ingested.folder / "table.parquet", ["samples"], ROWS):
        yield from (np.frombuffer(content, np.int16) for content in chunk["samples"])


def _normalised(path: Path, target: Path, mean: np.ndarray, deviation: np.ndarray) -> np.ndarray:
    """Returns the energies in a file, normalised, as an array on disk."""
    energies = np.memmap(path, np.float32, "r").reshape(-1, len(mean))
    features = np.lib.format.open_memmap(target, "w+", np.float16, energies.shape)
    for first in range(0, len(energies), BLOCK):
        block = energies[first : first + BLOCK]
        features[first : first + BLOCK] = (block - mean) / deviation
    return features


def _labels(table: pd.DataFrame, unit: str) -> tuple[list[str], np.ndarray, np.ndarray, np.ndarray]:
    """Returns the labels that training has, sorted; the ids of the labels of all transcripts
    (labels,); how many each has, and whether training has all of them, (recordings,). One that
    training lacks is 0."""
    texts = table["transcript"]
    units = texts.map(list) if unit == "characters" else texts.str.split()
    counts = units.map(len).to_numpy()
    flat = units.explode()
    known = sorted(set(flat[np.repeat(table["split"].to_numpy(), counts) == 0]))
    ids = flat.map({name: number for number, name in enumerate(known)}).to_numpy(float)
    unknown = np.add.reduceat(np.isnan(ids), np.cumsum(counts) - counts)
    return known, np.nan_to_num(ids).astype(np.int32), counts, unknown == 0
