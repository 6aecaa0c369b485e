"""Scores of anomaly detection against the numbers of TSB-AD, the definitions in naive loops,
scikit-learn, and cases worked by hand."""

import math
import os
import time
from dataclasses import astuple, dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, roc_auc_score

from stages.series import detection
from stages.series.detection import Volumes

ROOT = Path(__file__).resolve().parents[2]
MIRROR = Path(os.environ.get("REPRISE_MIRROR", ROOT.parent / "shared/data"))


def labels_of(rows: int, *spans: tuple[int, int]) -> np.ndarray:
    """Returns labels of events from a first row to the row after the last one."""
    labels = np.zeros(rows, bool)
    for start, end in spans:
        labels[start:end] = True
    return labels


def scores_of(seed: int, rows: int, levels: int = 10**6) -> np.ndarray:
    """Returns random scores with so many different values at most."""
    return np.random.default_rng(seed).integers(0, levels, rows).astype(float)


@dataclass(frozen=True)
class Case:
    rows: int
    spans: tuple[tuple[int, int], ...]
    window: int
    levels: int = 10**6
    thresholds: int = 250

    def volumes(self) -> Volumes:
        labels = labels_of(self.rows, *self.spans)
        scores = scores_of(7, self.rows, self.levels) + (self.levels - 1) * labels / 3
        return detection.volumes(labels, scores, self.window, self.thresholds)


SEVERAL = ((10, 14), (30, 31), (45, 53))
CASES = {
    "several events": Case(60, SEVERAL, 6),
    "a window of 0": Case(60, SEVERAL, 0),
    "a window of 1": Case(60, SEVERAL, 1),
    "events at both ends": Case(60, ((0, 4), (25, 28), (56, 60)), 11),
    "events that merge": Case(60, ((20, 22), (26, 29), (33, 34), (50, 52)), 13),
    "buffers that meet": Case(40, ((5, 6), (9, 10), (14, 15)), 5),
    "three events in one buffer": Case(30, ((10, 11), (12, 13), (14, 15)), 12),
    "ties": Case(60, SEVERAL, 8, levels=4),
    "constant scores": Case(60, SEVERAL, 8, levels=1),
    "few thresholds": Case(60, SEVERAL, 8, thresholds=7),
    "one threshold": Case(60, SEVERAL, 8, thresholds=1),
    "a window longer than the series": Case(30, ((3, 5), (20, 22)), 90),
    "more rows than thresholds": Case(628, ((90, 120), (300, 301), (600, 628)), 40),
}
# VUS-PR and VUS-ROC of TSB-AD 1.5 (`generate_curve`), and R-AUC-PR and R-AUC-ROC from the last
# curve of its `RangeAUC_volume_opt`.
PUBLISHED = {
    "several events": (0.51147898079, 0.70859336638, 0.6654774192, 0.83359680491),
    "a window of 0": (0.44533436965, 0.62411347518, 0.44533436965, 0.62411347518),
    "a window of 1": (0.44533436965, 0.62411347518, 0.44533436965, 0.62411347518),
    "events at both ends": (0.78156733285, 0.91774383605, 0.83063857284, 0.94590982028),
    "events that merge": (0.63598412704, 0.87845661761, 0.79509859444, 0.94654441229),
    "buffers that meet": (0.3596463728, 0.77800584009, 0.47758384617, 0.89947902032),
    "three events in one buffer": (0.58475482492, 0.87822593002, 0.66071428571, 0.92403922946),
    "ties": (0.46960538902, 0.71080984439, 0.67477930405, 0.88487677673),
    "constant scores": (0.36142503273, 0.55424070616, 0.54657826134, 0.63337790244),
    "few thresholds": (0.47073153817, 0.73646529702, 0.69038619165, 0.89660283933),
    "one threshold": (0.02564102564, 0.51282051282, 0.02564102564, 0.51282051282),
    "a window longer than the series": (0.96296237232, 0.98929629862, 1.0, 1.0),
    "more rows than thresholds": (0.47632360345, 0.83077434971, 0.54339431363, 0.88275493467),
}


