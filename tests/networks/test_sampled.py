"""A softmax whose sum is in part estimated, beside the plain one."""

import numpy as np
import pytest

from stages.networks import sampled
from stages.networks.backend import keras, tf


def layer(frequent: list[int], rare: list[int], count: int) -> sampled.SampledSoftmax:
    ids = keras.Input((None,), dtype="int32")
    table = keras.layers.Embedding(len(rare), 3, embeddings_initializer="random_normal")
    words = keras.Model(ids, table(ids))
    softmax = sampled.SampledSoftmax(words, np.array(frequent, np.int32), np.array(rare), count)
    softmax.build()
    rng = np.random.default_rng(0)
    table.set_weights([rng.normal(size=(len(rare), 3))])
    softmax.bias.assign(rng.normal(size=len(rare)))
    return softmax


RNG = np.random.default_rng(1)
HIDDEN = tf.constant(RNG.normal(size=(2, 4, 3)), tf.float32)
TARGETS = tf.constant([[0, 3, 3, 5], [2, 4, 1, 0]])
NONE = tf.zeros((2, 0), tf.int32)


def test_where_all_tokens_are_frequent_it_is_the_plain_softmax() -> None:
    softmax = layer([3, 1, 0, 2, 5, 4], [0] * 6, 9)
    variables = softmax.trainable_variables
    assert len(variables) == 2

    def plain() -> tf.Tensor:
        table, bias = variables[1].value, variables[0].value
        table, bias = (table, bias) if len(table.shape) == 2 else (bias, table)
        logits = tf.tensordot(HIDDEN, table, [[2], [1]]) + bias
        return tf.nn.sparse_softmax_cross_entropy_with_logits(TARGETS, logits)

    found = []
    for losses in (lambda: softmax(HIDDEN, TARGETS, NONE), plain):
        with tf.GradientTape() as tape:
            tape.watch(HIDDEN)
            values = losses()
            total = tf.reduce_sum(values * tf.range(1.0, 5.0))
        gradients = tape.gradient(total, [HIDDEN, *variables])
        found.append([values, *map(tf.convert_to_tensor, gradients)])
    for value, expected in zip(*found, strict=True):
        np.testing.assert_allclose(value, expected, rtol=1e-4, atol=1e-5)


def test_the_sum_over_rare_tokens_is_that_of_a_loop_over_their_sample() -> None:
    rare = [0, 0, 4, 1, 3, 2]
    softmax, samples = layer([0, 1], rare, 5), [[2, 4, 2], [3, 5, 4]]
    losses = softmax(HIDDEN, TARGETS, tf.constant(samples)).numpy()
    table = softmax.words(tf.range(6)[None])[0].numpy()
    for row, step in np.ndindex(2, 4):
        logits = table @ HIDDEN[row, step].numpy() + softmax.bias.numpy()
        target = int(TARGETS[row, step])
        terms = [np.exp(logits[target])]
        terms += [np.exp(logits[token]) for token in (0, 1) if token != target]
        for token in (2, 4, 2, 3, 5):  # five at most
            if token != target:
                terms.append(np.exp(logits[token]) * sum(rare) / rare[token] / 5)
        assert losses[row, step] == pytest.approx(np.log(sum(terms)) - logits[target], rel=1e-4)


@pytest.mark.slow
def test_the_estimate_of_the_sum_has_no_bias() -> None:
    """Over many samples by frequency the mean of the sum is that over all rare tokens."""
    rare = np.array([0, 0, 4, 1, 3, 2])
    softmax, rng = layer([0, 1], rare.tolist(), 4), np.random.default_rng(2)
    hidden, target = HIDDEN[:1, :1], tf.constant([[0]])
    own = layer([0, 1], [0] * 6, 4)(hidden, target, NONE).numpy()  # of the frequent ones alone
    exact = layer([0, 1, 2, 3, 4, 5], [0] * 6, 4)(hidden, target, NONE).numpy()
    samples = rng.choice(6, (200, 1, 4), p=rare / rare.sum()).astype(np.int32)
    sums = [np.exp(softmax(hidden, target, tf.constant(sample)).numpy()) for sample in samples]
    assert np.mean(sums) == pytest.approx(np.exp(exact)[0, 0], rel=0.05)
    assert np.exp(own) < 0.9 * np.exp(exact)
