"""Examples of series: their windows by split, and the way back to raw units."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from stages.files import examples
from stages.kinds.forecasting import ingest, scale_and_window
from stages.series.data import SeriesExamples
from stages.series.outcomes import Outcomes
from stages.splits import SPLITS

ROWS = 24
LAYOUT = {
    "file": "data/raw/x.csv",
    "series": "shop",
    "targets": ["sold"],
    "inputs": ["price", "sold"],
    "gaps": "forward_fill",
    "split": {"train": 12, "validation": 6, "test": 6},
}


def raw_table() -> pd.DataFrame:
    """Two series of 24 rows, with a target missing in the test split of the second one."""
    rng = np.random.default_rng(4)
    table = pd.DataFrame(
        {
            "shop": np.repeat(["north", "south"], ROWS),
            "price": rng.uniform(1, 2, 2 * ROWS),
            "sold": rng.uniform(10, 20, 2 * ROWS) * np.repeat([1, 100], ROWS),
        }
    )
    table.loc[ROWS + 20, "sold"] = np.nan
    return table


def examples_of(**section: Any) -> SeriesExamples:
    table, ingested = ingest.ingest([raw_table()], ingest.Parameters.model_validate(LAYOUT))
    parameters = scale_and_window.Parameters(lookback=2, horizon=2, **section)
    return scale_and_window.windowed(table, ingested, parameters)


def test_only_training_windows_are_strided() -> None:
    prepared = examples_of(stride=4)
    origins = {
        split: windows.locate(np.arange(len(windows)))[0].tolist()
        for split in SPLITS
        if (windows := prepared.windows_of(split))
    }
    assert origins == {
        "train": [2, 6, 10, 26, 30, 34],
        "validation": [*range(12, 17), *range(36, 41)],
        "test": [*range(18, 23), *range(42, 47)],
    }
    assert prepared.windows == {split: len(rows) for split, rows in origins.items()}


def test_windows_hold_the_series_themselves_and_no_copy() -> None:
    prepared = examples_of()
    assert all(prepared.windows_of(split).values is prepared.values for split in SPLITS)


@pytest.mark.parametrize("per_series", [False, True])
@pytest.mark.parametrize("log", [False, True])
def test_targets_are_restored_to_what_was_read(per_series: bool, log: bool) -> None:
    prepared, raw = examples_of(per_series=per_series, log=log), raw_table()
    assert (prepared.target_names, prepared.input_names) == (["sold"], ["price", "sold"])
    known = raw["sold"].notna().to_numpy()
    np.testing.assert_array_equal(prepared.observed[:, 0], known)
    np.testing.assert_allclose(
        prepared.raw_targets[known, 0], raw["sold"].to_numpy()[known], rtol=1e-5
    )


def test_examples_are_the_same_after_they_were_written(tmp_path: Path) -> None:
    prepared = examples_of(calendar=[7])
    examples.write(tmp_path, prepared)
    restored = examples.read(tmp_path, SeriesExamples)
    for name, value in vars(prepared).items():
        np.testing.assert_array_equal(getattr(restored, name), value, err_msg=name)


def test_outcomes_are_the_rows_of_the_test_split_in_both_units() -> None:
    prepared, raw = examples_of(per_series=True), raw_table()
    outcomes = Outcomes(prepared, "test")
    assert outcomes.origins.tolist() == [*range(18, 23), *range(42, 47)]
    assert outcomes.series.tolist() == [0] * 5 + [1] * 5
    rows = outcomes.origins[:, None] + np.arange(2)
    np.testing.assert_array_equal(outcomes.mask[..., 0], raw["sold"].notna().to_numpy()[rows])
    counts = outcomes.mask[..., 0] > 0
    np.testing.assert_allclose(
        outcomes.actual[..., 0][counts], raw["sold"].to_numpy()[rows][counts], rtol=1e-5
    )
    np.testing.assert_array_equal(outcomes.scaled, prepared.values[rows][..., prepared.targets])


def test_a_forecast_is_scored_in_raw_units_with_the_scale_of_its_own_series() -> None:
    prepared = examples_of(per_series=True)
    outcomes = Outcomes(prepared, "test")
    forecast, scale = outcomes.scaled + 0.5, np.array([[2.0], [400.0]])
    errors = 0.5 * prepared.scale_[outcomes.series, prepared.targets[0]]
    counts = outcomes.mask[..., 0]
    scores = outcomes.scores(forecast, scale)
    expected = (errors[:, None] * counts).sum() / counts.sum()
    assert scores["mae"] == pytest.approx(expected, rel=1e-5)
    in_scales = errors / scale[outcomes.series, 0]
    expected = (in_scales[:, None] * counts).sum() / counts.sum()
    assert scores["mase"] == pytest.approx(expected, rel=1e-5)
    assert scores["scaled_mae"] == pytest.approx(0.5, rel=1e-5)
    by_horizon = outcomes.scores_by_horizon(forecast, scale)
    np.testing.assert_allclose(
        by_horizon["mae"], (errors[:, None] * counts).sum(axis=0) / counts.sum(axis=0), rtol=1e-5
    )
    assert set(by_horizon) == {"mae", "rmse", "mase", "smape"}


def test_a_forecast_of_the_outcomes_themselves_has_no_error() -> None:
    outcomes = Outcomes(examples_of(), "test")
    scores = outcomes.scores(outcomes.scaled, np.ones((2, 1)))
    assert set(scores.values()) == {0.0}