def loop(labels: np.ndarray, scores: np.ndarray, window: int, thresholds: int) -> list[float]:
    """Returns the volumes and the areas of the largest window by their definition."""
    rows, spans = len(labels), [(a, b - 1) for a, b in detection.events(labels).tolist()]
    chosen = np.sort(scores)[::-1][np.linspace(0, rows - 1, thresholds).astype(int)]
    areas = []
    for size in range(window + 1):
        weights, half = labels.astype(float), size // 2
        for row in range(rows):
            for first, last in spans:
                distance = max(first - row, row - last)
                if 0 < distance <= half:
                    weights[row] += math.sqrt(1 - distance / size)
        weights = np.minimum(weights, 1)
        segments = [spans[:1]]
        for before, span in pairwise(spans):
            if span[0] - half > before[1] + half:
                segments.append([])
            segments[-1].append(span)
        x, y, pr = [0.0], [0.0], 0.0
        for threshold in chosen:
            alarms = scores >= threshold
            true = (weights * alarms).sum()
            positives = (labels.sum() + (weights * (alarms | labels)).sum()) / 2
            found = [
                alarms[max(of[0][0] - half, 0) : of[-1][1] + half + 1].any() for of in segments
            ]
            y.append(min(true / positives, 1) * np.mean(found))
            x.append((alarms.sum() - true) / (rows - positives))
            pr += (y[-1] - y[-2]) * true / alarms.sum()
        areas.append((pr, roc_area([*x, 1.0], [*y, 1.0])))
    return [*np.mean(areas, axis=0).tolist(), *areas[-1]]


def roc_area(x: list[float], y: list[float]) -> float:
    steps = zip(pairwise(x), pairwise(y), strict=True)
    return sum((right - left) * (low + high) / 2 for (left, right), (low, high) in steps)


@pytest.mark.parametrize("name", CASES)
def test_volumes_are_those_of_tsb_ad(name: str) -> None:
    assert astuple(CASES[name].volumes()) == pytest.approx(PUBLISHED[name], abs=1e-9)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.booleans(), min_size=2, max_size=40).filter(any),
    st.integers(0, 10_000),
    st.sampled_from([1, 3, 10**6]),
    st.integers(0, 25),
    st.sampled_from([1, 2, 9, 50]),
)
def test_volumes_are_those_of_a_loop(
    marks: list[bool], seed: int, levels: int, window: int, thresholds: int
) -> None:
    labels = np.array([*marks, False])
    scores = scores_of(seed, len(labels), levels)
    found = detection.volumes(labels, scores, window, thresholds)
    assert astuple(found) == pytest.approx(loop(labels, scores, window, thresholds), abs=1e-9)


@pytest.mark.parametrize("levels", [3, 10**6])
def test_one_event_without_a_buffer_has_the_areas_of_scikit_learn(levels: int) -> None:
    labels, scores = labels_of(80, (30, 42)), scores_of(1, 80, levels)
    found = detection.volumes(labels, scores, window=0, thresholds=80)
    assert found.vus_pr == pytest.approx(average_precision_score(labels, scores))
    assert found.vus_roc == pytest.approx(roc_auc_score(labels, scores))
    assert (found.range_auc_pr, found.range_auc_roc) == (found.vus_pr, found.vus_roc)


@pytest.mark.parametrize("levels", [3, 10**6])
def test_only_the_order_of_scores_counts(levels: int) -> None:
    labels, scores = labels_of(300, (40, 60), (200, 201)), scores_of(3, 300, levels)
    volumes = detection.volumes(labels, scores, 20)
    precision = detection.average_precision(labels, scores)
    for other in (scores / 7 - 5, np.log1p(scores), np.unique(scores, return_inverse=True)[1]):
        assert detection.volumes(labels, other, 20) == volumes
        assert detection.average_precision(labels, other) == precision


def test_a_perfect_score_fills_the_volumes() -> None:
    labels = labels_of(3000, (200, 260), (1000, 1001), (2990, 3000))
    assert detection.volumes(labels, labels.astype(float), 60) == Volumes(1, 1, 1, 1)
    # Without ties a threshold may lie a few rows beyond the last anomaly.
    ordered = labels + scores_of(5, 3000) / 10**7
    assert astuple(detection.volumes(labels, ordered, 60)) == pytest.approx([1] * 4, abs=0.02)
    assert detection.average_precision(labels, ordered) == 1


