"""Series that training never saw, to be forecast from their own rows."""

import logging
from collections.abc import Collection, Sequence
from dataclasses import replace
from difflib import get_close_matches
from typing import Any

import numpy as np
import pandas as pd

from stages.errors import InputError
from stages.files.task_data import TaskData
from stages.kinds.forecasting import ingest
from stages.series import ahead, statics
from stages.series.data import IngestedSeries, SeriesExamples
from stages.series.scaling import Scaler
from stages.series.splits import starts_of

log = logging.getLogger("reprise")

Data = TaskData[IngestedSeries, SeriesExamples]

# So many names of new series are logged.
SHOWN = 20
# So many pairs of a new and a known name are compared, at up to 0.2 ms each.
PAIRS = 20_000


def admit(
    table: pd.DataFrame,
    newer_tables: Sequence[pd.DataFrame],
    data: Data,
    layout: ingest.Parameters,
    network_inputs: Collection[str],
) -> Data:
    """Returns the data with the series of a tidy table that training never saw behind the others,
    those included that were too short for it.

    They are scaled as all series are, or, where each has a scaler of its own, by one that is fitted
    on their rows. Static columns come from the newer raw tables; those of series of the task are
    known.

    Raises:
        InputError: the network cannot know anything of such a series, or the tables lack what it
            has to know.
    """
    examples = data.examples
    trained = set(examples.series) - set(examples.dropped_series)
    names = [name for name in table["series"].cat.categories if name not in trained]
    if not names:
        return data
    _report(names, sorted(trained))
    if "series" in network_inputs:
        raise InputError(
            f"train.embedding: expected a series that training saw, as the network learned each of "
            f"them by its name, received {names[0]!r}: leave it out, or set train.embedding to "
            "false and train again"
        )
    scalers = _scalers(examples, table[table["series"].isin(names)])
    about = _describe(names, newer_tables, data, layout)
    static = {name: about[name].tolist() for name in examples.standardisation}
    categories = {name: about[name].tolist() for name in examples.levels}
    codes = statics.encoded(categories, examples.levels, len(names))
    _check_levels(codes, names, categories, examples)
    numbers = statics.standardised(static, examples.standardisation, len(names))
    return data.with_examples(
        replace(
            examples,
            # One that was too short occurs twice: its last number is that of its rows here.
            series=[*examples.series, *names],
            dropped_series=[],
            static=np.concatenate([examples.static, numbers]),
            categories=np.concatenate([examples.categories, codes]),
            **scalers,
        )
    )


def _report(names: Sequence[str], trained: Sequence[str]) -> None:
    """Warns of new series, as a name may be a misspelt one."""
    shown, compared = [], PAIRS // len(trained)
    for number, name in enumerate(names[:SHOWN]):
        near = get_close_matches(name, trained, n=1) if number < compared else []
        shown.append(f"{name!r} (is it {near[0]!r}?)" if near else repr(name))
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    log.warning(
        "series that training never saw, forecast from their own rows: %s%s",
        ", ".join(shown),
        more,
    )


def _scalers(examples: SeriesExamples, rows: pd.DataFrame) -> dict[str, Any]:
    """Returns the scalers of all series, with those of the new ones, whose tidy `rows` these are,
    behind the others where each has its own; by the names of the examples' fields."""
    if not examples.per_series or examples.scaler == "none":
        return {}
    inputs = examples.input_names
    unseen = [name for name in examples.target_names if name not in inputs]
    if unseen:
        raise InputError(
            f"scale_and_window.per_series: expected the target {unseen[0]!r} among ingest.inputs "
            f"for the scaler of {rows['series'].iloc[0]!r}, which training never saw: add it, or "
            "set per_series to false, and train again"
        )
    log.info("the new series are scaled by their own rows alone")
    found: dict[str, Any] = {}
    if examples.known_inputs:
        features = examples.known.shape[1]
        columns = range(features - len(examples.known_inputs), features)
        own = _fit(examples, rows, examples.known_inputs, log=False)
        scaler = _extended(examples.known_scaler, list(columns), own)
        found |= {"known_shift_": scaler.shift_, "known_scale_": scaler.scale_}
    happened, _ = ahead.divide(rows, inputs)
    own = _fit(examples, happened, inputs, log=examples.log)
    scaler = _extended(examples.fitted_scaler, examples.inputs, own)
    return found | {"shift_": scaler.shift_, "scale_": scaler.scale_}


def _fit(
    examples: SeriesExamples, rows: pd.DataFrame, columns: Sequence[str], *, log: bool
) -> Scaler:
    """Returns the scaler of each series of tidy rows, fitted on the values that were not filled
    in."""
    from stages.series import fitting

    series = rows["series"].astype("str")
    observed = rows[[f"observed_{name}" for name in columns]].to_numpy(bool)
    known = np.where(observed, rows[list(columns)].to_numpy(np.float64), np.nan)
    starts = starts_of(pd.factorize(series)[0])
    ranges = np.stack([starts[:-1], starts[1:]], axis=1)
    for start, stop in ranges:
        absent = np.isnan(known[start:stop]).all(axis=0)
        if absent.any():
            raise InputError(
                f"column {columns[int(absent.argmax())]!r}: expected a known value of the series "
                f"{series.iloc[start]!r} to scale it by, found none"
            )
    return fitting.fit(examples.scaler, known, ranges, True, log)


def _extended(scaler: Scaler, columns: list[int], own: Scaler) -> Scaler:
    """Returns the scaler with rows for more series, of whose features `own` scales some columns."""
    shape = (len(own.shift_), scaler.shift_.shape[1])
    shift, scale = np.zeros(shape), np.ones(shape)
    shift[:, columns], scale[:, columns] = own.shift_, own.scale_
    return Scaler(
        np.concatenate([scaler.shift_, shift]), np.concatenate([scaler.scale_, scale]), scaler.log
    )


def _describe(
    names: Sequence[str],
    newer_tables: Sequence[pd.DataFrame],
    data: Data,
    layout: ingest.Parameters,
) -> pd.DataFrame:
    """Returns the static columns of the new series, a row for each."""
    about, series = data.ingested.about, data.examples.series
    known = pd.DataFrame({**about.static, **about.categories}, index=series, dtype=object)
    absent = [name for name in names if name not in known.index]
    if not absent or not layout.statics:
        return known.reindex(names)
    return pd.concat([known, ingest.describe(newer_tables, layout, absent)]).loc[names]


def _check_levels(
    codes: np.ndarray,
    names: Sequence[str],
    categories: dict[str, list[str]],
    examples: SeriesExamples,
) -> None:
    if not (codes < 0).any():
        return
    number, index = np.argwhere(codes < 0)[0]
    name, levels = list(examples.levels.items())[index]
    raise InputError(
        f"column {name!r}: expected one of the {len(levels)} values that training saw, such as "
        f"{levels[0]!r}, received {categories[name][number]!r} for the series {names[number]!r}, "
        "of which the network has learned nothing: leave the series out, or train with such ones"
    )
