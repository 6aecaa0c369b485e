"""Calendar features, which are known for the future too.

Each cycle is a sine and a cosine, so that December is next to January.
"""

from collections.abc import Sequence
from typing import Literal

import numpy as np
import pandas as pd

from stages.errors import InputError

CalendarFeature = Literal["minute", "hour", "weekday", "day", "day_of_year", "month"]


def features(
    times: np.ndarray, names: Sequence[CalendarFeature | int], holidays_of: str | None = None
) -> np.ndarray:
    """Returns the phase of each time in each cycle, as sine and cosine, and which are holidays.

    Args:
        times: (rows,) datetime64, or whole numbers.
        names: cycles of the calendar, for datetimes; lengths of cycles in steps, for whole numbers.
        holidays_of: a place of `check_place`, or none.

    Returns:
        (rows, features) float32: two for each name, and one of 1 on the holidays of the place and 0
        on other days, if there is a place.

    Raises:
        InputError: a name does not suit the type of the times, or there are holidays and no dates.
    """
    out = np.empty((len(times), 2 * len(names) + (holidays_of is not None)), np.float32)
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
    if holidays_of is not None:
        if dates is None:
            raise InputError(
                "scale_and_window.holidays: expected dates, received times that are whole numbers"
            )
        out[:, -1] = _are_holidays(dates, holidays_of)
    return out


def check_place(place: str) -> str:
    """Returns the name of a place with holidays: the two letters of a country, such as DE, or of
    one and, behind a hyphen, of a part of it, such as US-CA. Raises `ValueError` at any other."""
    import holidays

    country, _, part = place.partition("-")
    parts = holidays.list_supported_countries().get(country)
    if parts is None or ("-" in place and part not in parts):
        known = "of a country" if parts is None else f"behind {country}-: {', '.join(parts)}"
        raise ValueError(
            f"two letters of a country with known holidays, such as DE, or US-CA for "
            f"a part of one ({known})"
        )
    return place


def _are_holidays(dates: pd.DatetimeIndex, place: str) -> np.ndarray:
    import holidays

    days = dates.normalize()
    country, _, part = place.partition("-")
    years = days.year.unique().tolist()
    free = holidays.country_holidays(country, subdiv=part or None, years=years)
    return np.asarray(days.isin(pd.DatetimeIndex(sorted(free))))


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
