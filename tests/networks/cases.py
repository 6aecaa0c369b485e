"""The cases of a test, most of them in the slow set."""

import itertools
from collections.abc import Collection, Iterable
from typing import Any

import pytest


def combinations(*axes: Iterable[Any], fast: Collection[Any]) -> list[Any]:
    """Returns the parameters of all combinations of the axes' values, or of the values of a single
    axis. Each compiles layers of its own, so those that are not in `fast` are slow."""
    every = [values if len(axes) > 1 else values[0] for values in itertools.product(*axes)]
    assert all(values in every for values in fast)
    return [
        pytest.param(
            *(values if len(axes) > 1 else [values]),
            marks=[] if values in fast else [pytest.mark.slow],
        )
        for values in every
    ]
