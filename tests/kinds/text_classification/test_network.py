"""The network of text classification, against loops over texts and tokens."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy.special import softmax

from stages.kinds.text_classification import PARTS, Examples, calibrating
from stages.kinds.text_classification import train as kind
from stages.kinds.text_classification.texts import Texts
from stages.networks.backend import keras, tf
from stages.networks.prediction import predict

RNG = np.random.default_rng(0)
LENGTHS = np.array([4, 1, 6, 2, 6, 3, 5, 2])
LABELS = np.array([0, 1, 2, 0, 0, 1, 2, 1])
KNOWN = 7


def examples_of(vectors: np.ndarray | None = None, linear: bool = False) -> Examples:
    """Eight texts, of which the last two are for validation, and if wanted what a linear model
    says of them."""
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
        linear=RNG.normal(size=(8, 3) if linear else (0, 0)).astype(np.float32),
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
    examples = examples_of(vectors, linear=True)
    examples.token_ids[[3, 9]] = [KNOWN, KNOWN + 1]  # words that vectors alone know
    pooling = ["mean", "last", "max"]
    network = built(examples, embedding=2, pooling=pooling)
    layers = {layer.name: layer for layer in network.layers}
    both, embedding = layers["simple_rnn_1_both"], layers["embedding"].get_weights()[0]
    pretrained, (head, bias) = layers["vectors"].get_weights()[0], layers["head"].get_weights()
    (weight,) = layers["linear_weight"].get_weights()
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
        expected = np.concatenate(pooled) @ head + bias + examples.linear[text] @ weight
        np.testing.assert_allclose(output, expected, rtol=1e-4, atol=1e-5)


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


def log_loss(logits: np.ndarray, labels: np.ndarray) -> float:
    return float(-np.log(softmax(logits, axis=1)[np.arange(len(labels)), labels]).mean())


@pytest.mark.parametrize("linear", [False, True])
def test_settling_weighs_the_logits_by_the_log_loss_of_validation(linear: bool) -> None:
    examples = examples_of(linear=linear)
    texts, parameters = Texts(examples, np.arange(8)), kind.Parameters(units=3)
    network = built(examples)
    if linear:
        network.get_layer("linear_weight").set_weights([np.zeros((3, 3))])
    before = predict(network, texts)
    other = examples.linear if linear else np.zeros((8, 3))
    settled = kind.settle(network, examples, parameters)
    temperature, weight = settled["temperature"], settled.get("linear", 0.0)
    assert temperature != 1
    assert ("linear" in settled) == linear
    expected = (before + weight * other) / temperature
    np.testing.assert_allclose(predict(network, texts), expected, rtol=1e-4, atol=1e-4)
    # No other temperature and weight of a grid is better.
    grid = [
        log_loss((before + weight * other)[6:] / temperature, LABELS[6:])
        for temperature in np.geomspace(calibrating.LOWEST, calibrating.HIGHEST, 60)
        for weight in (np.linspace(0, 10, 60) if linear else [0])
    ]
    assert log_loss(expected[6:], LABELS[6:]) <= min(grid) + 1e-4
    network = built(examples)
    before = predict(network, texts)
    given = {"temperature": 2.0, "linear": 0.5} if linear else {"temperature": 2.0}
    if linear:
        network.get_layer("linear_weight").set_weights([np.zeros((3, 3))])
        before = predict(network, texts)
    assert kind.settle(network, examples, parameters, given) == given
    expected = (before + 0.5 * other) / 2
    np.testing.assert_allclose(predict(network, texts), expected, rtol=1e-4, atol=1e-5)


def test_without_calibration_a_linear_model_has_a_weight_alone() -> None:
    plain, mixed = examples_of(), examples_of(linear=True)
    parameters = kind.Parameters(units=3, calibrate=False)
    network = built(plain)
    assert kind.settle(network, plain, parameters) == {}
    network = kind.build(mixed, parameters, "network")
    before = predict(network, Texts(mixed, np.arange(8)))
    settled = kind.settle(network, mixed, parameters)
    assert settled["temperature"] == 1
    after = predict(network, Texts(mixed, np.arange(8)))
    expected = before + settled["linear"] * mixed.linear
    np.testing.assert_allclose(after, expected, rtol=1e-4, atol=1e-5)


def test_multipliers_are_those_of_logits_that_were_scaled_before() -> None:
    """Labels are drawn from known logits: of their halves and their doubles the multipliers are 2
    and 1/2; and what says nothing has the multiplier 0."""
    logits = RNG.normal(size=(20000, 3))
    labels = (logits + RNG.gumbel(size=logits.shape)).argmax(1)
    for scale in (0.5, 2.0):
        (found,) = calibrating.multipliers([scale * logits], labels)
        assert found == pytest.approx(1 / scale, rel=0.05)
    wrong = -logits + RNG.normal(size=logits.shape)
    first, second = calibrating.multipliers([logits, wrong], labels)
    assert first == pytest.approx(1, rel=0.05)
    assert second == pytest.approx(0, abs=0.03)


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
