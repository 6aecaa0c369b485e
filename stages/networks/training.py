"""The one training loop. A compiled function runs many steps a call; Python cuts the next batches
meanwhile.

It knows nothing of what it trains: a network, an elementwise loss, and two sources of batches.
Everything that a run's result depends on is in `_Progress`: variables (those of random generators
are among the network's) and a few numbers. The order of an epoch follows from the seed and its
number alone. So training that was killed goes on from a checkpoint to the same bytes.
"""

import logging
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from tqdm import tqdm

from stages.errors import InputError
from stages.networks import optimizers, recurrent
from stages.networks.backend import keras, tf
from stages.networks.parameters import Training
from stages.networks.recurrence import PARTS

log = logging.getLogger("reprise")

# (targets, outputs) -> the loss of each value, of the targets' shape
Loss = Callable[[tf.Tensor, tf.Tensor], tf.Tensor]
# (outputs, batch) -> (batch, ...) what is kept of the outputs
Reduce = Callable[[tf.Tensor, dict[str, Any]], tf.Tensor]


class Batches(Protocol):
    """A source of examples: how many there are, and any of them as `{"inputs": {...}, "targets":
    ..., "mask": ...}`.

    There may be `carried` (batch,) as well: 0 where training starts from a state of zero although
    there was an example before.

    Attributes:
        streams: where examples go on where others stopped, how many there are side by side: example
            e is followed by e + streams. Such examples are read in their order, `streams` in a
            batch, and the network's state is carried. None: each stands alone.
    """

    @property
    def streams(self) -> int | None: ...

    def __len__(self) -> int: ...

    def cut(self, indices: np.ndarray) -> dict[str, Any]: ...


class Checkpoints(Protocol):
    """Keeps named arrays where they outlive the process."""

    def due(self) -> bool: ...

    def save(self, arrays: dict[str, np.ndarray]) -> None: ...

    def latest(
        self, fits: Callable[[dict[str, np.ndarray]], bool]
    ) -> dict[str, np.ndarray] | None: ...


@dataclass
class History:
    """What training did.

    Attributes:
        epochs: one entry an epoch: `epoch`, `train`, `validation` (mean loss of the scored values).
        best_epoch: the epoch whose weights the network has now.
        steps: training steps taken.
        seconds: how long it took, in all processes that took part.
    """

    epochs: list[dict[str, float]]
    best_epoch: int
    steps: int
    seconds: float


class _Progress:
    """All that the rest of a training depends on, as variables and numbers that a checkpoint holds.

    Attributes:
        epoch, call: the next call of the compiled loop: its epoch, from 1, and its place in it,
            from 0.
        state: what the network carries to that call.
        total, weight: sums over the epoch so far, of the losses and of the mask.
        best, best_weights: the lowest validation loss, and the weights that had it.
        history: what was done so far.
    """

    def __init__(self, network: keras.Model, optimizer: Any, average: list[Any], rows: int) -> None:
        self.variables = [*network.variables, *optimizer.variables, *average]
        self.epoch, self.call = 1, 0
        self.state = start(network, rows)
        self.total = self.weight = 0.0
        self.best, self.best_weights = np.inf, network.get_weights()
        self.history = History([], 0, 0, 0.0)
        self._since = time.perf_counter()

    def arrays(self) -> dict[str, np.ndarray]:
        self.time()
        history = self.history
        return {
            "position": np.array([self.epoch, self.call, history.best_epoch, history.steps]),
            "sums": np.array([self.total, self.weight, self.best, history.seconds]),
            "epochs": np.array(
                [[epoch["train"], epoch["validation"]] for epoch in history.epochs]
            ).reshape(-1, 2),
            **{
                f"variable_{index}": variable.numpy()
                for index, variable in enumerate(self.variables)
            },
            **{f"best_{index}": weights for index, weights in enumerate(self.best_weights)},
            **{f"state_{index}": part.numpy() for index, part in enumerate(self.state)},
        }

    def fits(self, arrays: dict[str, np.ndarray], epochs: int, calls: int) -> bool:
        """Whether `arrays` are of a training of this network for `epochs`, of `calls` of the loop
        each."""
        own = self.arrays()
        shapes = {name: (array.dtype, array.shape) for name, array in arrays.items()}
        done = len(arrays["epochs"]) if "epochs" in arrays else 0
        if shapes != {
            name: (array.dtype, (done, 2) if name == "epochs" else array.shape)
            for name, array in own.items()
        }:
            return False
        epoch, call, best, steps = arrays["position"].tolist()
        ended = epoch == epochs + 1 and 0 < done <= epochs
        return (
            (ended or epoch == done + 1 <= epochs)
            and 0 <= call < calls
            and 0 <= best <= done
            and steps >= 0
        )

    def restore(self, arrays: dict[str, np.ndarray]) -> None:
        self.epoch, self.call, self.history.best_epoch, self.history.steps = arrays[
            "position"
        ].tolist()
        self.total, self.weight, self.best, self.history.seconds = arrays["sums"].tolist()
        self.history.epochs = [
            {"epoch": number, "train": train, "validation": validation}
            for number, (train, validation) in enumerate(arrays["epochs"].tolist(), 1)
        ]
        for index, variable in enumerate(self.variables):
            variable.assign(arrays[f"variable_{index}"])
        self.best_weights = [arrays[f"best_{index}"] for index in range(len(self.best_weights))]
        self.state = [tf.constant(arrays[f"state_{index}"]) for index in range(len(self.state))]

    def time(self) -> None:
        now = time.perf_counter()
        self.history.seconds += now - self._since
        self._since = now