def test_the_nearer_an_alarm_the_larger_the_volume() -> None:
    labels = labels_of(400, (200, 210))
    rows = np.arange(400)
    found = [
        detection.volumes(labels, -np.abs(rows - 204.5 - shift), 40).vus_pr
        for shift in (0, 5, 10, 20, 60)
    ]
    assert found == sorted(found, reverse=True)
    assert len({*found}) == len(found)


@pytest.mark.parametrize("label", [False, True])
def test_without_both_labels_there_are_no_areas(label: bool) -> None:
    labels, scores = np.full(20, label), scores_of(0, 20)
    assert np.isnan(astuple(detection.volumes(labels, scores, 5))).all()
    assert math.isnan(detection.average_precision(labels, scores))


def test_volumes_of_a_long_series_take_no_time() -> None:
    rows = 20_000
    labels = labels_of(rows, *[(start, start + 20) for start in range(100, rows, 400)])
    scores, taken = scores_of(0, rows), []
    for _ in range(3):
        start = time.process_time()
        detection.volumes(labels, scores, 300, 250)
        taken.append(time.process_time() - start)
    assert min(taken) < 0.5


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.integers(-3, 3)), min_size=2, max_size=40))
def test_average_precision_is_that_of_scikit_learn(rows: list[tuple[bool, int]]) -> None:
    labels, scores = np.array([row[0] for row in rows]), np.array([row[1] for row in rows])
    if 0 < labels.sum() < len(labels):
        expected = average_precision_score(labels, scores)
        assert detection.average_precision(labels, scores) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("share", [0.02, 0.1, 0.5])
@pytest.mark.parametrize("seed", range(3))
def test_random_scores_have_the_share_of_anomalies_as_average_precision(
    share: float, seed: int
) -> None:
    labels = labels_of(3000, (500, 500 + int(3000 * share)))
    draws = [scores_of(100 * seed + draw, 3000) for draw in range(60)]
    mean = np.mean([detection.average_precision(labels, scores) for scores in draws])
    assert mean == pytest.approx(share, abs=0.01)


@pytest.mark.parametrize(
    ("marks", "expected"),
    [
        ("", []),
        (".", []),
        ("x", [[0, 1]]),
        ("x..xx.x", [[0, 1], [3, 5], [6, 7]]),
        (".xx.", [[1, 3]]),
    ],
)
def test_events_are_runs_of_labels(marks: str, expected: list[list[int]]) -> None:
    found = detection.events(marked(marks))
    assert found.shape == (len(expected), 2)
    assert found.tolist() == expected


def marked(marks: str) -> np.ndarray:
    return np.array([mark == "x" for mark in marks], bool)


def of_alarms(labels: str, alarms: str) -> dict[str, float]:
    return detection.of_alarms(marked(labels), marked(alarms))


def test_alarms_are_scored_by_hand() -> None:
    #                  three events, of which the first and the last are found; 10 normal rows
    scores = of_alarms(".xxxx...xxx....xxx..", "x..xx.x.....x.xx....")
    # Runs: 0, 3-4 (found after 2 steps), 6, 12, 14-15 (found at once).
    assert scores == pytest.approx(
        {
            "event_recall": 2 / 3,
            "event_precision": 2 / 5,
            "event_f1": 2 * (2 / 3) * (2 / 5) / (2 / 3 + 2 / 5),
            "delay": 1.0,
            "false_alarms": 1000 * 3 / 10,
            "alarm_rate": 7 / 20,
        }
    )


def test_a_run_of_alarms_over_two_events_is_one_run_and_finds_both() -> None:
    scores = of_alarms(".xx.xx...x", "..xxx.....")
    assert (scores["event_recall"], scores["event_precision"]) == (2 / 3, 1)
    assert scores["delay"] == 0.5


def test_an_alarm_beside_an_event_is_false() -> None:
    scores = of_alarms("..xx..", ".x..x.")
    assert (scores["event_recall"], scores["event_precision"], scores["event_f1"]) == (0, 0, 0)
    assert math.isnan(scores["delay"])
    assert scores["false_alarms"] == 500


def test_without_alarms_nothing_is_found() -> None:
    scores = of_alarms("..xx..", "......")
    expected = {"event_recall": 0, "event_precision": 0, "event_f1": 0, "delay": math.nan}
    assert scores == pytest.approx(
        {**expected, "false_alarms": 0, "alarm_rate": 0}, nan_ok=True, abs=0
    )


