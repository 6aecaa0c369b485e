"""What every kind of task must keep. A new kind adds its examples and parameters to `SAMPLES`; no
test names a kind."""

import hashlib
import json
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from stages import kinds, scale_and_window, tokenize_text
from stages.files import examples, models
from stages.files.examples import Examples
from stages.kinds.forecasting import ingest
from stages.networks import recurrent, training
from stages.networks.backend import keras, tf
from stages.series.generators import seasonal


@dataclass
class Sample:
    """Examples of a kind, and variants of its training parameters that together use every part of
    its network.

    sizes: what `examples` takes as its sizes, by a random generator and the training parameters.
    """

    kind: str
    examples: Callable[..., Examples]
    variants: list[dict[str, Any]]
    sizes: Callable[[np.random.Generator, dict[str, Any]], dict[str, int]] = lambda rng, variant: {}


def forecasting_examples(lookback: int = 12, horizon: int = 6, series: int = 2) -> Examples:
    """Series of two columns, one of which is the target, with a calendar and filled-in values."""
    parts = [
        seasonal(120, seed).assign(name=f"series {seed}", extra=np.arange(120.0) % 7)
        for seed in range(1, series + 1)
    ]
    raw = pd.concat(parts, ignore_index=True)
    raw.loc[40:42, "y"] = np.nan
    section = ingest.Parameters.model_validate(
        {
            "file": "data/raw/x.csv", "time": "time", "series": "name", "targets": ["y"], "inputs": ["y", "extra"], "gaps": "interpolate",
            "split": {"train": 0.6, "validation": 0.2, "test": 0.2},
        }
    )  # fmt: skip
    table, about = ingest.ingest([raw], section)
    sizes = {"lookback": lookback, "horizon": horizon}
    given = scale_and_window.prepare(
        table, about, scale_and_window.Parameters(**sizes, calendar=["hour"], per_series=True)
    )
    shapes = {name: {"shape": list(array.shape)} for name, array in given.arrays.items()}
    return Examples(given.arrays, {**given.about, "arrays": shapes})


def language_examples(mode: str) -> Examples:
    """Texts of a few words that follow each other by a rule."""
    words = [f"word{number}" for number in range(12)]
    texts = [
        " ".join(words[(row * 5 + step) % 12] for step in range(3 + row % 3)) for row in range(60)
    ]
    table = pd.DataFrame({"text": texts, "split": np.repeat([0, 1, 2], [40, 10, 10])})

    class Texts:
        def parts(self, split: int | None = None) -> Any:
            rows = table if split is None else table[table["split"] == split]
            yield rows["text"].tolist(), rows["split"].to_numpy()

    with tempfile.TemporaryDirectory() as scratch:
        section = tokenize_text.Parameters.model_validate({"examples": mode})
        given, _ = tokenize_text.prepare(Texts(), {"same": False}, section, Path(scratch))
        return Examples(
            {name: np.array(array) for name, array in given.arrays.items()}, given.about
        )


SAMPLES = [
    Sample(
        "forecasting",
        forecasting_examples,
        [
            {"cell": "simple_rnn", "decoder": "dense", "activation": "relu", "loss": "mse"},
            {"cell": "lstm", "layers": 2, "normalise": "last_value", "embedding": True},
            {
                "cell": "gru",
                "segment": 3,
                "normalise": "instance",
                "shortcut": True,
                "loss": "huber",
                "dropout": 0.2,
                "average": 0.9,
            },
        ],
        lambda rng, variant: {
            "lookback": variant.get("segment", 1) * int(rng.integers(1, 4)),
            "horizon": variant.get("segment", 1) * int(rng.integers(1, 7)),
            "series": int(rng.integers(1, 4)),
        },
    ),
    Sample(
        "language_modelling",
        lambda: language_examples("stream"),
        [
            {
                "cell": "gru",
                "steps": 5,
                "tied": True,
                "embedding": 6,
                "embedding_dropout": 0.1,
                "variational": True,
            },
            {
                "cell": "lstm",
                "steps": 4,
                "layers": 2,
                "dropout": 0.2,
                "recurrent_dropout": 0.2,
                "optimizer": "sgd",
                "learning_rate": 1.0,
                "decay": "staged",
            },
        ],
    ),
    Sample("language_modelling", lambda: language_examples("prefixes"), [{"cell": "simple_rnn"}]),
]
CASES = [
    pytest.param(sample, variant, id=f"{sample.kind}-{variant['cell']}")
    for sample in SAMPLES
    for variant in sample.variants
]
SMALL = {"units": 8, "epochs": 2, "batch_size": 16, "steps_per_call": 3}


