"""Bounds of targets, in raw units, whatever the scaler."""

import numpy as np
import pandas as pd
import pytest

from stages.errors import InputError
from stages.series import bounds
from tests.series.test_data import examples_of


@pytest.mark.parametrize("log", [False, True])
@pytest.mark.parametrize("scaler", ["none", "minmax", "standard"])
@pytest.mark.parametrize("limits", [(12.0, None), (None, 1500.0), (12.0, 1500.0), (0.0, None)])
def test_values_are_clipped_in_raw_units(
    limits: tuple[float | None, float | None], scaler: str, log: bool
) -> None:
    prepared = examples_of(per_series=True, scaler=scaler, log=log)
    series = np.array([0, 0, 1, 1])
    scaled = np.random.default_rng(0).normal(0, 3, (4, 2, 1))
    with np.errstate(over="ignore"):
        raw = prepared.restored(scaled, series)
    clipped = prepared.restored(bounds.clip(scaled, bounds.of(*limits), prepared, series), series)
    expected = np.clip(raw, *bounds.of(*limits))
    np.testing.assert_allclose(clipped, expected, rtol=1e-5, atol=2e-4)
    np.testing.assert_array_equal(np.clip(clipped, *bounds.of(*limits)), expected)


def test_without_bounds_nothing_changes() -> None:
    scaled = np.random.default_rng(0).normal(0, 3, (4, 2, 1))
    prepared = examples_of()
    assert bounds.clip(scaled, bounds.of(None, None), prepared, np.zeros(4, int)) is scaled


def test_a_value_that_is_a_bound_is_left_as_it_is() -> None:
    prepared = examples_of(scaler="standard")
    raw = prepared.raw_targets[:, 0]
    at_least = prepared.restored(
        prepared.values[:, None, prepared.targets], np.zeros(len(raw), int)
    )
    for row in (3, 17):
        scaled = np.asarray(prepared.values[[row], None][..., prepared.targets])
        limits = bounds.of(float(at_least[row, 0, 0]), None)
        clipped = bounds.clip(scaled, limits, prepared, np.zeros(1, int))
        np.testing.assert_array_equal(clipped, scaled)


TABLE = pd.DataFrame(
    {
        "split": ["train", "train", "train", "test"],
        "y": [1.0, 5.0, 50.0, -9.0],
        "observed_y": [True, True, False, True],
    }
)


def test_known_training_values_lie_inside_of_the_bounds() -> None:
    bounds.check(bounds.of(1, 5), TABLE, ["y"])


@pytest.mark.parametrize(
    ("minimum", "maximum", "message"),
    [
        (2, None, "evaluate.minimum: expected training values of at least 2, received 1 in column"),
        (0, 4.5, "evaluate.maximum: expected training values of at most 4.5, received 5 in column"),
    ],
)
def test_training_values_outside_are_one_error(
    minimum: float | None, maximum: float | None, message: str
) -> None:
    with pytest.raises(InputError, match=f"^{message} 'y'"):
        bounds.check(bounds.of(minimum, maximum), TABLE, ["y"])
