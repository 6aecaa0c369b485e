"""Scores of anomaly detection in one series, and the period by which they choose their window.

Labels and alarms are arrays of bool, scores arrays of numbers, one for each row; scores are the
higher the more anomalous a row is. An event is a run of rows that are labelled. Scores of rows are
never NaN.
"""

from dataclasses import dataclass

import numpy as np

# The autocorrelation of so many values is searched for a period, from the first lag to the last.
PERIOD_ROWS = 20_000
FIRST_LAG, LAST_LAG = 3, 400
# A peak at another lag is no period, and the one that is taken instead.
SHORTEST_PERIOD, LONGEST_PERIOD = 6, 303
NO_PERIOD = 125


@dataclass(frozen=True)
class Volumes:
    """Areas and volumes of `volumes`, each from 0 to 1.

    Attributes:
        vus_pr, vus_roc: volumes under the surfaces of precision over recall, and of recall over
            the false positive rate: the means over all windows of the areas under the curves.
        range_auc_pr, range_auc_roc: the areas under the curves of the largest window.
    """

    vus_pr: float
    vus_roc: float
    range_auc_pr: float
    range_auc_roc: float


def events(labels: np.ndarray) -> np.ndarray:
    """Returns the first row of each run of True, and the row after its last one.

    Args:
        labels: (rows,) bool.

    Returns:
        (events, 2) rows, in their order.
    """
    changes = np.diff(labels.astype(np.int8), prepend=0, append=0)
    return np.flatnonzero(changes).reshape(-1, 2)


