"""Names of series: any text, exactly as it is written."""

import numpy as np
import pytest

from stages.errors import InputError
from tests.kinds.forecasting.task import Task, days

pytestmark = pytest.mark.usefixtures("folder")


@pytest.mark.parametrize(
    "names",
    [
        ["001", "002", "010"],
        ["1", "01", "1.0"],
        ["NA", "null", "nan"],
        ["1E5", "true", "12345678901234567890"],
    ],
)
def test_names_of_series_are_what_is_written(names: list[str]) -> None:
    content = "day,shop,y\n" + "".join(
        f"2020-01-{day + 1:02d},{name},{day % 5}\n" for name in names for day in range(28)
    )
    task = Task(content, time="day", series="shop", targets=["y"])
    assert task.examples.series == names
    assert list(dict.fromkeys(task.forecast()["series"])) == names


def test_a_row_without_a_name_is_an_error_that_names_it() -> None:
    content = "day,shop,y\n2020-01-01,a,1\n2020-01-02,,2\n"
    with pytest.raises(
        InputError, match="column 'shop': expected a name in every row, found none in data row 2"
    ):
        Task(content, time="day", series="shop", targets=["y"])


def test_a_list_is_no_name() -> None:
    table = days(np.arange(60.0)).assign(shop=[["a"]] * 60)
    with pytest.raises(
        InputError, match=r"column 'shop': expected names, received \['a'\] in data row 1"
    ):
        Task(table, time="day", series="shop", targets=["y"])