def prepared(sample: Sample, variant: dict[str, Any]) -> tuple[Any, Examples, Any]:
    part, given = kinds.module(sample.kind, "train"), sample.examples()
    return part, given, part.Parameters.model_validate({**SMALL, **variant})


def fitted(sample: Sample, variant: dict[str, Any], seed: int = 5) -> tuple[Any, Any]:
    part, given, section = prepared(sample, variant)
    training.seed_everything(seed)
    network = part.build(given.about, section)
    sources = [
        part.batches(given.arrays, given.about, split, section) for split in ("train", "validation")
    ]
    return network, training.fit(network, part.loss(section), *sources, section, seed)


def test_every_kind_has_a_sample() -> None:
    assert {sample.kind for sample in SAMPLES} == set(kinds.PREPARED_BY)


@pytest.mark.parametrize(("sample", "variant"), CASES)
def test_outputs_have_the_shape_of_targets_and_masks(
    sample: Sample, variant: dict[str, Any]
) -> None:
    part, given, section = prepared(sample, variant)
    network = part.build(given.about, section)
    for split in ("train", "validation", "test"):
        source = part.batches(given.arrays, given.about, split, section)
        batch = source.cut(np.arange(3))
        # A network may give several numbers a target, as the probabilities of classes are.
        assert training.predict(network, source).shape[: batch["targets"].ndim] == (
            len(source),
            *batch["targets"].shape[1:],
        )
        assert batch["mask"].shape == batch["targets"].shape
        assert set(np.unique(source.cut(np.arange(len(source)))["mask"])) <= {0.0, 1.0}


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(("sample", "variant"), CASES)
def test_each_example_of_a_batch_is_answered_as_it_is_alone(
    sample: Sample, variant: dict[str, Any], seed: int, tmp_path: Path
) -> None:
    """Sizes are small and random, and batches have all sizes up to 8, so that a batch is as large
    as each other axis at some time."""
    rng = np.random.default_rng(seed)
    part, given = kinds.module(sample.kind, "train"), sample.examples(**sample.sizes(rng, variant))
    section = part.Parameters.model_validate({**variant, "units": int(rng.integers(1, 6))})
    network = part.build(given.about, section)
    network.set_weights(
        [rng.normal(scale=0.5, size=weight.shape) for weight in network.get_weights()]
    )
    models.write(tmp_path / "model.keras", network)
    source = part.batches(given.arrays, given.about, "train", section)
    drawn = source.cut(rng.integers(0, len(source), 8))["inputs"]
    for model in (network, keras.saving.load_model(tmp_path / "model.keras")):
        inputs = {name: drawn[name] for name in model.input if name in drawn}
        state = [
            rng.normal(size=(8, *part.shape[1:])).astype(np.float32)
            for part in training.start(model, 8)
        ]

        def answers(
            first: int, last: int, model: Any = model, inputs: Any = inputs, state: Any = state
        ) -> list[np.ndarray]:
            some = {name: tf.constant(array[first:last]) for name, array in inputs.items()}
            outputs, after = training.call(
                model, some, [tf.constant(part[first:last]) for part in state], training=False
            )
            return [np.asarray(array) for array in (outputs, *after)]

        alone = [
            np.concatenate(arrays)
            for arrays in zip(*(answers(row, row + 1) for row in range(8)), strict=True)
        ]
        for rows in range(2, 9):
            for together, expected in zip(answers(0, rows), alone, strict=True):
                np.testing.assert_allclose(together, expected[:rows], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("sample", "variant"), CASES)
def test_one_step_moves_every_weight(sample: Sample, variant: dict[str, Any]) -> None:
    part, given, section = prepared(sample, {**variant, "epochs": 1})
    training.seed_everything(0)
    network = part.build(given.about, section)
    before = [weight.numpy().copy() for weight in network.trainable_variables]
    source = part.batches(given.arrays, given.about, "train", section)
    training.fit(network, part.loss(section), source, source, section, 0)
    for weight, old in zip(network.trainable_variables, before, strict=True):
        assert not np.array_equal(weight.numpy(), old), weight.path


