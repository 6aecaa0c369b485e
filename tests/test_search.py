"""The search for parameters: suggestions that only the seed and earlier losses decide on, and
losses that can be compared."""

import json
import math
import sys
from pathlib import Path
from typing import Any

import pytest

from stages import code, ingest, scale_and_window
from stages.errors import InputError
from stages.files import parameters
from tests.small_task import PARAMS, changed, folder
from tests.tasks import error_of
from tools import search
from tools.search import Range

__all__ = ["folder"]

SPACE: search.Space = {
    ("train", "units"): [4, 8, 16],
    ("train", "learning_rate"): Range(low=0.001, high=0.1, log=True),
    ("train", "layers"): Range(low=1, high=3),
}


def smooth(values: search.Values) -> float:
    """A loss with its minimum at 8 units, the rate 0.01 and one layer; 16 units cannot be used."""
    units, rate, layers = values.values()
    if units == 16:
        raise InputError("expected fewer units")
    return float(abs(units - 8) + abs(math.log10(rate) + 2) + layers)


def run(trials: int, storage: Path, seed: int = 0, first: search.Values | None = None) -> Any:
    seen = []

    def loss(values: search.Values) -> float:
        seen.append(dict(values))
        return smooth(values)

    return search.search(SPACE, loss, trials, seed, storage, "study", first or {}), seen


def test_a_search_that_was_stopped_goes_on_as_if_it_had_not_been(tmp_path: Path) -> None:
    pytest.importorskip("optuna")
    (best, loss), whole = run(12, tmp_path / "whole.db")
    assert len(whole) == 12
    assert loss == min(smooth(values) for values in whole if values["train", "units"] != 16)
    assert smooth(best) == loss
    _, before = run(5, tmp_path / "own/stopped.db")
    again, after = run(12, tmp_path / "own/stopped.db")
    assert before + after == whole
    assert again == (best, loss)
    assert run(12, tmp_path / "own/stopped.db") == ((best, loss), [])
    _, other = run(5, tmp_path / "other.db", seed=1)
    assert other != before


def test_the_first_trial_has_the_present_parameters_where_they_are_in_the_space(
    tmp_path: Path,
) -> None:
    pytest.importorskip("optuna")
    present = {("train", "units"): 4, ("train", "learning_rate"): 0.05, ("train", "layers"): 2}
    assert run(1, tmp_path / "in.db", first=present)[1] == [present]
    outside = {**present, ("train", "layers"): 4}
    assert run(1, tmp_path / "out.db", first=outside)[1][0]["train", "layers"] in (1, 2, 3)


def test_a_search_without_a_loss_says_why(tmp_path: Path) -> None:
    pytest.importorskip("optuna")

    def fail(values: search.Values) -> float:
        raise InputError("expected other data")

    with pytest.raises(InputError, match="received none: expected other data"):
        search.search(SPACE, fail, 2, 0, tmp_path / "x.db", "study", {})


def test_optuna_is_named_where_it_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(InputError, match="pip install optuna"):
        run(1, tmp_path / "x.db")


CONTAINED = [
    (["a", None], None, True),
    (["a", 1], True, False),
    ([1, 2], 3, False),
    (Range(low=1, high=9), 9, True),
    (Range(low=1, high=9), 2.5, False),
    (Range(low=1, high=9, step=4), 5, True),
    (Range(low=1, high=9, step=4), 6, False),
    (Range(low=0.0, high=0.5, step=0.1), 0.3, True),
    (Range(low=0.0, high=0.5, step=0.1), 0.35, False),
    (Range(low=0.001, high=0.1, log=True), 0.0123, True),
    (Range(low=0.001, high=0.1, log=True), 0.2, False),
    (Range(low=0, high=1), None, False),
]


@pytest.mark.parametrize(("entry", "value", "inside"), CONTAINED)
def test_values_are_in_a_space_or_not(entry: Any, value: Any, inside: bool) -> None:
    assert search.contains({("train", "x"): entry}, {("train", "x"): value}) == inside


def test_a_space_is_read_with_the_types_of_its_values(folder: Path) -> None:
    Path("space.yaml").write_text(
        "train:\n  dropout: {low: 0, high: 0.5}\n  average: [null, 0.99]\n  cell: [gru, lstm]\n"
        "  shortcut: [true, false]\nscale_and_window:\n  lookback: {low: 4, high: 12, step: 4}\n"
    )
    assert search.read_space(Path("space.yaml"), "x") == {
        ("train", "dropout"): Range(low=0, high=0.5),
        ("train", "average"): [None, 0.99],
        ("train", "cell"): ["gru", "lstm"],
        ("train", "shortcut"): [True, False],
        ("scale_and_window", "lookback"): Range(low=4, high=12, step=4),
    }