def volumes(labels: np.ndarray, scores: np.ndarray, window: int, thresholds: int = 250) -> Volumes:
    """Returns the volumes under the surface, which forgive an alarm that is a little early or late.

    Paparrizos et al., "Volume under the surface: a new accuracy evaluation measure for time-series
    anomaly detection", PVLDB 2022, as in the benchmark TSB-AD (Liu and Paparrizos, 2024), whose
    numbers these are. They depend on the order of the scores alone, and on which of them are equal.

    Each window from 0 to `window` gives one curve. Rows at a distance d of at most window // 2 from
    the nearest row of an event form its buffer and have the weight sqrt(1 - d / window). Weights of
    several buffers add up to at most 1, the weight of the rows of events. A threshold is one of
    `thresholds` scores, evenly spaced by rank from the highest to the lowest, and the rows that
    reach it are alarms. At each threshold

    - true positives are the sum of the weights of alarms, false positives the rest of their number;
    - the number of positives is the mean of two numbers: labelled rows, and these plus the weights
      of alarms in buffers. A buffer without an alarm thus asks for none;
    - recall is true positives per positive, at most 1, times the existence factor: the share of
      events with an alarm in them or in their buffers, where events whose buffers share a row are
      one;
    - the false positive rate is false positives per row that is no positive;
    - precision is true positives per alarm.

    The area of precision is the sum over thresholds of precision times the step of recall, as in
    average precision; that of the false positive rate follows the trapezoidal rule, from (0, 0) to
    (1, 1). A random score does not have the area 0.5: alarms in buffers count for it, the more so
    the larger the window and the more events there are.

    Args:
        labels: (rows,) bool.
        scores: (rows,) without NaN.
        window: steps, 0 or more; by custom the `period` of the series.
        thresholds: at least 1.

    Returns:
        NaN for all where no row, or every row, is labelled.
    """
    if labels.all() or not labels.any():
        return Volumes(*[np.nan] * 4)
    ranks = _ranks(scores.astype(np.float64), thresholds)
    alarms, hits = (
        np.bincount(those, minlength=thresholds + 1)[:thresholds].cumsum()
        for those in (ranks, ranks[labels])
    )
    buffers = _buffers(labels, ranks, window, thresholds)
    existence = _existence(labels, ranks, window // 2, thresholds)
    true = hits + buffers
    positives = labels.sum() + buffers / 2
    recall = np.minimum(true / positives, 1) * existence[np.arange(window + 1) // 2]
    false_rate = (alarms - true) / (len(labels) - positives)
    pr = (np.diff(recall, prepend=0, axis=1) * (true / alarms)).sum(axis=1)
    y, x = (
        np.pad(rates, ((0, 0), (1, 1)), constant_values=((0, 0), (0, 1)))
        for rates in (recall, false_rate)
    )
    roc = np.trapezoid(y, x, axis=1)
    return Volumes(float(pr.mean()), float(roc.mean()), float(pr[-1]), float(roc[-1]))


def _ranks(scores: np.ndarray, thresholds: int) -> np.ndarray:
    """Returns the number of the first threshold, from the highest, at which each row is an alarm;
    `thresholds` where there is none. (rows,)"""
    # Rounded down as TSB-AD does it: in whole numbers some places would be the next one.
    places = np.linspace(0, len(scores) - 1, thresholds).astype(int)
    return np.searchsorted(np.sort(-scores)[places], -scores)


def _buffers(labels: np.ndarray, ranks: np.ndarray, window: int, thresholds: int) -> np.ndarray:
    """Returns the sum of the weights of the alarms in buffers, (window + 1, thresholds).

    The distance is at most half of the window, so a weight is at least sqrt(1 / 2) and two add up
    to more than 1: a row counts by its distance from the nearest event until a second one comes
    within reach, and in full from then on.
    """
    reach = window // 2
    rows = np.flatnonzero(~labels & (ranks < thresholds))
    nearest, second = _distances(events(labels), rows)
    near = np.flatnonzero(nearest <= reach)
    near = near[np.argsort(second[near], kind="stable")]
    nearest, second, ranks = nearest[near], second[near], ranks[rows[near]]
    of_one, of_several = np.zeros((reach + 1, thresholds)), np.zeros(thresholds)
    np.add.at(of_one, (nearest, ranks), 1)
    bounds = np.searchsorted(second, np.arange(reach + 2))
    weights = np.empty((window + 1, thresholds))
    for half in range(reach + 1):
        joining = slice(*bounds[half : half + 2])
        np.subtract.at(of_one, (nearest[joining], ranks[joining]), 1)
        np.add.at(of_several, ranks[joining], 1)
        distances = np.arange(1, half + 1)
        for size in range(2 * half, min(2 * half + 1, window) + 1):
            weights[size] = np.sqrt(1 - distances / size) @ of_one[1 : half + 1] + of_several
    return weights.cumsum(axis=1)


def _distances(spans: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Returns the steps from rows without a label to the nearest event and to the second nearest
    one, (2, rows). Where there is no second event it is very far."""
    far = np.iinfo(np.int64).max // 4
    starts = np.concatenate([spans[:, 0], [far, far]])
    lasts = np.concatenate([[-far, -far], spans[:, 1] - 1])
    after = np.searchsorted(spans[:, 0], rows)
    candidates = [rows - lasts[after], rows - lasts[after + 1], starts[after] - rows]
    return np.sort([*candidates, starts[after + 1] - rows], axis=0)[:2]


def _existence(labels: np.ndarray, ranks: np.ndarray, reach: int, thresholds: int) -> np.ndarray:
    """Returns the share of events, with buffers of 0 to `reach` rows on each side, that have an
    alarm in them, (reach + 1, thresholds)."""
    spans = events(labels)
    first, last = spans[:, 0], spans[:, 1] - 1
    gaps = first[1:] - last[:-1]
    # Every other segment lies between two events.
    lowest = np.minimum.reduceat(np.append(ranks, thresholds), spans.ravel())[::2]
    shares = np.empty((reach + 1, thresholds))
    for half in range(reach + 1):
        before, after = np.maximum(first - half, 0), np.minimum(last + half, len(labels) - 1)
        lowest = np.minimum(lowest, np.minimum(ranks[before], ranks[after]))
        groups = np.concatenate([[0], 1 + np.flatnonzero(gaps > 2 * half)])
        found = np.bincount(np.minimum.reduceat(lowest, groups), minlength=thresholds + 1)
        shares[half] = found[:thresholds].cumsum() / len(groups)
    return shares


def average_precision(labels: np.ndarray, scores: np.ndarray) -> float:
    """Returns the area under the curve of precision over recall (AUC-PR): the sum over all
    different scores, as thresholds, of precision times the step of recall. A random score has the
    share of labelled rows.

    Args:
        labels: (rows,) bool.
        scores: (rows,) without NaN.

    Returns:
        NaN where no row, or every row, is labelled.
    """
    if labels.all() or not labels.any():
        return float("nan")
    values, places = np.unique(scores, return_inverse=True)
    alarms, true = (
        np.bincount(those, minlength=len(values))[::-1].cumsum()
        for those in (places, places[labels])
    )
    return float((np.diff(true, prepend=0) * (true / alarms)).sum() / true[-1])


def of_alarms(labels: np.ndarray | None, alarms: np.ndarray) -> dict[str, float]:
    """Returns the scores of alarms, event by event. An event that is found counts as one, not as
    all of its rows: no point adjustment.

    Args:
        labels: (rows,) bool, None where there are none.
        alarms: (rows,) bool, at least one row. Runs of alarms count as one.

    Returns:
        `alarm_rate`, the share of rows with an alarm, and with labels also
        `event_recall`: the share of events that have an alarm in them;
        `event_precision`: the share of runs of alarms that share a row with an event, 0 where there
        is no alarm;
        `event_f1`: their harmonic mean, 0 where both are 0;
        `delay`: the mean steps from the first row of an event to the first alarm in it, over the
        events that are found; NaN where none is;
        `false_alarms`: runs of alarms that share no row with an event, per 1,000 rows without a
        label; NaN where every row has one.
        Without an event, recall, precision and F1 are NaN.
    """
    rate = {"alarm_rate": float(alarms.mean())}
    if labels is None:
        return rate
    spans, runs = events(labels), events(alarms)
    found, touching = _touched(spans, alarms), _touched(runs, labels)
    recall = precision = f1 = float("nan")
    if len(spans):
        recall = float(found.mean())
        precision = float(touching.mean()) if len(runs) else 0.0
        # Both or neither are 0.
        f1 = 2 * precision * recall / (precision + recall) if recall else 0.0
    starts, rows = spans[found, 0], np.flatnonzero(alarms)
    delays = rows[np.searchsorted(rows, starts)] - starts
    normal = len(labels) - int(labels.sum())
    return {
        "event_recall": recall,
        "event_precision": precision,
        "event_f1": f1,
        "delay": float(delays.mean()) if len(delays) else float("nan"),
        "false_alarms": 1000 * int((~touching).sum()) / normal if normal else float("nan"),
        **rate,
    }


def _touched(spans: np.ndarray, marked: np.ndarray) -> np.ndarray:
    """Returns which of some runs of rows have a marked row in them, (spans,) bool."""
    before = np.concatenate([[0], np.cumsum(marked)])
    return before[spans[:, 1]] > before[spans[:, 0]]


def period(values: np.ndarray) -> int:
    """Returns the lag by which the benchmark TSB-AD chooses windows: that of the highest local
    maximum of the autocorrelation of the first 20,000 values, of those between lag 3 and lag 400.

    Liu and Paparrizos, "The elephant in the room: towards a reliable time-series anomaly detection
    benchmark", 2024. `stages.series.seasons` decides whether a series has a season at all; this
    always returns a lag.

    Args:
        values: (rows,) without NaN.

    Returns:
        From 6 to 303 steps; 125 where the highest maximum lies at another lag, where there is no
        maximum, and for a constant series. Between maxima that are equal rounding decides.
    """
    values = values[:PERIOD_ROWS].astype(np.float64)
    # Padded with zeros so that no lag wraps around.
    size = 2 ** (2 * len(values)).bit_length()
    spectrum = np.fft.rfft(values - values.mean(), size)
    power = spectrum.real**2 + spectrum.imag**2
    covariances = np.fft.irfft(power, size)[FIRST_LAG : min(LAST_LAG + 1, len(values))]
    inner = covariances[1:-1]
    peaks = np.flatnonzero((inner > covariances[:-2]) & (inner > covariances[2:]))
    if not len(peaks):
        return NO_PERIOD
    lag = FIRST_LAG + 1 + int(peaks[np.argmax(inner[peaks])])
    return lag if SHORTEST_PERIOD <= lag <= LONGEST_PERIOD else NO_PERIOD