@pytest.mark.parametrize(("sample", "variant"), CASES)
def test_a_saved_model_predicts_the_same_in_plain_keras(
    sample: Sample, variant: dict[str, Any], tmp_path: Path
) -> None:
    network, _ = fitted(sample, variant)
    models.write(tmp_path / "model.keras", network)
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    part, given, section = prepared(sample, variant)
    source = part.batches(given.arrays, given.about, "test", section)
    expected = training.predict(network, source)
    np.testing.assert_allclose(training.predict(loaded, source), expected, rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(training.predict(recurrent.accelerate(loaded), source), expected)


@pytest.mark.parametrize(("sample", "variant"), CASES)
def test_the_same_seed_gives_the_same_bytes_and_another_seed_others(
    sample: Sample, variant: dict[str, Any], tmp_path: Path
) -> None:
    written = []
    for name, seed in (("a", 5), ("b", 5), ("c", 6)):
        keras.backend.clear_session()
        network, history = fitted(sample, variant, seed)
        models.write(tmp_path / name / "model.keras", network)
        written.append(((tmp_path / name / "model.keras").read_bytes(), json.dumps(history.epochs)))
    assert written[0] == written[1]
    assert written[0][0] != written[2][0]


@pytest.mark.parametrize(("sample", "variant"), CASES)
def test_it_learns_eight_examples_by_heart(sample: Sample, variant: dict[str, Any]) -> None:
    plain = {name: 0.0 for name in variant if "dropout" in name} | {
        "optimizer": "adam",
        "decay": "constant",
        "average": None,
    }
    part, given, section = prepared(
        sample,
        {**variant, **plain, "units": 32, "epochs": 150, "patience": None, "learning_rate": 0.01},
    )
    training.seed_everything(0)
    network = part.build(given.about, section)
    whole = part.batches(given.arrays, given.about, "train", section)

    class Eight:
        streams = None if whole.streams is None else 8

        def __len__(self) -> int:
            return 8

        def cut(self, indices: np.ndarray) -> dict[str, Any]:
            return whole.cut(indices * 7 % len(whole))

    history = training.fit(network, part.loss(section), Eight(), Eight(), section, 0)
    assert history.epochs[-1]["validation"] < 0.1 * history.epochs[0]["validation"]


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.kind)
def test_values_that_do_not_count_have_no_gradient(sample: Sample) -> None:
    part, given, section = prepared(sample, sample.variants[0])
    network = part.build(given.about, section)
    batch = part.batches(given.arrays, given.about, "train", section).cut(np.arange(4))
    inputs = {
        name: tf.constant(batch["inputs"][name])
        for name in network.input
        if name in batch["inputs"]
    }
    gradients = []
    for wrong in (batch["targets"], batch["targets"][::-1]):
        mask = batch["mask"].copy()
        mask[1] = 0
        targets = np.where(mask > 0, batch["targets"], wrong)
        with tf.GradientTape() as tape:
            outputs, _ = training.call(network, inputs, training.start(network, 4), training=False)
            total, _ = training.masked(
                part.loss(section), outputs, {"targets": targets, "mask": mask}
            )
        found = tape.gradient(total, network.trainable_variables)
        gradients.append([tf.convert_to_tensor(gradient).numpy() for gradient in found])
    for first, second in zip(*gradients, strict=True):
        np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.kind)
def test_examples_survive_the_disk_memory_mapped(sample: Sample, tmp_path: Path) -> None:
    given = sample.examples()
    examples.write(tmp_path, given)
    found = examples.read(tmp_path)
    for name, array in given.arrays.items():
        np.testing.assert_array_equal(found.arrays[name], array)
        assert isinstance(found.arrays[name], np.memmap)
        sha256 = hashlib.sha256((tmp_path / f"{name}.npy").read_bytes()).hexdigest()
        assert found.about["arrays"][name] == {
            "shape": list(array.shape),
            "dtype": str(array.dtype),
            "sha256": sha256,
        }
