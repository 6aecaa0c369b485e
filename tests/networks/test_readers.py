"""What networks that read whole texts have in common."""

import numpy as np
import pytest

from stages.networks import readers
from stages.networks.backend import keras

TOKENS = np.array([[2, 5, 6, 0], [4, 0, 0, 0]], np.int32)
VECTORS = np.arange(28, dtype=np.float32).reshape(7, 4)


def embedded(
    vectors: np.ndarray, width: int | None, ids: np.ndarray = TOKENS, *, trained: bool = False
) -> tuple[keras.Model, np.ndarray, np.ndarray]:
    """Returns a network that embeds ids of which training texts have five, and what it makes of
    some ids: the features, and which steps count."""
    tokens = keras.Input((None,), dtype="int32", name="tokens")
    network = keras.Model(tokens, readers.embed(tokens, 5, width, vectors, trained=trained))
    features, mask = network(ids)
    return network, np.asarray(features), np.asarray(mask)


def test_a_token_has_its_vector_beside_what_is_learned_of_it() -> None:
    network, features, mask = embedded(VECTORS, 3)
    learned = network.get_layer("embedding").embeddings.numpy()
    np.testing.assert_array_equal(features[..., :4], VECTORS[TOKENS])
    # Ids of words that training texts do not have are unknown, 1, to the learned embedding.
    np.testing.assert_array_equal(features[..., 4:], learned[[[2, 1, 1, 0], [4, 0, 0, 0]]])
    np.testing.assert_array_equal(mask, TOKENS > 0)


@pytest.mark.parametrize("trained", [True, False])
def test_training_changes_pretrained_vectors_where_it_is_asked_to(trained: bool) -> None:
    network, features, _ = embedded(VECTORS, None, trained=trained)
    assert len(network.trainable_variables) == trained
    np.testing.assert_array_equal(features, VECTORS[TOKENS])


def test_without_vectors_everything_is_learned() -> None:
    network, features, _ = embedded(np.zeros((0, 0), np.float32), 3, np.minimum(TOKENS, 4))
    assert [variable.shape for variable in network.trainable_variables] == [(5, 3)]
    assert features.shape == (2, 4, 3)


@pytest.mark.parametrize("cell", ["simple_rnn", "lstm", "gru"])
@pytest.mark.parametrize("bidirectional", [True, False])
def test_the_last_states_are_those_of_a_texts_own_steps(cell: str, bidirectional: bool) -> None:
    steps, mask = keras.Input((None, 2)), keras.Input((None,), dtype="bool")
    outputs, hidden = readers.read(
        steps,
        mask,
        cell=cell,
        units=3,
        layers=2,
        bidirectional=bidirectional,
        dropout=0.5,
        fast=True,
    )
    network = keras.Model([steps, mask], [outputs, *hidden])
    values = np.random.default_rng(0).normal(size=(2, 5, 2)).astype(np.float32)
    lengths = np.array([5, 2])
    outputs, *hidden = (
        np.asarray(tensor) for tensor in network([values, np.arange(5) < lengths[:, None]])
    )
    assert len(hidden) == 1 + bidirectional
    for row, length in enumerate(lengths):
        np.testing.assert_allclose(outputs[row, length - 1, :3], hidden[0][row], atol=1e-6)
        if bidirectional:
            np.testing.assert_allclose(outputs[row, 0, 3:], hidden[1][row], atol=1e-6)
    alone = [np.asarray(tensor) for tensor in network([values[1:, :2], np.ones((1, 2), bool)])]
    np.testing.assert_allclose(alone[0], outputs[1:, :2], atol=1e-5)
    np.testing.assert_allclose(alone[1], hidden[0][1:], atol=1e-5)
