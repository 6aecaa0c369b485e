"""Nothing that is fitted or chosen sees the test recordings: everything before scoring stays."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from stages import baseline, evaluate, extract_features, ingest, train
from stages.files.task_data import TaskData
from stages.files.writing import read_json
from stages.kinds.speech_recognition import Examples, Ingested
from stages.kinds.speech_recognition import train as network
from stages.networks.backend import keras
from tests import tasks
from tests.kinds.speech_recognition.examples import PITCHES, RATE, spoken

pytestmark = pytest.mark.usefixtures("folder")
SIZES = {"train": 16, "validation": 6, "test": 6}
FIRST = SIZES["train"] + SIZES["validation"]


def write(changed: bool, *, single: bool, **sections: Any) -> None:
    """Writes a task; where `changed` is true, with other test recordings.

    Args:
        single: of one word each.
    """
    rng, names = np.random.default_rng(0), list(PITCHES)
    lines = ["file,transcript,speaker"]
    Path("data/raw/tones").mkdir(parents=True, exist_ok=True)
    for row in range(sum(SIZES.values())):
        text = " ".join(rng.choice(names, 1 if single else rng.integers(1, 4), replace=False))
        samples = spoken(text, np.random.default_rng(row))
        if changed and row >= FIRST:
            text, samples = "omega dee", 2 * samples[::-1][: 900 + 10 * row]
        soundfile.write(f"data/raw/tones/{row}.wav", samples, RATE)
        lines.append(f"{row}.wav,{text},s{row % 2}")
    tasks.write_raw("tones/table.csv", "\n".join(lines) + "\n")
    layout = {"file": "data/raw/tones", "table": "table.csv", "speaker": "speaker", "rate": RATE}
    entry: dict[str, Any] = {
        "kind": "speech_recognition",
        "ingest": {**layout, "split": SIZES},
        "extract_features": {"bands": 6, "stride": 6, "unit": "words", "variations": {}},
        "baseline": {"thresholds": [0.3, 0.6]},
        "train": {"cell": "simple_rnn", "units": 4, "filters": 4, "epochs": 2, "fast": False},
        "evaluate": {"decoding": {"beams": 2, "language_weight": 0.3}, "draws": 10},
        "predict": {},
    }
    tasks.write_task(entry | {name: entry[name] | own for name, own in sections.items()})
    code = Path("data/code/train/speech_recognition.txt")
    code.parent.mkdir(parents=True, exist_ok=True)
    code.write_text("")


def fitted(changed: bool, **settings: Any) -> dict[str, Any]:
    """Returns what is fitted or chosen before a network, and what a network is trained on."""
    write(changed, **settings)
    for stage in (ingest, extract_features, baseline):
        stage.main(["x"])
    examples = TaskData("x", Ingested, Examples).examples
    scores = read_json(Path("data/baselines/x/scores.json"))
    found: dict[str, Any] = {
        name: getattr(examples, name) for name in ("labels_known", "mean", "deviation")
    }
    for split in ("train", "validation"):
        batches = network.batches(examples, split, network.Parameters())
        found[split] = batches.cut(np.arange(len(batches)))
    found["baselines"] = {method: scores[method]["validation"] for method in scores}
    found["test"] = {method: scores[method]["wer"] for method in scores}
    return found


STRINGS = {"train": 12, "validation": 5, "test": 5, "longest": 3}


@pytest.mark.parametrize("unit", ["words", "characters"])
@pytest.mark.parametrize("strings", [None, STRINGS])
def test_test_recordings_change_nothing_that_is_fitted(strings: Any, unit: str) -> None:
    section = {"ingest": {"strings": strings}, "extract_features": {"unit": unit, "stride": 2}}
    first, second = (
        fitted(changed, single=strings is not None, **section) for changed in (False, True)
    )
    assert len(first["baselines"]) == 4
    assert first.pop("test") != second.pop("test")
    for name, content in first.items():
        np.testing.assert_equal(content, second[name], err_msg=name)


@pytest.mark.slow
def test_test_recordings_change_no_byte_of_the_model() -> None:
    found = []
    for changed in (False, True):
        keras.backend.clear_session()  # layers are numbered from 1
        write(changed, single=False)
        for stage in (ingest, extract_features, baseline, train, evaluate):
            stage.main(["x"])
        scores = read_json(Path("data/evaluations/x/scores.json"))["model"]
        found.append(
            {
                "model": Path("data/models/x/model.keras").read_bytes(),
                "learning curve": Path("data/plots/x/learning_curve.csv").read_bytes(),
                "validation": scores["validation"],
                "test": scores["cer"],
            }
        )
    assert found[0].pop("test") != found[1].pop("test")
    assert found[0] == found[1]
