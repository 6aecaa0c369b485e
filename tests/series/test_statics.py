"""What is the same in all rows of a series, beside loops and scikit-learn."""

import numpy as np
import pandas as pd
import pytest
from sklearn.preprocessing import StandardScaler

from stages.errors import InputError
from stages.formats import NumberFormat
from stages.series import statics

FORMAT = NumberFormat(file="data/raw/x.csv")
TABLE = pd.DataFrame(
    {
        "shop": ["b", "a", "b", "c", "a"],
        "size": ["2,5", "10", "2,5", "7", "10"],
        "floors": [1.0, 2.0, 1.0, 3.0, 2.0],
        "region": ["NA", "01", "NA", " 1", "01"],
    }
)


def test_each_series_has_the_values_of_its_rows_as_they_are_written() -> None:
    found = statics.collect(TABLE, "shop", ["size", "floors"], ["region"], FORMAT)
    assert found.to_dict("index") == {
        "b": {"size": 2.5, "floors": 1.0, "region": "NA"},
        "a": {"size": 10.0, "floors": 2.0, "region": "01"},
        "c": {"size": 7.0, "floors": 3.0, "region": " 1"},
    }
    assert list(found.index) == ["b", "a", "c"]


def test_a_category_is_text_whatever_the_type_of_its_column() -> None:
    found = statics.collect(TABLE, "shop", [], ["floors"], FORMAT)
    assert found["floors"].tolist() == ["1.0", "2.0", "3.0"]


def test_series_that_do_not_count_may_have_any_values() -> None:
    table = TABLE.assign(floors=[1.0, 2.0, 9.0, np.nan, 2.0], region=["x", "01", "", "", "01"])
    found = statics.collect(table, "shop", ["floors"], ["region"], FORMAT, only=["a"])
    assert found.to_dict("index") == {"a": {"floors": 2.0, "region": "01"}}


@pytest.mark.parametrize(
    ("column", "values", "message"),
    [
        ("floors", [1, 2, 4, 3, 2], r"^column 'floors': .* received 1.0 and 4.0 for 'b': "),
        ("floors", [1, 2, 1, np.nan, 2], r"^column 'floors': .* none in 1 rows of 'c': "),
        ("region", ["n", "s", "m", "n", "s"], r"^column 'region': .* 'n' and 'm' for 'b': "),
        ("region", ["n", "", "n", "n", ""], r"^column 'region': .* none in 2 rows of 'a': "),
        ("region", ["n", None, "n", "n", "s"], r"^column 'region': .* none in 1 rows of 'a': "),
        ("size", ["1", "2", "big", "3", "2"], r"^column 'size': .* 'big' in data row 3"),
    ],
)
def test_two_values_or_none_are_one_error(column: str, values: list[object], message: str) -> None:
    table = TABLE.assign(**{column: values})
    with pytest.raises(InputError, match=message):
        statics.collect(table, "shop", ["size", "floors"], ["region"], FORMAT)


def test_a_column_that_is_missing_is_named() -> None:
    with pytest.raises(InputError, match=r"expected the column 'age', .* found 'shop', 'size'"):
        statics.collect(TABLE, "shop", ["size", "age"], [], FORMAT)


def test_numbers_are_standardised_over_the_series_that_train_as_scikit_learn_does() -> None:
    rng = np.random.default_rng(0)
    columns = {"size": rng.normal(50, 9, 12).tolist(), "same": [0.1] * 11 + [3.0]}
    training = np.arange(11)
    fitted = statics.standardisation(columns, training)
    values = np.array(list(columns.values())).T
    expected = StandardScaler().fit(values[training]).transform(values)
    found = statics.standardised(columns, fitted, 12)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-6)
    assert fitted["same"] == [0.1, 1.0]
    assert statics.standardised({}, {}, 12).shape == (12, 0)


def test_levels_are_those_of_the_series_that_train() -> None:
    columns = {"region": ["south", "north", "mars", "south"], "type": ["x", "x", "x", "y"]}
    known = statics.levels(columns, np.array([0, 1, 3]))
    assert known == {"region": ["north", "south"], "type": ["x", "y"]}
    codes = statics.encoded(columns, known, 4)
    assert codes.dtype == np.int32
    assert codes.tolist() == [[1, 0], [0, 0], [-1, 0], [1, 1]]
    assert statics.encoded({}, {}, 4).shape == (4, 0)
