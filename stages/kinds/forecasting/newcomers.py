"""Series that training never saw, to be forecast from their own rows."""

import logging
from collections.abc import Collection, Sequence
from dataclasses import replace
from difflib import get_close_matches
from typing import Any

import numpy as np
import pandas as pd

from stages.errors import InputError
from stages.files import raw_series
from stages.files.raw_series import Layout
from stages.files.task_data import TaskData
from stages.series import ahead, statics
from stages.series.data import IngestedSeries, SeriesExamples
from stages.series.numbers import to_numbers
from stages.series.scaling import Scaler
from stages.series.splits import starts_of
from stages.series.tidying import names_of

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
    layout: Layout,
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
    _report_changed(newer_tables, data, layout)
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
    scalers = _scalers(data, table[table["series"].isin(names)])
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


def _report_changed(newer_tables: Sequence[pd.DataFrame], data: Data, layout: Layout) -> None:
    """Warns of static columns of the newer tables in which series of the task have other values
    than in training: those of training hold."""
    about, table = data.ingested.about, pd.concat(newer_tables, ignore_index=True)
    trained: dict[str, Sequence[Any]] = {**about.static, **about.categories}
    changed = []
    for column, own in trained.items():
        if column not in table:
            continue
        names = names_of(table[str(layout.series)])
        before = names.map(dict(zip(data.examples.series, own, strict=True))).astype(object)
        text = table[column].astype("str")
        is_text = column in about.categories
        now = text.to_numpy(object) if is_text else to_numbers(table[[column]], layout)[:, 0]
        given = (before.notna() & table[column].notna() & (text != "")).to_numpy()
        if (other := given & (now != before.to_numpy())).any():
            row = int(other.argmax())
            received = f"{now[row]!r}" if is_text else f"{now[row]:g}"
            changed.append(
                f"{column!r} {received} for {names.iloc[row]!r}, not {before.iloc[row]!r}"
            )
    if changed:
        log.warning(
            "static columns hold as they were in training, others are ignored: received %s: train "
            "again to change them",
            "; ".join(changed),
        )


def _scalers(data: Data, rows: pd.DataFrame) -> dict[str, Any]:
    """Returns the scalers of all series, with those of the new ones, whose tidy `rows` these are,
    behind the others where each has its own; by the names of the examples' fields."""
    examples = data.examples
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
        own = _fit(data, rows, examples.known_inputs, known=True)
        scaler = _extended(examples.known_scaler, list(columns), own)
        found |= {"known_shift_": scaler.shift_, "known_scale_": scaler.scale_}
    happened, _ = ahead.divide(rows, inputs)
    own = _fit(data, happened, inputs)
    scaler = _extended(examples.fitted_scaler, examples.inputs, own)
    return found | {"shift_": scaler.shift_, "scale_": scaler.scale_}


def _fit(data: Data, rows: pd.DataFrame, columns: Sequence[str], *, known: bool = False) -> Scaler:
    """Returns the scaler of each series of tidy rows, fitted on the values that were not filled
    in, as `scale_and_window` fits that of the inputs, or of the `known` ones."""
    from stages.series import fitting

    examples = data.examples
    series, found = rows["series"].astype("str"), _observed(rows, columns)
    starts = starts_of(pd.factorize(series)[0])
    ranges = np.stack([starts[:-1], starts[1:]], axis=1)
    for start, stop in ranges:
        absent = np.isnan(found[start:stop]).all(axis=0)
        if absent.any():
            raise InputError(
                f"column {columns[int(absent.argmax())]!r}: expected a known value of the series "
                f"{series.iloc[start]!r} to scale it by, found none"
            )
    own = fitting.fit(examples.scaler, found, ranges, True, examples.log and not known)
    if not known:
        return own
    trained = _observed(data.ingested.read(), columns)
    training = np.delete(examples.training, _dropped(examples), axis=0)
    whole = fitting.fit(examples.scaler, trained, training, False)
    return fitting.widened(own, found, ranges, whole)


def _observed(rows: pd.DataFrame, columns: Sequence[str]) -> np.ndarray:
    """Returns columns of tidy rows, (rows, columns), NaN where a value was filled in."""
    observed = rows[[f"observed_{name}" for name in columns]].to_numpy(bool)
    return np.where(observed, rows[list(columns)].to_numpy(np.float64), np.nan)


def _dropped(examples: SeriesExamples) -> list[int]:
    """Returns the numbers of the series that are too short to train."""
    return [examples.series.index(name) for name in examples.dropped_series]


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
    layout: Layout,
) -> pd.DataFrame:
    """Returns the static columns of the new series, a row for each."""
    about, series = data.ingested.about, data.examples.series
    known = pd.DataFrame({**about.static, **about.categories}, index=series, dtype=object)
    absent = [name for name in names if name not in known.index]
    if not absent or not layout.statics:
        return known.reindex(names)
    return pd.concat([known, raw_series.describe(newer_tables, layout, absent)]).loc[names]


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
