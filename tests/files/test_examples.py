"""What stages write for each other: written and read again, and damaged."""

import hashlib
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from stages.errors import InputError
from stages.files import examples, tables
from stages.files.writing import read_json


@dataclass(frozen=True)
class Pairs:
    """names, sizes: plain values; the latter under another name in the file, which an array has."""

    names: list[str]
    sizes: dict[str, int] = field(metadata={"key": "values"})
    values: np.ndarray
    empty: np.ndarray


PAIRS = Pairs(["a", "b"], {"train": 3}, np.arange(1000), np.zeros((0, 2), np.float32))


def test_examples_are_what_was_written_and_stay_on_the_disk(tmp_path: Path) -> None:
    examples.write(tmp_path, PAIRS)
    restored = examples.read(tmp_path, Pairs)
    assert (restored.names, restored.sizes) == (PAIRS.names, PAIRS.sizes)
    np.testing.assert_array_equal(restored.values, PAIRS.values)
    assert isinstance(restored.values, np.memmap)
    assert restored.empty.shape == (0, 2)


def test_the_description_has_plain_values_first_and_the_sums_of_the_arrays(tmp_path: Path) -> None:
    examples.write(tmp_path, PAIRS)
    about = read_json(tmp_path / "about.json")
    assert list(about) == ["names", "values", "arrays"]
    assert about["values"] == {"train": 3}
    assert about["arrays"]["values"] == {
        "shape": [1000],
        "dtype": "int64",
        "sha256": hashlib.sha256((tmp_path / "values.npy").read_bytes()).hexdigest(),
    }


@pytest.mark.parametrize("content", [b"", b"\x93NUMPY", b"no array", None])
def test_a_damaged_array_is_one_error_that_says_how_to_go_on(
    content: bytes | None, tmp_path: Path
) -> None:
    examples.write(tmp_path, PAIRS)
    path = tmp_path / "values.npy"
    path.write_bytes(path.read_bytes()[:500] if content is None else content)
    with pytest.raises(
        InputError, match=r"values.npy: expected an array .* `dvc repro` makes it again"
    ):
        examples.read(tmp_path, Pairs)


@pytest.mark.parametrize("key", ["names", "values"])
def test_a_lost_value_is_one_error_that_names_its_key(key: str) -> None:
    content = {"names": ["a"], "values": {"train": 3}}
    arrays = {"values": PAIRS.values, "empty": PAIRS.empty}
    path = Path("x/about.json")
    assert examples.record(path, {**content, "more": 1}, Pairs, arrays).sizes == {"train": 3}
    del content[key]
    with pytest.raises(
        InputError, match=rf"x/about.json: expected the key '{key}', found none\. .*`dvc repro`"
    ):
        examples.record(path, content, Pairs, arrays)


def test_a_damaged_table_is_one_error_that_says_how_to_go_on(tmp_path: Path) -> None:
    tables.write(tmp_path / "x.parquet", pd.DataFrame({"x": [1, 2]}))
    (tmp_path / "x.parquet").write_bytes((tmp_path / "x.parquet").read_bytes()[:50])
    with pytest.raises(
        InputError, match=r"x.parquet: expected a table .* `dvc repro` makes it again"
    ):
        tables.read(tmp_path / "x.parquet")
