"""Training and prediction with examples of different lengths: padding changes nothing."""

from typing import Any

import numpy as np
import pytest

from stages.networks import batching, losses, recurrent, training
from stages.networks.backend import keras, tf
from stages.networks.batching import MAX_SHAPES, Batch
from stages.networks.parameters import Training
from stages.networks.prediction import predict
from tests.networks.toys import LOSS, Killed, Memory


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
    return Sums(np.random.default_rng(0).integers(1, 30, count), per_step, junk)


def summing(cell: str, per_step: bool = True, seed: int = 5) -> keras.Model:
    """Two layers, one of them in both directions, that leave padding out, with dropout."""
    training.seed_everything(seed)
    x, own = keras.Input((None, 2), name="x"), keras.Input((None,), dtype="bool", name="own")
    both = recurrent.Bidirectional(recurrent.FAST[cell](4, return_sequences=True))
    hidden = keras.layers.Dropout(0.2)(both(x, mask=own))
    hidden, last = recurrent.apply(recurrent.layer(cell, 4, "second"), hidden, mask=own)
    outputs = keras.layers.Dense(1)(hidden if per_step else last[0])[..., 0]
    return keras.Model({"x": x, "own": own}, outputs)


PARAMETERS = Training(
    epochs=3, batch_size=4, steps_per_call=2, learning_rate=0.02, average=0.8, patience=None
)


