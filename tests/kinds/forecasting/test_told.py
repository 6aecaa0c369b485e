"""What the network is told besides values: which were filled in, and what is the same in all rows
of a series."""

import logging
from typing import Any

import numpy as np
import pandas as pd
import pytest
from pydantic import ValidationError

from stages.kinds.forecasting import ingest, predict, train
from stages.networks import descriptions
from tests.kinds.forecasting.task import SPLIT, Task, csv, days

pytestmark = pytest.mark.usefixtures("folder")

SHOPS = {"b": (30.0, "south"), "a": (10.0, "north"), "c": (50.0, "south")}


def shops() -> pd.DataFrame:
    """Returns three series with a target, an input that has gaps, and what is the same in all rows
    of each."""
    rng = np.random.default_rng(0)
    tables = []
    for number, (name, (size, region)) in enumerate(SHOPS.items()):
        table = days(rng.normal(size=60 + 5 * number)).assign(
            price=lambda rows: rows["y"] + 5, shop=name, size=size, region=region
        )
        table.loc[rng.choice(58, 12, replace=False), "price"] = np.nan
        table.loc[rng.choice(58, 5, replace=False), "y"] = np.nan
        tables.append(table)
    return pd.concat(tables, ignore_index=True)


SECTION: dict[str, Any] = {
    **{"time": "day", "series": "shop", "targets": ["y"], "inputs": ["price", "y"]},
    **{"gaps": "interpolate", "static": ["size"], "categories": ["region"]},
}


def test_each_window_is_told_what_the_tidy_table_says_of_its_rows_and_its_series() -> None:
    task = Task(csv(shops()), windowing={"mask": True}, **SECTION)
    examples, table = task.examples, task.data.ingested.read()
    observed = table[["observed_price", "observed_y"]].to_numpy()
    assert not observed.all(axis=0).any()
    sizes = np.array([size for size, _ in SHOPS.values()])
    standardised = (sizes - sizes.mean()) / sizes.std()
    for split in ("train", "validation", "test"):
        windows = examples.windows_of(split)
        indices = np.arange(len(windows))
        inputs = windows.cut(indices)["inputs"]
        origins, series = windows.locate(indices)
        assert inputs["observed"].dtype == np.float32
        for window, (origin, number) in enumerate(zip(origins, series, strict=True)):
            name = table["series"][origin]
            rows = observed[origin - 6 : origin]
            np.testing.assert_array_equal(inputs["observed"][window], rows.astype(float))
            assert inputs["static"][window] == pytest.approx(standardised[number], abs=1e-6)
            assert inputs["categories"][window] == (SHOPS[name][1] == "south")
    last = predict.last_windows(table, task.data).inputs
    assert last["categories"].tolist() == [[1], [0], [1]]
    np.testing.assert_allclose(last["static"][:, 0], standardised, rtol=1e-6)
    for number, name in enumerate(SHOPS):
        own = observed[(table["series"] == name).to_numpy()][-6:]
        np.testing.assert_array_equal(last["observed"][number], own)


def test_a_network_is_told_nothing_that_the_task_does_not_name() -> None:
    section = SECTION | {"static": [], "categories": []}
    task = Task(csv(shops()), windowing={}, **section)
    inputs = task.examples.windows_of("train").cut(np.arange(2))["inputs"]
    assert inputs.keys() == {"window", "known", "series"}
    assert predict.last_windows(task.data.ingested.read(), task.data).inputs.keys() == inputs.keys()


def test_a_mask_of_nothing_is_reported_once(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, logger="reprise"):
        task = Task(csv(shops().ffill()), windowing={"mask": True}, **SECTION)
    assert caplog.text.count("scale_and_window.mask: no value of the inputs was filled in") == 1
    assert task.examples.windows_of("test").cut(np.arange(3))["inputs"]["observed"].min() == 1


@pytest.mark.parametrize("decoder", ["dense", "parallel"])
def test_the_network_uses_all_that_it_is_told_and_starts_from_its_anchor(decoder: str) -> None:
    task = Task(csv(shops()), windowing={"mask": True, "season": 3}, **SECTION)
    parameters = train.Parameters.model_validate(
        {"units": 4, "decoder": decoder, "embedding": True, "normalise": "season"}
    )
    network = train.build(task.examples, parameters, "network")
    cut = task.examples.windows_of("train").cut(np.zeros(6, int))["inputs"]
    same = {name: cut[name] for name in network.input}
    inputs = {name: array.copy() for name, array in same.items()}
    inputs["static"][1] += 1
    inputs["categories"][2] = 1 - inputs["categories"][2]
    inputs["series"][3] += 1
    inputs["observed"][4] = 1 - inputs["observed"][4]
    inputs["observed"][5, :3] = 1 - inputs["observed"][5, :3]  # `season` leaves these steps out
    start = np.asarray(network(inputs))
    np.testing.assert_array_equal(start, np.repeat(start[:1], 6, axis=0))
    head, rng = network.get_layer("head"), np.random.default_rng(0)
    head.set_weights([rng.normal(size=array.shape) for array in head.get_weights()])
    differences = np.abs(np.asarray(network(inputs)) - np.asarray(network(same))).max(axis=(1, 2))
    assert (differences[1:5] > 1e-5).all()
    assert differences[[0, 5]].max() < 1e-6


def test_embeddings_are_half_as_wide_as_there_are_levels() -> None:
    assert [descriptions.width(levels) for levels in (1, 2, 3, 4, 7, 31, 32, 500)] == [
        *(1, 1, 2, 2, 4, 16, 16, 16),
    ]


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ({"series": None}, "layout table and a column `series`"),
        ({"layout": "columns", "series": None, "inputs": None}, "layout table and a column"),
        ({"static": ["size", "size"]}, "each column once among"),
        ({"categories": ["size"]}, "each column once among"),
        ({"static": ["price"]}, "each column once among .* `targets`"),
        ({"categories": ["shop"]}, "each column once among .* `series`"),
    ],
)
def test_static_columns_that_cannot_be_are_refused(section: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        ingest.Parameters.model_validate(
            {"file": "data/raw/x.csv", "split": SPLIT, **SECTION, **section}
        )


@pytest.mark.parametrize("targets", ["all", ".*"])
def test_static_columns_are_no_targets(targets: str) -> None:
    table = shops().drop(columns="price").ffill()
    task = Task(csv(table), **(SECTION | {"targets": targets, "inputs": None}))
    assert task.ingested.targets == ["y"]
    assert task.ingested.static == {"size": [30.0, 10.0, 50.0]}
    assert task.ingested.categories == {"region": ["south", "north", "south"]}
