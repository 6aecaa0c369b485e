"""The training loop against plain loops, and training that was killed."""

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from stages.batching import Batch
from stages.errors import InputError
from stages.networks import training
from stages.networks.backend import keras, tf
from stages.networks.parameters import Training
from stages.networks.progress import History
from tests.networks import toys
from tests.networks.cases import combinations
from tests.networks.toys import (
    LOSS,
    Killed,
    Memory,
    Numbers,
    Streams,
    Wide,
    carrying,
    dropping,
    line,
)


@pytest.mark.parametrize(
    ("count", "batch_size", "steps_per_call"),
    [(10, 4, 1), (10, 4, 2), (10, 4, 50), (8, 4, 3), (3, 32, 5)],
)
def test_many_steps_a_call_are_the_steps_of_a_plain_loop(
    count: int, batch_size: int, steps_per_call: int
) -> None:
    parameters = Training(
        epochs=3,
        batch_size=batch_size,
        steps_per_call=steps_per_call,
        learning_rate=0.05,
        average=0.8,
        patience=None,
    )
    network, source = line(), Numbers(count)
    history = training.fit(network, LOSS, source, source, parameters, 4)

    plain, source = line(), Numbers(count)
    optimizer = keras.optimizers.Adam(0.05, global_clipnorm=1.0)
    average = [weight.numpy() for weight in plain.trainable_variables]
    losses, done = [], 0
    for epoch in range(1, 4):
        order = np.random.default_rng([4, epoch]).permutation(count)
        sums = np.zeros(2)
        for start in range(0, count, min(batch_size, count)):
            batch = source.cut(order[start : start + batch_size])
            with tf.GradientTape() as tape:
                errors = (
                    toys.squared(batch["targets"], plain({"x": batch["inputs"]["x"]}))
                    * batch["mask"]
                )
                mean = tf.reduce_sum(errors) / max(batch["mask"].sum(), 1)
            optimizer.apply(
                tape.gradient(mean, plain.trainable_variables), plain.trainable_variables
            )
            sums += [float(tf.reduce_sum(errors)), batch["mask"].sum()]
            done += 1
            rate = max(0.2, 9 / (10 + done))
            average = [
                (1 - rate) * old + rate * new.numpy()
                for old, new in zip(average, plain.trainable_variables, strict=True)
            ]
        losses.append(sums[0] / sums[1])
    np.testing.assert_allclose([epoch["train"] for epoch in history.epochs], losses, rtol=1e-5)
    for weight, expected in zip(network.trainable_variables, average, strict=True):
        np.testing.assert_allclose(weight.numpy(), expected, rtol=1e-5, atol=1e-6)
    assert history.steps == 3 * -(-count // min(batch_size, count))


def test_a_variable_that_nothing_depends_on_stays() -> None:
    network = line()
    unused = keras.layers.Dense(1, name="unused")
    unused(network.output)
    network.unused = unused
    before = unused.get_weights()[0]
    history = training.fit(
        network, LOSS, Numbers(8), Numbers(4), Training(epochs=1, batch_size=4), 0
    )
    assert history.steps == 2
    assert len(network.trainable_variables) == 4
    np.testing.assert_array_equal(unused.get_weights()[0], before)


def test_an_epoch_sees_every_example_once_in_an_order_of_its_own() -> None:
    source = Numbers(10)
    training.fit(
        line(),
        LOSS,
        source,
        Numbers(5),
        Training(epochs=2, batch_size=5, steps_per_call=1),
        0,
    )
    epochs = [np.concatenate(source.seen[:2]).tolist(), np.concatenate(source.seen[2:]).tolist()]
    assert [sorted(epoch) for epoch in epochs] == [list(range(10))] * 2
    assert epochs[0] != epochs[1]


def test_the_best_weights_are_kept_and_training_stops_without_progress() -> None:
    class Apart(Numbers):
        """A validation whose truth is the line at its start, which training leaves."""

        def cut(self, indices: np.ndarray, length: int | None = None) -> Batch:
            batch = super().cut(indices)
            start = line()({"x": batch["inputs"]["x"]}).numpy()
            return {**batch, "targets": start, "mask": np.ones_like(start)}

    network = line()
    history = training.fit(
        network,
        LOSS,
        Numbers(30),
        Apart(6),
        Training(epochs=50, patience=3, learning_rate=0.05),
        0,
    )
    assert (history.best_epoch, len(history.epochs), history.start) == (0, 3, 0.0)
    np.testing.assert_array_equal(network.get_weights()[0], line().get_weights()[0])
    last = Training(epochs=3, patience=None, keep="last", learning_rate=0.05)
    assert training.fit(line(), LOSS, Numbers(30), Apart(6), last, 0).best_epoch == 3


def test_steps_in_place_of_epochs_end_with_the_epoch_that_the_last_one_begins() -> None:
    steps = Training(epochs=None, max_steps=10, batch_size=4, patience=None)
    history = training.fit(line(), LOSS, Numbers(30), Numbers(30), steps, 0)
    assert (len(history.epochs), history.steps) == (2, 16)


def test_training_that_stops_earlier_takes_the_first_steps_of_its_schedule() -> None:
    """As a plain loop does, with the learning rate of all four epochs, without validation."""
    parameters = Training(
        epochs=4, batch_size=4, learning_rate=0.05, decay="cosine", steps_per_call=2, patience=1
    )
    network, source = line(), Numbers(10)
    history = training.fit(network, LOSS, source, None, parameters, 4, stop_after=2)
    plain = line()
    optimizer = keras.optimizers.Adam(
        keras.optimizers.schedules.CosineDecay(0.05, 4 * 3), global_clipnorm=1.0
    )
    for epoch in (1, 2):
        order = np.random.default_rng([4, epoch]).permutation(10)
        for start in range(0, 10, 4):
            batch = source.cut(order[start : start + 4])
            with tf.GradientTape() as tape:
                outputs = plain({"x": batch["inputs"]["x"]})
                total = tf.reduce_sum(toys.squared(batch["targets"], outputs) * batch["mask"])
                mean = total / max(batch["mask"].sum(), 1)
            gradients = tape.gradient(mean, plain.trainable_variables)
            optimizer.apply(gradients, plain.trainable_variables)
    for weights, expected in zip(network.get_weights(), plain.get_weights(), strict=True):
        np.testing.assert_allclose(weights, expected, rtol=1e-5, atol=1e-6)
    assert (len(history.epochs), history.steps, history.best_epoch) == (2, 6, 2)
    assert all(np.isnan(epoch["validation"]) for epoch in history.epochs)


def test_training_without_validation_that_was_killed_ends_with_the_same_weights() -> None:
    def fit(saved: Memory) -> list[np.ndarray]:
        network, parameters = dropping(), until_the_end("adam")
        training.fit(network, LOSS, Wide(11), None, parameters, 4, saved, stop_after=3)
        return network.get_weights()

    expected, saved = fit(Memory(None)), Memory(7)
    with pytest.raises(Killed):
        fit(saved)
    saved.dies = None
    for weights, wanted in zip(fit(saved), expected, strict=True):
        np.testing.assert_array_equal(weights, wanted)


def test_decay_takes_its_share_of_each_weight() -> None:
    network, plain = line(), line()
    parameters = {"epochs": 1, "batch_size": 30, "optimizer": "sgd", "learning_rate": 0.05}
    decayed = Training(**parameters, weight_decay=0.5, keep="last")
    training.fit(network, LOSS, Numbers(30), Numbers(30), decayed, 0)
    training.fit(plain, LOSS, Numbers(30), Numbers(30), Training(**parameters, keep="last"), 0)
    start = line().get_weights()[0]
    np.testing.assert_allclose(
        network.get_weights()[0], plain.get_weights()[0] - 0.05 * 0.5 * start, rtol=1e-4
    )


def test_the_validation_loss_counts_each_value_once_whatever_the_batch_size() -> None:
    losses = []
    for batch_size in (1, 2, 7):
        history = training.fit(
            line(),
            LOSS,
            Numbers(4),
            Numbers(11),
            Training(epochs=1, batch_size=batch_size, learning_rate=1e-12),
            0,
        )
        losses.append(history.epochs[0]["validation"])
    batch = Numbers(11).cut(np.arange(11))
    errors = (
        toys.squared(batch["targets"], line()({"x": batch["inputs"]["x"]})).numpy() * batch["mask"]
    )
    np.testing.assert_allclose(losses, errors.sum() / batch["mask"].sum(), rtol=1e-5)


def test_a_loss_that_is_not_finite_is_a_clear_error() -> None:
    class Wild(Numbers):
        def cut(self, indices: np.ndarray, length: int | None = None) -> Batch:
            batch = super().cut(indices)
            return {**batch, "targets": batch["targets"] * np.float32(1e30)}

    with pytest.raises(
        InputError, match=r"training diverged in epoch 1 .* lower train.learning_rate"
    ):
        training.fit(line(), LOSS, Wild(6), Wild(6), Training(epochs=2), 0)


@pytest.mark.parametrize(
    ("carried", "counts"),
    [(None, [1, 2, 3, 4]), ([1, 1, 0, 1], [1, 2, 1, 2]), ([0, 0, 0, 0], [1, 1, 1, 1])],
)
def test_the_state_is_carried_unless_the_batch_resets_it(
    carried: list[float] | None, counts: list[int]
) -> None:
    """A network that adds 1 to its state, one stream of four examples: its output is how long the
    state was carried."""

    class Ones:
        streams = 1
        lengths = None

        def __len__(self) -> int:
            return 4

        def cut(self, indices: np.ndarray, length: int | None = None) -> Batch:
            one = np.ones((len(indices), 1), np.float32)
            batch = {"inputs": {"x": one}, "targets": 0 * one, "mask": one.copy()}
            return (
                batch
                if carried is None
                else {**batch, "carried": np.array(carried, np.float32)[indices]}
            )

    inputs, state = keras.Input((1,), name="x"), keras.Input((1,), name="state")
    total = keras.layers.Add()([keras.layers.Dense(1, kernel_initializer="ones")(inputs), state])
    counting = keras.Model({"x": inputs, "state": state}, {"outputs": total, "state": total})
    parameters = Training(epochs=1, learning_rate=1e-12, steps_per_call=3)
    history = training.fit(counting, LOSS, Ones(), Ones(), parameters, 0)
    assert history.epochs[0]["train"] == pytest.approx(np.mean(np.square(counts)))


NETWORKS: dict[str, tuple[Callable[[], keras.Model], Any]] = {
    "dropout": (dropping, Wide(11)),
    "carried state": (carrying, Streams()),
}


def until_the_end(optimizer: str) -> Training:
    return Training(
        epochs=4,
        batch_size=3,
        steps_per_call=1,
        optimizer=optimizer,
        learning_rate=0.05,
        decay="cosine",
        average=0.8,
        patience=3,
    )


@functools.cache
def uninterrupted(name: str, optimizer: str) -> tuple[keras.Model, History]:
    build, source = NETWORKS[name]
    network = build()
    return network, training.fit(network, LOSS, source, source, until_the_end(optimizer), 4)


@pytest.mark.parametrize(
    ("name", "optimizer", "dies"),
    combinations(
        NETWORKS,
        ["adam", "sgd"],
        [1, 2, 5, 8, 12],
        fast=[
            *(("dropout", "adam", dies) for dies in (1, 12)),
            *(("carried state", "sgd", dies) for dies in (2, 8)),
        ],
    ),
)
def test_training_that_was_killed_goes_on_to_the_same_bytes(
    name: str, optimizer: str, dies: int
) -> None:
    """Dropout, recurrent dropout, average, decay, carried state, best weights and history: nothing
    is lost at any call."""
    build, source = NETWORKS[name]
    parameters = until_the_end(optimizer)
    whole, expected = uninterrupted(name, optimizer)
    store = Memory(dies)
    with pytest.raises(Killed):
        training.fit(build(), LOSS, source, source, parameters, 4, store)
    store.dies = None
    resumed = build()
    history = training.fit(resumed, LOSS, source, source, parameters, 4, store)
    for weight, same in zip(whole.get_weights(), resumed.get_weights(), strict=True):
        np.testing.assert_array_equal(weight, same)
    assert (history.epochs, history.best_epoch, history.steps) == (
        expected.epochs,
        expected.best_epoch,
        expected.steps,
    )

    # What has ended is not trained again: the last checkpoint holds its result.
    count, again = len(store.saved), build()
    assert training.fit(again, LOSS, source, source, parameters, 4, store).epochs == expected.epochs
    assert len(store.saved) == count + 1
    np.testing.assert_array_equal(again.get_weights()[0], whole.get_weights()[0])


@pytest.mark.parametrize("dies", combinations([4, 9, 11], fast=[9]))
def test_patience_counts_on_after_a_kill(dies: int) -> None:
    # A rate at which no later epoch is better than the first ones
    parameters = Training(epochs=50, batch_size=3, steps_per_call=1, learning_rate=0.6, patience=3)
    source, store = Wide(11), Memory(dies)
    whole = dropping()
    expected = training.fit(whole, LOSS, source, source, parameters, 4)
    assert 3 < len(expected.epochs) < 50
    with pytest.raises(Killed):
        training.fit(dropping(), LOSS, source, source, parameters, 4, store)
    resumed = dropping()
    assert (
        training.fit(resumed, LOSS, source, source, parameters, 4, store).epochs == expected.epochs
    )
    np.testing.assert_array_equal(resumed.get_weights()[0], whole.get_weights()[0])


FOREIGN: dict[str, Callable[[dict[str, np.ndarray]], dict[str, np.ndarray]]] = {
    "nothing": lambda saved: {},
    "an array is missing": lambda saved: {
        name: array for name, array in saved.items() if name != "variable_1"
    },
    "an array more": lambda saved: {**saved, "x": np.zeros(3)},
    "another shape": lambda saved: {**saved, "variable_0": np.zeros((3, 3), np.float32)},
    "a scalar": lambda saved: {**saved, "position": np.array(3)},
    "another dtype": lambda saved: {**saved, "best_0": saved["best_0"].astype(np.float64)},
    "epochs of another shape": lambda saved: {**saved, "epochs": np.zeros(3)},
    "a position behind the epoch": lambda saved: {
        **saved,
        "position": saved["position"] + [0, 1000, 0, 0],
    },
    "an epoch that was not reached": lambda saved: {
        **saved,
        "position": saved["position"] + [1, 0, 0, 0],
    },
    "an epoch below 1": lambda saved: {**saved, "position": saved["position"] * [-1, 1, 1, 1]},
}


def test_arrays_of_another_training_are_not_resumed_from() -> None:
    class Mixed(Memory):
        """The newest checkpoint is foreign, in each way in turn."""

        accepted: list[str] | None = None

        def latest(
            self, fits: Callable[[dict[str, np.ndarray]], bool]
        ) -> dict[str, np.ndarray] | None:
            if not self.saved:
                return None
            newest = self.saved[-1]
            assert fits(newest)
            self.accepted = [case for case, change in FOREIGN.items() if fits(change(newest))]
            self.saved[-1] = FOREIGN["another shape"](newest)
            return super().latest(fits)

    parameters = Training(epochs=4, batch_size=3, steps_per_call=1, learning_rate=0.05, average=0.8)
    source, store, whole = Wide(11), Mixed(6), dropping()
    expected = training.fit(whole, LOSS, source, source, parameters, 4)
    with pytest.raises(Killed):
        training.fit(dropping(), LOSS, source, source, parameters, 4, store)
    store.dies = None
    resumed = dropping()
    assert (
        training.fit(resumed, LOSS, source, source, parameters, 4, store).epochs == expected.epochs
    )
    assert store.accepted == []
    np.testing.assert_array_equal(resumed.get_weights()[0], whole.get_weights()[0])
