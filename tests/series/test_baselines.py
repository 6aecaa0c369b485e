"""Baselines against naive loops, scikit-learn, and the official scores of the M4 competition."""

import os
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from sklearn.linear_model import Ridge

from stages.files import raw_series, raw_tables
from stages.kinds.forecasting import baseline, evaluate
from stages.series import baselines, regressions, windowing
from stages.series.windows import Windows, spans

ROOT = Path(__file__).resolve().parents[2]
MIRROR = Path(os.environ.get("REPRISE_MIRROR", ROOT.parent / "shared/data"))
BOUNDARIES = np.array([[0, 60, 80, 100], [100, 150, 160, 180]])
VALUES = np.cumsum(np.random.default_rng(2).normal(size=(180, 2)), axis=0).astype(np.float32)


def windows_of(
    values: np.ndarray,
    spans: np.ndarray,
    lookback: int,
    horizon: int,
    inputs: Sequence[int] = (0,),
    targets: Sequence[int] = (0,),
) -> Windows:
    """Returns windows without filled-in targets, calendar features and strides."""
    rows = len(values)
    observed, calendar = np.ones((rows, len(targets)), bool), np.zeros((rows, 0), np.float32)
    return Windows(
        values, observed, calendar, spans, lookback, horizon, 1, list(inputs), list(targets)
    )


def windows(split: int, lookback: int = 7, horizon: int = 5) -> Windows:
    """Returns the windows of one split of `VALUES`, of which the last column is the target."""
    all_spans = spans(BOUNDARIES, lookback, horizon)
    return windows_of(VALUES, all_spans[split], lookback, horizon, inputs=[0, 1], targets=[1])


