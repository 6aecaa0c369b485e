"""Every form of the network, all steps at once and step by step."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from stages.networks import encoder_decoder, generation
from stages.networks.attention import Memory
from stages.networks.backend import keras, tf
from stages.networks.encoder_decoder import Shape

IDS = 9
SOURCE, TARGET = np.array([[4, 5, 6, 7], [5, 3, 0, 0]]), np.array([[2, 4, 5], [2, 6, 7]])
FORMS: list[dict[str, Any]] = [
    {"input_feeding": True, "attention": "additive", "cell": "lstm", "coverage": True},
    {"input_feeding": True, "cell": "gru", "decoder_layers": 2, "coverage": True, "gate": True},
    {"attention": "additive", "cell": "simple_rnn", "decoder_layers": 3, "tied": False},
    {"cell": "lstm", "shared": False, "gate": True, "bidirectional": False, "layers": 2},
]


def network_of(form: dict[str, Any], name: str = "network") -> Any:
    """Returns a network of a form with random weights."""
    plain: dict[str, Any] = {"attention": "multiplicative", "input_feeding": False}
    plain |= {"shared": True, "tied": True, "bidirectional": True, "layers": 1}
    plain |= {"decoder_layers": 1, "coverage": False, "gate": False}
    sizes = {"source_ids": IDS, "target_ids": IDS, "width": 6, "units": 5}
    rates = {"embedding_dropout": 0.1, "dropout": 0.1}
    shape = Shape(**(plain | sizes | rates | form), weights=form.get("gate", False), fast=True)
    network = encoder_decoder.build(shape, name)
    rng = np.random.default_rng(0)
    network.set_weights([rng.normal(scale=0.5, size=one.shape) for one in network.get_weights()])
    return network


@pytest.mark.parametrize(
    "form",
    [FORMS[1], *(pytest.param(form, marks=pytest.mark.slow) for form in FORMS[2:] + FORMS[:1])],
)
def test_step_by_step_it_says_what_it_says_of_all_steps(
    form: dict[str, Any], tmp_path: Path
) -> None:
    network = network_of(form)
    expected = network({"source": SOURCE, "target": TARGET}).numpy()
    network.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    found = loaded({"source": SOURCE, "target": TARGET}).numpy()
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6)
    generator = generation.Generator(loaded, IDS)
    (layers,), held = generator.layers, generator.read(tf.constant(SOURCE), 1)
    (memory,), (states,) = held["memories"], held["states"]
    for step in range(TARGET.shape[1]):
        outputs, weights, states = encoder_decoder.decode(
            layers, tf.constant(TARGET[:, [step]]), Memory(*memory), states, one_step=True
        )
        parts = [outputs[:, 0], weights[:, 0]] if form.get("gate") else [outputs[:, 0]]
        np.testing.assert_allclose(np.concatenate(parts, -1), expected[:, step], 1e-4, 1e-6)
        np.testing.assert_allclose(weights.numpy().sum(-1), 1, rtol=1e-5)
        np.testing.assert_array_equal(weights[1, 0, 2:], 0)


@pytest.mark.slow
def test_the_mean_of_several_networks_writes() -> None:
    """A copy of a network beside it changes nothing; its search finds the same."""
    network = network_of(FORMS[3])
    inputs = {"source": network.input["source"], "target": network.input["target"]}
    other = network_of(FORMS[3], "other")
    mean = keras.Model(inputs, keras.layers.Average()([network(inputs), other(inputs)]))
    copies = np.array([[4, 5, 9, 7], [10, 3, -1, -1]], np.int32)
    tokens, none = np.full((2, 2), 2), np.zeros((0, 3), np.int64)
    rows, origins = np.arange(2), np.zeros((2, 2), np.int64)
    found = []
    for one in (network, mean):
        step = generation.Generator(one, IDS).begin(SOURCE, copies, 2)
        step(tokens, origins, rows, none)
        found.append(step(np.array([[4, 9], [10, 5]]), np.array([[0, 1], [0, 1]]), rows, none))
    np.testing.assert_allclose(found[0][0], found[1][0], rtol=1e-5)
    np.testing.assert_array_equal(found[0][1], found[1][1])
