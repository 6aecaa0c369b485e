"""What values can be: a smallest and a largest one, in raw units."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from stages.errors import InputError
from stages.series.data import SeriesExamples


def of(minimum: float | None, maximum: float | None) -> np.ndarray:
    """Returns the bounds as an array (2,), infinite where there is none."""
    return np.array(
        [-np.inf if minimum is None else minimum, np.inf if maximum is None else maximum]
    )


def check(bounds: np.ndarray, table: pd.DataFrame, targets: Sequence[str]) -> None:
    """Raises `InputError` where a known training value of an ingested table is out of bounds."""
    training = table["split"] == "train"
    for name in targets:
        values = table.loc[training & table[f"observed_{name}"], name]
        for key, side, bound, extreme, sign in (
            ("minimum", "at least", bounds[0], values.min(), 1),
            ("maximum", "at most", bounds[1], values.max(), -1),
        ):
            if sign * extreme < sign * bound:
                raise InputError(
                    f"evaluate.{key}: expected training values of {side} {bound:g}, received "
                    f"{extreme:g} in column {name!r}: move the bound or leave it out"
                )


def clip(
    scaled: np.ndarray, bounds: np.ndarray, examples: SeriesExamples, series: np.ndarray
) -> np.ndarray:
    """Returns targets (windows, horizon, targets) of `series` (windows,), moved into the bounds.

    Targets are in the scaler's units, bounds in raw ones. What is moved lies within the precision
    of the examples of a bound, and never inside of it: in raw units it can be clipped to exactly
    the bound. A target of the examples that is a bound stays.
    """
    if not np.isfinite(bounds).any():
        return scaled
    # Behind a logarithm, nothing is below 0.
    raw = np.maximum(bounds, 0) if examples.log else bounds
    with np.errstate(divide="ignore"):
        low, high = (
            examples.fitted_scaler.forward(
                np.full((len(series), 1, len(examples.targets)), bound), series, examples.targets
            ).astype(np.float32)
            for bound in raw
        )
    return np.clip(scaled, np.nextafter(low, -np.inf), np.nextafter(high, np.inf))
