"""The network of text classification, against loops over texts and tokens."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from stages.kinds.text_classification import PARTS, Examples, calibrating, shortcuts
from stages.kinds.text_classification import train as kind
from stages.kinds.text_classification.texts import Texts
from stages.networks.backend import keras, tf
from stages.networks.prediction import predict

RNG = np.random.default_rng(0)
LENGTHS = np.array([4, 1, 6, 2, 6, 3, 5, 2])
LABELS = np.array([0, 1, 2, 0, 0, 1, 2, 1])
KNOWN = 7


def examples_of(vectors: np.ndarray | None = None) -> Examples:
    """Eight training texts, of which the last two are for validation as well."""
    ids = RNG.integers(1, KNOWN, LENGTHS.sum())
    return Examples(
        classes=["a", "b", "c"],
        unit="words",
        tokenizer="",
        known=KNOWN,
        longest=None,
        cut="end",
        shortened={},
        texts={"train": 6, "unlabelled": 0, "validation": 2, "test": 0},
        unknown_rate={},
        covered={},
        token_ids=ids,
        starts=np.cumsum(LENGTHS) - LENGTHS,
        lengths=LENGTHS,
        labels=LABELS,
        vectors=np.zeros((0, 0), np.float32) if vectors is None else vectors,
    )


def built(examples: Examples, **parameters: Any) -> keras.Model:
    """Returns a network with random weights."""
    values = kind.Parameters(**{"units": 3, "cell": "simple_rnn", "fast": False, **parameters})
    network = kind.build(examples, values, "network")
    network.set_weights([RNG.normal(size=weights.shape) for weights in network.get_weights()])
    return network


def rnn(steps: np.ndarray, layer: Any) -> np.ndarray:
    kernel, recurrent, bias = layer.get_weights()
    state, states = np.zeros(len(bias)), []
    for step in steps:
        state = np.tanh(step @ kernel + state @ recurrent + bias)
        states.append(state)
    return np.array(states)


def test_pooling_is_that_of_a_loop_over_each_text_by_itself() -> None:
    """Texts are padded to twelve tokens; the mean, the highest and the last output are those of a
    text's own tokens, in both directions."""
    vectors = RNG.normal(size=(KNOWN + 2, 2)).astype(np.float32)
    examples = examples_of(vectors)
    examples.token_ids[[3, 9]] = [KNOWN, KNOWN + 1]  # words that vectors alone know
    pooling = ["mean", "last", "max"]
    network = built(examples, embedding=2, pooling=pooling, shortcut=0.5)
    layers = {layer.name: layer for layer in network.layers}
    both, embedding = layers["simple_rnn_1_both"], layers["embedding"].get_weights()[0]
    pretrained, (head, bias) = layers["vectors"].get_weights()[0], layers["head"].get_weights()
    batch = Texts(examples, np.arange(8)).cut(np.arange(8), 12)
    outputs = network({name: batch["inputs"][name] for name in network.input}).numpy()
    for text, output in enumerate(outputs):
        first = examples.starts[text]
        ids = examples.token_ids[first : first + LENGTHS[text]]
        seen = np.where(ids < KNOWN, ids, 1)
        steps = np.concatenate([pretrained[ids], embedding[seen]], 1)
        forward = rnn(steps, both.forward_layer)
        backward = rnn(steps[::-1], both.backward_layer)[::-1]
        states = np.concatenate([forward, backward], 1)
        pooled = [states.mean(0), forward[-1], backward[0], states.max(0)]
        bag = sum(layers["shortcut"].get_weights()[0][1 if t >= KNOWN else t] for t in set(ids))
        expected = np.concatenate(pooled) @ head + bias + bag
        np.testing.assert_allclose(output, expected, rtol=1e-4, atol=1e-5)


def test_dropped_words_are_unknown_in_training_alone() -> None:
    tokens = keras.Input((None,), dtype="int32")
    model = keras.Model(tokens, kind._dropped(tokens, 0.3))
    given = RNG.integers(2, 9, (400, 20)) * (np.arange(20) < 15)
    np.testing.assert_array_equal(model(given), given)
    dropped = model(given, training=True).numpy()
    changed = dropped != given
    assert (dropped[changed] == 1).all()
    assert not changed[:, 15:].any()
    assert changed[:, :15].mean() == pytest.approx(0.3, abs=0.02)