@pytest.mark.parametrize("method", baselines.VECTORISED)
def test_a_vectorised_method_equals_a_loop(method: str) -> None:
    test, season = windows(2), 3
    origins, series = test.locate(np.arange(len(test)))
    starts = BOUNDARIES[series, 0]
    forecasts = baselines.VECTORISED[method](test, origins, starts, season)
    for index, (origin, start) in enumerate(zip(origins, starts, strict=True)):
        y = VALUES[start:origin, 1].astype(float)  # all that is known
        for step in range(1, test.horizon + 1):
            seasons = -(-step // season)
            expected = {
                "last_value": y[-1],
                "drift": y[-1] + step * (y[-1] - y[0]) / (len(y) - 1),
                "seasonal_naive": y[len(y) + step - 1 - seasons * season],
                "seasonal_drift": y[len(y) + step - 1 - seasons * season]
                + seasons * (y[-1] - y[-1 - season]),
            }[method]
            assert forecasts[index, step - 1, 0] == pytest.approx(expected, rel=1e-4, abs=1e-4)


def test_ridge_equals_scikit_learn_with_the_penalty_that_validation_prefers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(regressions, "CHUNK", 16)  # several chunks
    alphas = (0.01, 1.0, 100.0)

    def differences(split: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        count = len(windows(split))
        batch = windows(split).cut(np.arange(count))
        window = batch["inputs"]["window"].astype(float)
        last = window[:, -1:, 1:]
        x = (window - window[:, -1:]).reshape(count, -1)
        return x, (batch["targets"] - last)[..., 0], last

    x, y, _ = differences(0)
    validation_x, validation_y, _ = differences(1)
    models = [Ridge(alpha=alpha).fit(x, y) for alpha in alphas]
    best = min(models, key=lambda model: ((model.predict(validation_x) - validation_y) ** 2).mean())
    ridge = baselines.fit_ridge(windows(0), windows(1), alphas)
    assert ridge.alpha == best.alpha
    test_x, _, last = differences(2)
    expected = best.predict(test_x)[..., None] + last
    forecasts = ridge.forecast(windows(2), np.arange(len(windows(2))))
    np.testing.assert_allclose(forecasts, expected, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("method", baselines.LOCAL)
def test_local_methods_continue_a_season(method: str) -> None:
    season = np.array([10.0, 20, 30, 25])
    history = np.tile(season, 12) * np.random.default_rng(0).uniform(0.999, 1.001, 48)
    np.testing.assert_allclose(
        baselines.LOCAL[method](history, 6, 4), np.tile(season, 2)[:6], rtol=0.02
    )


def test_naive2_without_a_season_is_the_last_value() -> None:
    history = np.random.default_rng(1).normal(size=60)
    assert baselines.naive2(history, 3, 12).tolist() == [history[-1]] * 3
    assert baselines.naive2(np.ones(60), 2, 12).tolist() == [1, 1]


def test_the_official_scores_of_m4_hourly_are_reproduced_to_three_decimals() -> None:
    if not (MIRROR / "m4/Train/Hourly-train.csv").is_file():
        pytest.skip("needs the files of M4 Hourly in the folder that REPRISE_MIRROR names")
    layout = raw_series.Layout.model_validate(
        {
            "file": "data/raw/m4_hourly",
            "layout": "rows",
            "series": "V1",
            "values": r"V\d+",
            "targets": ["value"],
            "split": {"train": "rest", "validation": 48, "test": 48},
        }
    )
    names = ["Train/Hourly-train.csv", "Test/Hourly-test.csv"]
    wanted = raw_series.columns_to_read(layout)
    tables = raw_tables.read_files(MIRROR / "m4", names, wanted, layout)
    table, about = raw_series.ingest(tables, layout)
    parameters = windowing.Windowing(per_series=True, lookback=24, horizon=48)
    data: Any = SimpleNamespace(examples=windowing.windowed(table, about, parameters))
    methods = baseline.Parameters(season=24, methods=["last_value", "seasonal_naive", "naive2"])
    scores = baseline.baseline(data, methods, evaluate.Parameters()).scores
    official = {
        "last_value": (43.003, 11.608),
        "seasonal_naive": (13.912, 1.193),
        "naive2": (18.383, 2.395),
    }
    for method, (smape, mase) in official.items():
        assert scores[method]["smape"] == pytest.approx(smape, abs=5e-4)
        assert scores[method]["mase"] == pytest.approx(mase, abs=5e-4)


@pytest.mark.parametrize("alpha", [0.001, 1.0, 1000.0])
def test_ridge_equals_scikit_learn_for_each_penalty(alpha: float) -> None:
    train = windows(0)
    batch = train.cut(np.arange(len(train)))
    window = batch["inputs"]["window"].astype(float)
    x, y = [], []
    for past, future in zip(window, batch["targets"].astype(float), strict=True):
        x.append([value - past[-1, column] for row in past for column, value in enumerate(row)])
        y.append(future[:, 0] - past[-1, 1])
    expected = Ridge(alpha=alpha).fit(x, y)
    ridge = baselines.fit_ridge(train, windows(1), (alpha,))
    np.testing.assert_allclose(ridge.coefficients, expected.coef_.T, rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(ridge.intercept, expected.intercept_, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize(("sign", "alpha"), [(1, 0.01), (-1, 1e6)])
def test_the_penalty_is_small_only_if_training_generalizes_to_validation(
    sign: int, alpha: float
) -> None:
    rng = np.random.default_rng(5)
    steps = rng.normal(size=160)
    for row in range(1, 160):
        steps[row] += (0.9 if row < 100 else 0.9 * sign) * steps[row - 1]
    values = np.cumsum(steps).astype(np.float32)[:, None]
    all_spans = spans(np.array([[0, 100, 140, 160]]), 2, 1)
    train, validation = (windows_of(values, all_spans[split], 2, 1) for split in (0, 1))
    assert baselines.fit_ridge(train, validation, (0.01, 1e6)).alpha == alpha


@pytest.mark.parametrize(("count", "size"), [(0, 3), (1, 3), (6, 3), (7, 3)])
def test_chunks_hold_every_index_once_and_in_order(count: int, size: int) -> None:
    chunks = baselines.chunks(count, size)
    assert [index for chunk in chunks for index in chunk] == list(range(count))
    rest = [count % size] if count % size else []
    assert [len(chunk) for chunk in chunks] == [size] * (count // size) + rest


def test_drift_continues_a_line_and_seasonal_drift_a_season_on_a_line() -> None:
    season = np.tile([5.0, -1, 2], 20)
    for method, values in (
        ("drift", 3 + 0.5 * np.arange(60)),
        ("seasonal_drift", season + 0.5 * np.arange(60)),
    ):
        test = windows_of(values[:, None], np.array([[30, 40]]), 4, 7)
        origins, _ = test.locate(np.arange(10))
        forecasts = baselines.VECTORISED[method](test, origins, np.zeros(10, int), 3)
        np.testing.assert_allclose(forecasts, test.cut(np.arange(10))["targets"])


@pytest.mark.parametrize("lift", [30.0, 0.0])
def test_naive2_is_a_classical_decomposition_by_hand(lift: float) -> None:
    rng = np.random.default_rng(3)
    season, count = 4, 26
    history = lift + np.tile([4.0, -3, 1, -2], 7)[:count] + rng.normal(scale=0.3, size=count)
    weights = np.array([0.5, 1, 1, 1, 0.5]) / 4
    means = {t: history[t - 2 : t + 3] @ weights for t in range(2, count - 2)}
    ratios = {t: history[t] / mean if lift else history[t] - mean for t, mean in means.items()}
    by_phase = [
        [ratio for t, ratio in ratios.items() if t % season == phase] for phase in range(season)
    ]
    phases = np.array([np.mean(each) for each in by_phase])
    phases = phases / phases.mean() if lift else phases - phases.mean()
    now = phases[(count - 1) % season]
    ahead = [phases[(count + step) % season] for step in range(6)]
    expected = [history[-1] / now * each if lift else history[-1] - now + each for each in ahead]
    np.testing.assert_allclose(baselines.naive2(history, 6, season), expected)


def test_theta_keeps_a_constant_and_scales_with_the_unit_of_a_series() -> None:
    assert baselines.theta(np.full(20, 3.5), 4, 1).tolist() == [3.5] * 4
    history = 50 + np.cumsum(np.random.default_rng(4).normal(size=48))
    np.testing.assert_allclose(
        baselines.theta(1000 * history, 5, 1), 1000 * baselines.theta(history, 5, 1), rtol=1e-3
    )
