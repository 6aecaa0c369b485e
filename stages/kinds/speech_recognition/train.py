"""The recogniser: convolutions that make several frames one step, a recurrent stack over the steps,
and at each step a score for every label and for none of them (CTC)."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from stages.batching import Batch, padded
from stages.kinds.speech_recognition import Examples
from stages.networks.parameters import Training
from stages.sections import Count, Rate, Section

if TYPE_CHECKING:
    from stages.networks.losses import Loss


class Masks(Section):
    """What is hidden in training, so that the network relies on no single band or moment (Park et
    al., "SpecAugment", 2019); here on a grid, each of whose fields is hidden by chance.

    bands: share of the groups of `band_width` neighbouring bands. times: share of the stretches of
        `time_width` steps.
    """

    bands: Rate = 0.1
    band_width: Count = 5
    times: Rate = 0.1
    time_width: Count = 1


class Parameters(Training):
    """Besides what all networks have:

    convolutions: how many, one above the other. filters: numbers of each. width: neighbouring
        steps that one sees.
    bidirectional: whether the recurrent layers read in both directions.
    masks: what is hidden in training; null: nothing.
    members: one. Several spell a word at different moments, and the mean of their outputs is sure
        of none.
    """

    convolutions: Count = 1
    filters: Count = 96
    width: Count = 3
    bidirectional: bool = True
    masks: Masks | None = Masks()
    members: Literal[1] = 1


class Recordings:
    """Recordings of different lengths, in steps of several frames, padded behind their end."""

    streams = None

    def __init__(self, examples: Examples, numbers: np.ndarray) -> None:
        self._examples, self._numbers = examples, numbers
        self.lengths = examples.steps_of(numbers)
        self._labels, self._counts = examples.labels_of(numbers)

    def __len__(self) -> int:
        return len(self._numbers)

    def cut(self, indices: np.ndarray, length: int | None = None) -> Batch:
        """Returns `features` (recordings, length * stride, bands) float32, 0 for padding, and
        `steps` (recordings,); the number of labels as `targets` and the `mask`, (recordings,); the
        `labels` (recordings, most) and `steps` are given to the loss.
        """
        examples, numbers = self._examples, self._numbers[indices]
        steps = self.lengths[indices].astype(np.int32)
        frames = (length or int(steps.max())) * examples.stride
        features, _ = padded(
            examples.features, examples.starts[numbers], examples.lengths[numbers], frames
        )
        return {
            "inputs": {"features": features.astype(np.float32), "steps": steps},
            "targets": self._counts[indices],
            "mask": examples.spelled[numbers].astype(np.float32),
            "given": {"labels": self._labels[indices], "steps": steps},
        }


def batches(examples: Examples, split: str, parameters: Parameters) -> Recordings:
    """Returns the recordings of a split; with those of training their variations."""
    numbers = examples.numbers_of(split)
    if split == "train":
        first = sum(examples.recordings.values())
        numbers = np.append(numbers, np.arange(first, first + examples.variations))
    return Recordings(examples, numbers)


def loss(parameters: Parameters) -> "Loss":
    """Returns the loss of a batch: the sum of -log p of the transcripts, and their number."""
    from stages.networks import ctc

    return ctc.loss


def build(examples: Examples, parameters: Parameters, name: str) -> Any:
    """Returns the Keras model, of plain Keras layers only: `features` (batch, steps * stride,
    bands) and `steps` (batch,) -> the scores of the labels and the blank, (batch, steps, labels +
    1), 0 behind a recording's own steps."""
    from stages.networks import readers
    from stages.networks.backend import keras

    ops, layers = keras.ops, keras.layers
    frames = keras.Input((None, examples.bands), name="features")
    steps = keras.Input((), dtype="int32", name="steps")
    hidden = _joined(_masked(frames, parameters, examples.stride), examples.stride)
    place = ops.cumsum(ops.ones_like(hidden[:, :, 0], dtype="int32"), axis=1)
    own = ops.less_equal(place, steps[:, None])
    kept = ops.cast(own, "float32")[:, :, None]
    for number in range(1, parameters.convolutions + 1):
        convolution = layers.Dense(
            parameters.filters, activation="relu", name=f"convolution_{number}"
        )
        hidden = convolution(_neighbours(hidden * kept, parameters.width))
        if parameters.dropout:
            rate, name_of = parameters.dropout, f"convolution_dropout_{number}"
            hidden = layers.Dropout(rate, name=name_of)(hidden)
    hidden, _ = readers.read(
        hidden,
        own,
        cell=parameters.cell,
        units=parameters.units,
        layers=parameters.layers,
        bidirectional=parameters.bidirectional,
        dropout=parameters.dropout,
        fast=parameters.fast,
    )
    scores = layers.Dense(examples.blank + 1, name="scores")(hidden)
    return keras.Model({"features": frames, "steps": steps}, scores * kept, name=name)


def _masked(frames: Any, parameters: Parameters, stride: int) -> Any:
    """Returns the frames (batch, frames, bands), of which in training some are hidden: 0, which is
    the mean."""
    from stages.networks.backend import keras

    masks, ops = parameters.masks, keras.ops
    if masks is None:
        return frames

    def drop(ones: Any, rate: float, name: str) -> Any:
        # Dropout makes what it keeps larger in training, and leaves it as it is later.
        return ops.minimum(keras.layers.Dropout(rate, name=name)(ones), 1.0)

    width, span = masks.band_width, masks.time_width * stride
    if masks.bands:
        kept = drop(ops.ones_like(frames[:, :1, ::width]), masks.bands, "hidden_bands")
        frames = frames * ops.repeat(kept, width, axis=2)[:, :, : frames.shape[2]]
    if masks.times:
        kept = drop(ops.ones_like(frames[:, ::span, :1]), masks.times, "hidden_times")
        place = ops.cumsum(ops.ones_like(frames[0, :, 0], dtype="int32"), axis=0) - 1
        frames = frames * ops.take(kept, place // span, axis=1)
    return frames


def _joined(frames: Any, stride: int) -> Any:
    """Returns `stride` frames side by side as one step, (batch, steps, stride * bands)."""
    from stages.networks.backend import keras

    pieces = [frames[:, first::stride] for first in range(stride)]
    return keras.ops.concatenate(pieces, axis=-1) if stride > 1 else frames


def _neighbours(steps: Any, width: int) -> Any:
    """Returns `width` neighbouring steps side by side, (batch, steps, width * features), zeros
    beyond the ends. Their product with a matrix is a convolution, which adds up alike on every
    processor, as layers of convolutions do not promise."""
    from stages.networks.backend import keras

    if width == 1:
        return steps
    before = (width - 1) // 2
    wide = keras.ops.pad(steps, ((0, 0), (before, width - 1 - before), (0, 0)))
    pieces = [wide[:, first : first - width + 1 or None] for first in range(width)]
    return keras.ops.concatenate(pieces, axis=-1)


def settle(
    network: Any,
    examples: Examples,
    parameters: Parameters,
    settled: Mapping[str, float] | None = None,
) -> dict[str, float]:
    return {}