def test_log_ratios_are_those_of_a_loop_over_the_training_texts() -> None:
    examples = examples_of()
    counts = np.ones((3, KNOWN))
    for text in range(6):
        first = examples.starts[text]
        for token in set(examples.token_ids[first : first + LENGTHS[text]].tolist()):
            counts[LABELS[text], token] += 1
    logs = np.log(counts / counts.sum(1, keepdims=True))
    found = shortcuts.log_ratios(examples)
    np.testing.assert_allclose(found, (logs - logs.mean(0)).T, rtol=1e-5, atol=1e-6)
    network = kind.build(examples, kind.Parameters(units=2, shortcut=0.4), "network")
    (start,) = next(layer for layer in network.layers if layer.name == "shortcut").get_weights()
    np.testing.assert_allclose(start, 0.4 * found)


@pytest.mark.parametrize("weighted", [True, False])
def test_the_loss_is_the_mean_cross_entropy_of_smoothed_and_weighted_targets(
    weighted: bool,
) -> None:
    examples = examples_of()
    parameters = kind.Parameters(class_weights=weighted, label_smoothing=0.3)
    batch = kind.batches(examples, "train", parameters).cut(np.arange(6))
    batch["mask"][4] = 0
    logits = RNG.normal(size=(6, 3)).astype(np.float32)
    total, weight = kind.loss(parameters)(tf.constant(logits), batch)
    expected = 0.0
    for text in (0, 1, 2, 3, 5):
        logs = logits[text] - np.log(np.exp(logits[text]).sum())
        target = np.full(3, 0.1) + 0.7 * (np.arange(3) == LABELS[text])
        frequency = (LABELS[:6] == LABELS[text]).sum()
        expected -= (target * logs).sum() * (6 / (3 * frequency) if weighted else 1)
    assert float(total) == pytest.approx(expected, rel=1e-5)
    assert float(weight) == 5
    sharp = kind.batches(examples, "validation", parameters).cut(np.arange(2))["targets"]
    assert ((sharp > 0).sum(1) == 1).all()


def test_settling_divides_the_logits_by_the_temperature_of_validation() -> None:
    examples = examples_of()
    texts = Texts(examples, np.arange(8))
    parameters = kind.Parameters(units=3, shortcut=0.5)
    network = built(examples, shortcut=0.5)
    before = predict(network, texts)
    settled = kind.settle(network, examples, parameters)
    expected = calibrating.temperature(before[6:], LABELS[6:])
    assert settled == {"temperature": expected}
    assert expected != 1
    np.testing.assert_allclose(predict(network, texts), before / expected, rtol=1e-4, atol=1e-5)
    given = {"temperature": 2.0}
    assert kind.settle(network, examples, parameters, given) == given
    after = before / expected / 2
    np.testing.assert_allclose(predict(network, texts), after, rtol=1e-4, atol=1e-5)
    assert kind.settle(network, examples, kind.Parameters(calibrate=False)) == {}
    np.testing.assert_allclose(predict(network, texts), after, rtol=1e-4, atol=1e-5)


def test_an_embedding_is_learned_where_there_are_no_vectors() -> None:
    vectors = np.zeros((KNOWN, 2), np.float32)
    for given, embedding, expected in (
        (None, None, {"embedding": 3}),
        (vectors, None, {"vectors": 2}),
        (vectors, 4, {"embedding": 4, "vectors": 2}),
    ):
        network = built(examples_of(given), embedding=embedding)
        found = {
            layer.name: layer.output_dim
            for layer in network.layers
            if isinstance(layer, keras.layers.Embedding)
        }
        assert found == expected


def test_parts_lie_one_after_the_other() -> None:
    examples = replace(
        examples_of(), texts={"train": 3, "unlabelled": 2, "validation": 1, "test": 2}
    )
    found = [examples.numbers_of(part).tolist() for part in PARTS]
    assert found == [[0, 1, 2], [3, 4], [5], [6, 7]]
