"""What every exported model keeps: it answers as the network does, and nothing is written where it
does not."""

import json
import sys
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from stages import baseline, evaluate, kinds
from stages.errors import InputError
from stages.files import examples, models
from stages.files.task_data import TaskData
from stages.files.writing import sha256_of, write_json, write_text
from stages.kinds.data import Sample
from stages.networks.backend import keras, tf
from tests.kinds.test_contract import SAMPLES, Prepare, parameters_of, prepare
from tests.tasks import error_of
from tools import export

HAVING = [kind for kind in kinds.names() if (kinds.FOLDER / kind / "export.py").is_file()]
LACKING = [kind for kind in kinds.names() if kind not in HAVING]
CASES = [
    pytest.param(
        *(kind, sample, variant, form),
        id=f"{kind}-{variant['cell']}-{form}",
        marks=[] if (variant, form) == (sample.variants[0], "savedmodel") else pytest.mark.slow,
    )
    for kind, sample in SAMPLES
    if kind in HAVING
    for variant in sample.variants
    for form in export.WRITERS
]
__all__ = ["prepare"]


def write_network(task: str, data: Any, kind: str, variant: Mapping[str, Any]) -> None:
    """Writes a network with random weights, as training does."""
    module = kinds.module(kind, "train")
    parameters = module.Parameters.model_validate({"units": 4, **variant})
    network = module.build(data.examples, parameters, "network")
    rng = np.random.default_rng(0)
    network.set_weights([rng.normal(scale=0.3, size=w.shape) for w in network.get_weights()])
    models.write(Path("data/models") / task / "model.keras", network)
    prepared = sha256_of(Path("data/examples") / task / "about.json")
    about = models.TrainedModel(network.count_params(), 1, [1], {}, True, prepared)
    write_json(Path("data/models") / task / "about.json", asdict(about))
    curve = "member,epoch,train,validation\n1,0,,2\n1,1,2,1\n"
    write_text(Path("data/plots") / task / "learning_curve.csv", curve)


def loaded(path: Path) -> Callable[..., dict[str, np.ndarray]]:
    """Returns an exported model as a function of its inputs."""
    if path.is_dir():
        signature = tf.saved_model.load(str(path)).signatures["serving_default"]
        return lambda **given: {
            name: tensor.numpy()
            for name, tensor in signature(
                **{name: tf.constant(array) for name, array in given.items()}
            ).items()
        }
    session = pytest.importorskip("onnxruntime").InferenceSession(path)
    names = [output.name for output in session.get_outputs()]
    return lambda **given: dict(zip(names, session.run(names, given), strict=True))


@pytest.mark.parametrize(("kind", "sample", "variant", "form"), CASES)
def test_an_exported_model_takes_and_gives_what_stands_beside_it(
    kind: str, sample: Sample, variant: dict[str, Any], form: str, prepare: Prepare
) -> None:
    if form == "onnx":
        for package in export.PACKAGES:
            pytest.importorskip(package)
    prepare(kind, sample)
    package, module = kinds.package(kind), export.exporting(kind)
    data = TaskData("sample", package.Ingested, package.Examples)
    write_network("sample", data, kind, variant)
    baseline.main(["sample"])
    evaluate.main(["sample"])
    fitted = examples.read_arrays(Path("data/evaluations/sample"))[0]
    export.main(["sample", "--format", form, "--output", "exported"])
    path = Path("exported")
    about = json.loads(
        (path / "about.json" if path.is_dir() else path.with_suffix(".json")).read_text()
    )
    model = loaded(path)
    network = keras.saving.load_model("data/models/sample/model.keras")
    assert module.difference(data, network, fitted, lambda given: model(**given)) < 1e-5
    rng = np.random.default_rng(1)
    for size in (1, 2, 5):
        answer = model(
            **{
                name: rng.uniform(0, 1, (size, *entry["shape"][1:])).astype(entry["dtype"])
                for name, entry in about["inputs"].items()
            }
        )
        assert answer.keys() == about["outputs"].keys()
        for name, entry in about["outputs"].items():
            assert answer[name].shape == (size, *entry["shape"][1:])
            assert answer[name].dtype == entry["dtype"]


@pytest.mark.parametrize("kind", LACKING)
def test_a_kind_that_has_no_export_says_so(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("params.yaml").write_text(json.dumps(parameters_of({"x": {"kind": kind}})))
    arguments = ["x", "--format", "savedmodel", "--output", "out"]
    message = error_of(export.main, arguments, monkeypatch)
    assert f"kind that can be exported, one of {', '.join(HAVING)}; received one of {kind}" in (
        message
    )


@tf.function(input_signature=[{"x": tf.TensorSpec([None, 2], tf.float64, name="x")}])
def double(inputs: dict[str, Any]) -> dict[str, Any]:
    return {"y": inputs["x"] * 2}


def differs_by(difference: float) -> Callable[[export.Answer], float]:
    def check(answer: export.Answer) -> float:
        np.testing.assert_array_equal(answer({"x": np.ones((3, 2))})["y"], np.full((3, 2), 2.0))
        return export.expect_close(difference)

    return check


@pytest.mark.parametrize("form", export.WRITERS)
@pytest.mark.parametrize("difference", [1.1e-5, float("nan")])
def test_a_model_that_answers_differently_is_not_written(
    form: str, difference: float, tmp_path: Path
) -> None:
    if form == "onnx":
        for package in export.PACKAGES:
            pytest.importorskip(package)
    write = export.WRITERS[form]
    nothing = keras.Sequential()
    with pytest.raises(InputError, match=r"at most 1e-05 of the targets' scale, received"):
        write(double, nothing, {}, tmp_path / "out", differs_by(difference))
    assert not list(tmp_path.iterdir())
    assert write(double, nothing, {"a": 1}, tmp_path / "out", differs_by(1e-6)) == 1e-6
    assert loaded(tmp_path / "out")(x=np.ones((1, 2)))["y"].tolist() == [[2.0, 2.0]]
    beside = tmp_path / ("out/about.json" if form == "savedmodel" else "out.json")
    assert json.loads(beside.read_text()) == {"a": 1}
    assert {path.name for path in tmp_path.iterdir()} <= {"out", "out.json"}


REFUSED = {
    "a folder with content": ("savedmodel", "full", "a new or an empty folder"),
    "a file for a folder": ("savedmodel", "full/file", "a new or an empty folder"),
    "no folder around it": ("savedmodel", "none/out", "in a folder that exists"),
    "a folder for a file": ("onnx", "full", "expected a path to a file"),
    "the name of what stands beside it": ("onnx", "out.json", "expected another suffix"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_place_that_cannot_be_written_to_is_refused(case: str, tmp_path: Path) -> None:
    form, name, message = REFUSED[case]
    (tmp_path / "full").mkdir()
    (tmp_path / "full/file").write_text("kept")
    with pytest.raises(InputError, match=message):
        export.WRITERS[form](double, keras.Sequential(), {}, tmp_path / name, differs_by(0))
    assert [path.name for path in tmp_path.rglob("*")] == ["full", "file"]


@pytest.mark.parametrize("package", ["onnxruntime", "tf2onnx"])
def test_a_package_that_is_missing_is_named(
    package: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(InputError, match=rf"{package}.*pip install onnx onnxruntime tf2onnx"):
        export.write_onnx(double, None, {}, tmp_path / "out.onnx", differs_by(0))
    assert not list(tmp_path.iterdir())
