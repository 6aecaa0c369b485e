"""The closed-form forecast against plain regressions, loops and series whose future is known."""

from dataclasses import replace

import numpy as np
import pytest
from sklearn.linear_model import Ridge

from stages.series import anchors, regressions
from stages.series.windows import Windows, spans
from tests.series.test_baselines import BOUNDARIES, VALUES, windows_of


def of_series(
    values: np.ndarray, lookback: int, horizon: int, observed: np.ndarray | None = None
) -> tuple[Windows, Windows]:
    """Returns the training and validation windows of one series (rows, columns), all of them inputs
    and targets."""
    rows, columns = values.shape
    bounds = np.array([[0, rows // 2, rows * 3 // 4, rows]])
    numbers = list(range(columns))
    return tuple(  # type: ignore[return-value]
        Windows(
            values.astype(np.float32),
            np.ones(values.shape, bool) if observed is None else observed,
            np.zeros((rows, 0), np.float32),
            part,
            lookback,
            horizon,
            1,
            numbers,
            numbers,
        )
        for part in spans(bounds, lookback, horizon)[:2]
    )


def forecast(anchor: anchors.Anchor, source: Windows) -> np.ndarray:
    """Returns what the anchor says for all windows, as differences from the last value."""
    x, _, _, spread = anchors.differences(source, np.arange(len(source)))
    return anchor(x, np.tile(spread, source.horizon))


@pytest.mark.parametrize(
    ("name", "values", "season"),
    [
        ("a line", 3 + 0.5 * np.arange(120.0), 1),
        ("a season", np.tile([1.0, 5, 2, 7, 3, 1], 20), 6),
        ("a season on a line", np.tile([1.0, 5, 2, 7, 3, 1], 20) + 0.3 * np.arange(120), 6),
    ],
)
def test_series_without_noise_are_continued(name: str, values: np.ndarray, season: int) -> None:
    train, validation = of_series(values[:, None] / values.max(), 18, 7)
    _, y, _, _ = anchors.differences(validation, np.arange(len(validation)))
    found = forecast(anchors.fit(train, validation, season), validation)
    assert np.abs(found - y).max() < 0.02


def test_the_shares_add_up_and_none_is_negative() -> None:
    rng = np.random.default_rng(0)
    train, validation = of_series(rng.normal(size=(200, 1)), 8, 3)
    parts = anchors.fit(train, validation, 4).parts
    assert sum(parts.values()) == pytest.approx(1)
    assert min(parts.values()) >= 0
    assert {"last value", "trend", "season", "ridge from last value"} <= set(parts)


def test_each_part_is_the_regression_that_it_is_named_after() -> None:
    rng = np.random.default_rng(1)
    values = np.cumsum(rng.normal(size=(120, 1)), axis=0)
    train, _ = of_series(values, 6, 2)
    cut = train.cut(np.arange(len(train)))
    window = cut["inputs"]["window"][:, :, 0].astype(float)
    future = cut["targets"][:, :, 0].astype(float)
    last, mean = window[:, -1:], window.mean(axis=1, keepdims=True)
    spread = np.sqrt(window.var(axis=1, keepdims=True) + regressions.SPREAD)
    season = window[:, [3, 4]]
    expected = {
        "ridge from last value": (window - last, future - last, last, 1.0),
        "ridge from mean": (window - mean, future - mean, mean, 1.0),
        "ridge from last season": (window - last, future - season, season, 1.0),
        "ridge from season": (window[:, 3:] - window[:, :-3], future - season, season, 1.0),
        "scaled ridge from mean": (
            (window - mean) / spread,
            (future - mean) / spread,
            mean,
            spread,
        ),
    }
    plain, scaled = (anchors._sums(train, by_spread) for by_spread in (False, True))
    frames = dict(anchors._frames(6, 2, 3))
    for name, (x, y, level, size) in expected.items():
        fits = regressions.fit(
            scaled if frames[name].scaled else plain, anchors.ALPHAS, frames[name]
        )
        for alpha, (kernel, intercept) in zip(anchors.ALPHAS, fits, strict=True):
            model = Ridge(alpha=alpha).fit(x, y)
            part = anchors._embedded(train, kernel, intercept, frames[name].scaled)
            np.testing.assert_allclose(
                part(window - last, np.tile(spread, 2)) + last,
                model.predict(x) * size + level,
                rtol=1e-5,
                atol=1e-5,
                err_msg=f"{name}, {alpha}",
            )


def test_a_refitted_anchor_is_the_same_blend_of_regressions_on_the_other_windows() -> None:
    values = np.cumsum(np.random.default_rng(6).normal(size=(120, 1)), axis=0)
    train, validation = of_series(values, 6, 2)
    anchor = anchors.fit(train, validation, 1)
    every = replace(train, spans=np.array([[6, 119]]))
    refitted = anchors.refit(anchor, every, 1)
    cut = every.cut(np.arange(len(every)))
    window = cut["inputs"]["window"][:, :, 0].astype(float)
    future = cut["targets"][:, :, 0].astype(float)
    last, mean = window[:, -1:], window.mean(axis=1, keepdims=True)
    spread = np.sqrt(window.var(axis=1, keepdims=True) + regressions.SPREAD)
    frames = {"last value": last, "mean": mean}
    expected = last.copy()
    for name, kernel in anchors._naive(6, 2, 1):
        expected = expected + anchor.parts[name] * ((window - last) @ kernel)
    for name, level in frames.items():
        for prefix, size in (("ridge", 1.0), ("scaled ridge", spread)):
            part = f"{prefix} from {name}"
            model = Ridge(alpha=anchor.penalties[part])
            fitted = model.fit((window - level) / size, (future - level) / size)
            forecasts = fitted.predict((window - level) / size) * size + level
            expected = expected + anchor.parts[part] * (forecasts - last)
    assert refitted.parts == anchor.parts
    assert len(every) > len(train) + len(validation)
    assert np.abs(refitted.kernel - anchor.kernel).max() > 1e-3
    np.testing.assert_allclose(forecast(refitted, every) + last, expected, rtol=1e-4, atol=1e-4)


def test_a_smoothed_season_is_that_of_a_loop() -> None:
    lookback, season, horizon = 9, 3, 4
    window = np.random.default_rng(2).normal(size=lookback)
    maps = dict(anchors._naive(lookback, horizon, season))
    seasons = window.reshape(3, season)
    profile = np.zeros(season)
    for values, share in zip(seasons[::-1], (0.3, 0.21, 0.49), strict=True):
        profile += share * (values - values.mean())
    expected = [profile[step % season] + seasons[-1].mean() for step in range(horizon)]
    np.testing.assert_allclose(window @ maps["smoothed season, 0.3"], expected)
    smoothed = window[0]
    for value in window[1:]:
        smoothed = 0.5 * value + 0.5 * smoothed
    found = dict(anchors._naive(lookback, 2, 1))["exponential smoothing, 0.5"]
    np.testing.assert_allclose(window @ found, smoothed)


def test_each_target_sees_its_own_past_alone_in_all_parts_but_one() -> None:
    rng = np.random.default_rng(3)
    train, validation = of_series(np.cumsum(rng.normal(size=(160, 2)), axis=0), 5, 3)
    anchor = anchors.fit(train, validation, 1)
    assert "ridge on all columns" in anchor.parts
    kernel = anchors._own(train, np.eye(5)[:, :3]).kernel.reshape(5, 2, 3, 2)
    np.testing.assert_array_equal(kernel[:, 0, :, 1], 0)
    np.testing.assert_array_equal(kernel[:, 1, :, 1], np.eye(5)[:, :3])


def test_targets_that_were_filled_in_count_nowhere() -> None:
    rng = np.random.default_rng(4)
    values = np.cumsum(rng.normal(size=(160, 1)), axis=0)
    observed = rng.random(values.shape) > 0.2
    train, _ = of_series(values, 4, 2, observed)
    groups = anchors._sums(train, by_spread=False)
    rows = train.locate(np.arange(len(train)))[0]
    assert {int(columns[0]): sums.count for columns, sums in groups} == {
        step: observed[rows + step, 0].sum() for step in range(2)
    }


def test_targets_that_are_no_inputs_are_a_regression_on_what_is_seen() -> None:
    train, validation = (
        windows_of(VALUES, part, 7, 5, inputs=[0], targets=[1])
        for part in spans(BOUNDARIES, 7, 5)[:2]
    )
    anchor = anchors.fit(train, validation, 1)
    assert list(anchor.parts) == ["ridge on all columns"]
