"""The floors against naive loops, scikit-learn, and the official figures of the M4 competition."""

import os
from pathlib import Path

import numpy as np
import pytest
from sklearn.linear_model import Ridge

from stages.arrays import baselines
from stages.arrays.windows import Windows, spans
from stages.files import tables
from stages.files.examples import Examples
from stages.kinds.forecasting import baseline, ingest
from stages.scale_and_window import Parameters, prepare

ROOT = Path(__file__).resolve().parents[2]
MIRROR = Path(os.environ.get("REPRISE_MIRROR", ROOT.parent / "shared/data"))
BOUNDARIES = np.array([[0, 60, 80, 100], [100, 150, 160, 180]])
VALUES = np.cumsum(np.random.default_rng(2).normal(size=(180, 2)), axis=0).astype(np.float32)


def windows(split: int, lookback: int = 7, horizon: int = 5) -> Windows:
    found = spans(BOUNDARIES, lookback, horizon)[split]
    return Windows(VALUES, np.ones((180, 1), bool), np.zeros((180, 0), np.float32), found, lookback, horizon, 1, [0, 1], [1])


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
                "seasonal_drift": y[len(y) + step - 1 - seasons * season] + seasons * (y[-1] - y[-1 - season]),
            }[method]
            assert found[index, step - 1, 0] == pytest.approx(expected, rel=1e-4, abs=1e-4)


def test_ridge_is_scikit_learns_with_the_penalty_that_validation_prefers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(baselines, "CHUNK", 16)  # several chunks
    alphas = (0.01, 1.0, 100.0)

    def differences(split: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        given = windows(split)
        batch = given.cut(np.arange(len(given)))
        window = batch["inputs"]["window"].astype(float)
        last = window[:, -1:, 1:]
        return (window - window[:, -1:]).reshape(len(given), -1), (batch["targets"] - last)[..., 0], last

    x, y, _ = differences(0)
    validation_x, validation_y, _ = differences(1)
    models = [Ridge(alpha=alpha).fit(x, y) for alpha in alphas]
    best = min(models, key=lambda model: ((model.predict(validation_x) - validation_y) ** 2).mean())
    found = baselines.fit_ridge(windows(0), windows(1), alphas)
    assert found.alpha == best.alpha
    test_x, _, last = differences(2)
    expected = best.predict(test_x)[..., None] + last
    np.testing.assert_allclose(found.forecast(windows(2), np.arange(len(windows(2)))), expected, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("method", baselines.LOCAL)
def test_local_methods_carry_a_season_on(method: str) -> None:
    season = np.array([10.0, 20, 30, 25])
    history = np.tile(season, 12) * np.random.default_rng(0).uniform(0.999, 1.001, 48)
    np.testing.assert_allclose(baselines.LOCAL[method](history, 6, 4), np.tile(season, 2)[:6], rtol=0.02)


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
    table, about = ingest.ingest([tables.read_raw(file, *ingest.columns_to_read(section)) for file in files], section)
    given: Examples = prepare(table, about, Parameters(per_series=True, lookback=24, horizon=48))
    methods = baseline.Parameters(season=24, methods=["last_value", "seasonal_naive", "naive2"])
    found, _ = baseline.baseline(given.arrays, given.about, methods)
    official = {"last_value": (43.003, 11.608), "seasonal_naive": (13.912, 1.193), "naive2": (18.383, 2.395)}
    for method, (smape, mase) in official.items():
        assert (round(float(found[method]["smape"]), 3), round(float(found[method]["mase"]), 3)) == (smape, mase)
