"""The network that reconstructs its window."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from stages.errors import InputError
from stages.kinds.anomaly_detection import ingest, train
from stages.kinds.anomaly_detection.series import LabelledSeries
from stages.networks import recurrent
from stages.networks.backend import keras
from tests import tasks
from tests.kinds.anomaly_detection.project import SPLIT

pytestmark = pytest.mark.usefixtures("folder")

LOOKBACK = 12


def examples_of(values: dict[str, np.ndarray], season: int = 1) -> LabelledSeries:
    table = pd.DataFrame(values)
    section = {"file": "data/raw/x.csv", "split": SPLIT, "targets": list(values)}
    layout = ingest.Parameters.model_validate(section)
    sizes = {"lookback": LOOKBACK, "horizon": 2, "scaler": "standard", "season": season}
    data = tasks.prepare("anomaly_detection", *ingest.ingest([table], layout), sizes)
    return data.examples


def parameters(**changes: Any) -> train.Parameters:
    return train.Parameters.model_validate({"method": "reconstruct", **changes})


def wave(rows: int = 160) -> np.ndarray:
    return np.sin(2 * np.pi * np.arange(rows) / 8)


@pytest.mark.slow
@pytest.mark.parametrize(
    "changes",
    [
        {"cell": "simple_rnn", "segment": 4},
        {"cell": "lstm", "segment": 1, "layers": 2, "normalise": "instance"},
    ],
)
def test_it_learns_to_reconstruct_a_wave(changes: dict[str, Any]) -> None:
    examples = examples_of({"y": wave(), "z": -2 * wave()})
    chosen = parameters(units=16, fast=False, **changes)
    keras.utils.set_random_seed(1)
    network = train.build(examples, chosen, "network")
    source = train.batches(examples, "train", chosen)
    batch = source.cut(np.arange(len(source)))
    window = batch["inputs"]["window"]
    np.testing.assert_array_equal(batch["targets"], window)
    assert batch["mask"].shape == window.shape == (len(source), LOOKBACK, 2)
    network.compile(keras.optimizers.Adam(0.02), "mse", jit_compile=False)
    network.fit({"window": window}, window, batch_size=len(source), epochs=60, verbose=0)
    error = np.mean((network({"window": window}) - window) ** 2)
    assert error < 0.1 * np.mean((window - window.mean()) ** 2)


def test_steps_are_decoded_from_the_last_to_the_first(monkeypatch: pytest.MonkeyPatch) -> None:
    """With layers that count their steps in place of recurrent ones, and a last layer that passes
    the count on: the first decoded step is the last one of the window."""

    def counting(layer: Any, steps: Any, state: Any = None) -> tuple[Any, Any]:
        count = keras.ops.cumsum(keras.ops.ones_like(steps[..., :1]), axis=1)
        return count, count[:, -1]

    monkeypatch.setattr(recurrent, "apply", counting)
    examples = examples_of({"y": wave()})
    for segment, expected in ((1, np.arange(12, 0, -1)), (4, np.repeat([3, 2, 1], 4))):
        network = train.build(examples, parameters(segment=segment), "network")
        head = network.get_layer("reconstruction")
        head.set_weights([np.ones((1, segment)), np.zeros(segment)])
        found = network({"window": np.zeros((1, LOOKBACK, 1))})
        np.testing.assert_array_equal(np.ravel(found), expected)


def test_a_level_or_a_scale_of_the_window_changes_its_reconstruction_alike() -> None:
    examples = examples_of({"y": wave(), "z": wave() ** 2})
    window = np.asarray(examples.values)[20 : 20 + LOOKBACK][None]
    for normalise, moved, scaled in (
        ("none", False, False),
        ("last_value", True, False),
        ("instance", True, True),
    ):
        network = train.build(examples, parameters(units=3, normalise=normalise), "network")
        found = np.asarray(network({"window": window}))
        other = np.asarray(network({"window": window + 7}))
        assert np.allclose(other, found + 7, atol=1e-4) == moved, normalise
        other = np.asarray(network({"window": 5 * window}))
        assert np.allclose(other, 5 * found, rtol=1e-2, atol=1e-2) == scaled, normalise


def test_targets_that_were_filled_in_do_not_count() -> None:
    values = wave()
    values[[30, 31]] = np.nan
    table = pd.DataFrame({"y": values})
    section = {"file": "data/raw/x.csv", "split": SPLIT, "targets": ["y"], "gaps": "interpolate"}
    ingested = ingest.ingest([table], ingest.Parameters.model_validate(section))
    sizes = {"lookback": LOOKBACK, "horizon": 2}
    examples = tasks.prepare("anomaly_detection", *ingested, sizes).examples
    source = train.batches(examples, "train", parameters())
    mask = source.cut(np.arange(len(source)))["mask"]
    first = source.windows.locate(np.arange(len(source)))[0] - LOOKBACK
    rows = first[:, None] + np.arange(LOOKBACK)
    np.testing.assert_array_equal(mask[..., 0], ~np.isin(rows, [30, 31]))


def test_what_does_not_suit_a_reconstruction_is_an_error() -> None:
    examples = examples_of({"y": wave()}, season=4)
    with pytest.raises(InputError, match=r"segment: expected a divisor of lookback 12, received 5"):
        train.build(examples, parameters(segment=5), "network")
    with pytest.raises(InputError, match=r"normalise: expected none, last_value or instance"):
        train.build(examples, parameters(normalise="season"), "network")
    assert train.settle(None, examples, parameters()) == {}


def test_long_windows_are_decoded_in_segments() -> None:
    for lookback, expected in ((12, 1), (64, 1), (336, 6), (97, 97)):
        assert train._segment(lookback) == expected
        assert expected == 1 or lookback / expected <= train.MOST_STEPS


def test_a_network_that_reconstructs_has_no_shortcut() -> None:
    for other in ({"shortcut": "anchor"}, {"embedding": True}):
        with pytest.raises(ValueError, match="neither `shortcut` nor `embedding`"):
            train.Parameters.model_validate({"method": "reconstruct", **other})
