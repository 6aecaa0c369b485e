"""A training step, and a batch that is computed in shards."""

import numpy as np
import pytest

from stages.batching import Batch
from stages.networks import losses, optimizers, recurrent, steps, training
from stages.networks.backend import keras, tf
from stages.networks.losses import elementwise
from tests.networks.toys import LOSS


def test_a_gradient_of_an_embedding_is_clipped_by_the_norm_of_its_rows_each_summed() -> None:
    training.seed_everything(1)
    inputs = keras.Input((3,), dtype="int32", name="tokens")
    network = keras.Model({"tokens": inputs}, keras.layers.Embedding(5, 2)(inputs))
    (table,) = network.trainable_variables
    before, tokens = table.numpy(), np.array([[0, 1, 1], [3, 1, 0]], "int32")
    optimizer = optimizers.SGD(1.0, global_clipnorm=0.5)
    optimizer.build([table])
    loss = elementwise(lambda targets, outputs: tf.reduce_sum(outputs, -1))
    step = steps.training_steps(network, loss, optimizer, [], None)
    step(
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


@pytest.mark.parametrize("shards", [pytest.param(2, marks=pytest.mark.slow), 3])
def test_the_shards_of_a_batch_are_together_the_whole_batch(shards: int) -> None:
    """Embedding, recurrent layer, carried state and mask: the same loss, gradients and state but
    for rounding; shards of different sizes too."""
    tokens = keras.Input((None,), dtype="int32", name="tokens")
    before = [keras.Input((4,), name=name) for name in ("h", "c")]
    hidden, last = recurrent.apply(
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

    def results(shards: int) -> list[np.ndarray]:
        with tf.GradientTape() as tape:
            total, weight, state = losses.compute(model, LOSS, batch, carried, True, shards)
        gradients = tape.gradient(total, model.trainable_variables)
        return [np.asarray(tf.convert_to_tensor(t)) for t in (total, weight, *state, *gradients)]

    for whole, joined in zip(results(1), results(shards), strict=True):
        np.testing.assert_allclose(joined, whole, rtol=1e-5, atol=1e-5)


def test_one_graph_for_all_lengths_takes_the_steps_of_a_graph_for_each() -> None:
    """The same bytes. The rows' features, which do not differ in size, keep it."""
    rng = np.random.default_rng(0)

    def chunk(rows: int, length: int) -> Batch:
        own = np.arange(length) < rng.integers(1, length + 1, (2, rows, 1))
        x = rng.normal(size=(2, rows, length, 3)).astype(np.float32)
        targets = rng.normal(size=(2, rows, length)).astype(np.float32)
        return {
            "inputs": {"x": x, "own": own},
            "targets": targets,
            "mask": own.astype(np.float32),
        }

    chunks = [chunk(6, length) for length in (18, 5)]

    def trained(samples: list[Batch]) -> tuple[list[np.ndarray], list[list[int | None]]]:
        training.seed_everything(1)
        x, own = keras.Input((None, 3), name="x"), keras.Input((None,), dtype="bool", name="own")
        # So many units that a kernel for long sequences has another form than one for short ones.
        hidden, _ = recurrent.apply(recurrent.layer("lstm", 256, "lstm"), x, mask=own)
        network = keras.Model({"x": x, "own": own}, keras.layers.Dense(1)(hidden)[..., 0])
        optimizer = optimizers.Adam(0.1)
        optimizer.build(network.trainable_variables)
        known = []

        def loss(outputs: tf.Tensor, batch: Batch) -> tuple[tf.Tensor, tf.Tensor]:
            known.append(batch["inputs"]["x"].shape.as_list())
            return LOSS(outputs, batch)

        step = steps.training_steps(network, loss, optimizer, [], None, samples=samples)
        for each in chunks:
            step(each, [])
        return network.get_weights(), known

    once, traced = trained([chunk(1, length) for length in (5, 18)])
    assert traced == [[3, None, 3]] * 2  # two shards
    each, traced = trained([])
    assert traced == [[3, length, 3] for length in (18, 5) for _ in range(2)]
    for received, expected in zip(once, each, strict=True):
        np.testing.assert_array_equal(received, expected)
