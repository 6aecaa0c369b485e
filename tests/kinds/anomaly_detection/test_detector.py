"""Scores and thresholds against naive loops, and against samples of the distribution that is
fitted."""

import numpy as np
import pytest
from scipy import stats
from sklearn.covariance import LedoitWolf

from stages.errors import InputError
from stages.kinds.anomaly_detection import detector
from stages.kinds.anomaly_detection.detector import Settings


def errors(rows: int = 300, seed: int = 0) -> np.ndarray:
    """Returns correlated errors (rows, 3, 2), some of which do not exist."""
    rng = np.random.default_rng(seed)
    common = rng.normal(size=(rows, 1, 1))
    found = common + 0.3 * rng.normal(size=(rows, 3, 2)) + [0.5, 0]
    found[rng.random(found.shape) < 0.02] = np.nan
    found[:2] = np.nan
    found[2, 1:] = np.nan
    return found.astype(np.float32)


def test_scores_are_means_over_the_last_rows() -> None:
    rng = np.random.default_rng(1)
    distances = rng.gamma(2.0, size=70)
    distances[rng.random(70) < 0.2] = np.nan
    distances[30:40] = np.nan
    for rows in (1, 2, 5, 100):
        expected = []
        for row in range(70):
            known = [value for value in distances[max(row - rows + 1, 0) : row + 1] if value >= 0]
            seen = np.isfinite(distances[row])
            expected.append(np.mean(known) if seen else np.nan)
        found = detector.smoothed(distances, rows)
        np.testing.assert_allclose(found, expected, rtol=1e-12)
        for first in (1, 3, 69):
            rest = detector.smoothed(distances[first:], rows, distances[:first])
            np.testing.assert_array_equal(rest, found[first:])


@pytest.mark.parametrize("size", [1, 2, 7, 300])
@pytest.mark.parametrize("distance", ["mean", "mahalanobis"])
def test_portions_of_rows_have_the_scores_of_all_of_them(distance: str, size: int) -> None:
    given = errors()
    fitted = detector.fit(given, Settings.model_validate({"distance": distance}), 4)
    whole = detector.smoothed(fitted.distances(given), 4)
    before, found = np.zeros(0), []
    for start in range(0, len(given), size):
        distances = fitted.distances(given[start : start + size])
        found.append(detector.smoothed(distances, 4, before))
        before = np.concatenate([before, distances])[-3:]
    exact = 0 if distance == "mean" else 1e-12  # its matrix products depend on the number of rows
    np.testing.assert_allclose(np.concatenate(found), whole, rtol=exact)


def test_the_mean_distance_is_that_of_a_naive_loop() -> None:
    given, newer = errors(), errors(seed=1)
    fitted = detector.fit(given, Settings(), 1)
    scale = np.sqrt(np.nanmean(given**2, axis=0))
    np.testing.assert_allclose(fitted.scale, scale, rtol=1e-5)
    expected = [
        np.nanmean(np.abs(row) / scale) if np.isfinite(row).any() else np.nan for row in newer
    ]
    np.testing.assert_allclose(fitted.distances(newer), expected, rtol=1e-5)


def test_the_mahalanobis_distance_is_that_of_the_known_errors_by_their_own_covariance() -> None:
    given, newer = errors(), errors(seed=1)
    fitted = detector.fit(given, Settings(distance="mahalanobis"), 1)
    complete = given.reshape(300, -1).astype(float)
    complete = complete[np.isfinite(complete).all(axis=1)]
    spread = complete.std(axis=0)
    covariance = LedoitWolf().fit(complete / spread).covariance_ * np.outer(spread, spread)
    for row, found in zip(newer.reshape(300, -1), fitted.distances(newer), strict=True):
        known = np.isfinite(row)
        own = (row - complete.mean(axis=0))[known]
        if not known.any():
            assert np.isnan(found)
            continue
        inverse = np.linalg.inv(covariance[np.ix_(known, known)])
        assert found == pytest.approx(np.sqrt(own @ inverse @ own / known.sum()), rel=1e-4)


@pytest.mark.parametrize("shape", [-0.3, 0.0, 0.3])
@pytest.mark.parametrize("rate", [0.001, 0.02])
def test_the_share_of_fresh_scores_above_the_threshold_is_the_rate(
    shape: float, rate: float
) -> None:
    """Of a distribution whose tail is a generalised Pareto one: 3,000 scores set the threshold; its
    rate, as the distribution itself says it, is that asked for in the mean over many samples."""
    tail = stats.genpareto(shape)
    rng = np.random.default_rng(2)
    for threshold in ("tail", "quantile"):
        settings = Settings.model_validate({"threshold": threshold, "rate": rate})
        found = [
            tail.sf(detector.threshold_of(tail.ppf(rng.random(3000)), settings)) for _ in range(200)
        ]
        assert np.mean(found) == pytest.approx(rate, rel=0.25), threshold


def test_the_tail_reaches_beyond_the_highest_score() -> None:
    rng = np.random.default_rng(3)
    settings, exact = Settings(rate=1e-4), stats.expon.ppf(1 - 1e-4)
    samples = rng.exponential(size=(200, 1000))
    found = [detector.threshold_of(scores, settings) for scores in samples]
    assert np.median(found) == pytest.approx(exact, rel=0.1)
    assert np.median(samples.max(axis=1)) < 0.85 * exact


@pytest.mark.parametrize("threshold", ["tail", "quantile"])
@pytest.mark.parametrize("count", [1, 2, 3, 12])
def test_few_or_equal_scores_have_a_threshold_that_none_of_them_is_above(
    count: int, threshold: str
) -> None:
    settings = Settings.model_validate({"threshold": threshold})
    rng = np.random.default_rng(4)
    for scores in (np.full(count, 2.5), np.zeros(count), rng.gamma(2.0, size=count)):
        found = detector.threshold_of(scores, settings)
        assert np.isfinite(found)
        assert found >= scores.max()


def test_a_series_that_does_not_move_has_finite_scores() -> None:
    fitted = detector.fit(np.zeros((50, 2, 1)), Settings(), 2)
    assert fitted.threshold == 0
    assert fitted.distances(np.full((1, 2, 1), 0.01)) == pytest.approx([0.01 / detector.LEAST])


def test_detectors_survive_as_arrays() -> None:
    for distance in ("mean", "mahalanobis"):
        settings = Settings.model_validate({"distance": distance})
        fitted = {number: detector.fit(errors(seed=number), settings, 3) for number in (0, 2)}
        arrays = detector.arrays_of(fitted)
        again = detector.of_arrays(arrays)
        assert list(again) == [0, 2]
        given = errors(seed=5)
        for number, one in again.items():
            assert (one.smooth, one.threshold) == (3, fitted[number].threshold)
            np.testing.assert_array_equal(one.distances(given), fitted[number].distances(given))


def test_validation_without_known_errors_is_an_error() -> None:
    with pytest.raises(InputError, match="expected validation rows with known values"):
        detector.fit(np.full((5, 2, 1), np.nan), Settings(), 1)
    with pytest.raises(InputError, match="at least 2 validation rows without missing values"):
        detector.fit(errors(4), Settings(distance="mahalanobis"), 1)
