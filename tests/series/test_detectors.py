"""Detectors against naive loops and scikit-learn."""

import numpy as np
import pytest
from sklearn.decomposition import PCA
from sklearn.ensemble import IsolationForest
from sklearn.linear_model import Ridge
from sklearn.preprocessing import StandardScaler

from stages.errors import InputError
from stages.series import baselines, detectors, regressions
from stages.series.windows import Windows

ROWS, TRAINING, WINDOW, HORIZON = 240, 120, 6, 4
NAMES = list(detectors.DETECTORS)
WINDOWED = [name for name in NAMES if name not in ("random", "level", "differences")]


@pytest.fixture(autouse=True)
def _several_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(regressions, "CHUNK", 32)


def series(rows: int = ROWS, columns: int = 2, seed: int = 0) -> np.ndarray:
    """Returns waves with noise whose neighbours correlate, (rows, columns)."""
    rng = np.random.default_rng(seed)
    noise = rng.normal(size=(rows, columns))
    for row in range(1, rows):
        noise[row] += 0.6 * noise[row - 1]
    phases = 2 * np.pi * np.arange(rows)[:, None] / [12, 8, 30][:columns]
    return np.sin(phases) + 0.2 * noise


def detect(
    name: str,
    values: np.ndarray,
    training: int = TRAINING,
    window: int = WINDOW,
    horizon: int = HORIZON,
) -> np.ndarray:
    rng = np.random.default_rng(5)
    return detectors.DETECTORS[name](values, training, window, horizon, rng)


@pytest.mark.parametrize("name", NAMES)
def test_errors_know_no_later_rows_and_fits_no_rows_after_training(name: str) -> None:
    values = series()
    errors = detect(name, values)
    # Later changes would show in the errors of all rows if what is fitted depended on them.
    for row in (TRAINING, TRAINING + 1, TRAINING + 50, ROWS - 1):
        changed = values.copy()
        changed[row:] = 100 - 3 * changed[row:]
        others = detect(name, changed)
        np.testing.assert_array_equal(others[:row], errors[:row])
        if name != "random":
            assert (others[row] != errors[row]).all()
    np.testing.assert_allclose(detect(name, values[:200])[:150], errors[:150], rtol=1e-9)


