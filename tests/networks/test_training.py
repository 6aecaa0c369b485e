"""The training loop against plain loops."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from stages.errors import InputError
from stages.networks import optimizers, recurrent, training
from stages.networks.backend import keras, tf
from stages.networks.parameters import Training


class Numbers:
    """y = 2 x - 1 for `count` numbers; every third value does not count, and is wrong."""

    streams = None

    def __init__(self, count: int) -> None:
        self.x = np.linspace(-1, 1, count, dtype=np.float32)[:, None]
        self.seen: list[np.ndarray] = []

    def __len__(self) -> int:
        return len(self.x)

    def cut(self, indices: np.ndarray) -> dict[str, Any]:
        self.seen.append(indices)
        mask = (indices % 3 > 0).astype(np.float32)[:, None]
        x = self.x[indices]
        return {
            "inputs": {"x": x, "unused": x},
            "targets": np.where(mask > 0, 2 * x - 1, 99),
            "mask": mask,
        }


def network() -> keras.Model:
    training.seed_everything(1)
    inputs = keras.Input((1,), name="x")
    return keras.Model({"x": inputs}, keras.layers.Dense(1, name="line")(inputs))


def squared(targets: tf.Tensor, outputs: tf.Tensor) -> tf.Tensor:
    return tf.square(targets - outputs)


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
    found, source = network(), Numbers(count)
    history = training.fit(found, squared, source, source, parameters, 4)

    plain, source = network(), Numbers(count)
    optimizer = keras.optimizers.Adam(0.05, global_clipnorm=1.0)
    average = [weight.numpy() for weight in plain.trainable_variables]
    losses = []
    for epoch in range(1, 4):
        order = np.random.default_rng([4, epoch]).permutation(count)
        sums = np.zeros(2)
        for start in range(0, count, min(batch_size, count)):
            batch = source.cut(order[start : start + batch_size])
            with tf.GradientTape() as tape:
                errors = (
                    squared(batch["targets"], plain({"x": batch["inputs"]["x"]})) * batch["mask"]
                )
                mean = tf.reduce_sum(errors) / max(batch["mask"].sum(), 1)
            optimizer.apply(
                tape.gradient(mean, plain.trainable_variables), plain.trainable_variables
            )
            sums += [float(tf.reduce_sum(errors)), batch["mask"].sum()]
            average = [
                0.8 * old + 0.2 * new.numpy()
                for old, new in zip(average, plain.trainable_variables, strict=True)
            ]
        losses.append(sums[0] / sums[1])
    np.testing.assert_allclose([epoch["train"] for epoch in history.epochs], losses, rtol=1e-5)
    for weight, expected in zip(found.trainable_variables, average, strict=True):
        np.testing.assert_allclose(weight.numpy(), expected, rtol=1e-5, atol=1e-6)
    assert history.steps == 3 * -(-count // min(batch_size, count))


def test_a_gradient_of_an_embedding_is_clipped_by_the_norm_of_its_rows_each_summed() -> None:
    training.seed_everything(1)
    inputs = keras.Input((3,), dtype="int32", name="tokens")
    network = keras.Model({"tokens": inputs}, keras.layers.Embedding(5, 2)(inputs))
    (table,) = network.trainable_variables
    before, tokens = table.numpy(), np.array([[0, 1, 1], [3, 1, 0]], "int32")
    optimizer = optimizers.SGD(1.0, global_clipnorm=0.5)
    optimizer.build([table])
    run = training.training_steps(
        network, lambda targets, outputs: tf.reduce_sum(outputs, -1), optimizer, [], None
    )
    run(
        {
            "inputs": {"tokens": tokens[None]},
            "targets": tokens[None],
            "mask": np.ones((1, 2, 3), "float32"),
        },
        [],
    )
    gradient = np.array([[2.0], [3], [0], [1], [0]]) / 6 * np.ones(2)
    np.testing.assert_allclose(
        before - table.numpy(), gradient * 0.5 / np.linalg.norm(gradient), rtol=1e-4, atol=1e-6
    )


def test_a_variable_that_nothing_depends_on_stays() -> None:
    found = network()
    unused = keras.layers.Dense(1, name="unused")
    unused(found.output)
    found.unused = unused
    before = unused.get_weights()[0]
    history = training.fit(
        found, squared, Numbers(8), Numbers(4), Training(epochs=1, batch_size=4), 0
    )
    assert history.steps == 2
    assert len(found.trainable_variables) == 4
    np.testing.assert_array_equal(unused.get_weights()[0], before)


def test_an_epoch_sees_every_example_once_in_an_order_of_its_own() -> None:
    source = Numbers(10)
    training.fit(
        network(),
        squared,
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

        def cut(self, indices: np.ndarray) -> dict[str, Any]:
            batch = super().cut(indices)
            start = network()({"x": batch["inputs"]["x"]}).numpy()
            return {**batch, "targets": start, "mask": np.ones_like(start)}

    found = network()
    history = training.fit(
        found,
        squared,
        Numbers(30),
        Apart(6),
        Training(epochs=50, patience=3, learning_rate=0.05),
        0,
    )
    assert (history.best_epoch, len(history.epochs)) == (1, 4)
    weights = network()
    training.fit(weights, squared, Numbers(30), Apart(6), Training(epochs=1, learning_rate=0.05), 0)
    np.testing.assert_array_equal(found.get_weights()[0], weights.get_weights()[0])


def test_the_validation_loss_counts_each_value_once_whatever_the_batch_size() -> None:
    found = []
    for batch_size in (1, 2, 7):
        history = training.fit(
            network(),
            squared,
            Numbers(4),
            Numbers(11),
            Training(epochs=1, batch_size=batch_size, learning_rate=1e-12),
            0,
        )
        found.append(history.epochs[0]["validation"])
    batch = Numbers(11).cut(np.arange(11))
    errors = (
        squared(batch["targets"], network()({"x": batch["inputs"]["x"]})).numpy() * batch["mask"]
    )
    np.testing.assert_allclose(found, errors.sum() / batch["mask"].sum(), rtol=1e-5)


def test_predictions_come_in_order_and_once_each() -> None:
    given, source = network(), Numbers(11)
    expected = given({"x": source.x}).numpy()
    for batch_size in (1, 4, 11, 100):
        np.testing.assert_allclose(
            training.predict(given, source, batch_size=batch_size), expected, rtol=1e-6
        )


def test_the_mean_of_several_networks_is_a_network() -> None:
    networks = [
        keras.Model(model.input, model.output, name=f"member_{index}")
        for index, model in enumerate([network(), network(), network()])
    ]
    for index, model in enumerate(networks):
        model.set_weights([weight + index for weight in model.get_weights()])
    source = Numbers(5)
    expected = np.mean([training.predict(model, source) for model in networks], axis=0)
    np.testing.assert_allclose(
        training.predict(training.averaged(networks), source), expected, rtol=1e-6
    )


def test_a_loss_that_is_no_number_is_one_clear_error() -> None:
    class Wild(Numbers):
        def cut(self, indices: np.ndarray) -> dict[str, Any]:
            batch = super().cut(indices)
            return {**batch, "targets": batch["targets"] * np.float32(1e30)}

    with pytest.raises(
        InputError, match=r"training diverged in epoch 1 .* lower train.learning_rate"
    ):
        training.fit(network(), squared, Wild(6), Wild(6), Training(epochs=2), 0)


@pytest.mark.parametrize(
    ("carried", "counts"),
    [(None, [1, 2, 3, 4]), ([1, 1, 0, 1], [1, 2, 1, 2]), ([0, 0, 0, 0], [1, 1, 1, 1])],
)
def test_the_state_is_carried_unless_the_batch_says_no(
    carried: list[float] | None, counts: list[int]
) -> None:
    """A network that adds 1 to its state, one stream of four examples: what it says is how long the
    state was carried."""

    class Ones:
        streams = 1

        def __len__(self) -> int:
            return 4

        def cut(self, indices: np.ndarray) -> dict[str, Any]:
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
    history = training.fit(counting, squared, Ones(), Ones(), parameters, 0)
    assert history.epochs[0]["train"] == pytest.approx(np.mean(np.square(counts)))


@pytest.mark.parametrize("parts", [2, 3])
def test_parts_of_a_batch_side_by_side_are_the_whole_batch(parts: int) -> None:
    """Embedding, recurrent layer, carried state and mask: the same loss, gradients and state but
    for rounding; uneven parts too."""
    tokens = keras.Input((None,), dtype="int32", name="tokens")
    before = [keras.Input((4,), name=name) for name in ("h", "c")]
    hidden, last = recurrent.run(
        recurrent.layer("lstm", 4, "lstm"), keras.layers.Embedding(9, 3)(tokens), before
    )
    outputs = keras.layers.Dense(9)(hidden)
    model = keras.Model(
        {"tokens": tokens, "h": before[0], "c": before[1]},
        {"outputs": outputs, "h": last[0], "c": last[1]},
    )
    rng = np.random.default_rng(0)
    batch = {
        "inputs": {"tokens": rng.integers(0, 9, (7, 5)).astype(np.int32)},
        "targets": rng.normal(size=(7, 5, 9)).astype(np.float32),
        "mask": rng.integers(0, 2, (7, 5, 9)).astype(np.float32),
    }
    batch = tf.nest.map_structure(tf.constant, batch)
    carried = [tf.constant(rng.normal(size=(7, 4)), tf.float32) for _ in range(2)]

    def found(parts: int) -> list[np.ndarray]:
        with tf.GradientTape() as tape:
            total, weight, state = training.losses(model, squared, batch, carried, True, parts)
        gradients = [
            tf.convert_to_tensor(of) for of in tape.gradient(total, model.trainable_variables)
        ]
        return [np.asarray(of) for of in (total, weight, *state, *gradients)]

    for whole, of_parts in zip(found(1), found(parts), strict=True):
        np.testing.assert_allclose(of_parts, whole, rtol=1e-5, atol=1e-5)


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


class Streams:
    """Two streams of 6 tokens, of which 2 are seen at a time, for a network with a carried
    state."""

    streams = 2

    def __len__(self) -> int:
        return 6

    def cut(self, indices: np.ndarray) -> dict[str, Any]:
        values = (indices[:, None] * 2 + np.arange(2)).astype(np.float32)
        return {
            "inputs": {"x": np.sin(values)[..., None]},
            "targets": np.sin(values + 1),
            "mask": np.ones((len(indices), 2), np.float32),
        }


def dropping() -> keras.Model:
    training.seed_everything(5)
    inputs = keras.Input((10,), name="x")
    hidden = keras.layers.Dropout(0.5)(
        keras.layers.Dense(8, activation="tanh")(keras.layers.Dropout(0.3)(inputs))
    )
    return keras.Model({"x": inputs}, keras.layers.Dense(1)(hidden))


class Wide(Numbers):
    def __init__(self, count: int) -> None:
        super().__init__(count)
        self.x = np.repeat(self.x, 10, 1)

    def cut(self, indices: np.ndarray) -> dict[str, Any]:
        batch = super().cut(indices)
        return {**batch, "targets": batch["targets"][:, :1]}


def carrying() -> keras.Model:
    training.seed_everything(5)
    inputs, state = keras.Input((2, 1), name="x"), keras.Input((4,), name="state")
    outputs, after = recurrent.GRU(
        4, return_sequences=True, return_state=True, recurrent_dropout=0.2
    )(inputs, initial_state=state)
    outputs = keras.layers.Dense(1)(keras.layers.Dropout(0.4)(outputs))[..., 0]
    return keras.Model({"x": inputs, "state": state}, {"outputs": outputs, "state": after})


@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
@pytest.mark.parametrize(("build", "source"), [(dropping, Wide(11)), (carrying, Streams())])
@pytest.mark.parametrize("dies", [1, 2, 5, 8, 12])
def test_training_that_was_killed_goes_on_to_the_same_bytes(
    build: Any, source: Any, optimizer: str, dies: int
) -> None:
    """Dropout, recurrent dropout, average, decay, carried state, best weights and history: nothing
    is lost at any call."""
    parameters = Training(
        epochs=4,
        batch_size=3,
        steps_per_call=1,
        optimizer=optimizer,
        learning_rate=0.05,
        decay="cosine",
        average=0.8,
        patience=3,
    )
    whole = build()
    expected = training.fit(whole, squared, source, source, parameters, 4)

    store = Memory(dies)
    with pytest.raises(Killed):
        training.fit(build(), squared, source, source, parameters, 4, store)
    store.dies = None
    resumed = build()
    history = training.fit(resumed, squared, source, source, parameters, 4, store)
    for weight, same in zip(whole.get_weights(), resumed.get_weights(), strict=True):
        np.testing.assert_array_equal(weight, same)
    assert (history.epochs, history.best_epoch, history.steps) == (
        expected.epochs,
        expected.best_epoch,
        expected.steps,
    )

    # What has ended is not trained again: the last checkpoint holds its result.
    count, again = len(store.saved), build()
    assert (
        training.fit(again, squared, source, source, parameters, 4, store).epochs == expected.epochs
    )
    assert len(store.saved) == count + 1
    np.testing.assert_array_equal(again.get_weights()[0], whole.get_weights()[0])


@pytest.mark.parametrize("dies", [4, 9, 11])
def test_patience_counts_on_after_a_kill(dies: int) -> None:
    # A rate at which no later epoch is better than the first ones
    parameters = Training(epochs=50, batch_size=3, steps_per_call=1, learning_rate=1.5, patience=3)
    source, store = Wide(11), Memory(dies)
    whole = dropping()
    expected = training.fit(whole, squared, source, source, parameters, 4)
    assert 3 < len(expected.epochs) < 50
    with pytest.raises(Killed):
        training.fit(dropping(), squared, source, source, parameters, 4, store)
    resumed = dropping()
    assert (
        training.fit(resumed, squared, source, source, parameters, 4, store).epochs
        == expected.epochs
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
    "another type": lambda saved: {**saved, "best_0": saved["best_0"].astype(np.float64)},
    "epochs of another shape": lambda saved: {**saved, "epochs": np.zeros(3)},
    "a place behind the epoch": lambda saved: {
        **saved,
        "position": saved["position"] + [0, 1000, 0, 0],
    },
    "an epoch that was not reached": lambda saved: {
        **saved,
        "position": saved["position"] + [1, 0, 0, 0],
    },
    "an epoch below 1": lambda saved: {**saved, "position": saved["position"] * [-1, 1, 1, 1]},
}


@pytest.mark.parametrize("case", FOREIGN)
def test_arrays_of_another_training_are_not_gone_on_from(case: str) -> None:
    parameters = Training(epochs=4, batch_size=3, steps_per_call=1, learning_rate=0.05, average=0.8)
    source, store, whole = Wide(11), Memory(6), dropping()
    expected = training.fit(whole, squared, source, source, parameters, 4)
    with pytest.raises(Killed):
        training.fit(dropping(), squared, source, source, parameters, 4, store)
    store.dies = None
    store.saved[-1] = FOREIGN[case](store.saved[-1])
    resumed = dropping()
    assert (
        training.fit(resumed, squared, source, source, parameters, 4, store).epochs
        == expected.epochs
    )
    np.testing.assert_array_equal(resumed.get_weights()[0], whole.get_weights()[0])
