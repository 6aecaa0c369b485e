"""The forecasting network: a recurrent encoder of the past, all steps of the future decoded at
once."""

from collections.abc import Callable
from typing import Any, Literal

import numpy as np

from stages.errors import InputError
from stages.networks.parameters import Training
from stages.sections import Count
from stages.series import windows

__all__ = ["Parameters", "batches", "build", "loss"]


class Parameters(Training):
    """Besides what all networks have:

    normalise: `last_value`: the window's last value is subtracted, and added to the forecast;
        `instance`: its mean is subtracted and it is divided by its standard deviation (Kim et al.,
        "Reversible instance normalization", 2022); `none`.
    segment: steps that are embedded together and make one step of the network (Lin et al.,
        "SegRNN", 2023); divides lookback.
    decoder: `parallel`: the last state makes one step for each segment of the horizon, told which
        one (and its calendar) by an embedding (SegRNN); `dense`: one dense layer from the last
        state to all steps.
    embedding: whether the network is told which series it sees; needs `decoder: parallel`.
    shortcut: whether a linear layer from the window to the horizon is added to the forecast (Lai et
        al., "LSTNet", 2018).
    loss: `mae`, `mse`, `huber`, in the scaler's units.
    """

    normalise: Literal["none", "last_value", "instance"] = "none"
    segment: Count = 1
    decoder: Literal["parallel", "dense"] = "parallel"
    embedding: bool = False
    shortcut: bool = False
    loss: Literal["mae", "mse", "huber"] = "mae"
    activation: Literal["tanh", "relu"] = "tanh"


def batches(
    arrays: dict[str, np.ndarray], about: dict[str, Any], split: str, parameters: Parameters
) -> windows.Windows:
    """Returns the windows of a split."""
    return windows.of_split(arrays, about, split)


def loss(parameters: Parameters) -> Callable[[Any, Any], Any]:
    """Returns the elementwise loss."""
    from keras import ops

    def huber(targets: Any, outputs: Any) -> Any:
        error = ops.abs(targets - outputs)
        return ops.where(error < 1, 0.5 * error**2, error - 0.5)

    return {
        "mae": lambda targets, outputs: ops.abs(targets - outputs),
        "mse": lambda targets, outputs: ops.square(targets - outputs),
        "huber": huber,
    }[parameters.loss]


def check(about: dict[str, Any], parameters: Parameters) -> None:
    """Raises `InputError` where the parameters do not fit the examples."""
    lookback, horizon, segment = about["lookback"], about["horizon"], parameters.segment
    if lookback % segment or (parameters.decoder == "parallel" and horizon % segment):
        raise InputError(
            f"train.segment: expected a divisor of lookback {lookback} (and of horizon {horizon}, "
            "for the parallel decoder), "
            f"received {segment}"
        )
    if parameters.normalise != "none" and not set(about["targets"]) <= set(about["inputs"]):
        raise InputError(
            "train.normalise: expected `none`, as not all targets are inputs, received "
            + parameters.normalise
        )
    if parameters.embedding and parameters.decoder == "dense":
        raise InputError("train.embedding: expected `decoder: parallel` with it, received dense")