REFUSED = {
    "another scaler": ("scale_and_window: {scaler: [minmax, standard]}", "in other units"),
    "the logarithm": ("scale_and_window: {log: [true, false]}", "in other units"),
    "another horizon": ("scale_and_window: {horizon: [1, 2]}", "of other targets"),
    "another loss": ("train: {loss: [mae, mse]}", "leave the validation loss what it is"),
    "another section": ("ingest: {gaps: [zero]}", "parameters of train or scale_and_window"),
    "a parameter that is unknown": ("train: {colour: [red]}", "train.colour is not a known key"),
    "a single value": ("train: {units: 8}", "space.yaml: train.units: expected"),
    "an empty range": ("train: {units: {low: 8, high: 4}}", "expected low <= high"),
    "the logarithm of zero": ("train: {dropout: {low: 0, high: 1, log: true}}", "above 0 with"),
    "steps of a logarithm": ("train: {units: {low: 1, high: 9, log: true, step: 2}}", "either"),
    "no choice": ("train: {units: []}", "expected choices"),
    "no parameter": ("train: {}", "expected parameters and their choices"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_space_that_cannot_be_searched_is_one_clear_error(
    case: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text, message = REFUSED[case]
    Path("space.yaml").write_text(text)
    assert message in error_of(search.main, ["x", "--space", "space.yaml"], monkeypatch)


@pytest.mark.parametrize(
    ("keep", "expected"), [("best", (0.25 + 1.5) / 2), ("last", (0.5 + 1.5) / 2)]
)
def test_the_loss_of_a_curve_is_that_of_the_weights_that_were_kept(
    keep: str, expected: float, tmp_path: Path
) -> None:
    path = tmp_path / "curve.csv"
    path.write_text("member,epoch,train,validation\n1,1,9,0.25\n1,2,1,0.5\n2,1,0,1.5\n")
    assert search.kept_loss(path, keep) == expected
    for losses in ("", "1,1,0,nan\n"):
        path.write_text("member,epoch,train,validation\n" + losses)
        with pytest.raises(InputError, match="training diverged"):
            search.kept_loss(path, keep)


def test_the_best_parameters_are_written_as_options_of_dvc() -> None:
    values = {
        ("train", "cell"): "gru",
        ("train", "average"): None,
        ("train", "shortcut"): True,
        ("train", "learning_rate"): 1e-05,
    }
    assert search.options("t", values) == (
        "-S tasks.t.train.cell=gru -S tasks.t.train.average=null -S tasks.t.train.shortcut=true "
        "-S tasks.t.train.learning_rate=1e-05"
    )


def test_a_study_has_another_name_where_losses_depend_on_something_else(folder: Path) -> None:
    (folder / "requirements.lock").symlink_to(Path(code.__file__).parent.parent / code.PINS)
    (folder / "stages").symlink_to(Path(code.__file__).parent)
    names = [search.name_of("x", SPACE, 0), search.name_of("x", SPACE, 1)]
    names.append(search.name_of("x", {("train", "units"): [1]}, 0))
    Path("params.yaml").write_text(json.dumps(changed("train", {"units": 3})))
    names.append(search.name_of("x", SPACE, 0))
    Path("data/ingested/x").mkdir(parents=True)
    Path("data/ingested/x/about.json").write_text("{}")
    names.append(search.name_of("x", SPACE, 0))
    assert len(set(names)) == 5
    Path("params.yaml").write_text(json.dumps(PARAMS))
    Path("data/ingested/x/about.json").unlink()
    assert search.name_of("x", SPACE, 0) == names[0]


@pytest.mark.slow
def test_a_search_trains_and_prints_what_was_best(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("optuna")
    root = Path(code.__file__).parent.parent
    for name in ("requirements.lock", "stages"):
        (folder / name).symlink_to(root / name)
    Path("params.yaml").write_text(json.dumps(changed("train", {"units": 2, "epochs": 2})))
    Path("space.yaml").write_text(
        "train: {units: [2, 3], segment: [1]}\nscale_and_window: {lookback: [5, 8]}\n"
    )
    ingest.main(["x"])
    scale_and_window.main(["x"])
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}
    search.main(["x", "--space", "space.yaml", "--trials", "2", "--seed", "2"])
    assert capsys.readouterr().out.startswith("dvc exp run -S tasks.x.train.units=")
    added = {path for path in folder.rglob("*") if path.is_file()} - before.keys()
    assert added == {folder / "data/search/x.db"}
    assert all(path.stat().st_mtime_ns == time for path, time in before.items())
    space = search.read_space(Path("space.yaml"), "x")
    runner = search.Runner("x", space)
    key = {("train", "units"): 3, ("train", "segment"): 1, ("scale_and_window", "lookback"): 8}
    assert runner.loss(key) > 0
    with pytest.raises(InputError, match="divisor of the 8 steps"):
        runner.loss({**key, ("train", "segment"): 3})
    with pytest.raises(InputError, match="the 11 validation examples that"):
        runner.loss({**key, ("scale_and_window", "horizon"): 3})
    assert parameters.read_all()["tasks"]["x"]["train"] == {"units": 2, "epochs": 2}
