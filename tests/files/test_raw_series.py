"""Tables of series for kinds that say more of them: their own parameters, and their own record."""

import gzip
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from stages.errors import InputError
from stages.files import raw_series
from stages.files.raw_series import Layout
from stages.sections import Name
from stages.series.data import IngestedSeries


class Labelled(Layout):
    label: Name

    def is_target(self, name: str) -> bool:
        return name != self.label and super().is_target(name)


@dataclass(frozen=True)
class IngestedLabels(IngestedSeries):
    labels: int


LAYOUT = Labelled.model_validate(
    {
        "file": "data/raw/x.csv",
        "targets": "all",
        "label": "odd",
        "split": {"train": 4, "validation": 2, "test": 2},
    }
)


def test_parameters_keep_their_class_when_the_targets_are_named() -> None:
    named = LAYOUT.naming(["a", "odd", "b"])
    assert (type(named), named.targets, named.label) == (Labelled, ["a", "b"], "odd")


def test_a_record_is_extended_by_its_fields() -> None:
    table = pd.DataFrame({"a": range(8), "odd": [0, 1] * 4}).astype(str)
    tidy, about = raw_series.ingest([table], LAYOUT)
    assert tidy["a"].tolist() == list(range(8))
    assert "odd" not in tidy
    extended = IngestedLabels(**vars(about), labels=4)
    assert (extended.targets, extended.rows, extended.labels) == (["a"], 8, 4)


FILES = {"file": "data/raw/d", "layout": "files", "time": "t", "targets": ["y"]}
SPLIT = {"train": 2, "validation": 1, "test": "rest"}


def layout(**section: Any) -> Layout:
    return Layout.model_validate({**FILES, "split": SPLIT, **section})


def write(folder: Path, **lengths: int) -> None:
    """Writes one table for each name, of so many rows; their values begin at this number."""
    for name, length in lengths.items():
        rows = "".join(f"{time},{length + time}\n" for time in range(length))
        (folder / f"{name}.csv").write_text(f"t,y\n{rows}")


def ingested(folder: Path, **section: Any) -> dict[str, list[float]]:
    """Returns the values of each series of the folder, in their order."""
    parameters = layout(**section)
    table, about = raw_series.ingest(raw_series.read(folder, parameters), parameters)
    found = {str(name): own["y"].tolist() for name, own in table.groupby("series", observed=True)}
    assert about.series == len(found)
    return found


def test_each_file_is_a_series_that_is_called_like_it(tmp_path: Path) -> None:
    write(tmp_path, b=4, a=5)
    (tmp_path / "README.md").write_text("Not a table.\n")
    (tmp_path / "more.json").write_text("{}\n")
    (tmp_path / "c.1.tsv.gz").write_bytes(gzip.compress(b"t\ty\n0\t9\n1\t8\n2\t7\n3\t6\n"))
    assert ingested(tmp_path) == {"a": [5, 6, 7, 8, 9], "b": [4, 5, 6, 7], "c.1": [9, 8, 7, 6]}
    assert ingested(tmp_path, parts=["b.csv"]) == {"b": [4, 5, 6, 7]}
    assert list(ingested(tmp_path, parts=["b.csv", "a.csv"])) == ["b", "a"]


def test_steps_of_files_count_from_the_first_row_of_each(tmp_path: Path) -> None:
    write(tmp_path, a=5, b=4)
    parameters = layout(time=None)
    table, _ = raw_series.ingest(raw_series.read(tmp_path, parameters), parameters)
    assert table["time"].tolist() == [*range(5), *range(4)]


def test_files_that_would_be_one_series_are_an_error(tmp_path: Path) -> None:
    for name in ("p", "q"):
        (tmp_path / name).mkdir()
        write(tmp_path / name, a=4)
    with pytest.raises(InputError, match=r"names differ .* received \S+p/a\.csv and \S+q/a\.csv"):
        ingested(tmp_path, parts=["p/a.csv", "q/a.csv"])
    write(tmp_path, a=4)
    (tmp_path / "a.tsv").write_text("t\ty\n5\t9\n")
    with pytest.raises(InputError, match="each is a series, received"):
        ingested(tmp_path)


def test_folders_without_tables_are_an_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"expected tables in it \(\.csv"):
        ingested(tmp_path)
    with pytest.raises(InputError, match="expected a folder of tables, found none"):
        ingested(tmp_path / "none")
    write(tmp_path, a=4)
    with pytest.raises(InputError, match="expected a folder of tables, found none"):
        ingested(tmp_path / "a.csv")
    with pytest.raises(InputError, match=r"a raw file at \S+/b\.csv, found none"):
        ingested(tmp_path, parts=["a.csv", "b.csv"])
    (tmp_path / "b.csv").write_text("t,z\n0,1\n")
    with pytest.raises(InputError, match=r"b\.csv: expected the column 'y', found 't', 'z'"):
        ingested(tmp_path)


def test_files_have_no_column_of_series() -> None:
    with pytest.raises(ValueError, match="no `series`: each file is one, named after it"):
        layout(series="shop")


def test_newer_rows_name_their_series_or_their_file_does(tmp_path: Path) -> None:
    write(tmp_path, a=3)
    (table,) = raw_series.read(tmp_path / "a.csv", layout(), newer=True)
    assert table["series"].tolist() == ["a"] * 3
    (tmp_path / "newer.csv").write_text("t,series,y\n3,a,1\n3,01,2\n")
    (table,) = raw_series.read(tmp_path / "newer.csv", layout(), newer=True)
    assert table["series"].tolist() == ["a", "01"]
    # In training the name of the file counts, and the column is not read.
    (table,) = raw_series.read(tmp_path, layout(parts=["newer.csv"]))
    assert table["series"].tolist() == ["newer"] * 2


def test_other_columns_are_read_as_text(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("title\nt,y,note\n0,1,1.50\n1,2,\n")
    (table,) = raw_series.read(tmp_path, layout(), also=["note"])
    assert table["note"].tolist() == ["1.50", ""]
    (tmp_path / "a.csv").write_text("t,y\n0,1\n")
    with pytest.raises(InputError, match=r"a\.csv: expected the column 'note', found 't', 'y'"):
        raw_series.read(tmp_path, layout(), also=["note"])


def test_the_clock_has_the_series_and_the_time_of_each_raw_row(tmp_path: Path) -> None:
    write(tmp_path, a=3, b=2)
    for parameters in (layout(), layout(time=None)):
        clock = raw_series.clock(raw_series.read(tmp_path, parameters), parameters)
        assert clock["time"].tolist() == [0, 1, 2, 0, 1]
        assert clock["series"].tolist() == ["a"] * 3 + ["b"] * 2
