"""What is measured of recurrent layers, with TensorFlow (Keras's layers and Reprise's) and PyTorch.

A network is recurrent layers, all steps of whose outputs go through one dense layer; a training
step is forward, backward, and Adam. A function takes how many of its steps it does.
"""

import os
import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np

# The gates of a cell, as matrix products count them.
CELLS = {"lstm": 4, "gru": 3, "simple_rnn": 1}
Steps = Callable[[int], None]


class Shape(NamedTuple):
    """The sizes of a network and its batches; `both`: whether layers are bidirectional."""

    batch: int
    steps: int
    features: int
    units: int
    layers: int
    both: bool


def flops(cell: str, shape: Shape) -> tuple[float, float]:
    """Returns the floating point operations of the matrix products in a training step, and in a
    prediction."""
    directions = 2 if shape.both else 1
    per_row = 2 * shape.batch * shape.steps * CELLS[cell] * shape.units * directions
    training = prediction = 0.0
    for layer in range(shape.layers):
        inputs = per_row * (shape.units if layer else shape.features)
        recurrent = per_row * shape.units
        # The gradient with respect to the first layer's inputs is not needed.
        training += (3 if layer else 2) * inputs + 3 * recurrent
        prediction += inputs + recurrent
    return training, prediction


def tensorflow_steps(fast: bool, cell: str, sizes: list[Any]) -> dict[str, Steps]:
    """Returns training steps, predictions in one call, and one call per prediction, with
    TensorFlow. `fast`: with Reprise's layers; `sizes` make a `Shape`."""
    from stages.networks import recurrent
    from stages.networks.backend import keras
    from stages.networks.training import seed_everything

    shape = Shape(*sizes)
    seed_everything(0)
    inputs = hidden = keras.Input((shape.steps, shape.features), name="x")
    classes: dict[str, Any] = recurrent.FAST if fast else recurrent.PLAIN
    bidirectional = recurrent.Bidirectional if fast else keras.layers.Bidirectional
    for _ in range(shape.layers):
        layer = classes[cell](shape.units, return_sequences=True)
        hidden = (bidirectional(layer) if shape.both else layer)(hidden)
    network = keras.Model({"x": inputs}, keras.layers.Dense(1)(hidden))
    return {"train": _training(network, fast, shape), **_predicting(network, shape)}


def _training(network: Any, fast: bool, shape: Shape) -> Steps:
    """Returns training steps of a network in the loop of the pipeline."""
    from stages.networks import optimizers
    from stages.networks.backend import keras, tf
    from stages.networks.losses import elementwise
    from stages.networks.recurrence import SHARDS
    from stages.networks.steps import training_steps

    optimizer = (optimizers if fast else keras.optimizers).Adam()
    optimizer.build(network.trainable_variables)
    loss = elementwise(lambda targets, outputs: tf.square(targets - outputs))
    loop = training_steps(network, loss, optimizer, [], None, SHARDS if fast else 1)
    rng = np.random.default_rng(0)
    chunks: dict[int, Any] = {}

    def train(count: int) -> None:
        if count not in chunks:
            x = rng.normal(size=(count, shape.batch, shape.steps, shape.features))
            y = rng.normal(size=(count, shape.batch, shape.steps, 1))
            arrays = {"inputs": {"x": x}, "targets": y, "mask": np.ones(y.shape)}
            chunks[count] = tf.nest.map_structure(_tensor, arrays)
        float(loop(chunks[count], [])[0])

    return train


def _predicting(network: Any, shape: Shape) -> dict[str, Steps]:
    """Returns predictions of a network: many in one call, and one per call."""
    from stages.networks.backend import tf

    rng = np.random.default_rng(1)
    size = (shape.batch, shape.steps, shape.features)
    example = _tensor(rng.normal(size=size))
    batches: dict[int, Any] = {}

    def forward(x: Any) -> Any:
        return network({"x": x}, training=False)

    one = tf.function(forward).get_concrete_function(example)
    many = tf.function(lambda xs: tf.map_fn(forward, xs, parallel_iterations=1))

    def predict(count: int) -> None:
        if count not in batches:
            batches[count] = _tensor(rng.normal(size=(count, *size)))
        many(batches[count]).numpy()

    def predict_one_per_call(count: int) -> None:
        for _ in range(count):
            one(example).numpy()

    return {"predict": predict, "single": predict_one_per_call}


def _tensor(array: np.ndarray) -> Any:
    from stages.networks.backend import tf

    return tf.constant(array, tf.float32)


