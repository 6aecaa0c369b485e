"""Scalers against scikit-learn on the training rows, and no other row."""

import numpy as np
import pytest
from sklearn.preprocessing import MinMaxScaler, StandardScaler

from stages.series.fitting import fit
from stages.series.scaling import ScalerName

RAW = np.random.default_rng(0).normal(5, 3, (40, 2))
STARTS = np.array([0, 25, 40])
TRAINING = np.array([[0, 15], [25, 33]])


@pytest.mark.parametrize(
    ("name", "model"), [("minmax", MinMaxScaler), ("standard", StandardScaler)]
)
def test_one_scaler_for_all_is_scikit_learns(name: ScalerName, model: type) -> None:
    reference = model().fit(np.concatenate([RAW[0:15], RAW[25:33]]))
    scaled = fit(name, RAW, TRAINING, per_series=False).transform(RAW, STARTS)
    np.testing.assert_allclose(scaled, reference.transform(RAW), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("name", "model"), [("minmax", MinMaxScaler), ("standard", StandardScaler)]
)
def test_one_scaler_per_series_is_scikit_learns(name: ScalerName, model: type) -> None:
    scaled = fit(name, RAW, TRAINING, per_series=True).transform(RAW, STARTS)
    for series, (start, stop) in enumerate(TRAINING):
        rows = slice(STARTS[series], STARTS[series + 1])
        np.testing.assert_allclose(
            scaled[rows], model().fit(RAW[start:stop]).transform(RAW[rows]), rtol=1e-5, atol=1e-6
        )


@pytest.mark.parametrize("per_series", [False, True])
@pytest.mark.parametrize("name", ["minmax", "standard", "none"])
def test_rows_after_training_change_nothing_and_scaling_can_be_undone(
    name: ScalerName, per_series: bool
) -> None:
    changed = RAW.copy()
    changed[15:25] *= 100
    changed[33:] = -7
    first, second = (fit(name, raw, TRAINING, per_series) for raw in (RAW, changed))
    np.testing.assert_array_equal(first.shift_, second.shift_)
    np.testing.assert_array_equal(first.scale_, second.scale_)
    scaled = first.transform(RAW, STARTS)
    series = np.array([0, 1])
    windows = np.stack([scaled[2:6], scaled[30:34]])
    raw = np.stack([RAW[2:6], RAW[30:34]])
    np.testing.assert_allclose(first.inverse(windows, series, [0, 1]), raw, rtol=1e-5)
    np.testing.assert_allclose(
        first.forward(raw[..., 1:], series, [1]), windows[..., 1:], rtol=1e-5, atol=1e-6
    )


def test_the_logarithm_is_scaled_and_undone() -> None:
    raw = np.exp(RAW)
    scaler = fit("standard", raw, TRAINING, per_series=True, log=True)
    expected = fit("standard", RAW, TRAINING, per_series=True).transform(RAW, STARTS)
    scaled = scaler.transform(raw, STARTS)
    np.testing.assert_allclose(scaled, expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(
        scaler.inverse(scaled[None, 2:6], np.array([0]), [0, 1])[0], raw[2:6], rtol=1e-4
    )
    np.testing.assert_allclose(
        scaler.forward(raw[None, 2:6], np.array([0]), [0, 1])[0], scaled[2:6], rtol=1e-5, atol=1e-6
    )


@pytest.mark.parametrize("name", ["minmax", "standard"])
def test_a_constant_feature_is_shifted_and_not_divided(name: ScalerName) -> None:
    scaler = fit(name, np.full((10, 1), 4.0), np.array([[0, 10]]), False)
    assert scaler.transform(np.array([[4.0], [6.0]]), np.array([0, 2])).tolist() == [[0.0], [2.0]]


@pytest.mark.parametrize(
    ("name", "model"), [("minmax", MinMaxScaler), ("standard", StandardScaler)]
)
@pytest.mark.parametrize("order", [[0, 1, 2], [1, 0, 2]])
def test_a_series_without_a_value_of_a_feature_says_nothing_of_it(
    name: ScalerName, model: type, order: list[int]
) -> None:
    raw = np.random.default_rng(1).normal(5, 3, (30, 2))
    raw[10:20, 1] = np.nan
    ranges = np.array([[0, 10], [10, 20], [20, 30]])[order]
    scaler = fit(name, raw, ranges, False)
    expected = model().fit(raw)
    np.testing.assert_allclose(
        scaler.transform(raw, np.array([0, 30])), expected.transform(raw), rtol=1e-5
    )
