"""Evaluation by origin: the test split in stretches, one after the other, and the scores in each.

One network forecasts all of them. With `refit` there is also one for each stretch, trained on all
rows before the stretch's first target row, as by a user who trains again from time to time.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd

from stages.files.task_data import TaskData
from stages.kinds.data import Baselines, Picture
from stages.kinds.forecasting.scores import SCORES
from stages.scores import numbers
from stages.series import times
from stages.series.data import IngestedSeries, SeriesExamples
from stages.series.drawing import draw_origins
from stages.series.outcomes import Outcomes

Data = TaskData[IngestedSeries, SeriesExamples]
Retrain = Callable[[Any, str], Callable[..., np.ndarray]]

MODEL, REFITTED = "model", "refitted"


def refitted(examples: SeriesExamples, test: Outcomes, count: int, retrain: Retrain) -> np.ndarray:
    """Returns forecasts of the test windows, (windows, horizon, targets) in the scaler's units,
    each by the network of its stretch."""
    stretches = test.stretches(count)
    forecast = np.empty(test.scaled.shape, np.float32)
    for number, (first, after) in enumerate(pairwise(test.edges(count))):
        predict = retrain(examples.until(first), f"origin_{number + 1}")
        own = replace(test.windows, spans=np.stack([first, after], axis=1))
        forecast[stretches == number] = predict(own)
    return test.clipped(forecast)


@dataclass(frozen=True)
class Origins:
    """The scores of each stretch.

    Attributes:
        rows: for each stretch and method its number, from 1, `method`, `origin`, the time of the
            last row before its first target row, `windows`, the scores in raw units, and for the
            networks `skill`.
        score: the one that skill is of.
        baseline: the one that skill is against: the best one of the whole test split.
    """

    rows: pd.DataFrame
    score: str
    baseline: str

    @property
    def won(self) -> float:
        """The share of the stretches with a known target in which the network is better."""
        own = self.rows[self.rows["method"] == MODEL]
        return float((own["skill"].to_numpy(float) > 0).sum() / own[self.score].notna().sum())

    @property
    def csv(self) -> str:
        return str(self.rows.to_csv(index=False, float_format="%.7g", lineterminator="\n"))

    @property
    def picture(self) -> Picture:
        """The score of all methods by origin."""
        rows = self.rows
        if isinstance(rows["origin"].dtype, pd.DatetimeTZDtype):
            rows = rows.assign(origin=rows["origin"].dt.tz_localize(None))
        draw = partial(draw_origins, table=rows, score=self.score)
        return Picture("error on the test split, by origin", [draw])


def scored(
    data: Data,
    test: Outcomes,
    forecasts: Mapping[str, np.ndarray],
    baselines: Baselines,
    count: int,
    score: str,
) -> Origins:
    """Scores each of `count` stretches of the test windows.

    Args:
        forecasts: of the networks `MODEL` and, if there are such, `REFITTED`, (windows, horizon,
            targets) in the scaler's units.
        score: by which the task is judged, and skill goes if it exists for a stretch; else by
            `mae`.
    """
    scale = baselines.arrays["mase_scale"]
    tables = {
        method: pd.DataFrame(test.scores_by_origin(forecast, scale, count))
        for method, forecast in forecasts.items()
    }
    name = score if score in tables[MODEL] else "mae"
    whole = {method: numbers(entry)[name] for method, entry in baselines.scores.items()}
    best = SCORES[name].best(whole)
    for method, entry in baselines.scores.items():
        tables[method] = pd.DataFrame(entry["by_origin"], dtype=np.float64)
    shared = {
        "origin": _first_origins(data, test, count),
        "windows": np.bincount(test.stretches(count), minlength=count),
    }
    rows = []
    for method, table in tables.items():
        pairs = zip(table[name], tables[best][name], strict=True)
        skill = [SCORES[name].skill(*pair) if method in forecasts else None for pair in pairs]
        heads = {"stretch": np.arange(1, count + 1), "method": method, **shared}
        rows.append(table.assign(**heads, skill=np.array(skill, np.float64)))
    joined = pd.concat(rows, ignore_index=True).sort_values("stretch", kind="stable")
    columns = ["stretch", "method", *shared, *tables[MODEL].columns, "skill"]
    return Origins(joined[columns], name, best)


def _first_origins(data: Data, test: Outcomes, count: int) -> np.ndarray | pd.DatetimeIndex:
    """Returns the time of the first origin of each stretch over all series that have windows in it,
    (count,)."""
    clock, about = data.ingested.read(["time"])["time"].to_numpy(), data.ingested.about
    earliest = [
        clock[first[first < after] - 1].min() for first, after in pairwise(test.edges(count))
    ]
    return times.shown(np.array(earliest), about.zone, about.in_utc)
