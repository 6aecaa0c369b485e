"""Calendar features, which are known for the future too.

Each is a sine and a cosine, so that December is next to January.
"""

from collections.abc import Sequence
from typing import Literal

import numpy as np
import pandas as pd

from stages.errors import InputError

CalendarFeature = Literal["minute", "hour", "weekday", "day", "day_of_year", "month"]


def features(times: np.ndarray, names: Sequence[CalendarFeature | int]) -> np.ndarray:
    """Returns the phase of each time in each cycle, as sine and cosine.

    Args:
        times: (rows,) datetime64, or whole numbers.
        names: cycles of the calendar, for datetimes; lengths of cycles in steps, for whole numbers.

    Returns:
        (rows, 2 * names) float32.

    Raises:
        InputError: a name does not suit the type of the times.
    """
    out = np.empty((len(times), 2 * len(names)), np.float32)
    dates = (
        pd.DatetimeIndex(times) if np.issubdtype(np.asarray(times).dtype, np.datetime64) else None
    )
    for column, name in enumerate(names):
        if (dates is None) == isinstance(name, str):
            expected = (
                "lengths in steps such as 24, as times are whole numbers"
                if dates is None
                else "names such as hour or month"
            )
            raise InputError(f"scale_and_window.calendar: expected {expected}, received {name!r}")
        phase = np.asarray(times) / name if dates is None else _phase(dates, str(name))
        angle = 2 * np.pi * (phase % 1)
        out[:, 2 * column], out[:, 2 * column + 1] = np.sin(angle), np.cos(angle)
    return out


def _phase(dates: pd.DatetimeIndex, name: str) -> np.ndarray:
    """Returns the fraction of the cycle that has passed, in [0, 1)."""
    match name:
        case "minute":
            phase = dates.minute / 60
        case "hour":
            phase = (dates.hour + dates.minute / 60) / 24
        case "weekday":
            phase = (dates.day_of_week + dates.hour / 24) / 7
        case "day":
            phase = (dates.day - 1) / dates.days_in_month
        case "day_of_year":
            phase = (dates.day_of_year - 1) / np.where(dates.is_leap_year, 366, 365)
        case _:
            phase = (dates.month - 1) / 12
    return np.asarray(phase)
