"""What stages write for each other, when it is damaged."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from stages.errors import InputError
from stages.files import examples, tables


@pytest.mark.parametrize("content", [b"", b"\x93NUMPY", b"no array", None])
def test_a_damaged_array_is_one_error_that_says_how_to_go_on(
    content: bytes | None, tmp_path: Path
) -> None:
    examples.write(tmp_path, examples.Examples({"x": np.arange(1000)}, {}))
    path = tmp_path / "x.npy"
    path.write_bytes(path.read_bytes()[:500] if content is None else content)
    with pytest.raises(InputError, match=r"x.npy: expected an array .* `dvc repro` makes it again"):
        examples.read(tmp_path)


def test_a_damaged_table_is_one_error_that_says_how_to_go_on(tmp_path: Path) -> None:
    tables.write(tmp_path / "x.parquet", pd.DataFrame({"x": [1, 2]}))
    (tmp_path / "x.parquet").write_bytes((tmp_path / "x.parquet").read_bytes()[:50])
    with pytest.raises(
        InputError, match=r"x.parquet: expected a table .* `dvc repro` makes it again"
    ):
        tables.read(tmp_path / "x.parquet")