def build(about: dict[str, Any], parameters: Parameters, name: str = "forecaster") -> Any:
    """Returns the Keras model, of plain Keras layers only.

    It takes a dictionary of `window` (batch, lookback, inputs), and where they are used `calendar`
    (batch, lookback + horizon, features) and `series` (batch,); it returns (batch, horizon,
    targets).
    """
    from keras import layers, ops

    from stages.networks import recurrent
    from stages.networks.backend import keras

    check(about, parameters)
    lookback, horizon, segment, units = (
        about["lookback"],
        about["horizon"],
        parameters.segment,
        parameters.units,
    )
    targets = len(about["targets"])
    cycles = about["arrays"]["calendar"]["shape"][1]
    window = keras.Input((lookback, len(about["inputs"])), name="window")
    inputs = {"window": window}
    normalised, restore = _normalise(window, about, parameters)

    past, future = normalised, None
    if cycles:
        inputs["calendar"] = keras.Input((lookback + horizon, cycles), name="calendar")
        past = ops.concatenate([past, inputs["calendar"][:, :lookback]], axis=-1)
        future = inputs["calendar"][:, lookback:]

    # A dense layer embeds what makes one step: a segment, or for the parallel decoder also a single
    # step, as the decoder's steps must have the encoder's size.
    steps = (
        layers.Reshape((lookback // segment, segment * past.shape[-1]))(past)
        if segment > 1
        else past
    )
    if segment > 1 or parameters.decoder == "parallel":
        steps = layers.Dense(units, activation="relu", name="embed")(steps)
    stack = [
        recurrent.layer(
            parameters.cell,
            units,
            f"{parameters.cell}_{index + 1}",
            activation=parameters.activation,
            fast=parameters.fast,
        )
        for index in range(parameters.layers)
    ]
    states = []
    for index, layer in enumerate(stack):
        steps, state = recurrent.run(layer, steps)
        states.append(state)
        if index + 1 < len(stack):
            steps = layers.Dropout(parameters.dropout, name=f"dropout_{index + 1}")(steps)

    if parameters.decoder == "dense":
        last = steps[:, -1]
        if future is not None:
            last = layers.Concatenate()([last, layers.Flatten()(future)])
        last = layers.Dropout(parameters.dropout, name="dropout_head")(last)
        outputs = layers.Reshape((horizon, targets))(
            layers.Dense(horizon * targets, name="head")(last)
        )
    else:
        positions = horizon // segment
        zeros = ops.zeros_like(window[:, :1, 0], dtype="int32")
        queries = layers.Embedding(positions, units, name="position")(
            zeros + np.arange(positions, dtype="int32")
        )
        if parameters.embedding:
            inputs["series"] = keras.Input((), dtype="int32", name="series")
            series = layers.Embedding(len(about["series"]), units, name="series_embedding")(
                inputs["series"]
            )
            queries = series[:, None] + queries  # in this order: see `_normalise`
        if future is not None:
            queries = queries + layers.Dense(units, name="future")(
                layers.Reshape((positions, segment * cycles))(future)
            )
        # Every segment of the horizon is an example of its own that starts from the last state.
        decoded = ops.reshape(queries, (-1, 1, units))
        for layer, state in zip(stack, states, strict=True):
            decoded, _ = recurrent.run(
                layer, decoded, [ops.repeat(part, positions, axis=0) for part in state]
            )
        decoded = layers.Dropout(parameters.dropout, name="dropout_head")(decoded)
        outputs = ops.reshape(
            layers.Dense(segment * targets, name="head")(decoded), (-1, horizon, targets)
        )
    if parameters.shortcut:
        line = layers.Dense(horizon * targets, kernel_initializer="zeros", name="shortcut")(
            layers.Flatten()(normalised)
        )
        outputs = outputs + layers.Reshape((horizon, targets))(line)
    return keras.Model(inputs, restore(outputs), name=name)


def _normalise(
    window: Any, about: dict[str, Any], parameters: Parameters
) -> tuple[Any, Callable[[Any], Any]]:
    """Returns the normalised window, and what brings the outputs back to the window's level.

    The level comes first in each sum. `keras.ops.add` takes a second addend of shape (batch, 1, 1)
    for a bias where the batch has as many rows as the first one has steps, and adds each row's
    level to a step of all rows (Keras 3.15 with TensorFlow).
    """
    from keras import ops

    if parameters.normalise == "none":
        return window, lambda outputs: outputs
    seen = [about["inputs"].index(target) for target in about["targets"]]

    def of_targets(level: Any) -> Any:
        return (
            level if seen == list(range(len(about["inputs"]))) else ops.take(level, seen, axis=-1)
        )

    if parameters.normalise == "last_value":
        last = window[:, -1:]
        return window - last, lambda outputs: of_targets(last) + outputs
    mean = ops.mean(window, axis=1, keepdims=True)
    # The small term keeps a constant window finite.
    deviation = ops.sqrt(ops.var(window, axis=1, keepdims=True) + 1e-5)
    return (
        window - mean
    ) / deviation, lambda outputs: of_targets(mean) + outputs * of_targets(deviation)