@pytest.mark.parametrize("alarms", ["......", ".x..x."])
def test_without_events_only_alarms_are_counted(alarms: str) -> None:
    scores = of_alarms("......", alarms)
    assert all(math.isnan(scores[f"event_{name}"]) for name in ("recall", "precision", "f1"))
    assert math.isnan(scores["delay"])
    assert scores["false_alarms"] == pytest.approx(1000 * alarms.count("x") / 6)
    assert detection.of_alarms(None, marked(alarms)) == {"alarm_rate": alarms.count("x") / 6}


def test_without_normal_rows_no_alarm_is_false() -> None:
    scores = of_alarms("xxx", ".x.")
    assert math.isnan(scores["false_alarms"])
    assert (scores["event_recall"], scores["event_precision"], scores["delay"]) == (1, 1, 1)


def period_of_a_loop(values: np.ndarray) -> int:
    """Returns the period by its definition, from autocovariances one by one."""
    values = values[:20_000] - values[:20_000].mean()
    last = min(400, len(values) - 1)
    products = {lag: float(values[lag:] @ values[:-lag]) for lag in range(3, last + 1)}
    peaks = [
        lag for lag in range(4, last) if products[lag] > max(products[lag - 1], products[lag + 1])
    ]
    best = max(peaks, key=products.__getitem__, default=125)
    return best if 6 <= best <= 303 else 125


@pytest.mark.parametrize("rows", [2, 5, 30, 401, 2500])
def test_the_period_is_that_of_a_loop(rows: int) -> None:
    rng = np.random.default_rng(rows)
    found = set()
    for _ in range(20):
        noise = rng.normal(size=rows)
        waves = np.sin(2 * np.pi * np.arange(rows) / rng.uniform(2, 380))
        for values in (noise, noise.cumsum(), 1e6 + 100 * waves + noise, waves + noise / 3):
            found.add(detection.period(values))
            assert detection.period(values) == period_of_a_loop(values)
    assert rows < 20 or len(found) > 5


@pytest.mark.parametrize(
    ("length", "expected"), [(5, 125), (6, 6), (24, 24), (303, 303), (304, 125), (350, 125)]
)
def test_the_period_of_a_clean_wave_is_its_length(length: int, expected: int) -> None:
    assert detection.period(np.sin(2 * np.pi * np.arange(8000) / length)) == expected


@pytest.mark.parametrize("value", [0.0, 0.1, 3.3e7])
def test_a_constant_series_and_a_line_have_no_period(value: float) -> None:
    assert detection.period(np.full(1000, value)) == 125
    assert detection.period(value + np.arange(1000)) == 125


def test_the_period_is_that_of_the_first_values() -> None:
    first, rest = (np.sin(2 * np.pi * np.arange(20_000) / length) for length in (50, 80))
    assert detection.period(np.concatenate([first, 100 * rest])) == 50


# By `find_length_rank` of TSB-AD 1.5.
PERIODS = {
    "realKnownCause/ambient_temperature_system_failure": 23,
    "realKnownCause/cpu_utilization_asg_misconfiguration": 12,
    "realKnownCause/ec2_request_latency_system_failure": 6,
    "realKnownCause/machine_temperature_system_failure": 125,
    "realKnownCause/nyc_taxi": 125,
    "realKnownCause/rogue_agent_key_hold": 125,
    "realKnownCause/rogue_agent_key_updown": 24,
    "realTraffic/TravelTime_387": 91,
    "realTraffic/TravelTime_451": 128,
    "realTraffic/occupancy_6005": 22,
    "realTraffic/occupancy_t4013": 125,
    "realTraffic/speed_6005": 17,
    "realTraffic/speed_7578": 34,
    "realTraffic/speed_t4013": 247,
}


@pytest.mark.skipif(not (MIRROR / "nab").is_dir(), reason="needs the mirrored data")
@pytest.mark.parametrize("name", PERIODS)
def test_the_period_of_published_series_is_that_of_tsb_ad(name: str) -> None:
    values = pd.read_csv(MIRROR / f"nab/data/{name}.csv")["value"].to_numpy()
    assert detection.period(values) == PERIODS[name]
