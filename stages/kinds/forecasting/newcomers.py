"""Series that training never saw, to be forecast from their own rows."""

import logging
from collections.abc import Collection, Sequence
from dataclasses import replace
from difflib import get_close_matches

import numpy as np
import pandas as pd

from stages.errors import InputError
from stages.files.task_data import TaskData
from stages.kinds.forecasting import ingest
from stages.series import statics
from stages.series.data import IngestedSeries, SeriesExamples
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
    shift, scale = _scaler(examples, table[table["series"].isin(names)])
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
            shift_=shift,
            scale_=scale,
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


def _scaler(examples: SeriesExamples, rows: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Returns the scaler's `shift_` and `scale_` of all series, with those of the new ones, whose
    tidy `rows` these are, behind the others where each has its own."""
    from stages.series import fitting

    if not examples.per_series or examples.scaler == "none":
        return examples.shift_, examples.scale_
    inputs, series = examples.input_names, rows["series"].astype("str")
    unseen = [name for name in examples.target_names if name not in inputs]
    if unseen:
        raise InputError(
            f"scale_and_window.per_series: expected the target {unseen[0]!r} among ingest.inputs "
            f"for the scaler of {series.iloc[0]!r}, which training never saw: add it there, or set "
            "per_series to false, and train again"
        )
    log.info("the new series are scaled by their own rows alone")
    observed = rows[[f"observed_{name}" for name in inputs]].to_numpy(bool)
    known = np.where(observed, rows[inputs].to_numpy(np.float64), np.nan)
    starts = starts_of(pd.factorize(series)[0])
    ranges = np.stack([starts[:-1], starts[1:]], axis=1)
    for start, stop in ranges:
        absent = np.isnan(known[start:stop]).all(axis=0)
        if absent.any():
            raise InputError(
                f"column {inputs[int(absent.argmax())]!r}: expected a known value of the series "
                f"{series.iloc[start]!r} to scale it by, found none"
            )
    own = fitting.fit(examples.scaler, known, ranges, True, examples.log)
    shape = (len(ranges), len(examples.columns))
    shift, scale = np.zeros(shape), np.ones(shape)
    shift[:, examples.inputs], scale[:, examples.inputs] = own.shift_, own.scale_
    return np.concatenate([examples.shift_, shift]), np.concatenate([examples.scale_, scale])


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