def seed_everything(seed: int) -> None:
    """Makes weights, dropout and operations the same on every run on one machine."""
    keras.utils.set_random_seed(seed)
    tf.config.experimental.enable_op_determinism()


def fit(
    network: keras.Model,
    loss: Loss,
    train: Batches,
    validation: Batches,
    parameters: Training,
    seed: int,
    checkpoints: Checkpoints | None = None,
) -> History:
    """Trains `network` in place and leaves the best weights in it.

    Args:
        network: takes the dictionary of a batch's `inputs`, returns (batch, ...) as the loss wants
            it; or a dictionary of that, as `outputs`, and the state: tensors that the network
            takes, by the same names, with the next batch, and that start at 0.
        loss: elementwise; its mean over the values whose mask is 1 is minimised.
        train, validation: the examples. All training examples are seen once an epoch, in an order
            that `seed` decides; the last batch of an epoch is filled up with examples of mask 0, so
            that all batches have one shape.
        seed: of the epochs' orders; the weights and dropout follow `seed_everything`.
        checkpoints: where training is saved whenever it is due and at its end. If it holds one,
            training goes on from there.

    Raises:
        InputError: the loss became infinite or NaN.
    """
    batch_size = train.streams or min(parameters.batch_size, len(train))
    steps_per_epoch = -(-len(train) // batch_size)
    kinds: dict[str, Any] = {"adam": optimizers.Adam, "sgd": optimizers.SGD}
    optimizer = kinds[parameters.optimizer](
        _rate(parameters, steps_per_epoch), global_clipnorm=parameters.clip
    )
    optimizer.build(network.trainable_variables)
    average = (
        []
        if parameters.average is None
        else [tf.Variable(variable.value) for variable in network.trainable_variables]
    )
    step = training_steps(network, loss, optimizer, average, parameters.average)
    measure = _measuring(network, loss)
    at = _Progress(network, optimizer, average, batch_size)
    calls = -(-steps_per_epoch // parameters.steps_per_call)
    if (
        checkpoints is not None
        and (saved := checkpoints.latest(lambda found: at.fits(found, parameters.epochs, calls)))
        is not None
    ):
        at.restore(saved)
        log.info(
            "training goes on after step %d of %d",
            at.history.steps,
            parameters.epochs * steps_per_epoch,
        )
    history = at.history
    said = (
        time.monotonic()
    )  # where there is no terminal for the bar, a line a minute tells how far it is
    with (
        tqdm(
            total=parameters.epochs * steps_per_epoch,
            initial=history.steps,
            unit="step",
            disable=None,
            mininterval=0.5,
        ) as bar,
        ThreadPoolExecutor(1) as ahead,
    ):
        while at.epoch <= parameters.epochs:
            order = (
                np.arange(len(train))
                if train.streams
                else np.random.default_rng([seed, at.epoch]).permutation(len(train))
            )
            left = order[at.call * batch_size * parameters.steps_per_call :]
            for steps, chunk in chunks(
                network, train, left, batch_size, parameters.steps_per_call, ahead
            ):
                if checkpoints is not None and checkpoints.due():
                    checkpoints.save(at.arrays())
                loss_sum, weight_sum, at.state = step(chunk, at.state)
                at.call, at.total, at.weight = (
                    at.call + 1,
                    at.total + float(loss_sum),
                    at.weight + float(weight_sum),
                )
                history.steps += steps
                bar.update(steps)
                bar.set_postfix_str(
                    f"epoch {at.epoch}, loss {at.total / max(at.weight, 1):.4g}", refresh=False
                )
            raw = _swap(network, average)
            validated = _mean_loss(network, measure, validation, batch_size, ahead)
            trained = at.total / max(at.weight, 1)
            if not np.isfinite(trained) or not np.isfinite(validated):
                raise InputError(
                    f"training diverged in epoch {at.epoch} (training loss {trained}, validation "
                    f"loss {validated}): "
                    "lower train.learning_rate, or set train.clip"
                )
            history.epochs.append({"epoch": at.epoch, "train": trained, "validation": validated})
            if bar.disable and time.monotonic() > said + 60:
                said = time.monotonic()
                log.info(
                    "epoch %d of %d: train %.4g, validation %.4g",
                    at.epoch,
                    parameters.epochs,
                    trained,
                    validated,
                )
            if validated < at.best or parameters.patience is None:
                at.best, at.best_weights, history.best_epoch = (
                    validated,
                    network.get_weights(),
                    at.epoch,
                )
            _assign(network, raw)
            ended = (
                parameters.patience is not None
                and at.epoch - history.best_epoch >= parameters.patience
            )
            at.epoch, at.call = parameters.epochs + 1 if ended else at.epoch + 1, 0
            at.state, at.total, at.weight = start(network, batch_size), 0.0, 0.0
    at.time()
    if checkpoints is not None:
        checkpoints.save(at.arrays())
    network.set_weights(at.best_weights)
    return history


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


def predict(
    network: keras.Model, batches: Batches, reduce: Reduce | None = None, batch_size: int = 512
) -> np.ndarray:
    """Returns the network's outputs for all examples, in their order; or what `reduce` makes of
    them and their batch."""

    @tf.function(reduce_retracing=True)
    def forward(batch: dict[str, Any], state: list[tf.Tensor]) -> tuple[tf.Tensor, list[tf.Tensor]]:
        outputs, state = call(network, batch["inputs"], state, training=False)
        return outputs if reduce is None else reduce(outputs, batch), state

    size = batches.streams or min(batch_size, len(batches))
    out, state = [], start(network, size)
    with ThreadPoolExecutor(1) as ahead:
        for _, chunk in chunks(network, batches, np.arange(len(batches)), size, 1, ahead):
            found, state = forward(tf.nest.map_structure(lambda array: array[0], chunk), state)
            out.append(found.numpy())
    return np.concatenate(out)[: len(batches)]


def stepping(
    network: keras.Model,
) -> Callable[[np.ndarray, list[Any] | None], tuple[np.ndarray, list[Any]]]:
    """Returns a function that gives a network of the single input `tokens` some more of them.

    (tokens (rows, steps) int32, state or None) -> the outputs after the last one, (rows, ...), and
    the state: a list of arrays, (rows, ...) each, empty where the network carries none.
    """
    names = _carried(network)

    @tf.function(reduce_retracing=True)
    def forward(tokens: tf.Tensor, state: list[tf.Tensor]) -> tuple[tf.Tensor, list[tf.Tensor]]:
        outputs, state = call(network, {"tokens": tokens}, state, training=False)
        return outputs[:, -1] if names else outputs, state

    def step(tokens: np.ndarray, state: list[Any] | None) -> tuple[np.ndarray, list[Any]]:
        outputs, following = forward(
            tf.constant(tokens), start(network, len(tokens)) if state is None else state
        )
        return outputs.numpy(), [part.numpy() for part in following]

    return step


def _carried(network: keras.Model) -> list[str]:
    """Returns the names of the tensors that the network gives to itself at the next batch."""
    return (
        [name for name in network.output if name != "outputs"]
        if isinstance(network.output, dict)
        else []
    )


def start(network: keras.Model, rows: int) -> list[tf.Tensor]:
    """Returns the state before the first batch, of zeros."""
    return [
        tf.zeros((rows, *network.input[name].shape[1:]), network.input[name].dtype)
        for name in _carried(network)
    ]


def call(
    network: keras.Model, inputs: dict[str, Any], state: list[Any], training: bool
) -> tuple[Any, list[Any]]:
    """Returns the network's outputs, and its state after them."""
    names = _carried(network)
    found = network({**inputs, **dict(zip(names, state, strict=True))}, training=training)
    return (found["outputs"], [found[name] for name in names]) if names else (found, [])


def _rate(parameters: Training, steps_per_epoch: int) -> Any:
    steps = parameters.epochs * steps_per_epoch
    match parameters.decay:
        case "cosine":
            return keras.optimizers.schedules.CosineDecay(parameters.learning_rate, steps)
        case "exponential":
            return keras.optimizers.schedules.ExponentialDecay(
                parameters.learning_rate, steps, 0.01
            )
        case "staged" if parameters.epochs > parameters.hold:
            stages = range(parameters.epochs - parameters.hold + 1)
            return keras.optimizers.schedules.PiecewiseConstantDecay(
                [(parameters.hold + stage) * steps_per_epoch for stage in stages[:-1]],
                [parameters.learning_rate * parameters.factor**stage for stage in stages],
            )
    return parameters.learning_rate


def training_steps(
    network: keras.Model,
    loss: Loss,
    optimizer: Any,
    average: list[Any],
    momentum: float | None,
    parts: int = PARTS,
) -> Any:
    """Returns the compiled loop over the steps of a chunk; it returns the sums of the losses and of
    the mask, and the state.

    average: the variables of the moving average of the weights, with `momentum` a step; or none.
    parts: of each batch, that run side by side.
    """
    variables = network.trainable_variables
    rate = 1.0 - (momentum or 0.0)

    @tf.function(reduce_retracing=True)
    def run(
        chunk: dict[str, Any], state: list[tf.Tensor]
    ) -> tuple[tf.Tensor, tf.Tensor, list[tf.Tensor]]:
        loss_sum = weight_sum = tf.constant(0.0, tf.float32)
        for index in tf.range(tf.shape(chunk["mask"])[0]):
            batch = tf.nest.map_structure(lambda array: array[index], chunk)  # noqa: B023 - used in this step only
            if "carried" in batch:
                state = [part * batch["carried"][:, None] for part in state]
            with tf.GradientTape() as tape:
                total, weight, state = losses(
                    network, loss, batch, state, training=True, parts=parts
                )
                mean = total / tf.maximum(weight, 1.0)
            gradients = tape.gradient(mean, variables)
            optimizer.apply(
                [of if of is None else tf.convert_to_tensor(of) for of in gradients], variables
            )
            for mean_of, variable in zip(average, variables, strict=bool(average)):
                mean_of.assign_add(rate * (variable.value - mean_of))
            loss_sum, weight_sum = loss_sum + total, weight_sum + weight
        return loss_sum, weight_sum, state

    return run


def _measuring(network: keras.Model, loss: Loss) -> Any:
    @tf.function(reduce_retracing=True)
    def run(
        batch: dict[str, Any], state: list[tf.Tensor]
    ) -> tuple[tf.Tensor, tf.Tensor, list[tf.Tensor]]:
        return losses(network, loss, batch, state, training=False)

    return run


def losses(
    network: keras.Model,
    loss: Loss,
    batch: dict[str, Any],
    state: list[tf.Tensor],
    training: bool,
    parts: int = PARTS,
) -> tuple[tf.Tensor, tf.Tensor, list[tf.Tensor]]:
    """Returns the sum of the losses of the values whose mask is 1, how many these are, and the
    network's state.

    Parts of the batch run side by side, one core each.
    """
    rows = batch["mask"].shape[0]
    parts = min(parts, (rows or 0) // 2) or 1
    if parts == 1:
        outputs, state = call(network, batch["inputs"], state, training)
        return *masked(loss, outputs, batch), state
    sizes = [len(of) for of in np.array_split(np.arange(rows), parts)]
    divided = [tf.split(array, sizes) for array in tf.nest.flatten([batch, state])]
    found = []
    with recurrent.undivided():
        for piece in zip(*divided, strict=True):
            of_batch, of_state = tf.nest.pack_sequence_as([batch, state], piece)
            outputs, after = call(network, of_batch["inputs"], of_state, training)
            found.append((*masked(loss, outputs, of_batch), after))
    totals, weights, states = zip(*found, strict=True)
    return (
        tf.add_n(totals),
        tf.add_n(weights),
        [tf.concat(of, 0) for of in zip(*states, strict=True)],
    )


def masked(loss: Loss, outputs: tf.Tensor, batch: dict[str, Any]) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns the sum of the losses of the values whose mask is 1, and how many these are."""
    mask = batch["mask"]
    return tf.reduce_sum(loss(batch["targets"], outputs) * mask), tf.reduce_sum(mask)


def _mean_loss(
    network: keras.Model, measure: Any, batches: Batches, batch_size: int, ahead: ThreadPoolExecutor
) -> float:
    total = weight = 0.0
    # Without gradients to keep, larger batches cost no more memory and are faster.
    size = batches.streams or min(8 * batch_size, len(batches))
    state = start(network, size)
    for _, chunk in chunks(network, batches, np.arange(len(batches)), size, 1, ahead):
        loss_sum, weight_sum, state = measure(
            tf.nest.map_structure(lambda array: array[0], chunk), state
        )
        total, weight = total + float(loss_sum), weight + float(weight_sum)
    return total / max(weight, 1)


def chunks(
    network: keras.Model,
    batches: Batches,
    order: np.ndarray,
    batch_size: int,
    steps_per_call: int,
    ahead: ThreadPoolExecutor,
) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yields (steps, batches of shape (steps, batch, ...)) in `order`. The next ones are cut while
    these are used."""
    size = batch_size * steps_per_call
    runs = [order[start : start + size] for start in range(0, len(order), size)]
    following: Future[dict[str, Any]] = ahead.submit(_cut, network, batches, runs[0], batch_size)
    for index in range(len(runs)):
        chunk = following.result()
        if index + 1 < len(runs):
            following = ahead.submit(_cut, network, batches, runs[index + 1], batch_size)
        yield len(chunk["mask"]), chunk


def _cut(
    network: keras.Model, batches: Batches, indices: np.ndarray, batch_size: int
) -> dict[str, Any]:
    """Returns the examples `indices` in batches, with only those inputs that the network has."""
    count = len(indices)
    missing = -count % batch_size
    if missing:
        indices = np.concatenate([indices, np.repeat(indices[:1], missing)])
    chunk = batches.cut(indices)
    chunk["inputs"] = {
        name: chunk["inputs"][name] for name in network.input if name in chunk["inputs"]
    }
    if missing:
        chunk["mask"][count:] = 0
    return tf.nest.map_structure(
        lambda array: array.reshape(-1, batch_size, *array.shape[1:]), chunk
    )


def _swap(network: keras.Model, average: list[Any]) -> list[np.ndarray]:
    """Puts the average, if there is one, in place of the trained weights, which are returned."""
    raw = [variable.numpy() for variable in network.trainable_variables] if average else []
    _assign(network, [variable.numpy() for variable in average])
    return raw


def _assign(network: keras.Model, values: list[np.ndarray]) -> None:
    """Gives the network's trained variables `values`; none: leaves them."""
    for variable, value in zip(network.trainable_variables, values, strict=bool(values)):
        variable.assign(value)
