"""The language model that a classifier starts from."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from stages import members, train
from stages.files import models
from stages.kinds.text_classification import Examples, pretrain
from stages.kinds.text_classification import train as kind
from stages.networks import training
from stages.networks.backend import keras, tf
from tests.kinds.test_contract import APPROXIMATE, operations
from tests.kinds.text_classification.project import tokenize, write_parameters
from tests.kinds.text_classification.test_network import examples_of
from tests.tasks import die_at_checkpoint

SLOW = pytest.mark.slow
VECTORS = np.random.default_rng(3).normal(size=(9, 2)).astype(np.float32)
CHOSEN = {"epochs": 2, "batch_size": 2, "steps": 4, "dropout": 0.2, "frequent": 3, "samples": 4}


def parameters(**settings: Any) -> kind.Parameters:
    chosen = CHOSEN | settings.pop("pretrain", {})
    small = {"units": 3, "cell": "gru", "batch_size": 2, "epochs": 2, "steps_per_call": 2}
    return kind.Parameters.model_validate({**small, "pretrain": chosen, **settings})


def test_the_text_is_that_of_the_training_texts_labelled_or_not() -> None:
    examples = replace(
        examples_of(), texts={"train": 4, "unlabelled": 2, "validation": 2, "test": 0}
    )
    windows = pretrain.batches(examples, "train", parameters())
    ids = examples.token_ids
    assert windows.ids.tolist() == [
        *(*ids[:4], 2),
        *(*ids[4:5], 2),
        *(*ids[5:11], 2),
        *(*ids[11:13], 2),
        *(*ids[13:19], 2),
        *(*ids[19:22], 2),
    ]
    validation = pretrain.batches(examples, "validation", parameters())
    assert validation.ids.tolist() == [*ids[22:27], 2, *ids[27:29], 2]
    assert validation.drawn.tolist() == windows.drawn.tolist()
    # Texts of validation change nothing else.
    changed = replace(examples, token_ids=np.where(np.arange(29) < 22, ids, 1))
    assert pretrain.batches(changed, "validation", parameters()).drawn.tolist() == (
        windows.drawn.tolist()
    )


@pytest.mark.parametrize("layers", [1, 2])
def test_each_direction_is_told_nothing_of_the_token_that_it_predicts(layers: int) -> None:
    """A token changes the losses of what is read after it, and its own as a target."""
    examples, section = examples_of(), parameters(layers=layers)
    network = pretrain.build(examples, section, "first")
    tokens = np.array([[3, 4, 5, 6, 3, 4]], np.int32)
    samples = np.array([[1, 2]], np.int32)

    def losses(tokens: np.ndarray) -> np.ndarray:
        return np.asarray(network({"tokens": tokens, "samples": samples}))[0]

    before = losses(tokens)
    assert before.shape == (5, 2)
    for place in range(6):
        changed = tokens.copy()
        changed[0, place] = 1
        moved = losses(changed) != before
        forward, backward = np.arange(5) >= place - 1, np.arange(5) <= place
        assert moved[:, 0].tolist() == forward.tolist()
        assert moved[:, 1].tolist() == backward.tolist()


@pytest.mark.parametrize(
    ("bidirectional", "vectors"),
    [(True, VECTORS), *(pytest.param(*case, marks=SLOW) for case in ((True, None), (False, None)))],
)
def test_the_classifier_reads_as_the_language_model_does(
    bidirectional: bool, vectors: np.ndarray | None
) -> None:
    examples = examples_of(vectors)
    section = parameters(bidirectional=bidirectional, layers=2, embedding=4, train_vectors=True)
    first = pretrain.build(examples, section, "first")
    start = [layer.get_weights()[0] for layer in first.layers if "gru_2" in layer.name]
    windows = pretrain.batches(examples, "train", section)
    chosen = pretrain.section(section)
    assert chosen is not None
    with operations() as used:
        training.fit(first, pretrain.loss(section), windows, windows, chosen, 1)
    assert not used & APPROXIMATE
    network = kind.build(examples, section, "network")
    pretrain.transfer(first, network)

    tokens = tf.constant([[3, 4, 5, 6], [6, 3, 1, 2]])
    embedded = first.get_layer("words")(tokens)
    bodies = [layer for layer in network.layers if pretrain._number(layer.name)]
    steps, outputs = embedded, []
    for layer in bodies:
        steps = layer(steps)[0]
    for number, direction in enumerate(("forward", "backward")[: 1 + bidirectional]):
        hidden = embedded[:, ::-1] if number else embedded
        for depth in (1, 2):
            layer = first.get_layer(f"{direction}_gru_{depth}")
            if depth == 2 and bidirectional:
                zeros = tf.zeros_like(hidden)
                hidden = tf.concat([zeros, hidden] if number else [hidden, zeros], -1)
                own = slice(3, None) if number else slice(3)
                kernel = layer.get_weights()[0]
                assert np.count_nonzero(kernel) == kernel[own].size
                assert not np.array_equal(kernel, start[number])
            hidden = layer(hidden)[0]
        outputs.append(hidden[:, ::-1] if number else hidden)
    np.testing.assert_allclose(steps, tf.concat(outputs, -1), rtol=1e-5, atol=1e-6)


def test_layers_are_released_one_an_epoch_and_learn_more_slowly_further_down() -> None:
    examples = examples_of(VECTORS)
    chosen = {"unfreeze": True, "discriminative": 2.0}
    section = parameters(layers=2, shortcut=0.1, embedding=4, train_vectors=True, pretrain=chosen)
    network = kind.build(examples, section, "network")
    rates = pretrain.rates(network, section)
    assert rates is not None

    def by_layer(epoch: int) -> dict[str, float]:
        names = [variable.path.split("/")[0] for variable in network.trainable_variables]
        return dict(zip(names, rates(epoch), strict=True))

    whole = {
        "head": 1.0,
        "shortcut": 1.0,
        "gru_2_both": 0.5,
        "gru_1_both": 0.25,
        "embedding": 0.125,
        "vectors": 0.125,
    }
    assert by_layer(4) == by_layer(9) == whole
    assert by_layer(1) == {name: rate if rate == 1 else 0 for name, rate in whole.items()}
    assert by_layer(3) == {name: rate if rate > 0.2 else 0 for name, rate in whole.items()}
    section = parameters(layers=2, pretrain={"discriminative": 2.0})
    plain = pretrain.rates(kind.build(examples, section, "network"), section)
    assert plain is not None
    assert plain(1) == plain(4)
    assert pretrain.rates(network, parameters()) is None


@SLOW
def test_the_stage_tells_what_the_language_model_has_learned(project: Path) -> None:
    chosen = {"epochs": 1, "steps": 20, "frequent": 10, "samples": 10}
    write_parameters(train={"epochs": 1, "pretrain": chosen})
    tokenize()
    train.main(["x"])
    about = json.loads(Path("data/models/x/about.json").read_text())["pretrained"]
    assert about["epochs"] == 1
    # Of some twenty words that follow each other at random.
    assert 1 < about["validation"] < 4
    plain = json.loads(Path("data/times/x.json").read_text())["train_steps"]
    write_parameters(train={"epochs": 1})
    train.main(["x"])
    assert "pretrained" not in json.loads(Path("data/models/x/about.json").read_text())
    assert models.about(Path("data/models/x"), Path("data/examples/x")).pretrained is None
    assert json.loads(Path("data/times/x.json").read_text())["train_steps"] < plain


def trained(examples: Examples, saved: Any, section: kind.Parameters) -> list[np.ndarray]:
    keras.backend.clear_session()
    network, *_, pretrained = members.train_members(kind, examples, section, 1, saved, pretrain)
    assert pretrained is not None
    assert pretrained.told()["validation"] > 0
    return network.get_weights()


@SLOW
def test_what_was_killed_goes_on_to_the_same_bytes(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    section = parameters(checkpoint_seconds=0, dropout=0.2, pretrain={"unfreeze": True})
    examples = examples_of()
    expected = trained(examples, tmp_path / "whole", section)
    for dies in (2, 6):
        with monkeypatch.context() as patch:
            die_at_checkpoint(dies, patch)
            with pytest.raises(KeyboardInterrupt):
                trained(examples, tmp_path / str(dies), section)
        for weights, wanted in zip(
            trained(examples, tmp_path / str(dies), section), expected, strict=True
        ):
            np.testing.assert_array_equal(weights, wanted)