@pytest.mark.parametrize("name", [name for name in WINDOWED if name != "moving_z"])
def test_what_is_fitted_depends_on_the_training_rows(name: str) -> None:
    values, changed = series(), series()
    changed[: TRAINING // 2] = changed[: TRAINING // 2] ** 3
    after = slice(TRAINING, None)
    assert (detect(name, values)[after] != detect(name, changed)[after]).any(axis=(1, 2)).all()


@pytest.mark.parametrize(
    ("name", "shape", "unknown"),
    [
        ("random", (1, 1), [0]),
        ("moving_z", (1, 2), [WINDOW]),
        ("level", (1, 2), [0]),
        ("differences", (1, 2), [1]),
        ("ridge", (HORIZON, 2), [WINDOW + step for step in range(HORIZON)]),
        ("ridge_next", (1, 2), [WINDOW]),
        ("sub_pca", (1, 1), [WINDOW - 1]),
        ("isolation_forest", (1, 1), [WINDOW - 1]),
    ],
)
def test_errors_are_unknown_where_a_row_has_not_enough_past(
    name: str, shape: tuple[int, int], unknown: list[int]
) -> None:
    errors = detect(name, series())
    assert errors.shape == (ROWS, *shape)
    assert errors.dtype == np.float64
    for step, count in enumerate(unknown):
        assert np.isnan(errors[:count, step]).all()
        assert np.isfinite(errors[count:, step]).all()


@pytest.mark.parametrize("name", [name for name in NAMES if name != "random"])
@pytest.mark.parametrize("columns", [1, 3])
def test_a_jump_scores_highest(name: str, columns: int) -> None:
    values = series(columns=columns)
    values[180:183] += 6
    scores = np.sqrt((detect(name, values) ** 2).mean(axis=(1, 2)))
    highest = int(np.nanargmax(scores))
    # A window contains the jump, or follows it, up to WINDOW rows later.
    assert 180 <= highest < 183 + WINDOW
    normal = np.r_[scores[WINDOW + HORIZON : 180], scores[183 + WINDOW + HORIZON :]]
    # Trees cannot tell how far beyond the training rows a value is.
    assert scores[highest] > normal.max() * (1 if name == "isolation_forest" else 2)


@pytest.mark.parametrize("name", ["random", "isolation_forest"])
def test_random_numbers_follow_the_generator(name: str) -> None:
    first, second = (
        detectors.DETECTORS[name](series(), TRAINING, WINDOW, HORIZON, np.random.default_rng(seed))
        for seed in (5, 6)
    )
    np.testing.assert_array_equal(first, detect(name, series()))
    assert (first[WINDOW:] != second[WINDOW:]).mean() > 0.9


def test_random_is_uniform() -> None:
    scores = detect("random", np.zeros((20_000, 2)))
    np.testing.assert_allclose(np.histogram(scores, 10, (0, 1))[0] / 20_000, 0.1, atol=0.01)


@pytest.mark.parametrize("window", [1, 2, 7, 16, 21])
@pytest.mark.parametrize("level", [0.0, 1e7])
def test_moving_z_equals_a_loop(window: int, level: float) -> None:
    values = series() + level
    values[30] += 1e6  # no window without this row knows of it
    errors = detect("moving_z", values, window=window)
    for row in range(window, ROWS):
        past = values[row - window : row]
        # In the units of a row's own past, far from the level.
        centred = past - past[-1]
        spread = np.sqrt(((centred - centred.mean(axis=0)) ** 2).mean(axis=0))
        expected = (values[row] - past[-1] - centred.mean(axis=0)) / (spread + 1e-3)
        np.testing.assert_allclose(errors[row, 0], expected, rtol=1e-4, atol=1e-5)


def test_moving_z_after_a_constant_is_finite() -> None:
    values = np.full((20, 1), 0.1)
    values[15:] += 0.5
    errors = detect("moving_z", values, 10, 5)[:, 0, 0]
    assert errors[5:15].tolist() == [0] * 10
    assert errors[15] == pytest.approx(500)


def test_level_by_hand() -> None:
    errors = detect("level", np.array([[1.0, 5], [3, 4], [2, 4]]), 2)
    assert errors.tolist() == [[[-1, 0.5]], [[1, -0.5]], [[0, -0.5]]]


def test_differences_by_hand() -> None:
    errors = detect("differences", np.array([[1.0, 5], [3, 4], [2, 4]]), 2)
    np.testing.assert_array_equal(errors[:, 0], [[np.nan, np.nan], [2, -1], [-1, 0]])


def pairs(
    values: np.ndarray, window: int, first: int, after: int, horizon: int
) -> tuple[np.ndarray, np.ndarray]:
    """Returns windows and horizons minus the last value, whose targets are the rows `first` ...
    `after` - 1."""
    x, y = [], []
    for origin in range(first, after - horizon + 1):
        last = values[origin - 1]
        x.append((values[origin - window : origin] - last).ravel())
        y.append((values[origin : origin + horizon] - last).ravel())
    return np.array(x), np.array(y)


@pytest.mark.parametrize(
    ("name", "training", "window", "horizon", "first", "steps", "turned", "alpha"),
    [
        ("ridge", 120, 6, 4, 96, 4, False, 1.0),
        ("ridge", 120, 6, 4, 96, 4, True, 1e3),
        ("ridge", 120, 6, 1, 96, 1, False, 1.0),
        ("ridge_next", 120, 6, 1, 96, 1, False, 1.0),
        ("ridge_next", 120, 6, 1, 96, 1, True, 1e4),
        # Too few rows for a whole horizon choose the penalty.
        ("ridge", 60, 20, 15, 48, 6, False, 10.0),
        # Most rows have no window before them: half of the others choose.
        ("ridge", 30, 20, 9, 25, 3, False, 10.0),
    ],
)
def test_ridge_equals_scikit_learn(
    name: str,
    training: int,
    window: int,
    horizon: int,
    first: int,
    steps: int,
    turned: bool,
    alpha: float,
) -> None:
    values = series()
    if turned:  # what was learned before does not hold in the last fifth
        noise = np.random.default_rng(1).normal(size=(training - first, 2))
        values[first:training] = np.cumsum(noise, axis=0)
    x, y = pairs(values, window, window, first, steps)
    later_x, later_y = pairs(values, window, first, training, steps)
    models = {10.0**power: Ridge(alpha=10.0**power).fit(x, y) for power in range(-3, 5)}
    errors = {each: ((models[each].predict(later_x) - later_y) ** 2).mean() for each in models}
    assert min(errors, key=errors.__getitem__) == alpha  # the cases differ
    model = Ridge(alpha=alpha).fit(*pairs(values, window, window, training, horizon))
    expected = np.full((ROWS, horizon, 2), np.nan)
    for origin in range(window, ROWS):
        last = values[origin - 1]
        change = model.predict((values[origin - window : origin] - last).reshape(1, -1))
        for step, forecast in enumerate(change.reshape(horizon, 2) + last):
            if origin + step < ROWS:
                expected[origin + step, step] = values[origin + step] - forecast
    found = detect(name, values, training, window, horizon)
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize(
    ("training", "window", "horizon", "steps", "fitted", "choosing"),
    [
        (120, 6, 4, 4, (6, 93), (96, 117)),
        (60, 20, 15, 6, (20, 43), (48, 55)),
        (30, 20, 9, 3, (20, 23), (25, 28)),
        (31, 20, 9, 3, (20, 24), (26, 29)),
        (22, 20, 1, 1, (20, 21), (21, 22)),
        (21, 20, 1, 1, (20, 21), (21, 21)),
    ],
)
def test_targets_that_choose_the_penalty_are_not_fitted_before(
    monkeypatch: pytest.MonkeyPatch,
    training: int,
    window: int,
    horizon: int,
    steps: int,
    fitted: tuple[int, int],
    choosing: tuple[int, int],
) -> None:
    seen = []

    def spy(train: Windows, validation: Windows, alphas: tuple[float, ...]) -> baselines.Ridge:
        seen.extend([train, validation])
        return fit_ridge(train, validation, alphas)

    fit_ridge = baselines.fit_ridge
    monkeypatch.setattr(baselines, "fit_ridge", spy)
    errors = detect("ridge", series(), training, window, horizon)
    assert np.isfinite(errors[window + horizon :]).all()
    assert [each.horizon for each in seen] == [steps, steps]
    # Rows that can be a window's first target, as `stages.series.windows.spans` returns them.
    assert [tuple(each.spans[0].tolist()) for each in seen] == [fitted, choosing]


def test_ridge_of_a_single_window_is_its_mean() -> None:
    values = series()
    errors = detect("ridge", values, WINDOW + HORIZON)
    change = values[WINDOW : WINDOW + HORIZON] - values[WINDOW - 1]
    for step in range(HORIZON):
        forecast = values[99 - step - 1] + change[step]
        np.testing.assert_allclose(errors[99, step], values[99] - forecast)


@pytest.mark.parametrize(("window", "training"), [(WINDOW, TRAINING), (1, 50), (20, 27)])
def test_sub_pca_equals_scikit_learn(window: int, training: int) -> None:
    values = series(columns=3)
    values[:, 2] = 50 + 0.7 * values[:, 0] + 1e-3 * values[:, 1]
    windows = np.array(
        [values[row - window + 1 : row + 1].ravel() for row in range(window - 1, ROWS)]
    )
    scaler = StandardScaler().fit(windows[: training - window + 1])
    scaled = scaler.transform(windows)
    pca = PCA(0.95, svd_solver="full").fit(scaled[: training - window + 1])
    assert 1 < pca.n_components_ < windows.shape[1]
    residuals = scaled - pca.inverse_transform(pca.transform(scaled))
    expected = np.linalg.norm(residuals, axis=1)
    errors = detect("sub_pca", values, training, window)
    np.testing.assert_allclose(errors[window - 1 :, 0, 0], expected, rtol=1e-7, atol=1e-9)


def test_sub_pca_sees_changes_of_what_was_constant_in_training() -> None:
    values = np.full((20, 2), [0.1, 7.3])
    values[15:, 1] += 3
    errors = detect("sub_pca", values, 10, 4)[:, 0, 0]
    np.testing.assert_allclose(errors[3:15], 0, atol=1e-12)
    # One, two, three and then four rows of a window are 3 away from what was constant.
    np.testing.assert_allclose(errors[15:], 3 * np.sqrt([1, 2, 3, 4, 4]))


def test_isolation_forest_is_that_of_scikit_learn() -> None:
    values = series()
    windows = np.array([values[row - WINDOW + 1 : row + 1].T.ravel() for row in range(5, ROWS)])
    seed = int(np.random.default_rng(5).integers(2**32))
    forest = IsolationForest(n_estimators=100, random_state=seed)
    forest.fit(windows[: TRAINING - WINDOW + 1])
    errors = detect("isolation_forest", values)
    np.testing.assert_allclose(errors[WINDOW - 1 :, 0, 0], -forest.score_samples(windows))


@pytest.mark.parametrize("name", WINDOWED)
def test_too_few_training_rows_are_an_error_that_says_what_fits(name: str) -> None:
    horizon = HORIZON if name == "ridge" else 1
    fewest = WINDOW + horizon
    assert np.isfinite(detect(name, series(), fewest)[fewest:]).all()
    message = (
        rf"expected more than {fewest - 1} rows before validation for a lookback of {WINDOW}.*, "
        rf"received {fewest - 1}: shorten scale_and_window\.lookback to {WINDOW - 1} or less"
    )
    with pytest.raises(InputError, match=message):
        detect(name, series(), fewest - 1)
    detect(name, series(), fewest - 1, WINDOW - 1)
    with pytest.raises(InputError, match=rf"received {horizon}: add rows"):
        detect(name, series(), horizon)
