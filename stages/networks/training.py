"""The one training loop. A compiled function takes many steps in one call; Python cuts the next
batches meanwhile.

It knows nothing of what it trains: a network, the loss of a batch, and two sources of batches. The
order of an epoch follows from the seed and the epoch's number alone, and all else that the result
depends on is in `Progress`. So a training that was killed resumes from a checkpoint and ends with
the same bytes.
"""

import logging
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from typing import Any

import numpy as np
from tqdm import tqdm

from stages.batching import Batches, Chunk, cut_ahead, plan, samples
from stages.errors import InputError
from stages.networks import optimizers
from stages.networks.backend import keras, tf
from stages.networks.losses import Loss
from stages.networks.parameters import Training
from stages.networks.progress import Checkpoints, History, Progress
from stages.networks.state import start
from stages.networks.steps import measuring, training_steps

log = logging.getLogger("reprise")

# An epoch's number, from 1 -> the multiplier of the learning rate of each trainable variable
Rates = Callable[[int], Sequence[float]]


def seed_everything(seed: int) -> None:
    """Makes weights, dropout and operations the same on every run on one machine."""
    keras.utils.set_random_seed(seed)
    tf.config.experimental.enable_op_determinism()


def fit(
    network: keras.Model,
    loss: Loss,
    train: Batches,
    validation: Batches | None,
    parameters: Training,
    seed: int,
    checkpoints: Checkpoints | None = None,
    stop_after: int | None = None,
    rates: Rates | None = None,
) -> History:
    """Trains `network` in place and leaves the best weights in it.

    Args:
        network: takes the dictionary of a batch's `inputs`, and returns outputs (batch, ...) as the
            loss takes them, or the dictionary that `stages.networks.state` describes.
        loss: its sum over the examples, divided by its weight, is minimised in each batch.
        train, validation: the examples. All training examples are seen once in an epoch, in an
            order that `seed` decides; see `stages.batching.plan`. Without validation examples the
            last weights count as the best.
        seed: of the epochs' orders; the weights and dropout follow `seed_everything`.
        checkpoints: where training is saved whenever it is due and at its end. If it holds one,
            training resumes from there.
        stop_after: training stops after so many epochs, while the schedule of the learning rate is
            that of all epochs; None: after all.
        rates: by what the learning rate of each of `network.trainable_variables` is multiplied in
            an epoch: 0 freezes a variable; None: by nothing.

    Raises:
        InputError: the loss became infinite or NaN.
    """
    loop = _Loop(network, loss, train, validation, parameters, seed, stop_after, rates)
    if checkpoints is not None:
        loop.resume(checkpoints)
    progress = loop.progress
    done = progress.history.steps
    bar = tqdm(total=loop.steps, initial=done, unit="step", disable=None, mininterval=0.5)
    with bar, ThreadPoolExecutor(1) as ahead:
        if not done and validation is not None:
            loop.judge_start(ahead, validation)
        while progress.epoch <= loop.epochs:
            loop.train_epoch(ahead, bar, checkpoints)
            loop.end_epoch(ahead)
            if bar.disable:  # no terminal shows it
                loop.log_epoch()
    progress.count_time()
    if checkpoints is not None:
        checkpoints.save(progress.arrays())
    network.set_weights(progress.best_weights)
    return progress.history


