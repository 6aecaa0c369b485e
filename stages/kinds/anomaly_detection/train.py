"""The network, trained on windows: it forecasts the steps behind a window, or reconstructs it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from pydantic import model_validator

from stages.batching import Batch, Batches
from stages.errors import InputError
from stages.kinds.anomaly_detection.following import HEAD
from stages.kinds.anomaly_detection.series import LabelledSeries
from stages.networks import forecaster, views
from stages.networks.forecaster import MOST_STEPS, Architecture
from stages.sections import Count, Positive, Rate
from stages.series.windows import Windows

if TYPE_CHECKING:
    from stages.networks.losses import Loss


class Parameters(Architecture):
    """Besides what a network that forecasts has:

    method: `forecast`: the next `horizon` steps (Malhotra et al., "Long short term memory networks
        for anomaly detection in time series", 2015); `reconstruct`: the `lookback` steps of the
        window itself, from the last state of the recurrent layers (Malhotra et al., "LSTM-based
        encoder-decoder for multi-sensor anomaly detection", 2016), without `decoder`.
    """

    method: Literal["forecast", "reconstruct"] = "forecast"
    # A line goes on beyond the values of training, and so forecasts an anomaly once it has begun.
    # Recurrent layers saturate, and go on expecting what they know.
    shortcut: Literal["anchor", "trained", "none"] = "none"
    units: Count = 64
    dropout: Rate = 0.0
    epochs: Count | None = 30
    learning_rate: Positive = 0.003
    average: Rate | None = None

    @model_validator(mode="after")
    def _method(self) -> "Parameters":
        if self.method == "reconstruct" and (self.shortcut != "none" or self.embedding):
            raise ValueError("for `reconstruct` neither `shortcut` nor `embedding`")
        return self


@dataclass(frozen=True)
class Reconstruction:
    """Windows whose targets are their own steps."""

    windows: Windows
    streams = None
    lengths = None

    def __len__(self) -> int:
        return len(self.windows)

    def cut(self, indices: np.ndarray, length: int | None = None) -> Batch:
        """As `Windows.cut`, with targets and mask (windows, lookback, targets)."""
        windows = self.windows
        batch = windows.cut(indices)
        steps = windows.locate(indices)[0][:, None] + np.arange(-windows.lookback, 0)
        batch["targets"] = windows.values[steps][..., windows.targets]
        batch["mask"] = windows.observed[steps].astype(np.float32)
        return batch


def batches(examples: LabelledSeries, split: str, parameters: Parameters) -> Batches:
    """Returns the windows of a split."""
    windows = examples.windows_of(split)
    return Reconstruction(windows) if parameters.method == "reconstruct" else windows


def loss(parameters: Parameters) -> "Loss":
    """Returns the loss of a batch: the sum over its known targets, and how many these are."""
    return forecaster.loss(parameters)


def build(examples: LabelledSeries, parameters: Parameters, name: str) -> Any:
    """Returns the Keras model, of plain Keras layers only: that of `stages.networks.forecaster`, or
    one from `window` (batch, lookback, inputs) to (batch, lookback, targets)."""
    if parameters.method == "forecast":
        return forecaster.build(examples, parameters, name)
    return _autoencoder(examples, parameters, name)


def settle(
    network: Any,
    examples: LabelledSeries,
    parameters: Parameters,
    settled: Mapping[str, float] | None = None,
) -> dict[str, float]:
    """As the network that forecasts is settled; one that reconstructs stays as it is."""
    if parameters.method == "reconstruct":
        return {}
    return forecaster.settle(network, examples, parameters, settled)


def _autoencoder(examples: LabelledSeries, parameters: Parameters, name: str) -> Any:
    from keras import layers, ops

    from stages.networks import recurrent
    from stages.networks.backend import keras

    views.check(examples, parameters.normalise)
    if parameters.normalise == "season":
        raise InputError(
            "train.normalise: expected none, last_value or instance to reconstruct a window, "
            "received season"
        )
    lookback, targets = examples.lookback, len(examples.targets)
    segment = parameters.segment or _segment(lookback)
    if lookback % segment:
        raise InputError(
            f"train.segment: expected a divisor of lookback {lookback}, received {segment}"
        )
    window = keras.Input((lookback, len(examples.inputs)), name="window")
    view = views.normalised(window, examples, parameters.normalise)
    steps = view.past
    if segment > 1:
        steps = layers.Reshape((lookback // segment, segment * len(examples.inputs)))(steps)
        steps = layers.Dense(parameters.units, activation="relu", name="embed")(steps)

    def cell(role: str, index: int) -> Any:
        return recurrent.layer(
            parameters.cell,
            parameters.units,
            f"{role}_{index + 1}",
            activation=parameters.activation,
            fast=parameters.fast,
        )

    states = []
    for index in range(parameters.layers):
        steps, state = recurrent.apply(cell("encoder", index), steps)
        states.append(state)
    # The steps are decoded from the last to the first, which is the order in which a state that
    # has just read them remembers them best.
    steps = layers.RepeatVector(lookback // segment)(
        layers.Dropout(parameters.dropout, name="dropout_head")(steps[:, -1])
    )
    for index, state in enumerate(states):
        steps, _ = recurrent.apply(cell("decoder", index), steps, state)
    outputs = layers.Dense(segment * targets, name=HEAD)(ops.flip(steps, axis=1))
    outputs = layers.Reshape((lookback, targets))(outputs)
    if view.scale is not None:
        outputs = outputs * view.scale
    # The level comes first: see `stages.networks.forecaster.build`.
    return keras.Model(
        {"window": window}, outputs if view.level is None else view.level + outputs, name=name
    )


def _segment(lookback: int) -> int:
    """Returns the least divisor of the lookback that leaves at most `MOST_STEPS` steps."""
    return next(
        size
        for size in range(1, lookback + 1)
        if lookback % size == 0 and lookback // size <= MOST_STEPS
    )
