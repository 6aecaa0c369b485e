"""Occurrences of a name in neighbouring sentences agree on its type."""

from collections.abc import Callable

import numpy as np
import pytest

from stages.kinds.sequence_tagging import agreeing, decoding
from stages.kinds.sequence_tagging.train import Sentences
from stages.networks.backend import tf
from tests.kinds.sequence_tagging.project import data, prepared


def test_the_mean_over_neighbours_is_that_of_a_plain_loop() -> None:
    rng = np.random.default_rng(5)
    sentences = np.repeat(np.arange(90), rng.integers(1, 4, 90))
    names = rng.integers(-1, 4, len(sentences))
    values = rng.normal(size=(len(names), 3))
    expected = values.copy()
    for token, name in enumerate(names):
        if name >= 0:
            near = np.abs(sentences - sentences[token]) <= agreeing.REACH
            expected[token] = values[near & (names == name)].mean(0)
    np.testing.assert_allclose(agreeing.neighbours_mean(values, names, sentences), expected)
    none = np.full(len(names), -1)
    np.testing.assert_array_equal(agreeing.neighbours_mean(values, none, sentences), values)


@pytest.mark.usefixtures("project")
def test_agreement_moves_the_types_of_a_name_to_their_mean() -> None:
    examples = prepared()
    place, offsets = examples.tokens_of("test")
    numbers, tags = examples.numbers_of("test"), examples.tag_names[: examples.tags_known]
    words = data().ingested.read(["token"])["token"].tolist()[place]
    scores = np.random.default_rng(6).normal(size=(len(words), len(tags)))
    kinds = sorted({tag[2:] for tag in tags})

    def of_types(scores: np.ndarray) -> np.ndarray:
        """Returns the log probability of each type, (tokens, types)."""
        each = np.exp(scores)
        each /= each.sum(1, keepdims=True)
        own = [[tag[2:] == kind for tag in tags] for kind in kinds]
        return np.log(np.stack([each[:, chosen].sum(1) for chosen in own], 1))

    before = of_types(scores)
    sentences = np.repeat(np.arange(len(numbers)), np.diff(offsets))
    repeated = 0
    for agreement in (0.25, 1.0):
        added = agreeing.added(scores, examples, numbers, agreement)
        for token, word in enumerate(words):
            change = added[token, [[tag[2:] for tag in tags].index(kind) for kind in kinds]]
            np.testing.assert_array_equal(
                added[token], [change[kinds.index(tag[2:])] for tag in tags]
            )
            near = [
                other
                for other in range(len(words))
                if words[other] == word
                and abs(sentences[other] - sentences[token]) <= agreeing.REACH
            ]
            mean = before[near].mean(0) if word != word.lower() else before[token]
            repeated += word != word.lower() and len(near) > 1
            np.testing.assert_allclose(change, agreement * (mean - before[token]), atol=1e-6)
    assert repeated > 10


@pytest.mark.parametrize("pairs", [True, False])
@pytest.mark.usefixtures("project")
def test_tags_with_agreement_are_those_of_changed_scores(*, pairs: bool) -> None:
    examples = prepared()
    numbers, size = examples.numbers_of("test"), examples.tags_known
    lengths = Sentences(examples, numbers).lengths
    shape = (len(numbers), lengths.max(), *[size] * (1 + pairs))
    outputs = np.random.default_rng(8).normal(size=shape).astype(np.float32)

    def said(outputs: np.ndarray) -> Callable[..., np.ndarray]:
        def predict(sentences: Sentences, reduce: Callable[..., tf.Tensor]) -> np.ndarray:
            batch = sentences.cut(np.arange(len(sentences)))
            return np.asarray(
                reduce(tf.constant(outputs), tf.nest.map_structure(tf.constant, batch))
            )

        return predict

    own = np.arange(shape[1]) < lengths[:, None]
    scores = (outputs.mean(2) if pairs else outputs)[own]
    changed = outputs.copy()
    added = agreeing.added(scores, examples, numbers, 0.7)
    changed[own] += added[:, None] if pairs else added
    expected, probability = decoding.decode(said(changed), examples, numbers)
    found = decoding.decode(said(outputs), examples, numbers, 0.7)
    np.testing.assert_array_equal(found[0], expected)
    np.testing.assert_allclose(found[1], probability, rtol=1e-4)
    assert (decoding.decode(said(outputs), examples, numbers)[0] != expected).any()
