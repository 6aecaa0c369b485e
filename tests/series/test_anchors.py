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
    found = anchors.differences(source, np.arange(len(source)))
    return anchor(found.x, np.tile(found.spread, source.horizon))


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
    y = anchors.differences(validation, np.arange(len(validation))).y
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
    parts = anchors._parts(train, 3)
    for name, (x, y, level, size) in expected.items():
        for alpha in anchors.ALPHAS:
            model = Ridge(alpha=alpha).fit(x, y)
            part = parts[name][alpha]
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
    train, _ = of_series(np.cumsum(rng.normal(size=(160, 2)), axis=0), 5, 3)
    parts = anchors._parts(train, 1)
    assert {"ridge on all columns", "ridge from mean", "trend"} <= set(parts)
    for name, maps in parts.items():
        for fitted in maps.values():
            kernel = fitted.kernel.reshape(5, 2, 3, 2)
            own = [kernel[:, target, :, target] for target in (0, 1)]
            if name == "ridge on all columns":
                assert kernel[:, 0, :, 1].any()
                continue
            assert not kernel[:, 0, :, 1].any()
            assert not kernel[:, 1, :, 0].any()
            np.testing.assert_array_equal(*own)


def test_targets_that_were_filled_in_count_nowhere() -> None:
    rng = np.random.default_rng(4)
    values = np.cumsum(rng.normal(size=(160, 1)), axis=0)
    observed = rng.random(values.shape) > 0.2
    train, _ = of_series(values, 4, 2, observed)
    cut = train.cut(np.arange(len(train)))
    window, future = cut["inputs"]["window"][:, :, 0], cut["targets"][:, :, 0]
    last = window[:, -1:]
    for alpha, fitted in anchors._parts(train, 1)["ridge from last value"].items():
        for step in range(2):
            counts = cut["mask"][:, step, 0] > 0
            assert 0 < counts.sum() < len(counts)
            model = Ridge(alpha=alpha).fit(
                (window - last)[counts].astype(float), (future - last)[counts, step].astype(float)
            )
            np.testing.assert_allclose(fitted.kernel[:, step], model.coef_, atol=1e-8)


def planned_windows(rows: int, lookback: int, horizon: int) -> tuple[Windows, Windows]:
    """Returns training and validation windows of a series that two planned inputs move, the first
    feature of a cycle in front of them."""
    rng = np.random.default_rng(8)
    known = rng.normal(size=(rows, 3)).astype(np.float32)
    values = np.cumsum(0.1 * rng.normal(size=(rows, 1)), axis=0) + known[:, 1:] @ [[2.0], [-1.0]]
    parts = (replace(part, known=known, planned=2) for part in of_series(values, lookback, horizon))
    return tuple(parts)  # type: ignore[return-value]


def test_what_is_planned_counts_as_its_difference_from_the_level() -> None:
    train, _ = planned_windows(200, 6, 2)
    cut = train.cut(np.arange(len(train)))
    window = cut["inputs"]["window"][:, :, 0].astype(float)
    future = cut["targets"][:, :, 0].astype(float)
    planned = cut["inputs"]["known"][:, :, 1:].astype(float)
    past, coming = planned[:, :6], planned[:, 6:]
    last = window[:, -1:]
    levels = {
        "last value": (last, past[:, -1:]),
        "mean": (window.mean(axis=1, keepdims=True), past.mean(axis=1, keepdims=True)),
        "season": (window[:, [3, 4]], past[:, [3, 4]]),
    }
    found = anchors.differences(train, np.arange(len(train))).x
    parts = anchors._parts(train, 3)
    for name, (level, planned_level) in levels.items():
        seen = window[:, 3:] - window[:, :-3] if name == "season" else window - level
        moved = coming - planned_level
        x = np.concatenate([seen, moved.reshape(len(moved), -1)], axis=1)
        centred = moved - moved.mean(axis=0)
        for alpha in (0.01, 10.0):
            model = Ridge(alpha=alpha).fit(x, future - level)
            part = parts[f"ridge from {name} and what is planned"][alpha]
            expected = model.predict(x) + level - last
            np.testing.assert_allclose(part(found, np.ones((1, 2))), expected, atol=1e-5)
            # Of all steps together, each with its own intercept.
            changes = future - level
            shared = Ridge(alpha=alpha, fit_intercept=False).fit(
                centred.reshape(-1, 2), (changes - changes.mean(axis=0)).ravel()
            )
            part = parts[f"{name} and what is planned"][alpha]
            expected = centred @ shared.coef_ + changes.mean(axis=0) + level - last
            np.testing.assert_allclose(part(found, np.ones((1, 2))), expected, atol=1e-5)


def test_what_is_planned_is_seen_on_all_columns_of_the_horizon_alone() -> None:
    train, _ = planned_windows(200, 4, 3)
    [(kernel, intercept)] = regressions.on_all_columns(train, [np.arange(len(train))], (0.1,))
    cut = train.cut(np.arange(len(train)))
    window, planned = cut["inputs"]["window"][:, :, 0], cut["inputs"]["known"][:, :, 1:]
    last = window[:, -1:].astype(float)
    moved = (planned[:, 4:] - planned[:, 3:4]).reshape(len(window), -1)
    x, y = np.concatenate([window - last, moved], axis=1), cut["targets"][:, :, 0] - last
    found = anchors.differences(train, np.arange(len(train))).x
    expected = Ridge(alpha=0.1).fit(x, y).predict(x)
    np.testing.assert_allclose(found @ kernel + intercept, expected, atol=1e-5)


def test_a_blend_uses_what_is_planned() -> None:
    train, validation = planned_windows(200, 6, 2)
    blind = [replace(part, planned=0) for part in (train, validation)]
    errors = []
    for one, other in ((train, validation), blind):
        found = anchors.differences(other, np.arange(len(other)))
        residuals = found.y - forecast(anchors.fit(one, other, 1), other)
        errors.append(float(np.sqrt((residuals**2).mean())))
    assert errors[0] < 0.25 * errors[1]


def test_targets_that_are_no_inputs_are_a_regression_on_what_is_seen() -> None:
    train, validation = (
        windows_of(VALUES, part, 7, 5, inputs=[0], targets=[1])
        for part in spans(BOUNDARIES, 7, 5)[:2]
    )
    anchor = anchors.fit(train, validation, 1)
    assert list(anchor.parts) == ["ridge on all columns"]
