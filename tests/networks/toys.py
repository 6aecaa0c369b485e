"""Small networks, sources of examples and checkpoints for the tests of training."""

from collections.abc import Callable

import numpy as np

from stages.batching import Batch
from stages.networks import recurrent, training
from stages.networks.backend import keras, tf
from stages.networks.losses import elementwise


def squared(targets: tf.Tensor, outputs: tf.Tensor) -> tf.Tensor:
    return tf.square(targets - outputs)


LOSS = elementwise(squared)


class Numbers:
    """y = 2 x - 1 for `count` numbers; every third value does not count, and is wrong."""

    streams = None
    lengths = None

    def __init__(self, count: int) -> None:
        self.x = np.linspace(-1, 1, count, dtype=np.float32)[:, None]
        self.seen: list[np.ndarray] = []

    def __len__(self) -> int:
        return len(self.x)

    def cut(self, indices: np.ndarray, length: int | None = None) -> Batch:
        self.seen.append(indices)
        mask = (indices % 3 > 0).astype(np.float32)[:, None]
        x = self.x[indices]
        return {
            "inputs": {"x": x, "unused": x},
            "targets": np.where(mask > 0, 2 * x - 1, 99),
            "mask": mask,
        }


def line() -> keras.Model:
    training.seed_everything(1)
    inputs = keras.Input((1,), name="x")
    return keras.Model({"x": inputs}, keras.layers.Dense(1, name="line")(inputs))


class Wide(Numbers):
    def __init__(self, count: int) -> None:
        super().__init__(count)
        self.x = np.repeat(self.x, 10, 1)

    def cut(self, indices: np.ndarray, length: int | None = None) -> Batch:
        batch = super().cut(indices)
        return {**batch, "targets": batch["targets"][:, :1]}


def dropping() -> keras.Model:
    training.seed_everything(5)
    inputs = keras.Input((10,), name="x")
    hidden = keras.layers.Dropout(0.5)(
        keras.layers.Dense(8, activation="tanh")(keras.layers.Dropout(0.3)(inputs))
    )
    return keras.Model({"x": inputs}, keras.layers.Dense(1)(hidden))


class Streams:
    """Two streams of 6 tokens, of which 2 are seen at a time, for a network with a carried
    state."""

    streams = 2
    lengths = None

    def __len__(self) -> int:
        return 6

    def cut(self, indices: np.ndarray, length: int | None = None) -> Batch:
        values = (indices[:, None] * 2 + np.arange(2)).astype(np.float32)
        return {
            "inputs": {"x": np.sin(values)[..., None]},
            "targets": np.sin(values + 1),
            "mask": np.ones((len(indices), 2), np.float32),
        }


def carrying() -> keras.Model:
    training.seed_everything(5)
    inputs, state = keras.Input((2, 1), name="x"), keras.Input((4,), name="state")
    outputs, after = recurrent.GRU(
        4, return_sequences=True, return_state=True, recurrent_dropout=0.2
    )(inputs, initial_state=state)
    outputs = keras.layers.Dense(1)(keras.layers.Dropout(0.4)(outputs))[..., 0]
    return keras.Model({"x": inputs, "state": state}, {"outputs": outputs, "state": after})


class Killed(Exception):
    pass


class Memory:
    """Checkpoints in memory; the process "dies" right after the one of the given number."""

    def __init__(self, dies: int | None) -> None:
        self.saved: list[dict[str, np.ndarray]] = []
        self.dies = dies

    def due(self) -> bool:
        return True

    def save(self, arrays: dict[str, np.ndarray]) -> None:
        self.saved.append({name: array.copy() for name, array in arrays.items()})
        if len(self.saved) == self.dies:
            raise Killed

    def latest(self, fits: Callable[[dict[str, np.ndarray]], bool]) -> dict[str, np.ndarray] | None:
        return next((arrays for arrays in reversed(self.saved) if fits(arrays)), None)
