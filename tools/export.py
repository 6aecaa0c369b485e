"""A task's trained network -> a model that other programs run without this project.

python -m tools.export TASK --format savedmodel --output FOLDER
python -m tools.export TASK --format onnx --output FILE

Scaling is part of the model: it takes and returns raw units. Beside it stands what a caller has to
know, FOLDER/about.json or FILE with the suffix .json. Before anything is written, the model is
loaded again and compared with what the network forecasts. ONNX needs the packages `onnx`,
`onnxruntime` and `tf2onnx`.
"""

import json
import logging
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from stages import arithmetic, command, kinds, trained
from stages.errors import InputError, naming
from stages.files import examples, models, parameters
from stages.files.task_data import TaskData
from stages.files.writing import expect_place, whole, write_text

if TYPE_CHECKING:
    from stages.kinds.interfaces import Export

log = logging.getLogger("reprise")

# Relative to the scale of the targets. Rounding gives a hundredth of it.
LARGEST_DIFFERENCE = 1e-5
# Of an older version of ONNX, which more programs read than the newest.
OPSET = 17
PACKAGES = ("onnx", "onnxruntime", "tf2onnx")

Answer = Callable[[Mapping[str, np.ndarray]], Mapping[str, np.ndarray]]


def main(arguments: list[str]) -> None:
    parser = command.parser(__doc__)
    parser.add_argument("--format", choices=WRITERS, required=True, help="of the model")
    parser.add_argument(
        "--output", type=Path, required=True, help="the new folder, or for onnx the file"
    )
    given = parser.parse_args(arguments)
    kind = parameters.kind(given.task)
    package = kinds.package(kind)
    module = exporting(kind)
    arithmetic.use(parameters.arithmetic())
    with naming(f"task {given.task}"):
        data = TaskData(given.task, package.Ingested, package.Examples)
        difference = export(given.task, module, data, given.format, given.output)
    log.info(
        "%s: %s, which differs from the network by at most %.1e of the targets' scale",
        given.task,
        given.output,
        difference,
    )


def exporting(kind: str) -> "Export":
    """Returns the module `export` of a kind. Raises `InputError` where it has none."""
    if not kinds.has(kind, "export"):
        having = [name for name in kinds.names() if kinds.has(name, "export")]
        raise InputError(
            f"expected a task of a kind that can be exported, one of {', '.join(having)}; received "
            f"one of {kind}, whose network is used by `python -m stages.predict`"
        )
    module: Export = kinds.module(kind, "export")
    return module


def export(task: str, module: "Export", data: TaskData[Any, Any], form: str, output: Path) -> float:
    """Writes a task's model, and what a caller has to know. Returns its largest difference from the
    network, relative to the scale of the targets.

    Raises:
        InputError: the model cannot be written in this form, or answers differently; then there are
            no files.
    """
    network, _ = trained.load(task)
    fitted = examples.read_arrays(Path("data/evaluations") / task)[0]
    # The layers of plain Keras, which other programs can read.
    plain = models.read(Path("data/models") / task / "model.keras")
    about = {"task": task, "format": form, **module.about(data, network, fitted)}

    def check(answer: Answer) -> float:
        return expect_close(module.difference(data, network, fitted, answer))

    serve = module.serving(data, plain, fitted)
    return WRITERS[form](serve, plain, about, output, check)


def expect_close(difference: float) -> float:
    """Returns `difference`. Raises `InputError` where it is not that of rounding."""
    if not difference <= LARGEST_DIFFERENCE:
        raise InputError(
            f"expected an exported model that differs from the network by at most "
            f"{LARGEST_DIFFERENCE:g} of the targets' scale, received {difference:.1e}: nothing was "
            "written"
        )
    return difference


def write_saved_model(
    serve: Any,
    network: Any,
    about: Mapping[str, Any],
    output: Path,
    check: Callable[[Answer], float],
) -> float:
    """Writes TensorFlow's SavedModel with the signature `serving_default`, and returns what `check`
    says of it."""
    from stages.networks.backend import tf

    with _new_folder(output) as temporary:
        module = tf.Module()
        module.serve = serve
        module.weights = [variable.value for variable in network.variables]
        tf.saved_model.save(module, str(temporary), signatures={"serving_default": serve})
        loaded = tf.saved_model.load(str(temporary))
        signature = loaded.signatures["serving_default"]

        def answer(inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
            tensors = {name: tf.constant(array) for name, array in inputs.items()}
            return {name: tensor.numpy() for name, tensor in signature(**tensors).items()}

        difference = check(answer)
        (temporary / "about.json").write_text(_json(about), encoding="utf-8")
    return difference


def write_onnx(
    serve: Any,
    network: Any,
    about: Mapping[str, Any],
    output: Path,
    check: Callable[[Answer], float],
) -> float:
    """Writes ONNX, and returns what `check` says of it."""
    beside = output.with_suffix(".json")
    if beside == output:
        raise InputError(f"{output}: expected another suffix, such as .onnx, received .json")
    for path in (output, beside):
        expect_place(path)
    model = _as_onnx(serve, about)
    import onnxruntime

    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    names = [entry.name for entry in session.get_outputs()]

    def answer(inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        return dict(zip(names, session.run(names, dict(inputs)), strict=True))

    difference = check(answer)
    with whole(output) as temporary:
        temporary.write_bytes(model)
    write_text(beside, _json(about))
    return difference


WRITERS = {"savedmodel": write_saved_model, "onnx": write_onnx}


def _as_onnx(serve: Any, about: Mapping[str, Any]) -> bytes:
    try:
        import onnxruntime  # noqa: F401
        import tf2onnx
    except ImportError as error:
        raise InputError(
            f"expected the packages {', '.join(PACKAGES)} to write ONNX, received: {error}. "
            f"pip install {' '.join(PACKAGES)}"
        ) from None
    # It tells what it does at the levels of warnings.
    logging.getLogger("tf2onnx").setLevel(logging.CRITICAL)
    try:
        model, _ = tf2onnx.convert.from_function(
            serve, input_signature=serve.input_signature, opset=OPSET
        )
    except Exception as error:  # the converter raises any type for what it does not know
        reason = next(iter(str(error).splitlines()), "") or type(error).__name__
        raise InputError(
            f"expected a network of operations that ONNX has, received: {reason}. Export it with "
            "--format savedmodel"
        ) from None
    for part in (*model.graph.input, *model.graph.output):
        part.type.tensor_type.shape.dim[0].dim_param = "batch"
    entry = model.metadata_props.add()
    entry.key, entry.value = "about", json.dumps(about)
    return bytes(model.SerializeToString())


def _json(about: Mapping[str, Any]) -> str:
    return json.dumps(about, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


@contextmanager
def _new_folder(output: Path) -> Iterator[Path]:
    """Yields a temporary folder, moved to `output` if the block succeeds."""
    if output.exists() and (not output.is_dir() or any(output.iterdir())):
        raise InputError(f"{output}: expected a new or an empty folder, received one with content")
    if not output.absolute().parent.is_dir():
        raise InputError(
            f"{output}: expected a path in a folder that exists, found no folder "
            f"{output.absolute().parent}: make it first"
        )
    temporary = output.absolute().with_name(f".{output.name}.{os.getpid()}.part")
    try:
        yield temporary
        temporary.replace(output)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


if __name__ == "__main__":
    command.run(main)