ROWS, STEPS, WORDS, UNITS = 20, 20, 10_000, 200


def language_steps(fast: bool) -> dict[str, Steps]:
    """Returns training steps of the task `penn_treebank`, 20 x 20 of 10,000 words and 2 x 200
    units: Reprise's, or those of Keras's layers in Keras's `fit`."""
    from stages.networks.training import seed_everything

    seed_everything(0)
    rng = np.random.default_rng(0)
    tokens = rng.integers(0, WORDS, (2, 256 * ROWS, STEPS)).astype("int32")
    train = _language_steps_of_reprise() if fast else _language_steps_of_keras()
    return {"train": lambda count: train(*tokens[:, : count * ROWS])}


def _language_steps_of_reprise() -> Callable[[np.ndarray, np.ndarray], None]:
    from stages import kinds
    from stages.networks import optimizers
    from stages.networks.backend import tf
    from stages.networks.state import start
    from stages.networks.steps import training_steps

    module = kinds.module("language_modelling", "train")
    section = {"cell": "lstm", "units": UNITS, "layers": 2, "steps": STEPS}
    parameters = module.Parameters.model_validate(section)
    examples = SimpleNamespace(examples="stream", vocabulary_size=WORDS)
    network = module.build(examples, parameters, "network")
    optimizer = optimizers.SGD(1.0, global_clipnorm=5.0)
    optimizer.build(network.trainable_variables)
    loop = training_steps(network, module.loss(parameters), optimizer, [], None)
    state = start(network, ROWS)

    def train(inputs: np.ndarray, targets: np.ndarray) -> None:
        inputs, targets = (array.reshape(-1, ROWS, STEPS) for array in (inputs, targets))
        mask = np.ones(targets.shape, "float32")
        chunk = {"inputs": {"tokens": inputs}, "targets": targets, "mask": mask}
        float(loop(tf.nest.map_structure(tf.constant, chunk), state)[0])

    return train


def _language_steps_of_keras() -> Callable[[np.ndarray, np.ndarray], None]:
    from stages.networks.backend import keras

    layers = [keras.layers.LSTM(UNITS, return_sequences=True, stateful=True) for _ in range(2)]
    network = keras.Sequential(
        [
            keras.Input((STEPS,), ROWS),
            keras.layers.Embedding(WORDS, UNITS),
            *layers,
            keras.layers.Dense(WORDS),
        ]
    )
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    network.compile(keras.optimizers.SGD(1.0, global_clipnorm=5.0), loss)

    def train(inputs: np.ndarray, targets: np.ndarray) -> None:
        network.fit(inputs, targets, batch_size=ROWS, shuffle=False, verbose=0)

    return train


def pytorch_steps(cell: str, sizes: list[Any]) -> dict[str, Steps]:
    """Returns what `tensorflow_steps` does, with PyTorch."""
    import torch

    shape = Shape(*sizes)
    torch.manual_seed(0)
    torch.set_num_threads(len(os.sched_getaffinity(0)))
    layer_class = {"lstm": torch.nn.LSTM, "gru": torch.nn.GRU, "simple_rnn": torch.nn.RNN}[cell]
    recurrent = layer_class(
        shape.features, shape.units, shape.layers, batch_first=True, bidirectional=shape.both
    )
    dense = torch.nn.Linear(shape.units * (2 if shape.both else 1), 1)
    optimizer = torch.optim.Adam([*recurrent.parameters(), *dense.parameters()])
    x = torch.randn(shape.batch, shape.steps, shape.features)
    y = torch.randn(shape.batch, shape.steps, 1)

    def train(count: int) -> None:
        for _ in range(count):
            optimizer.zero_grad()
            torch.nn.functional.mse_loss(dense(recurrent(x)[0]), y).backward()
            optimizer.step()

    def predict(count: int) -> None:
        with torch.inference_mode():
            for _ in range(count):
                dense(recurrent(x)[0]).numpy()

    return {"train": train, "predict": predict, "single": predict}


def peak_of_products() -> float:
    """Returns the floating point operations per second of a large matrix product, on all cores."""
    from stages.networks.backend import tf

    left, right = tf.random.normal((2048, 2048)), tf.random.normal((2048, 2048))
    times = []
    for _ in range(12):
        started = time.perf_counter()
        tf.matmul(left, right).numpy()
        times.append(time.perf_counter() - started)
    return 2 * 2048**3 / min(times)
