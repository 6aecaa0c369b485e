"""Quantiles of residuals against their ranks, and their scores against loops over the definitions
and published values."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import mean_pinball_loss

from stages.series import outcomes, quantiles
from stages.series.outcomes import Outcomes
from tests.series.test_data import examples_of

LEVELS = (0.1, 0.5, 0.75)


@pytest.mark.parametrize(
    ("count", "level", "rank"),
    [
        (9, 0.1, 1),
        (9, 0.5, 5),
        (9, 0.9, 9),
        (10, 0.5, 6),  # ceil(5.5)
        (19, 0.95, 19),
        (99, 0.55, 55),  # 100 * 0.55 is above 55 in binary
        (3, 0.05, 1),
        (3, 0.95, 3),  # ceil(3.8) = 4 of 3: the extreme one
        (18, 0.95, 18),
        (8, 1 / 3, 3),
    ],
)
def test_a_quantile_is_the_ranked_signed_residual(count: int, level: float, rank: int) -> None:
    residuals = np.random.default_rng(count).permutation(np.arange(1, count + 1)) - 5.0
    (quantile,) = quantiles.of_residuals(
        residuals[:, None, None], np.ones((count, 1, 1)), [level]
    ).ravel()
    assert quantile == rank - 5


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 40), st.integers(1, 3), st.integers(1, 2))
def test_quantiles_are_those_of_the_residuals_that_count(
    seed: int, windows: int, horizon: int, targets: int
) -> None:
    rng = np.random.default_rng(seed)
    residuals = rng.integers(-6, 7, (windows, horizon, targets)).astype(float)
    mask = (rng.random(residuals.shape) > 0.3).astype(np.float32)
    hundredths = [10, 50, 75]
    found = quantiles.of_residuals(np.where(mask > 0, residuals, np.nan), mask, LEVELS)
    for index, level in enumerate(hundredths):
        for cell in np.ndindex(horizon, targets):
            counted = sorted(residuals[(w, *cell)] for w in range(windows) if mask[(w, *cell)])
            if not counted:
                assert math.isnan(found[(index, *cell)])
                continue
            rank = next(k for k in range(len(counted) + 2) if 100 * k >= (len(counted) + 1) * level)
            assert found[(index, *cell)] == counted[min(max(rank, 1), len(counted)) - 1]


def test_new_values_are_below_a_quantile_as_often_as_promised() -> None:
    rng, levels, below = np.random.default_rng(1), [0.1, 0.5, 0.9, 0.95], []
    for _ in range(300):
        # Skewed, so that the sides differ.
        residuals, new = rng.exponential(size=(39, 1, 1)), rng.exponential(size=(100, 1, 1))
        found = quantiles.of_residuals(residuals, np.ones((39, 1, 1)), levels)
        below.append((new.ravel() <= found[:, 0]).mean(axis=1))
    np.testing.assert_allclose(np.mean(below, axis=0), levels, atol=0.012)


@pytest.mark.parametrize("level", [0.05, 0.5, 0.9])
def test_the_pinball_loss_is_scikit_learns(level: float) -> None:
    actual, quantile = np.random.default_rng(2).normal(size=(2, 50))
    expected = mean_pinball_loss(actual, quantile, alpha=level)
    assert quantiles.pinball(actual, quantile, level).mean() == pytest.approx(expected)


def by_loop(
    cells: list[tuple[float, list[float], list[float]]], levels: tuple[float, ...]
) -> dict[str, float]:
    """Returns the scores of cells: the value, its quantiles, and the members of its ensemble."""
    sums, crps = [0.0] * len(levels), 0.0
    for actual, wanted, members in cells:
        for index, (level, quantile) in enumerate(zip(levels, wanted, strict=True)):
            # As GluonTS writes it, which is twice the pinball loss.
            sums[index] += 2 * abs((quantile - actual) * ((actual <= quantile) - level))
        spread = sum(abs(a - b) for a in members for b in members) / len(members) ** 2
        crps += sum(abs(a - actual) for a in members) / len(members) - spread / 2
    size = sum(abs(actual) for actual, _, _ in cells)
    return {
        "pinball": sum(sums) / 2 / len(cells) / len(levels),
        "wql": sum(total / size for total in sums) / len(levels),
        "crps": crps / len(cells),
    }


@pytest.mark.parametrize("limits", [None, (12.0, 1500.0)])
@pytest.mark.parametrize("log", [False, True])
def test_scores_are_those_of_a_loop(
    log: bool, limits: tuple[float, float] | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepared = examples_of(per_series=True, log=log)
    rng = np.random.default_rng(3)
    test = Outcomes(prepared, "test", None if limits is None else np.array(limits))
    forecast = test.clipped(test.scaled + rng.normal(0, 0.3, test.scaled.shape))
    residuals = rng.normal(0.1, 0.5, (7, *test.scaled.shape[1:]))
    mask = (rng.random(residuals.shape) > 0.2).astype(np.float32)
    spread = quantiles.spread(residuals, mask, LEVELS)
    low, high = limits or (-math.inf, math.inf)
    cells = []
    for window in range(len(forecast)):
        for step in range(2):
            if not test.mask[window, step, 0]:
                continue
            known = sorted(
                r for r, m in zip(residuals[:, step, 0], mask[:, step, 0], strict=True) if m
            )

            def at(hundredths: int, window: int = window, step: int = step) -> float:
                ranks = range(len(known) + 2)  # noqa: B023
                rank = next(k for k in ranks if 100 * k >= (len(known) + 1) * hundredths)  # noqa: B023
                offset = known[min(max(rank, 1), len(known)) - 1]  # noqa: B023
                scaled = np.array([[[forecast[window, step, 0] + offset]]])
                raw = prepared.restored(scaled, test.series[[window]]).item()
                return min(max(raw, low), high)

            cells.append(
                (
                    test.actual[window, step, 0],
                    [at(10), at(50), at(75)],
                    [at(hundredths) for hundredths in range(1, 100, 2)],
                )
            )
    assert 0 < len(cells) < test.mask.size
    expected = by_loop(cells, LEVELS)
    assert test.quantile_scores(forecast, spread) == pytest.approx(expected, rel=1e-5)
    monkeypatch.setattr(outcomes, "CELLS", 3)
    assert test.quantile_scores(forecast, spread) == pytest.approx(expected, rel=1e-5)


def test_the_crps_of_a_normal_forecast_is_the_published_one() -> None:
    """Gneiting and Raftery (2007), at the mean of the forecast: (sqrt(2) - 1) / sqrt(pi)."""
    prepared = examples_of(scaler="none")
    test = Outcomes(prepared, "test")
    residuals = np.random.default_rng(4).normal(0, 2, (20_000, *test.scaled.shape[1:]))
    spread = quantiles.spread(residuals, np.ones_like(residuals), [0.5])
    scores = test.quantile_scores(test.scaled, spread)
    assert scores["crps"] == pytest.approx(2 * (math.sqrt(2) - 1) / math.sqrt(math.pi), rel=0.02)


def test_a_step_without_residuals_does_not_count() -> None:
    test = Outcomes(examples_of(), "test")
    residuals, mask = np.full((4, 2, 1), 0.5), np.ones((4, 2, 1))
    mask[:, 1] = 0
    partial = test.quantile_scores(test.scaled, quantiles.spread(residuals, mask, LEVELS))
    first = test.actual[:, 0, 0][test.mask[:, 0, 0] > 0]
    raw = 0.5 * test.restored(np.ones_like(test.scaled))[0, 0, 0]
    raw -= 0.5 * test.restored(np.zeros_like(test.scaled))[0, 0, 0]
    losses = [(1 - level) * raw for level in LEVELS]
    assert partial["pinball"] == pytest.approx(np.mean(losses), rel=1e-5)
    assert partial["crps"] == pytest.approx(raw, rel=1e-5)
    expected = 2 * np.mean(losses) * len(first) / np.abs(first).sum()
    assert partial["wql"] == pytest.approx(expected, rel=1e-5)
    nothing = quantiles.spread(residuals, np.zeros_like(mask), LEVELS)
    for spread in (nothing, None):
        assert all(
            math.isnan(value) for value in test.quantile_scores(test.scaled, spread).values()
        )
