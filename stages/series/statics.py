"""What is the same in all rows of a series: numbers and categories."""

from collections.abc import Collection, Mapping, Sequence

import numpy as np
import pandas as pd

from stages.errors import InputError
from stages.formats import NumberFormat
from stages.series.numbers import to_numbers
from stages.series.tidying import names_of


def collect(
    table: pd.DataFrame,
    series: str,
    static: Sequence[str],
    categories: Sequence[str],
    number_format: NumberFormat,
    only: Collection[str] | None = None,
) -> pd.DataFrame:
    """Returns the static columns of a raw table with one row per series, indexed by its name.

    Args:
        series: the column of the names.
        static, categories: columns of numbers, and of text, which is taken exactly as it is
            written.
        only: the series that count; None: all.

    Raises:
        InputError: a column is missing; a series has two values in it, or a row without one.
    """
    absent = [name for name in (*static, *categories) if name not in table]
    if absent:
        raise InputError(
            f"expected the column {absent[0]!r}, which is the same in all rows of a series, found "
            f"{', '.join(map(repr, table.columns))}"
        )
    names = names_of(table[series])
    own = np.ones(len(names), bool) if only is None else names.isin(only).to_numpy()
    values = table[[*static, *categories]].copy()
    values[list(static)] = to_numbers(table[list(static)], number_format)
    keys = names[own].astype(object).to_numpy()
    columns = {name: _by_series(values.loc[own, name], keys, name in categories) for name in values}
    return pd.DataFrame(columns, index=pd.unique(keys))


def _by_series(column: pd.Series, series: np.ndarray, as_text: bool) -> pd.Series:
    """Returns the one value of each series, indexed by its name."""
    missing = (column.isna() | (column.astype("str") == "")).to_numpy()
    if missing.any():
        name = series[missing][0]
        raise InputError(
            f"column {column.name!r}: expected the same value in all rows of a series, found none "
            f"in {int(missing[series == name].sum())} rows of {name!r}: fill it in, or leave the "
            "column out"
        )
    values = names_of(column) if as_text else column
    pairs = pd.DataFrame({"series": series, "value": values.to_numpy()}).drop_duplicates()
    again = pairs["series"].duplicated()
    if again.any():
        name = pairs.loc[again, "series"].iloc[0]
        first, second = pairs.loc[pairs["series"] == name, "value"].iloc[:2]
        raise InputError(
            f"column {column.name!r}: expected the same value in all rows of a series, received "
            f"{first!r} and {second!r} for {name!r}: correct one, or leave the column out"
        )
    return pairs.set_index("series")["value"]


def standardisation(
    static: Mapping[str, Sequence[float]], training: np.ndarray
) -> dict[str, list[float]]:
    """Returns the mean and the standard deviation of each column over the series `training`. The
    deviation is 1 where all are equal, as in scikit-learn."""
    fitted = {}
    for name, column in static.items():
        values = np.asarray(column, np.float64)[training]
        varies = values.min() < values.max()
        fitted[name] = [float(values.mean()), float(values.std())] if varies else [values[0], 1.0]
    return {name: [float(number) for number in pair] for name, pair in fitted.items()}


def standardised(
    static: Mapping[str, Sequence[float]], fitted: Mapping[str, Sequence[float]], series: int
) -> np.ndarray:
    """Returns the numbers of so many series, (series, columns) float32, minus the mean and divided
    by the standard deviation of `standardisation`."""
    mean, deviation = np.array(list(fitted.values())).reshape(-1, 2).T
    return ((matrix(static, series) - mean) / deviation).astype(np.float32)


def matrix(static: Mapping[str, Sequence[float]], series: int) -> np.ndarray:
    """Returns the columns side by side, (series, columns) float64."""
    return np.array(list(static.values()), np.float64).reshape(-1, series).T


def levels(categories: Mapping[str, Sequence[str]], training: np.ndarray) -> dict[str, list[str]]:
    """Returns the different values of each column among the series `training`, sorted."""
    return {name: sorted({column[n] for n in training}) for name, column in categories.items()}


def encoded(
    categories: Mapping[str, Sequence[str]], known: Mapping[str, Sequence[str]], series: int
) -> np.ndarray:
    """Returns the number of each value among the `known` levels of its column, (series, columns)
    int32; -1 for others."""
    codes = np.empty((series, len(known)), np.int32)
    for index, (name, values) in enumerate(known.items()):
        numbers = {value: number for number, value in enumerate(values)}
        codes[:, index] = [numbers.get(value, -1) for value in categories[name]]
    return codes
