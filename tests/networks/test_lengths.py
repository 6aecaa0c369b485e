"""Training and prediction with examples of different lengths: padding changes nothing."""

from typing import Any

import numpy as np
import pytest

from stages import batching
from stages.batching import Batch
from stages.networks import losses, recurrent, training
from stages.networks.backend import keras, tf
from stages.networks.parameters import Training
from stages.networks.prediction import predict
from tests.networks.toys import LOSS, Killed, Memory


@pytest.fixture(autouse=True)
def two_shapes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Compiling takes seconds for each shape."""
    monkeypatch.setattr(batching, "MAX_SHAPES", 2)


class Sums:
    """Sequences of different lengths. Each step's target is the sum so far, or each example's its
    whole sum."""

    streams = None

    def __init__(self, lengths: np.ndarray, per_step: bool, junk: float = 0.0) -> None:
        """`junk`: what padding holds."""
        self.lengths, self.per_step, self.junk = lengths, per_step, junk
        self.starts = np.concatenate([[0], np.cumsum(lengths)])[:-1]
        self.values = np.random.default_rng(1).normal(size=(lengths.sum(), 2)).astype(np.float32)
        self.cut_lengths: list[int | None] = []

    def __len__(self) -> int:
        return len(self.lengths)

    def cut(self, indices: np.ndarray, length: int | None = None) -> Batch:
        self.cut_lengths.append(length)
        longest = length or int(self.lengths[indices].max())
        x, own = batching.padded(self.values, self.starts[indices], self.lengths[indices], longest)
        sums = np.cumsum(x[..., 0], 1) / 5
        x[~own] = self.junk
        return {
            "inputs": {"x": x, "own": own},
            "targets": np.where(own, sums, self.junk) if self.per_step else sums[:, -1],
            "mask": own.astype(np.float32) if self.per_step else np.ones(len(indices), np.float32),
        }


def sequences(count: int, per_step: bool = True, junk: float = 0.0) -> Sums:
    return Sums(np.random.default_rng(0).choice([2, 3, 7, 8], count), per_step, junk)


def summing(cell: str, per_step: bool = True, both: bool = True, seed: int = 5) -> keras.Model:
    """Two layers that leave padding out, with dropout; `both`: the first in both directions."""
    training.seed_everything(seed)
    x, own = keras.Input((None, 2), name="x"), keras.Input((None,), dtype="bool", name="own")
    first = recurrent.FAST[cell](4, return_sequences=True)
    hidden = (recurrent.Bidirectional(first) if both else first)(x, mask=own)
    hidden = keras.layers.Dropout(0.2)(hidden)
    hidden, last = recurrent.apply(recurrent.layer(cell, 4, "second"), hidden, mask=own)
    outputs = keras.layers.Dense(1)(hidden if per_step else last[0])[..., 0]
    return keras.Model({"x": x, "own": own}, outputs)


PARAMETERS = Training(
    epochs=3, batch_size=4, steps_per_call=2, learning_rate=0.02, average=0.8, patience=None
)


# cell, whether outputs are per step, whether there is a layer in both directions
CASES = [
    ("simple_rnn", True, False),
    pytest.param("lstm", False, False, marks=pytest.mark.slow),
    pytest.param("gru", True, True, marks=pytest.mark.slow),
]


@pytest.mark.parametrize(("cell", "per_step", "both"), CASES)
def test_an_output_depends_neither_on_padding_nor_on_what_it_is_batched_with(
    cell: str, per_step: bool, both: bool
) -> None:
    network, source = summing(cell, per_step, both), sequences(12, per_step)
    alone = []
    for index in range(12):
        batch = source.cut(np.array([index]))
        alone.append(np.asarray(network({name: batch["inputs"][name] for name in network.input})))
    for junk, batch_size in ((0.0, 12), (99.0, 5)):
        outputs = predict(network, sequences(12, per_step, junk), batch_size=batch_size)
        assert outputs.shape == ((12, 8) if per_step else (12,))
        for index, expected in enumerate(alone):
            own = outputs[index, : source.lengths[index]] if per_step else outputs[index]
            np.testing.assert_allclose(own, expected[0], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("cell", "per_step", "both"), CASES)
def test_padding_has_no_gradient_and_counts_in_no_loss(
    cell: str, per_step: bool, both: bool
) -> None:
    network = summing(cell, per_step, both)

    def results(junk: float, length: int | None, rows: int) -> list[np.ndarray]:
        indices = np.resize(np.arange(4), rows)
        batch = sequences(4, per_step, junk).cut(indices, length)
        batch["mask"][4:] = 0
        tensors = tf.nest.map_structure(tf.constant, batch)
        with tf.GradientTape() as tape:
            tape.watch(tensors["inputs"]["x"])
            total, weight, _ = losses.compute(network, LOSS, tensors, [], training=False)
        inputs, *weights = tape.gradient(
            total, [tensors["inputs"]["x"], *network.trainable_variables]
        )
        np.testing.assert_array_equal(inputs[~batch["inputs"]["own"]], 0)
        np.testing.assert_array_equal(inputs[4:], 0)
        return [np.asarray(tf.convert_to_tensor(value)) for value in (total, weight, *weights)]

    expected = results(0.0, None, 4)
    for arguments in ((50.0, None, 4), (50.0, 10, 8)):
        for received, value in zip(results(*arguments), expected, strict=True):
            np.testing.assert_allclose(received, value, rtol=1e-4, atol=1e-5)


def test_training_with_lengths_is_a_plain_loop_over_the_planned_batches() -> None:
    source, check = sequences(17), sequences(6)
    parameters = PARAMETERS.model_copy(update={"average": None, "epochs": 2})
    network = without_dropout(summing("simple_rnn", both=False))
    history = training.fit(network, LOSS, source, check, parameters, 4)

    plain = without_dropout(summing("simple_rnn", both=False))
    optimizer = keras.optimizers.Adam(0.02, global_clipnorm=1.0)
    for epoch in (1, 2):
        sums = np.zeros(2)
        for chunk in batching.plan(source, 4, 2, np.random.default_rng([4, epoch])):
            for indices in np.split(chunk.indices, range(4, len(chunk.indices), 4)):
                batch = source.cut(indices, chunk.length)
                with tf.GradientTape() as tape:
                    outputs = plain(batch["inputs"], training=True)
                    total, weight = LOSS(outputs, batch)
                    mean = total / weight
                optimizer.apply(
                    tape.gradient(mean, plain.trainable_variables), plain.trainable_variables
                )
                sums += [float(total), float(weight)]
        assert history.epochs[epoch - 1]["train"] == pytest.approx(sums[0] / sums[1], rel=1e-4)
    for weight, expected in zip(network.get_weights(), plain.get_weights(), strict=True):
        np.testing.assert_allclose(weight, expected, rtol=1e-3, atol=1e-4)
    batch = check.cut(np.arange(6))
    total, weight = LOSS(plain(batch["inputs"]), batch)
    assert history.epochs[-1]["validation"] == pytest.approx(float(total / weight), rel=1e-4)


def without_dropout(network: keras.Model) -> keras.Model:
    for layer in network.layers:
        if isinstance(layer, keras.layers.Dropout):
            layer.rate = 0.0
    return network


@pytest.mark.slow
def test_training_with_lengths_that_was_killed_goes_on_to_the_same_bytes() -> None:
    source, check = sequences(17), sequences(6)
    whole = summing("gru", both=False)
    expected = training.fit(whole, LOSS, source, check, PARAMETERS, 4)
    for dies in (2, 8):
        store = Memory(dies)
        with pytest.raises(Killed):
            training.fit(summing("gru", both=False), LOSS, source, check, PARAMETERS, 4, store)
        store.dies = None
        resumed = summing("gru", both=False, seed=77)
        history = training.fit(resumed, LOSS, source, check, PARAMETERS, 4, store)
        assert history.epochs == expected.epochs
        for weight, same in zip(whole.get_weights(), resumed.get_weights(), strict=True):
            np.testing.assert_array_equal(weight, same)


def test_hundreds_of_lengths_are_few_shapes(monkeypatch: pytest.MonkeyPatch) -> None:
    """And training makes one graph for all of them: what Python calls of a compiled function, it
    calls once for each graph."""
    monkeypatch.undo()
    x = keras.Input((None, 2), name="x")
    network = keras.Model({"x": x}, keras.layers.Dense(1)(x)[..., 0])
    shapes: list[tuple[int, ...]] = []

    def noting(outputs: tf.Tensor, batch: dict[str, Any]) -> tuple[tf.Tensor, tf.Tensor]:
        shapes.append(tuple(outputs.shape))
        return LOSS(outputs, batch)

    source = Sums(np.arange(1, 201), per_step=True)
    parameters = Training(epochs=3, batch_size=2, steps_per_call=3)
    training.fit(network, noting, source, source, parameters, 0)
    assert shapes.count((2, None)) == 1
    validated = [shape for shape in shapes if shape[0] == 8]
    assert len(validated) == 2 * len(set(validated))  # two shards of a batch
    assert 1 + len(validated) == len(shapes)
    for lengths in (source.cut_lengths, validated):
        assert 1 < len(set(lengths)) <= batching.MAX_SHAPES == 4


@pytest.mark.slow
def test_a_loss_may_be_of_whole_sequences() -> None:
    """CTC: the sum over sequences, weighted by their number, of outputs at every step."""

    class Spoken(Sums):
        def cut(self, indices: np.ndarray, length: int | None = None) -> Batch:
            batch = super().cut(indices, length)
            own = batch["inputs"]["own"]
            labels = np.where(np.arange(3) < (own.sum(1)[:, None] + 1) // 2, [1, 2, 1], 0)
            return {
                "inputs": batch["inputs"],
                "targets": {"labels": labels.astype(np.int32), "steps": own.sum(1)},
                "mask": np.ones(len(indices), np.float32),
            }

    def ctc(outputs: Any, batch: Any) -> tuple[Any, Any]:
        labels = batch["targets"]["labels"]
        each = tf.nn.ctc_loss(
            labels,
            tf.transpose(outputs, [1, 0, 2]),
            tf.math.count_nonzero(labels, 1, dtype=tf.int32),
            tf.cast(batch["targets"]["steps"], tf.int32),
            blank_index=0,
        )
        return tf.reduce_sum(each * batch["mask"]), tf.reduce_sum(batch["mask"])

    training.seed_everything(3)
    x, own = keras.Input((None, 2), name="x"), keras.Input((None,), dtype="bool", name="own")
    hidden, _ = recurrent.apply(recurrent.layer("gru", 8, "gru"), x, mask=own)
    network = keras.Model({"x": x, "own": own}, keras.layers.Dense(3)(hidden))
    source = Spoken(np.random.default_rng(2).choice([3, 5, 11], 18), per_step=True)
    parameters = Training(epochs=15, batch_size=4, learning_rate=0.03)
    history = training.fit(network, ctc, source, source, parameters, 0)
    assert history.epochs[-1]["validation"] < 0.5 * history.epochs[0]["validation"]
    batch = source.cut(np.arange(18))
    total, weight = ctc(network(batch["inputs"]), batch)
    assert min(epoch["validation"] for epoch in history.epochs) == pytest.approx(
        float(total / weight), rel=1e-4
    )


def test_what_is_kept_of_outputs_is_of_one_shape_and_in_order() -> None:
    network, source = summing("simple_rnn", both=False), sequences(10)

    def squares(outputs: tf.Tensor, batch: dict[str, Any]) -> tf.Tensor:
        masked = outputs * batch["mask"]
        return masked[:, :, None] * masked[:, None, :]

    kept = predict(network, source, squares, batch_size=3)
    longest = source.lengths.max()
    assert kept.shape == (10, longest, longest)
    outputs = predict(network, source, batch_size=3)
    own = np.arange(longest) < source.lengths[:, None]
    masked = outputs * own
    np.testing.assert_allclose(kept, masked[:, :, None] * masked[:, None], rtol=1e-5, atol=1e-6)
