"""The loss and the scores of language models, against loops over the tokens."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from stages import train
from stages.kinds.language_modelling import train as kind
from stages.networks.backend import keras, tf
from stages.networks.prediction import stepping
from stages.text import language, ngrams, streams
from stages.text.data import TextExamples
from tests.kinds.language_modelling.project import data, tokenize, write_parameters
from tests.tasks import run_all

pytestmark = pytest.mark.usefixtures("project")


def nats_in_a_stream(network: keras.Model, examples: TextExamples) -> list[float]:
    """Returns -log p of each test token, one step of the network at a time."""
    step, nats = stepping(network), []
    last, state = examples.end_id, None
    for token in examples.tokens_of("test")[0].tolist():
        logits, state = step(np.array([[last]], np.int32), state)
        nats.append(-np.log(language.probabilities(logits)[0, token]))
        last = token
    return nats


def nats_of_prefixes(network: keras.Model, examples: TextExamples) -> list[float]:
    """Returns -log p of each test token but the first of each text, window by window."""
    ids, starts = examples.tokens_of("test")
    longest = int(examples.lengths["train"][-1]) - 1
    step, nats = stepping(network), []
    for first, stop in pairwise(starts):
        for place in range(first + 1, stop):
            window = np.zeros((1, longest), np.int32)
            past = ids[max(first, place - longest) : place]
            window[0, longest - len(past) :] = past
            nats.append(-np.log(language.probabilities(step(window, None)[0])[0, ids[place]]))
    return nats


@pytest.mark.parametrize("mode", ["stream", "prefixes"])
def test_perplexity_is_that_of_a_loop_over_the_test_tokens(mode: str) -> None:
    write_parameters(tokenize_text={"examples": mode}, evaluate={"streams": 1})
    scores = run_all()
    network = keras.saving.load_model("data/models/x/model.keras")
    nats = (nats_in_a_stream if mode == "stream" else nats_of_prefixes)(network, data().examples)
    assert scores["model"]["perplexity"] == pytest.approx(np.exp(np.mean(nats)), rel=1e-4)
    assert scores["model"]["perplexity"] < scores["baseline"]["unigram"]["perplexity"]
    log_probabilities = trigram(data().examples)
    expected = np.exp(-log_probabilities.mean())
    assert scores["baseline"]["trigram"]["perplexity"] == pytest.approx(expected)
    assert len(log_probabilities) == len(nats)


def trigram(examples: TextExamples) -> np.ndarray:
    """Returns log p of the test tokens that are scored, by trigrams."""
    (train_ids, train_starts), (ids, starts) = map(examples.tokens_of, ("train", "test"))
    train_ids, ids = np.asarray(train_ids, int), np.asarray(ids, int)
    if examples.examples == "stream":
        model = ngrams.KneserNey(train_ids, examples.vocabulary_size)
        return model.log_probabilities(ids)
    is_start = np.isin(np.arange(len(ids)), starts[:-1])
    is_train_start = np.isin(np.arange(len(train_ids)), train_starts[:-1])
    model = ngrams.KneserNey(train_ids, examples.vocabulary_size, is_train_start)
    return model.log_probabilities(ids, is_start)[~is_start]


@pytest.mark.parametrize("shape", [(3, 5), (4,)])
def test_the_loss_is_the_masked_cross_entropy_with_its_gradient(shape: tuple[int, ...]) -> None:
    rng = np.random.default_rng(0)
    targets = tf.constant(rng.integers(0, 11, shape), tf.int32)
    logits = tf.constant(9 * rng.normal(size=(*shape, 11)), tf.float32)
    mask = tf.constant(rng.random(shape) > 0.3, tf.float32)
    with tf.GradientTape() as tape:
        tape.watch(logits)
        total, weight = kind.loss(kind.Parameters())(logits, {"targets": targets, "mask": mask})
    with tf.GradientTape() as expected_tape:
        expected_tape.watch(logits)
        losses = tf.nn.sparse_softmax_cross_entropy_with_logits(targets, logits)
        expected = tf.reduce_sum(losses * mask)
    assert float(weight) == mask.numpy().sum() < mask.numpy().size
    np.testing.assert_allclose(total, expected, rtol=1e-5)
    np.testing.assert_allclose(
        tape.gradient(total, logits), expected_tape.gradient(expected, logits), rtol=1e-5, atol=1e-5
    )


def test_more_padding_gives_the_same_loss() -> None:
    write_parameters(tokenize_text={"examples": "prefixes"})
    ids, starts = tokenize().tokens_of("test")
    train.main(["x"])
    network = keras.saving.load_model(Path("data/models/x/model.keras"))
    losses = []
    for steps in (7, 8, 12, 30):
        source = streams.Prefixes(ids, starts, steps)
        batch = source.cut(np.arange(len(source)))
        total, weight = kind.loss(kind.Parameters())(network(batch["inputs"]), batch)
        losses.append(float(total / weight))
    np.testing.assert_allclose(losses, losses[0], rtol=1e-5)
