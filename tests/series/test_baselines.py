"""The floors against naive loops, scikit-learn, and the official figures of the M4 competition."""

import os
from pathlib import Path

import numpy as np
import pytest
from sklearn.linear_model import Ridge

from stages.files import raw_tables
from stages.files.examples import Examples
from stages.kinds.forecasting import baseline, ingest
from stages.scale_and_window import Parameters, prepare
from stages.series import baselines
from stages.series.windows import Windows, spans

ROOT = Path(__file__).resolve().parents[2]
MIRROR = Path(os.environ.get("REPRISE_MIRROR", ROOT.parent / "shared/data"))
BOUNDARIES = np.array([[0, 60, 80, 100], [100, 150, 160, 180]])
VALUES = np.cumsum(np.random.default_rng(2).normal(size=(180, 2)), axis=0).astype(np.float32)


def windows(split: int, lookback: int = 7, horizon: int = 5) -> Windows:
    found = spans(BOUNDARIES, lookback, horizon)[split]
    return Windows(
        VALUES,
        np.ones((180, 1), bool),
        np.zeros((180, 0), np.float32),
        found,
        lookback,
        horizon,
        1,
        [0, 1],
        [1],
    )


@pytest.mark.parametrize("method", baselines.VECTORISED)
def test_a_vectorised_method_is_its_loop(method: str) -> None:
    test, season = windows(2), 3
    origins, series = test.locate(np.arange(len(test)))
    starts = BOUNDARIES[series, 0]
    found = baselines.VECTORISED[method](test, origins, starts, season)
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
            assert found[index, step - 1, 0] == pytest.approx(expected, rel=1e-4, abs=1e-4)


