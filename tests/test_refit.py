"""Networks that are retrained on all rows that are known."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from stages import baseline, evaluate, ingest, members, predict, scale_and_window, train
from stages.files import examples
from stages.files.models import TrainedModel
from stages.kinds.forecasting import train as forecasting
from stages.networks import prediction, training
from stages.networks.backend import keras
from stages.series import anchors
from stages.series.data import SeriesExamples
from stages.series.outcomes import Outcomes
from tests.series.test_anchors import forecast as changes_of
from tests.small_task import PARAMS, folder
from tests.tasks import die_at_checkpoint, error_of

__all__ = ["folder"]

TRAIN = {
    "cell": "simple_rnn",
    "units": 2,
    "dropout": 0.1,
    "shortcut": "trained",
    "epochs": 2,
    "keep": "last",
    "checkpoint_seconds": 0,
}


def about(*best_epochs: int, correction: float = 1.0) -> TrainedModel:
    return TrainedModel(0, 0, list(best_epochs), {"correction": correction}, True, "")


def start(**sections: dict[str, Any]) -> None:
    """Writes the parameters of the small task, with other sections, and prepares it."""
    content = json.loads(json.dumps(PARAMS))
    content["tasks"]["x"] |= sections
    Path("params.yaml").write_text(json.dumps(content))
    for stage in ("train", "evaluate", "predict"):
        path = Path(f"data/code/{stage}/forecasting.txt")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("")
    for prepare in (ingest.main, scale_and_window.main):
        prepare(["x"])


def prepared() -> SeriesExamples:
    return examples.read(Path("data/examples/x"), SeriesExamples)


def run(main: Callable[[list[str]], None], *arguments: str) -> None:
    keras.backend.clear_session()  # in a process of its own, layers are numbered from 1
    main(["x", *arguments])


def test_what_validation_chose_is_kept_and_the_steps_grow_with_the_windows(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    start(train={**TRAIN, "epochs": None, "max_steps": 7, "batch_size": 8, "members": 2})
    called = []

    def fit(
        network: Any,
        loss: Any,
        train: Any,
        validation: Any,
        section: Any,
        seed: int,
        *_: Any,
        **more: Any,
    ) -> None:
        assert validation is None
        called.append((len(train), section.epochs, section.learning_rate, seed, more["stop_after"]))

    monkeypatch.setattr(training, "fit", fit)
    own = prepared()
    section = forecasting.Parameters.model_validate(
        {**TRAIN, "epochs": None, "max_steps": 7, "batch_size": 8, "members": 2}
    )
    again = members.Retraining(
        "x", "forecasting", "predict", about(2, 1), 1, "portable", lambda: section
    )
    network = again(own.until(own.stops), "refitted")
    # 36 training rows make 30 windows, so that 7 steps begin 2 epochs; 60 rows make 54 windows.
    assert len(own.windows_of("train")) == 30
    assert called == [(54, 2, 0.001, 1, 2), (54, 2, 0.001, 2, 1)]
    assert network.name == "average"


def test_where_no_epoch_was_best_the_network_is_the_anchor_fitted_on_all_windows(
    folder: Path,
) -> None:
    start()
    own = prepared()
    known = own.until(own.stops)
    section = forecasting.Parameters.model_validate({"cell": "simple_rnn", "units": 2})
    network = members.retrain_members(
        forecasting, known, section, 1, about(0), Path("data/checkpoints/x.refit/y")
    )
    windows = own.windows_of("test")
    anchor = anchors.refit(own.anchor, known.windows_of("train"), own.season)
    last = windows.cut(np.arange(len(windows)))["inputs"]["window"][:, -1]
    np.testing.assert_allclose(
        prediction.predict(network, windows)[..., 0],
        changes_of(anchor, windows) + last,
        atol=1e-5,
    )
    assert not Path("data/checkpoints").exists()


def test_the_correction_is_shrunk_by_the_share_that_validation_chose(folder: Path) -> None:
    start()
    own = prepared()
    section = forecasting.Parameters.model_validate({"cell": "simple_rnn", "units": 2})
    network = forecasting.build(own, section, "network")
    head = network.get_layer("head")
    head.set_weights([np.ones_like(array) for array in head.get_weights()])
    assert forecasting.settle(network, own, section, {"correction": 0.25}) == {"correction": 0.25}
    assert all((array == 0.25).all() for array in head.get_weights())


def test_a_network_of_a_stretch_knows_no_row_after_its_first_origin(folder: Path) -> None:
    """Rows that are changed from there on change neither its weights nor its first forecast."""
    start()
    own = prepared()
    section = forecasting.Parameters.model_validate({**TRAIN, "shortcut": "anchor"})
    edges = Outcomes(own, "test").edges(2)
    changed = np.array(own.values)
    changed[edges[1, 0] :] += 5
    weights, forecasts = [], []
    for name, values in (("before", np.array(own.values)), ("after", changed)):
        known = replace(own, values=values).until(edges[1])
        saved = Path("data/checkpoints/x.refit") / name
        network = members.retrain_members(forecasting, known, section, 1, about(2), saved)
        weights.append(np.concatenate([array.ravel() for array in network.get_weights()]))
        windows = replace(known.windows_of("test"), spans=np.stack(edges[1:], axis=1))
        forecasts.append(prediction.predict(network, windows))
    np.testing.assert_array_equal(*weights)
    np.testing.assert_array_equal(forecasts[0][0], forecasts[1][0])
    assert (forecasts[0][1:] != forecasts[1][1:]).all()
    assert np.abs(network.get_layer("head").get_weights()[0]).max() > 0


def test_checkpoints_belong_to_all_that_a_retrained_network_depends_on(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    start(train=TRAIN)
    monkeypatch.setattr(members, "retrain_members", lambda *_: None)
    own = prepared()

    def folder_of(
        rows: int = 60, epochs: int = 2, share: float = 1.0, seed: int = 1, **section: Any
    ) -> Path:
        trained = about(epochs, correction=share)
        settings = forecasting.Parameters.model_validate(TRAIN | section)
        again = members.Retraining(
            "x", "forecasting", "predict", trained, seed, "portable", lambda: settings
        )
        again(own.until(np.array([rows])), "refitted")
        assert again.saved[0].parent == Path("data/checkpoints/x.refit/refitted")
        return again.saved[0]

    first = folder_of()
    assert folder_of() == folder_of(checkpoint_seconds=9) == first
    others = [
        folder_of(rows=59),
        folder_of(epochs=1),
        folder_of(share=0.5),
        folder_of(seed=2),
        folder_of(units=3),
    ]
    Path("data/code/predict/forecasting.txt").write_text("other code")
    assert len({first, *others, folder_of()}) == 7


def outputs() -> dict[str, bytes]:
    paths = [Path("data/predictions/x"), Path("data/evaluations/x")]
    files = sorted(path for folder in paths for path in folder.rglob("*") if path.is_file())
    return {path.as_posix(): path.read_bytes() for path in files}


BOTH = {"evaluate": {"origins": 2, "refit": True}, "predict": {"refit": True}}


def finished(**sections: dict[str, Any]) -> None:
    start(train=TRAIN, **sections)
    for stage in (baseline.main, train.main, evaluate.main, predict.main):
        run(stage)


@pytest.mark.slow
def test_a_forecast_from_newer_rows_is_that_of_the_refitted_network(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    finished(predict={"refit": True})
    asked = ["--input", "data/raw/x.csv", "--output", "newer.csv"]
    run(predict.main, *asked)
    forecast = Path("data/predictions/x/forecast.csv")
    assert Path("newer.csv").read_bytes() == forecast.read_bytes()

    params = Path("params.yaml")
    content = params.read_text()
    params.write_text(content.replace('"predict": {"refit": true}', '"predict": {}'))
    run(predict.main, *asked)
    refitted, honest = pd.read_csv(forecast), pd.read_csv("newer.csv")
    assert (honest["mean"] != refitted["mean"]).all()
    widths = [(table["upper_80"] - table["lower_80"]).tolist() for table in (honest, refitted)]
    assert widths[0] == pytest.approx(widths[1], rel=1e-4)

    params.write_text(content)
    network = Path("data/predictions/x/refitted.keras")
    shutil.copy(network, "data/models/x/model.keras")
    message = error_of(predict.main, ["x", *asked], monkeypatch)
    assert "expected a network retrained from data/models/x on data/examples/x, received" in message
    network.unlink()
    assert "found none: run `dvc repro`" in error_of(predict.main, ["x", *asked], monkeypatch)


@pytest.mark.slow
@pytest.mark.parametrize("dies", [2, 5, 8])
def test_stages_that_were_killed_end_with_the_same_bytes(
    dies: int, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each of three trainings has three checkpoints: before both epochs, and at the end."""
    finished(**BOTH)
    table = pd.read_csv("data/evaluations/x/origins.csv")
    scores = json.loads(Path("data/evaluations/x/scores.json").read_text())["model"]
    # The 11 windows of the test split make stretches of 5 and of 6, all of their targets known.
    rows = table[table["method"] == "refitted"]
    assert rows["windows"].tolist() == [5, 6]
    assert scores["refitted"]["mae"] == pytest.approx(rows["mae"] @ rows["windows"] / 11, rel=1e-5)
    assert scores["refitted"]["mae"] != scores["mae"]
    expected = outputs()
    shutil.rmtree("data/checkpoints/x.refit")
    shutil.rmtree("data/evaluations")
    shutil.rmtree("data/predictions")

    saved = die_at_checkpoint(dies, monkeypatch)

    def both() -> None:
        for stage in (evaluate.main, predict.main):
            run(stage)

    with pytest.raises(KeyboardInterrupt):
        both()
    both()
    assert saved() < dies + 9  # they went on from their checkpoints
    assert outputs() == expected
