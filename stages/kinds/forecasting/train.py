"""The forecasting network: a recurrent encoder of the past, all steps of the future decoded at
once."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from stages.errors import InputError
from stages.networks.parameters import Training
from stages.sections import Count
from stages.series.data import SeriesExamples
from stages.series.windows import Windows

if TYPE_CHECKING:
    from stages.networks.losses import Loss

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


def batches(examples: SeriesExamples, split: str, parameters: Parameters) -> Windows:
    """Returns the windows of a split."""
    return examples.windows_of(split)


def loss(parameters: Parameters) -> "Loss":
    """Returns the loss of a batch: the sum over its known targets, and how many these are."""
    from keras import ops

    from stages.networks.losses import elementwise

    def huber(targets: Any, outputs: Any) -> Any:
        error = ops.abs(targets - outputs)
        return ops.where(error < 1, 0.5 * error**2, error - 0.5)

    return elementwise(
        {
            "mae": lambda targets, outputs: ops.abs(targets - outputs),
            "mse": lambda targets, outputs: ops.square(targets - outputs),
            "huber": huber,
        }[parameters.loss]
    )


def build(examples: SeriesExamples, parameters: Parameters, name: str) -> Any:
    """Returns the Keras model, of plain Keras layers only.

    It takes a dictionary of `window` (batch, lookback, inputs), and where they are used `calendar`
    (batch, lookback + horizon, features) and `series` (batch,); it returns (batch, horizon,
    targets).
    """
    from keras import layers, ops

    from stages.networks.backend import keras

    _check(examples, parameters)
    lookback, horizon, targets = examples.lookback, examples.horizon, len(examples.targets)
    cycles = examples.calendar.shape[1]
    window = keras.Input((lookback, len(examples.inputs)), name="window")
    inputs = {"window": window}
    normalised, restore = _normalise(window, examples, parameters)
    past, future = normalised, None
    if cycles:
        inputs["calendar"] = keras.Input((lookback + horizon, cycles), name="calendar")
        past = ops.concatenate([past, inputs["calendar"][:, :lookback]], axis=-1)
        future = inputs["calendar"][:, lookback:]
    steps, cells, states = _encode(past, lookback, parameters)
    if parameters.decoder == "dense":
        outputs = _decode_dense(steps, future, (horizon, targets), parameters)
    else:
        queries = _queries(inputs, future, examples, parameters)
        outputs = _decode_parallel(queries, cells, states, (horizon, targets), parameters)
    if parameters.shortcut:
        line = layers.Dense(horizon * targets, kernel_initializer="zeros", name="shortcut")(
            layers.Flatten()(normalised)
        )
        outputs = outputs + layers.Reshape((horizon, targets))(line)
    return keras.Model(inputs, restore(outputs), name=name)


def _check(examples: SeriesExamples, parameters: Parameters) -> None:
    """Raises `InputError` where the parameters do not fit the examples."""
    lookback, horizon, segment = examples.lookback, examples.horizon, parameters.segment
    if lookback % segment or (parameters.decoder == "parallel" and horizon % segment):
        raise InputError(
            f"train.segment: expected a divisor of lookback {lookback} (and of horizon {horizon}, "
            f"for the parallel decoder), received {segment}"
        )
    if parameters.normalise != "none" and not set(examples.targets) <= set(examples.inputs):
        raise InputError(
            "train.normalise: expected `none`, as not all targets are inputs, received "
            + parameters.normalise
        )
    if parameters.embedding and parameters.decoder == "dense":
        raise InputError("train.embedding: expected `decoder: parallel` with it, received dense")


def _normalise(
    window: Any, examples: SeriesExamples, parameters: Parameters
) -> tuple[Any, Callable[[Any], Any]]:
    """Returns the normalised window, and what brings the outputs back to the window's level.

    The level comes first in each sum. `keras.ops.add` takes a second addend of shape (batch, 1, 1)
    for a bias where the batch has as many rows as the first one has steps, and adds each row's
    level to a step of all rows (Keras 3.15 with TensorFlow).
    """
    from keras import ops

    if parameters.normalise == "none":
        return window, lambda outputs: outputs
    seen = [examples.inputs.index(target) for target in examples.targets]
    all_seen = seen == list(range(len(examples.inputs)))

    def of_targets(level: Any) -> Any:
        return level if all_seen else ops.take(level, seen, axis=-1)

    if parameters.normalise == "last_value":
        last = window[:, -1:]
        return window - last, lambda outputs: of_targets(last) + outputs
    mean = ops.mean(window, axis=1, keepdims=True)
    # The small term keeps a constant window finite.
    deviation = ops.sqrt(ops.var(window, axis=1, keepdims=True) + 1e-5)

    def restore(outputs: Any) -> Any:
        return of_targets(mean) + outputs * of_targets(deviation)

    return (window - mean) / deviation, restore


def _encode(
    past: Any, lookback: int, parameters: Parameters
) -> tuple[Any, list[Any], list[list[Any]]]:
    """Returns the outputs of the last recurrent layer (batch, steps, units), the layers, and the
    last states of each."""
    from keras import layers

    from stages.networks import recurrent

    segment, units = parameters.segment, parameters.units
    steps = past
    if segment > 1:
        steps = layers.Reshape((lookback // segment, segment * past.shape[-1]))(past)
    # A dense layer embeds what makes one step: a segment, or for the parallel decoder also a single
    # step, as the decoder's steps must have the encoder's size.
    if segment > 1 or parameters.decoder == "parallel":
        steps = layers.Dense(units, activation="relu", name="embed")(steps)
    cells = [
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
    for index, cell in enumerate(cells):
        steps, state = recurrent.apply(cell, steps)
        states.append(state)
        if index + 1 < len(cells):
            steps = layers.Dropout(parameters.dropout, name=f"dropout_{index + 1}")(steps)
    return steps, cells, states


def _decode_dense(steps: Any, future: Any, shape: tuple[int, int], parameters: Parameters) -> Any:
    """Returns outputs of `shape` (horizon, targets) from the last step, and the calendar of the
    future if there is one."""
    from keras import layers

    last = steps[:, -1]
    if future is not None:
        last = layers.Concatenate()([last, layers.Flatten()(future)])
    last = layers.Dropout(parameters.dropout, name="dropout_head")(last)
    return layers.Reshape(shape)(layers.Dense(shape[0] * shape[1], name="head")(last))


def _queries(
    inputs: dict[str, Any], future: Any, examples: SeriesExamples, parameters: Parameters
) -> Any:
    """Returns what the parallel decoder is asked for each segment of the horizon, (batch, segments,
    units): its position, the series, its calendar. May add `series` to the inputs."""
    from keras import layers, ops

    from stages.networks.backend import keras

    units, positions = parameters.units, examples.horizon // parameters.segment
    zeros = ops.zeros_like(inputs["window"][:, :1, 0], dtype="int32")
    queries = layers.Embedding(positions, units, name="position")(
        zeros + np.arange(positions, dtype="int32")
    )
    if parameters.embedding:
        inputs["series"] = keras.Input((), dtype="int32", name="series")
        series = layers.Embedding(len(examples.series), units, name="series_embedding")(
            inputs["series"]
        )
        queries = series[:, None] + queries  # in this order: see `_normalise`
    if future is not None:
        width = parameters.segment * examples.calendar.shape[1]
        queries = queries + layers.Dense(units, name="future")(
            layers.Reshape((positions, width))(future)
        )
    return queries


def _decode_parallel(
    queries: Any,
    cells: list[Any],
    states: list[list[Any]],
    shape: tuple[int, int],
    parameters: Parameters,
) -> Any:
    """Returns outputs of `shape` (horizon, targets): every segment of the horizon is an example of
    its own that starts from the encoder's last states."""
    from keras import layers, ops

    from stages.networks import recurrent

    horizon, targets = shape
    positions = horizon // parameters.segment
    decoded = ops.reshape(queries, (-1, 1, parameters.units))
    for cell, state in zip(cells, states, strict=True):
        repeated = [ops.repeat(tensor, positions, axis=0) for tensor in state]
        decoded, _ = recurrent.apply(cell, decoded, repeated)
    decoded = layers.Dropout(parameters.dropout, name="dropout_head")(decoded)
    head = layers.Dense(parameters.segment * targets, name="head")
    return ops.reshape(head(decoded), (-1, horizon, targets))