def test_ridge_is_scikit_learns_with_the_penalty_that_validation_prefers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(baselines, "CHUNK", 16)  # several chunks
    alphas = (0.01, 1.0, 100.0)

    def differences(split: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        given = windows(split)
        batch = given.cut(np.arange(len(given)))
        window = batch["inputs"]["window"].astype(float)
        last = window[:, -1:, 1:]
        return (
            (window - window[:, -1:]).reshape(len(given), -1),
            (batch["targets"] - last)[..., 0],
            last,
        )

    x, y, _ = differences(0)
    validation_x, validation_y, _ = differences(1)
    models = [Ridge(alpha=alpha).fit(x, y) for alpha in alphas]
    best = min(models, key=lambda model: ((model.predict(validation_x) - validation_y) ** 2).mean())
    found = baselines.fit_ridge(windows(0), windows(1), alphas)
    assert found.alpha == best.alpha
    test_x, _, last = differences(2)
    expected = best.predict(test_x)[..., None] + last
    np.testing.assert_allclose(
        found.forecast(windows(2), np.arange(len(windows(2)))), expected, rtol=1e-6, atol=1e-6
    )


@pytest.mark.parametrize("method", baselines.LOCAL)
def test_local_methods_carry_a_season_on(method: str) -> None:
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
    section = ingest.Parameters.model_validate(
        {
            "file": "data/raw/m4_hourly", "layout": "rows", "series": "V1", "values": r"V\d+", "targets": ["value"],
            "split": {"train": "rest", "validation": 48, "test": 48},
        }
    )  # fmt: skip
    files = [MIRROR / "m4" / name for name in ("Train/Hourly-train.csv", "Test/Hourly-test.csv")]
    table, about = ingest.ingest(
        [raw_tables.read_raw(file, ingest.columns_to_read(section), section) for file in files],
        section,
    )
    given: Examples = prepare(table, about, Parameters(per_series=True, lookback=24, horizon=48))
    methods = baseline.Parameters(season=24, methods=["last_value", "seasonal_naive", "naive2"])
    found, _ = baseline.baseline(given.arrays, given.about, methods)
    official = {
        "last_value": (43.003, 11.608),
        "seasonal_naive": (13.912, 1.193),
        "naive2": (18.383, 2.395),
    }
    for method, (smape, mase) in official.items():
        assert (
            round(float(found[method]["smape"]), 3),
            round(float(found[method]["mase"]), 3),
        ) == (smape, mase)


@pytest.mark.parametrize("alpha", [0.001, 1.0, 1000.0])
def test_ridge_is_scikit_learns_for_each_penalty(alpha: float) -> None:
    train = windows(0)
    batch = train.cut(np.arange(len(train)))
    window = batch["inputs"]["window"].astype(float)
    x = np.array(
        [
            [value - own[-1, column] for row in own for column, value in enumerate(row)]
            for own in window
        ]
    )
    y = np.array(
        [
            own[:, 0] - past[-1, 1]
            for own, past in zip(batch["targets"].astype(float), window, strict=True)
        ]
    )
    expected = Ridge(alpha=alpha).fit(x, y)
    found = baselines.fit_ridge(train, windows(1), (alpha,))
    np.testing.assert_allclose(found.coefficients, expected.coef_.T, rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(found.intercept, expected.intercept_, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize(("sign", "alpha"), [(1, 0.01), (-1, 1e6)])
def test_the_penalty_is_small_where_training_holds_in_validation_and_large_where_it_does_not(
    sign: int, alpha: float
) -> None:
    rng = np.random.default_rng(5)
    steps = rng.normal(size=160)
    for row in range(1, 160):
        steps[row] += (0.9 if row < 100 else 0.9 * sign) * steps[row - 1]
    values = np.cumsum(steps).astype(np.float32)[:, None]
    found = spans(np.array([[0, 100, 140, 160]]), 2, 1)
    train, validation = (
        Windows(
            values,
            np.ones((160, 1), bool),
            np.zeros((160, 0), np.float32),
            found[split],
            2,
            1,
            1,
            [0],
            [0],
        )
        for split in (0, 1)
    )
    assert baselines.fit_ridge(train, validation, (0.01, 1e6)).alpha == alpha


@pytest.mark.parametrize(("count", "size"), [(0, 3), (1, 3), (6, 3), (7, 3)])
def test_chunks_hold_every_index_once_and_in_order(count: int, size: int) -> None:
    found = baselines.chunks(count, size)
    assert [index for some in found for index in some] == list(range(count))
    assert [len(some) for some in found] == [size] * (count // size) + [count % size] * (
        count % size > 0
    )


def test_drift_continues_a_line_and_seasonal_drift_a_season_on_a_line() -> None:
    season = np.tile([5.0, -1, 2], 20)
    for method, values in (
        ("drift", 3 + 0.5 * np.arange(60)),
        ("seasonal_drift", season + 0.5 * np.arange(60)),
    ):
        given = Windows(
            values[:, None], np.ones((60, 1), bool), np.zeros((60, 0), np.float32), np.array([[30, 40]]), 4, 7, 1, [0], [0]
        )  # fmt: skip
        origins, _ = given.locate(np.arange(10))
        found = baselines.VECTORISED[method](given, origins, np.zeros(10, int), 3)
        np.testing.assert_allclose(found, given.cut(np.arange(10))["targets"])


@pytest.mark.parametrize("lift", [30.0, 0.0])
def test_naive2_is_classical_decomposition_done_by_hand(lift: float) -> None:
    rng = np.random.default_rng(3)
    season, count = 4, 26
    history = lift + np.tile([4.0, -3, 1, -2], 7)[:count] + rng.normal(scale=0.3, size=count)
    means = {
        t: (history[t - 2] / 2 + history[t - 1] + history[t] + history[t + 1] + history[t + 2] / 2)
        / 4
        for t in range(2, count - 2)
    }
    ratios = {t: history[t] / mean if lift else history[t] - mean for t, mean in means.items()}
    phases = np.array(
        [
            np.mean([ratio for t, ratio in ratios.items() if t % season == phase])
            for phase in range(season)
        ]
    )
    phases = phases / phases.mean() if lift else phases - phases.mean()
    now = phases[(count - 1) % season]
    ahead = [phases[(count + step) % season] for step in range(6)]
    expected = [history[-1] / now * part if lift else history[-1] - now + part for part in ahead]
    np.testing.assert_allclose(baselines.naive2(history, 6, season), expected)


def test_theta_keeps_a_constant_and_the_unit_of_a_series() -> None:
    assert baselines.theta(np.full(20, 3.5), 4, 1).tolist() == [3.5] * 4
    history = 50 + np.cumsum(np.random.default_rng(4).normal(size=48))
    np.testing.assert_allclose(
        baselines.theta(1000 * history, 5, 1), 1000 * baselines.theta(history, 5, 1), rtol=1e-3
    )