@pytest.mark.parametrize("cell", ["simple_rnn", "lstm", "gru"])
@pytest.mark.parametrize("per_step", [True, False])
def test_an_output_depends_neither_on_padding_nor_on_what_it_is_batched_with(
    cell: str, per_step: bool
) -> None:
    network, source = summing(cell, per_step), sequences(50, per_step)
    alone = []
    for index in range(50):
        batch = source.cut(np.array([index]))
        alone.append(np.asarray(network({name: batch["inputs"][name] for name in network.input})))
    for junk, batch_size in ((0.0, 50), (0.0, 7), (99.0, 7), (-3.0, 1)):
        outputs = predict(network, sequences(50, per_step, junk), batch_size=batch_size)
        assert outputs.shape == ((50, source.lengths.max()) if per_step else (50,))
        for index, expected in enumerate(alone):
            own = outputs[index, : source.lengths[index]] if per_step else outputs[index]
            np.testing.assert_allclose(own, expected[0], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("cell", ["simple_rnn", "lstm", "gru"])
@pytest.mark.parametrize("per_step", [True, False])
def test_padding_has_no_gradient_and_counts_in_no_loss(cell: str, per_step: bool) -> None:
    network = summing(cell, per_step)

    def results(junk: float, length: int | None, rows: int) -> list[np.ndarray]:
        indices = np.resize(np.arange(5), rows)
        batch = sequences(5, per_step, junk).cut(indices, length)
        batch["mask"][5:] = 0
        tensors = tf.nest.map_structure(tf.constant, batch)
        with tf.GradientTape() as tape:
            tape.watch(tensors["inputs"]["x"])
            total, weight, _ = losses.compute(network, LOSS, tensors, [], training=False)
        inputs, *weights = tape.gradient(
            total, [tensors["inputs"]["x"], *network.trainable_variables]
        )
        np.testing.assert_array_equal(inputs[~batch["inputs"]["own"]], 0)
        np.testing.assert_array_equal(inputs[5:], 0)
        return [np.asarray(tf.convert_to_tensor(value)) for value in (total, weight, *weights)]

    expected = results(0.0, None, 5)
    for arguments in ((50.0, None, 5), (0.0, 40, 5), (50.0, 40, 8)):
        for received, value in zip(results(*arguments), expected, strict=True):
            np.testing.assert_allclose(received, value, rtol=1e-4, atol=1e-5)


def test_training_with_lengths_is_a_plain_loop_over_the_planned_batches() -> None:
    source, check = sequences(30), sequences(11)
    parameters = PARAMETERS.model_copy(update={"average": None, "epochs": 2})
    network = without_dropout(summing("gru"))
    history = training.fit(network, LOSS, source, check, parameters, 4)

    plain = without_dropout(summing("gru"))
    optimizer = keras.optimizers.Adam(0.02, global_clipnorm=1.0)
    for epoch in (1, 2):
        sums = np.zeros(2)
        for chunk in batching.plan(source, 4, 2, np.random.default_rng([4, epoch])):
            for indices in np.split(chunk.indices, range(4, len(chunk.indices), 4)):
                batch = source.cut(indices)
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
    batch = check.cut(np.arange(11))
    total, weight = LOSS(plain(batch["inputs"]), batch)
    assert history.epochs[-1]["validation"] == pytest.approx(float(total / weight), rel=1e-4)


def without_dropout(network: keras.Model) -> keras.Model:
    for layer in network.layers:
        if isinstance(layer, keras.layers.Dropout):
            layer.rate = 0.0
    return network


@pytest.mark.parametrize("dies", [1, 2, 6, 9, 13])
def test_training_with_lengths_that_was_killed_goes_on_to_the_same_bytes(dies: int) -> None:
    source, check = sequences(23), sequences(9)
    whole = summing("gru")
    expected = training.fit(whole, LOSS, source, check, PARAMETERS, 4)
    store = Memory(dies)
    with pytest.raises(Killed):
        training.fit(summing("gru"), LOSS, source, check, PARAMETERS, 4, store)
    store.dies = None
    resumed = summing("gru", seed=77)
    history = training.fit(resumed, LOSS, source, check, PARAMETERS, 4, store)
    assert history.epochs == expected.epochs
    for weight, same in zip(whole.get_weights(), resumed.get_weights(), strict=True):
        np.testing.assert_array_equal(weight, same)


def test_hundreds_of_lengths_are_few_shapes(monkeypatch: pytest.MonkeyPatch) -> None:
    """For each call of a recurrent loop the shapes that it was compiled for."""
    source = Sums(np.arange(1, 201), per_step=True)
    traced: list[Any] = []
    run = recurrent.recurrence.run

    def counted(cell: Any, inputs: Any, *args: Any) -> Any:
        traced.append(tuple(inputs.shape))
        return run(cell, inputs, *args)

    monkeypatch.setattr(recurrent.recurrence, "run", counted)
    parameters = Training(epochs=2, batch_size=4, steps_per_call=3)
    training.fit(summing("gru"), LOSS, source, source, parameters, 0)
    assert None not in {size for shape in traced for size in shape}
    lengths = {shape[1] for shape in traced}
    assert len(lengths - {None}) <= 2 * MAX_SHAPES
    rows = {shape[0] for shape in traced}
    for size in rows:
        assert len({shape[1] for shape in traced if shape[0] == size}) <= MAX_SHAPES


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
    source = Spoken(np.random.default_rng(2).integers(3, 12, 18), per_step=True)
    parameters = Training(epochs=15, batch_size=4, learning_rate=0.03)
    history = training.fit(network, ctc, source, source, parameters, 0)
    assert history.epochs[-1]["validation"] < 0.5 * history.epochs[0]["validation"]
    batch = source.cut(np.arange(18))
    total, weight = ctc(network(batch["inputs"]), batch)
    assert min(epoch["validation"] for epoch in history.epochs) == pytest.approx(
        float(total / weight), rel=1e-4
    )


def test_what_is_kept_of_outputs_is_of_one_shape_and_in_order() -> None:
    network, source = summing("gru"), sequences(20)

    def squares(outputs: tf.Tensor, batch: dict[str, Any]) -> tf.Tensor:
        masked = outputs * batch["mask"]
        return masked[:, :, None] * masked[:, None, :]

    kept = predict(network, source, squares, batch_size=3)
    longest = source.lengths.max()
    assert kept.shape == (20, longest, longest)
    outputs = predict(network, source, batch_size=3)
    own = np.arange(longest) < source.lengths[:, None]
    masked = outputs * own
    np.testing.assert_allclose(kept, masked[:, :, None] * masked[:, None], rtol=1e-5, atol=1e-6)
