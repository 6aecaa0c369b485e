"""The forecasting network: a recurrent encoder of the past, all steps of the future decoded at
once. Imports Keras in functions alone, as `stages.check` reads the parameters."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from stages.errors import InputError
from stages.networks import anchoring, descriptions, views
from stages.networks.parameters import Training
from stages.sections import Count, Rate
from stages.series.data import SeriesExamples

if TYPE_CHECKING:
    from stages.networks.losses import Loss

# More steps take longer than they are worth: see `segment`.
MOST_STEPS = 64


class Architecture(Training):
    """Besides what all networks have (what `ingest.static` and `ingest.categories` tell of a series
    needs no parameter: `stages.networks.descriptions`):

    normalise: what the recurrent layers see of the window. `last_value`: its last value is
        subtracted, and added to the forecast; `season`: the values one season before are;
        `instance`: its mean is subtracted and it is divided by its standard deviation (Kim et al.,
        "Reversible instance normalization", 2022); `none`.
    segment: steps that are embedded together and make one step of the network (Lin et al.,
        "SegRNN", 2023); divides the steps that the recurrent layers see. null: as few as leave at
        most 64 such steps, without the oldest ones that fill no segment.
    decoder: `parallel`: the last state makes one step for each segment of the horizon, told which
        one (and its calendar) by an embedding (SegRNN); `dense`: one dense layer from the last
        state to all steps.
    embedding: whether the network is told which series it sees.
    shortcut: a linear forecast from the window that the recurrent layers correct (Lai et al.,
        "LSTNet", 2018). `anchor`: the closed-form one of `stages.series.anchors`, which stays as it
        is, and from which training starts, as the correction starts from zero; `trained`: one that
        starts from zero and is trained with the network; `none`.
    loss: `mae`, `mse`, `huber`, in the scaler's units.
    """

    normalise: views.Normalisation = None
    segment: Count | None = None
    decoder: Literal["parallel", "dense"] = "dense"
    embedding: bool = False
    shortcut: Literal["anchor", "trained", "none"] = "anchor"
    loss: Literal["mae", "mse", "huber"] = "mae"
    activation: Literal["tanh", "relu"] = "tanh"
    # Chosen on the series of `recipe/`: few steps and small steps, as what can be learned beyond
    # the anchor is little.
    cell: Literal["simple_rnn", "lstm", "gru"] = "gru"
    units: Count = 32
    dropout: Rate = 0.2
    epochs: Count | None = None
    patience: Count | None = None
    decay: Literal["constant", "cosine", "exponential", "staged"] = "cosine"
    average: Rate | None = 0.98


def loss(parameters: Architecture) -> "Loss":
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


def build(examples: SeriesExamples, parameters: Architecture, name: str) -> Any:
    """Returns the Keras model, of plain Keras layers only.

    It takes a dictionary of `window` (batch, lookback, inputs), and where they are used `known`
    (batch, lookback + horizon, features), `observed` (batch, lookback, inputs), `static` and
    `categories` (batch, columns), and `series` (batch,); it returns (batch, horizon, targets).
    """
    from stages.networks.backend import keras

    _check(examples, parameters)
    parameters = _segmented(examples, parameters)
    window = keras.Input((examples.lookback, len(examples.inputs)), name="window")
    inputs = {"window": window}
    if features := examples.known.shape[1]:
        steps = examples.lookback + examples.horizon
        inputs["known"] = keras.Input((steps, features), name="known")
    view = views.normalised(window, examples, parameters.normalise)
    outputs = _forecast(inputs, view, examples, parameters)
    # The level comes first in its sum. `keras.ops.add` takes a second addend of shape (batch, 1, 1)
    # for a bias where the batch has as many rows as the first one has steps, and adds each row's
    # level to a step of all rows (Keras 3.15 with TensorFlow).
    if parameters.shortcut == "anchor":
        outputs = anchoring.anchored(inputs, examples) + outputs
    elif view.level is not None:
        outputs = view.level + outputs
    return keras.Model(inputs, outputs, name=name)


def _forecast(
    inputs: dict[str, Any], view: views.View, examples: SeriesExamples, parameters: Architecture
) -> Any:
    """Returns what is added to the level or the anchor, (batch, horizon, targets). May add to the
    inputs."""
    from keras import layers, ops

    lookback, horizon, targets = examples.lookback, examples.horizon, len(examples.targets)
    past, future = view.past, None
    if "known" in inputs:
        own = inputs["known"][:, lookback - past.shape[1] : lookback]
        past = ops.concatenate([past, own], axis=-1)
        future = inputs["known"][:, lookback:]
    past = descriptions.with_marks(inputs, past, examples)
    told = parameters.embedding and parameters.decoder == "dense"
    series = descriptions.of_series(inputs, examples, told)
    steps, cells, states = _encode(past, series, parameters)
    if parameters.decoder == "dense":
        outputs = _decode_dense(steps, future, series, (horizon, targets), parameters)
    else:
        queries = _queries(inputs, future, series, examples, parameters)
        outputs = _decode_parallel(queries, cells, states, (horizon, targets), parameters)
    if parameters.shortcut == "trained":
        line = layers.Dense(horizon * targets, kernel_initializer="zeros", name="shortcut")
        flat = line(layers.Flatten()(view.past))
        outputs = outputs + layers.Reshape((horizon, targets))(flat)
    return outputs if view.scale is None else outputs * view.scale


def settle(
    network: Any,
    examples: SeriesExamples,
    parameters: Architecture,
    settled: Mapping[str, float] | None = None,
) -> dict[str, float]:
    """Shrinks the correction of an anchor as far as validation leaves it in doubt, or did."""
    if parameters.shortcut != "anchor":
        return {}
    share = settled["correction"] if settled else anchoring.trusted(network, examples)
    anchoring.shrink(network, share)
    return {"correction": share}


def _check(examples: SeriesExamples, parameters: Architecture) -> None:
    """Raises `InputError` where the parameters do not fit the examples."""
    views.check(examples, parameters.normalise)
    steps, horizon, segment = (
        views.steps_seen(examples, parameters.normalise),
        examples.horizon,
        parameters.segment,
    )
    if segment is not None and (
        steps % segment or (parameters.decoder == "parallel" and horizon % segment)
    ):
        raise InputError(
            f"train.segment: expected a divisor of the {steps} steps seen (and of horizon "
            f"{horizon}, for the parallel decoder), received {segment}"
        )


def _segmented(examples: SeriesExamples, parameters: Architecture) -> Architecture:
    """Returns the parameters with the segment that is meant where none is given."""
    if parameters.segment is not None:
        return parameters
    least = -(-views.steps_seen(examples, parameters.normalise) // MOST_STEPS)
    if parameters.decoder == "parallel":
        horizon = examples.horizon
        divisors = [size for size in range(1, horizon + 1) if horizon % size == 0]
        least = next((size for size in divisors if size >= least), horizon)
    return parameters.model_copy(update={"segment": least})


def _encode(
    past: Any, series: Any, parameters: Architecture
) -> tuple[Any, list[Any], list[list[Any]]]:
    """Returns the outputs of the last recurrent layer (batch, steps, units), the layers, and the
    last states of each. Each step is told the vector of the `series`, if there is one."""
    from keras import layers

    from stages.networks import recurrent

    segment, units = parameters.segment or 1, parameters.units
    steps = past
    if segment > 1:
        count = past.shape[1] // segment
        steps = layers.Reshape((count, segment * past.shape[-1]))(past[:, -count * segment :])
    if series is not None:
        told = layers.RepeatVector(steps.shape[1])(series)
        steps = layers.Concatenate()([steps, told])
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


def _decode_dense(
    steps: Any, future: Any, series: Any, shape: tuple[int, int], parameters: Architecture
) -> Any:
    """Returns outputs of `shape` (horizon, targets) from the last step, and what is known of the
    future and the vector of the series so far as there are such."""
    from keras import layers

    last = steps[:, -1]
    if future is not None:
        last = layers.Concatenate()([last, layers.Flatten()(future)])
    if series is not None:
        last = layers.Concatenate()([last, series])
    last = layers.Dropout(parameters.dropout, name="dropout_head")(last)
    return layers.Reshape(shape)(_head(shape[0] * shape[1], parameters)(last))


def _queries(
    inputs: dict[str, Any],
    future: Any,
    series: Any,
    examples: SeriesExamples,
    parameters: Architecture,
) -> Any:
    """Returns what the parallel decoder is asked for each segment of the horizon, (batch, segments,
    units): its position, the series, its vector, what is known of it. May add `series` to the
    inputs."""
    from keras import layers, ops

    units, positions = parameters.units, examples.horizon // (parameters.segment or 1)
    zeros = ops.zeros_like(inputs["window"][:, :1, 0], dtype="int32")
    queries = layers.Embedding(positions, units, name="position")(
        zeros + np.arange(positions, dtype="int32")
    )
    # What has one step comes first: see `build`.
    if parameters.embedding:
        queries = descriptions.which(inputs, examples, units)[:, None] + queries
    if series is not None:
        queries = layers.Dense(units, name="series_vector")(series)[:, None] + queries
    if future is not None:
        width = (parameters.segment or 1) * examples.known.shape[1]
        queries = queries + layers.Dense(units, name="future")(
            layers.Reshape((positions, width))(future)
        )
    return queries


def _decode_parallel(
    queries: Any,
    cells: list[Any],
    states: list[list[Any]],
    shape: tuple[int, int],
    parameters: Architecture,
) -> Any:
    """Returns outputs of `shape` (horizon, targets): every segment of the horizon is an example of
    its own that starts from the encoder's last states."""
    from keras import layers, ops

    from stages.networks import recurrent

    horizon, targets = shape
    segment = parameters.segment or 1
    positions = horizon // segment
    decoded = ops.reshape(queries, (-1, 1, parameters.units))
    for cell, state in zip(cells, states, strict=True):
        repeated = [ops.repeat(tensor, positions, axis=0) for tensor in state]
        decoded, _ = recurrent.apply(cell, decoded, repeated)
    decoded = layers.Dropout(parameters.dropout, name="dropout_head")(decoded)
    head = _head(segment * targets, parameters)
    return ops.reshape(head(decoded), (-1, horizon, targets))


def _head(outputs: int, parameters: Architecture) -> Any:
    """Returns the last layer. What corrects an anchor starts from zeros."""
    from keras import layers

    start = "zeros" if parameters.shortcut == "anchor" else "glorot_uniform"
    return layers.Dense(outputs, kernel_initializer=start, name="head")
