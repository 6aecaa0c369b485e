"""Examples of series: their windows by split, and the way back to raw units."""

from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from stages.errors import InputError
from stages.files import examples, raw_series
from stages.series import anchors, metrics, windowing
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
    table, ingested = raw_series.ingest([raw_table()], raw_series.Layout.model_validate(LAYOUT))
    parameters = windowing.Windowing(lookback=2, horizon=2, **section)
    return windowing.windowed(table, ingested, parameters)


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


@pytest.mark.parametrize("rows", [[18, 43], [24, 48], [21, 42]])
def test_windows_of_known_rows_are_those_that_end_before_them(rows: list[int]) -> None:
    prepared = examples_of()
    horizon, lookback = prepared.horizon, prepared.lookback
    windows = prepared.until(np.array(rows)).windows_of("train")
    origins, _ = windows.locate(np.arange(len(windows)))
    expected = [
        row
        for (first, _), end in zip(prepared.training, rows, strict=True)
        for row in range(first + lookback, end)
        if row + horizon <= end
    ]
    assert origins.tolist() == expected
    assert prepared.windows_of("train").spans.tolist() != windows.spans.tolist()


def test_a_series_that_was_dropped_stays_out_of_what_is_known() -> None:
    prepared = examples_of()
    spans = np.array(prepared.spans)
    spans[:, 1, 1] = spans[:, 1, 0]
    known = replace(prepared, spans=spans).until(prepared.stops)
    series = known.windows_of("train").locate(np.arange(len(known.windows_of("train"))))[1]
    assert set(series) == {0}


def test_the_anchor_of_known_rows_is_fitted_on_them_with_the_shares_of_validation() -> None:
    prepared = examples_of()
    known = prepared.until(prepared.stops)
    expected = anchors.refit(prepared.anchor, known.windows_of("train"), prepared.season)
    assert known.anchor.parts == prepared.anchor.parts
    np.testing.assert_array_equal(known.anchor.kernel, expected.kernel)
    assert np.abs(expected.kernel - prepared.anchor.kernel).max() > 0


@pytest.mark.parametrize("count", [1, 2, 3, 5])
def test_stretches_cut_the_windows_of_each_series_evenly(count: int) -> None:
    outcomes = Outcomes(examples_of(), "test")
    stretches = outcomes.stretches(count)
    for series in range(2):
        own = stretches[outcomes.series == series]
        assert own.tolist() == sorted(own)
        sizes = np.bincount(own, minlength=count)
        assert sizes.sum() == 5
        assert sizes.max() - sizes.min() <= 1
        edges = outcomes.edges(count)[:, series]
        first = outcomes.origins[outcomes.series == series]
        for number, (start, after) in enumerate(pairwise(edges)):
            assert first[own == number].tolist() == list(range(start, after))


def test_scores_by_origin_are_those_of_the_windows_of_each_stretch() -> None:
    outcomes = Outcomes(examples_of(), "test")
    rng = np.random.default_rng(0)
    forecast = outcomes.scaled + rng.normal(size=outcomes.scaled.shape)
    scale = np.array([[2.0], [400.0]])
    found, stretches = outcomes.scores_by_origin(forecast, scale, 2), outcomes.stretches(2)
    for number in range(2):
        own = stretches == number
        expected = metrics.scores(
            outcomes.actual[own],
            outcomes.restored(forecast)[own],
            outcomes.mask[own],
            scale[outcomes.series[own]],
        )
        assert {name: values[number] for name, values in found.items()} == pytest.approx(expected)


def test_more_stretches_than_windows_are_an_error() -> None:
    with pytest.raises(InputError, match=r"evaluate\.origins: expected at most 5, .* received 6"):
        Outcomes(examples_of(), "test").edges(6)
