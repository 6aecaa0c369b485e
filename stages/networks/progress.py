"""All that the rest of a training depends on, as arrays that a checkpoint holds."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from stages.networks.backend import keras, tf
from stages.networks.state import start

Arrays = dict[str, np.ndarray]


class Checkpoints(Protocol):
    """Keeps named arrays where they outlive the process."""

    def due(self) -> bool: ...

    def save(self, arrays: Arrays) -> None: ...

    def latest(self, fits: Callable[[Arrays], bool]) -> Arrays | None: ...


@dataclass
class History:
    """What training did.

    Attributes:
        epochs: for each epoch `epoch`, its number from 1, and `train` and `validation`, the mean
            losses.
        start: the validation loss before the first step.
        best_epoch: the epoch whose weights the network has now; 0: those it started with.
        steps: training steps taken.
        seconds: how long it took, in all processes that took part.
    """

    epochs: list[dict[str, float]]
    best_epoch: int
    steps: int
    seconds: float
    start: float = np.nan


class Progress:
    """Variables (those of random generators are among the network's) and a few numbers.

    Attributes:
        epoch, call: the next call of the compiled loop: its epoch, from 1, and its place in it,
            from 0.
        state: what the network carries to that call.
        total, weight: sums over the epoch so far, of the losses and of their weights.
        best, best_weights: the lowest validation loss, and the weights that had it.
        history: what was done so far.
    """

    def __init__(
        self, network: keras.Model, optimizer: Any, average: list[tf.Variable], rows: int
    ) -> None:
        """`rows`: the examples in a batch."""
        self.variables = [*network.variables, *optimizer.variables, *average]
        self.epoch, self.call = 1, 0
        self.state = self._start = start(network, rows)
        self.total = self.weight = 0.0
        self.best, self.best_weights = np.inf, network.get_weights()
        self.history = History([], 0, 0, 0.0)
        self._since = time.perf_counter()

    @property
    def loss(self) -> float:
        """The mean loss of the epoch so far."""
        return self.total / max(self.weight, 1)

    def add(self, total: float, weight: float, steps: int) -> None:
        """Counts one call of the compiled loop."""
        self.call += 1
        self.total += total
        self.weight += weight
        self.history.steps += steps

    def next_epoch(self, epoch: int) -> None:
        """Turns to the start of `epoch`."""
        self.epoch, self.call = epoch, 0
        self.state, self.total, self.weight = self._start, 0.0, 0.0

    def arrays(self) -> Arrays:
        """Returns what `restore` takes."""
        self.count_time()
        history = self.history
        losses = [[epoch["train"], epoch["validation"]] for epoch in history.epochs]
        return {
            "position": np.array([self.epoch, self.call, history.best_epoch, history.steps]),
            "sums": np.array([self.total, self.weight, self.best, history.seconds, history.start]),
            "epochs": np.array(losses).reshape(-1, 2),
            **{f"variable_{index}": value.numpy() for index, value in enumerate(self.variables)},
            **{f"best_{index}": weights for index, weights in enumerate(self.best_weights)},
            **{f"state_{index}": tensor.numpy() for index, tensor in enumerate(self.state)},
        }

    def fits(self, arrays: Arrays, epochs: int, calls: int) -> bool:
        """Returns whether `arrays` are of a training of this network for `epochs`, each of `calls`
        of the compiled loop."""
        done = len(arrays["epochs"]) if "epochs" in arrays else 0
        expected = {name: (array.dtype, array.shape) for name, array in self.arrays().items()}
        expected["epochs"] = (expected["epochs"][0], (done, 2))
        if expected != {name: (array.dtype, array.shape) for name, array in arrays.items()}:
            return False
        epoch, call, best, steps = arrays["position"].tolist()
        ended = epoch == epochs + 1 and 0 < done <= epochs
        return (
            (ended or epoch == done + 1 <= epochs)
            and 0 <= call < calls
            and 0 <= best <= done
            and steps >= 0
        )

    def restore(self, arrays: Arrays) -> None:
        """Goes to where training was when `arrays` were taken."""
        history = self.history
        self.epoch, self.call, history.best_epoch, history.steps = arrays["position"].tolist()
        self.total, self.weight, self.best, history.seconds, history.start = arrays["sums"].tolist()
        history.epochs = [
            {"epoch": number, "train": train, "validation": validation}
            for number, (train, validation) in enumerate(arrays["epochs"].tolist(), 1)
        ]
        for index, variable in enumerate(self.variables):
            variable.assign(arrays[f"variable_{index}"])
        self.best_weights = [arrays[f"best_{index}"] for index in range(len(self.best_weights))]
        self.state = [tf.constant(arrays[f"state_{index}"]) for index in range(len(self.state))]

    def count_time(self) -> None:
        """Adds the time since it was counted last to the history."""
        now = time.perf_counter()
        self.history.seconds += now - self._since
        self._since = now