def epochs(parameters: Training, train: Batches) -> int:
    """Returns the number of epochs of a whole training, which patience may end earlier."""
    return parameters.epochs or -(-parameters.max_steps // _steps_per_epoch(parameters, train))


def _batch_size(parameters: Training, train: Batches) -> int:
    return train.streams or min(parameters.batch_size, len(train))


def _steps_per_epoch(parameters: Training, train: Batches) -> int:
    return -(-len(train) // _batch_size(parameters, train))


class _Loop:
    """One training: what `fit` is called with, and what follows from it."""

    def __init__(
        self,
        network: keras.Model,
        loss: Loss,
        train: Batches,
        validation: Batches | None,
        parameters: Training,
        seed: int,
        stop_after: int | None,
        rates: Rates | None,
    ) -> None:
        self.network, self.train, self.validation = network, train, validation
        self.parameters, self.seed, self.rates = parameters, seed, rates
        self.batch_size = _batch_size(parameters, train)
        steps_per_epoch = _steps_per_epoch(parameters, train)
        self.epochs = epochs(parameters, train)
        self.stop_after = stop_after or self.epochs
        self.steps = self.stop_after * steps_per_epoch
        self.optimizer = optimizer = _optimizer(parameters, self.epochs, steps_per_epoch)
        optimizer.build(network.trainable_variables)
        self.average = (
            []
            if parameters.average is None
            else [tf.Variable(variable.value) for variable in network.trainable_variables]
        )
        likes = samples(train, self.chunks(1), list(network.input))
        self.step = training_steps(
            network, loss, optimizer, self.average, parameters.average, samples=likes
        )
        self.measure = measuring(network, loss)
        self.progress = Progress(network, optimizer, self.average, self.batch_size)
        self.logged = time.monotonic()

    def resume(self, checkpoints: Checkpoints) -> None:
        """Goes on from the newest checkpoint of this training, if there is one."""
        progress, calls = self.progress, len(self.chunks(1))
        arrays = checkpoints.latest(lambda arrays: progress.fits(arrays, self.epochs, calls))
        if arrays is not None:
            progress.restore(arrays)
            log.info("training goes on after step %d of %d", progress.history.steps, self.steps)

    def judge_start(self, ahead: Executor, validation: Batches) -> None:
        """Validates the weights before the first step, which compete with those of all epochs."""
        self.progress.history.start = self.mean_loss(validation, ahead)
        if np.isfinite(self.progress.history.start):
            self.progress.best = self.progress.history.start

    def chunks(self, epoch: int) -> list[Chunk]:
        rng = np.random.default_rng([self.seed, epoch])
        return plan(self.train, self.batch_size, self.parameters.steps_per_call, rng)

    def train_epoch(self, ahead: Executor, bar: Any, checkpoints: Checkpoints | None) -> None:
        """Trains to the end of the current epoch."""
        progress = self.progress
        if self.rates is not None:
            self.optimizer.rate(self.rates(progress.epoch))
        left = self.chunks(progress.epoch)[progress.call :]
        for chunk in cut_ahead(self.train, left, self.batch_size, list(self.network.input), ahead):
            if checkpoints is not None and checkpoints.due():
                checkpoints.save(progress.arrays())
            total, weight, progress.state = self.step(chunk, progress.state)
            steps = len(chunk["mask"])
            progress.add(float(total), float(weight), steps)
            bar.update(steps)
            bar.set_postfix_str(f"epoch {progress.epoch}, loss {progress.loss:.4g}", refresh=False)

    def end_epoch(self, ahead: Executor) -> None:
        """Validates, keeps the weights if they are the best ones, and turns to the next epoch, or
        to the end where there was no progress for long enough."""
        progress, patience, validation = self.progress, self.parameters.patience, self.validation
        epoch, trained = progress.epoch, progress.loss
        raw = _swap(self.network, self.average)
        validated = np.nan if validation is None else self.mean_loss(validation, ahead)
        if not np.isfinite(trained) or not (validation is None or np.isfinite(validated)):
            raise InputError(
                f"training diverged in epoch {epoch} (training loss {trained}, validation loss "
                f"{validated}): lower train.learning_rate, or set train.clip"
            )
        history = progress.history
        history.epochs.append({"epoch": epoch, "train": trained, "validation": validated})
        last = validation is None or self.parameters.keep == "last"
        if last or validated < progress.best:
            progress.best, progress.best_weights = validated, self.network.get_weights()
            history.best_epoch = epoch
        _assign(self.network, raw)
        ended = epoch == self.stop_after or (
            patience is not None and epoch - history.best_epoch >= patience
        )
        progress.next_epoch(self.epochs + 1 if ended else epoch + 1)

    def mean_loss(self, batches: Batches, ahead: Executor) -> float:
        """Returns the mean loss of examples."""
        total, weight = 0.0, 0.0
        # Without gradients to keep, larger batches cost no more memory and are faster.
        size = batches.streams or min(8 * self.batch_size, len(batches))
        state, names = start(self.network, size), list(self.network.input)
        for chunk in cut_ahead(batches, plan(batches, size, 1), size, names, ahead):
            batch = tf.nest.map_structure(lambda array: array[0], chunk)
            batch_total, batch_weight, state = self.measure(batch, state)
            total, weight = total + float(batch_total), weight + float(batch_weight)
        return total / max(weight, 1)

    def log_epoch(self) -> None:
        """Logs the last epoch, at most once a minute."""
        if time.monotonic() > self.logged + 60:
            self.logged = time.monotonic()
            last = self.progress.history.epochs[-1]
            losses = f"train {last['train']:.4g}"
            if self.validation is not None:
                losses += f", validation {last['validation']:.4g}"
            log.info("epoch %d of %d: %s", last["epoch"], self.stop_after, losses)


def averaged(networks: list[keras.Model]) -> keras.Model:
    """Returns one model that takes what each of `networks` takes and gives the mean of their
    outputs."""
    if len(networks) == 1:
        return networks[0]
    inputs = {
        name: keras.Input(entry.shape[1:], dtype=entry.dtype, name=name)
        for name, entry in networks[0].input.items()
    }
    return keras.Model(
        inputs, keras.layers.Average()([network(inputs) for network in networks]), name="average"
    )


def _optimizer(parameters: Training, epochs: int, steps_per_epoch: int) -> Any:
    classes: dict[str, Any] = {"adam": optimizers.Adam, "sgd": optimizers.SGD}
    optimizer = classes[parameters.optimizer](
        _rate(parameters, epochs, steps_per_epoch),
        global_clipnorm=parameters.clip,
        weight_decay=parameters.weight_decay or None,
    )
    if parameters.weight_decay:
        optimizer.exclude_from_weight_decay(var_names=["bias"])
    return optimizer


def _rate(parameters: Training, epochs: int, steps_per_epoch: int) -> Any:
    """Returns the learning rate, a number or a schedule over the training steps."""
    steps = epochs * steps_per_epoch
    schedules = keras.optimizers.schedules
    match parameters.decay:
        case "cosine":
            return schedules.CosineDecay(parameters.learning_rate, steps)
        case "exponential":
            return schedules.ExponentialDecay(parameters.learning_rate, steps, 0.01)
        case "staged" if epochs > parameters.hold:
            stages = range(epochs - parameters.hold + 1)
            return schedules.PiecewiseConstantDecay(
                [(parameters.hold + stage) * steps_per_epoch for stage in stages[:-1]],
                [parameters.learning_rate * parameters.factor**stage for stage in stages],
            )
    return parameters.learning_rate


def _swap(network: keras.Model, average: list[tf.Variable]) -> list[np.ndarray]:
    """Puts the average, if there is one, in place of the trained weights, which are returned."""
    raw = [variable.numpy() for variable in network.trainable_variables] if average else []
    _assign(network, [variable.numpy() for variable in average])
    return raw


def _assign(network: keras.Model, values: list[np.ndarray]) -> None:
    """Gives the network's trained variables `values`; none: leaves them."""
    for variable, value in zip(network.trainable_variables, values, strict=bool(values)):
        variable.assign(value)
