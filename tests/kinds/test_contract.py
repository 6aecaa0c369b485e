"""What every kind of task has to keep. A kind brings its own small tasks, `sample.SAMPLES`, so no
test names a kind."""

import hashlib
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields
from functools import cache, partial
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest

from stages import check, ingest, kinds
from stages.batching import Batch, Batches
from stages.files import examples, models
from stages.kinds.data import Sample
from stages.networks import recurrent, state, training
from stages.networks.backend import keras, tf
from stages.networks.prediction import predict

SMALL = {"units": 8, "epochs": 2, "batch_size": 16, "steps_per_call": 3}
SLOW = pytest.mark.slow
SPLITS = ("train", "validation", "test")

SAMPLES = [
    (kind, sample) for kind in kinds.names() for sample in kinds.module(kind, "sample").SAMPLES
]
CASES = [
    pytest.param(kind, sample, variant, id=f"{kind}-{variant['cell']}")
    for kind, sample in SAMPLES
    for variant in sample.variants
]
every_kind = pytest.mark.parametrize("kind", kinds.names())
every_sample = pytest.mark.parametrize(
    ("kind", "sample"), SAMPLES, ids=[kind for kind, _ in SAMPLES]
)
# The last variant of each kind's first sample, where each one takes long; make test-all takes all.
FIRST = dict(reversed(SAMPLES))
MARKS = [
    [SLOW] * (variant is not FIRST[kind].variants[-1])
    for case in CASES
    for kind, _, variant in [case.values]
]
some_variants = pytest.mark.parametrize(
    ("kind", "sample", "variant"),
    [
        pytest.param(*case.values, id=case.id, marks=marks)
        for case, marks in zip(CASES, MARKS, strict=True)
    ],
)
# The same as numbers, for what is computed once and kept.
some_trained = pytest.mark.parametrize(
    "number",
    [
        pytest.param(number, id=case.id, marks=marks)
        for number, (case, marks) in enumerate(zip(CASES, MARKS, strict=True))
    ],
)


def parameters_of(entries: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Returns the content of a `params.yaml` with these tasks."""
    lists = {
        stage: [task for task, entry in entries.items() if kinds.preparing(entry["kind"]) == stage]
        for stage in kinds.PREPARING
    }
    return {"seed": 3, "arithmetic": "portable", "sources": {}, **lists, "tasks": entries}


def prepared(folder: Path, patch: pytest.MonkeyPatch, kind: str, sample: Sample) -> Any:
    """Ingests and prepares a sample in a folder, as the stages do, and returns its examples."""
    patch.chdir(folder)
    for name, content in sample.files.items():
        path = Path("data/raw", name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    Path("params.yaml").write_text(json.dumps(parameters_of({"sample": sample.entry})))
    ingest.main(["sample"])
    import_module(f"stages.{kinds.preparing(kind)}").main(["sample"])
    return examples.read(Path("data/examples/sample"), kinds.package(kind).Examples)


@pytest.fixture
def prepare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, Sample], Any]:
    """Ingests and prepares a sample in a temporary folder."""
    return partial(prepared, tmp_path, monkeypatch)


Prepare = Callable[[str, Sample], Any]

# TensorFlow computes these from an approximation that the processor brings along, another one from
# each vendor.
APPROXIMATE = {"Rsqrt", "RsqrtGrad", "Reciprocal", "ReciprocalGrad", "Inv", "InvGrad", "Atan"}


@contextmanager
def operations() -> Iterator[set[str]]:
    """Gives the types of all operations in the functions that the block calls, as they were
    written: TensorFlow makes a reciprocal of 1 / x too, which here occurs for single numbers alone,
    where it is exact."""
    from tensorflow.python.eager import context

    found: set[str] = set()
    context.enable_graph_collection()
    try:
        yield found
        graphs = context.context().export_run_metadata().function_graphs
    finally:
        context.disable_graph_collection()
    for graph in [graph.pre_optimization_graph for graph in graphs]:
        found |= {node.op for node in graph.node}
        found |= {node.op for function in graph.library.function for node in function.node_def}


@dataclass
class Case:
    """A variant of the network of a kind, and the examples of a sample."""

    kind: str
    examples: Any
    settings: dict[str, Any]

    def __post_init__(self) -> None:
        self.module = kinds.module(self.kind, "train")
        self.parameters = self.module.Parameters.model_validate(self.settings)

    def build(self) -> Any:
        return self.module.build(self.examples, self.parameters, "network")

    def batches(self, split: str) -> Batches:
        return self.module.batches(self.examples, split, self.parameters)

    def loss(self) -> Any:
        return self.module.loss(self.parameters)

    def fit(self, seed: int = 5) -> tuple[Any, training.History, list[np.ndarray]]:
        """Trains a new network, and returns it, its history, and its weights before. It is
        validated on the training examples too: fewer shapes are compiled, and it surely improves.
        """
        keras.backend.clear_session()  # layers are numbered from 1
        training.seed_everything(seed)
        network, batches = self.build(), self.batches("train")
        before = [weight.numpy().copy() for weight in network.trainable_variables]
        history = training.fit(network, self.loss(), batches, batches, self.parameters, seed)
        return network, history, before


@dataclass
class Trained:
    """A variant that was trained once: its weights before, and the types of all operations that
    training and prediction used."""

    case: Case
    network: Any
    history: training.History
    before: list[np.ndarray]
    operations: set[str]


@cache
def trained_once(number: int) -> Trained:
    """Trains a case of `CASES` for all tests that only look at the result."""
    kind, sample, variant = CASES[number].values
    with TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        case = Case(kind, prepared(Path(folder), patch, kind, sample), {**SMALL, **variant})
        # TensorFlow's decomposition follows the size of the processor's first cache.
        patch.setattr(keras.ops, "qr", None)
        with operations() as used:
            network, history, before = case.fit()
            predict(network, case.batches("train"))
    return Trained(case, network, history, before, used)


def known_inputs(network: Any, batch: Batch) -> dict[str, Any]:
    """Returns the inputs of a batch that the network has, as tensors."""
    inputs = batch["inputs"]
    return {name: tf.constant(inputs[name]) for name in network.input if name in inputs}


@every_kind
def test_a_kind_offers_what_its_interfaces_ask_for(kind: str) -> None:
    assert kinds.module(kind, "sample").SAMPLES
    evaluate = kinds.module(kind, "evaluate")
    for score in kinds.module(kind, "scores").SCORES:
        assert evaluate.Parameters.model_validate({"score": score}).score == score
    for template in ("curve.json", "prediction.json"):
        json.loads((kinds.FOLDER / kind / template).read_text())


@every_sample
def test_the_parameters_of_a_sample_are_in_order(kind: str, sample: Sample) -> None:
    assert sample.entry["kind"] == kind
    for variant in sample.variants:
        check.check(parameters_of({"sample": sample.entry | {"train": variant}}))


@some_variants
def test_outputs_have_the_shape_of_targets_and_masks(
    kind: str, sample: Sample, variant: dict[str, Any], prepare: Prepare
) -> None:
    case = Case(kind, prepare(kind, sample), {**SMALL, **variant})
    network = case.build()
    for split in SPLITS:
        batches = case.batches(split)
        batch = batches.cut(np.arange(3))
        # A network may give several numbers per target, such as the probabilities of classes.
        shape = batches.cut(np.arange(len(batches)))["targets"].shape
        assert predict(network, batches).shape[: len(shape)] == shape
        assert batch["mask"].shape == batch["targets"].shape
        assert set(np.unique(batches.cut(np.arange(len(batches)))["mask"])) <= {0.0, 1.0}


@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=SLOW) for seed in (1, 2))])
@some_variants
def test_each_example_of_a_batch_is_answered_as_it_is_alone(
    kind: str, sample: Sample, variant: dict[str, Any], seed: int, prepare: Prepare, tmp_path: Path
) -> None:
    """Sizes are small and random, and batches have all sizes up to 8, so that a batch is as large
    as each other axis at some time."""
    rng = np.random.default_rng(seed)
    sample = sample if sample.resized is None else sample.resized(rng, variant)
    case = Case(kind, prepare(kind, sample), {**variant, "units": int(rng.integers(1, 6))})
    network = case.build()
    weights = [rng.normal(scale=0.5, size=weight.shape) for weight in network.get_weights()]
    network.set_weights(weights)
    models.write(tmp_path / "model.keras", network)
    batches = case.batches("train")
    batch = batches.cut(rng.integers(0, len(batches), 8))
    for model in (network, keras.saving.load_model(tmp_path / "model.keras")):
        inputs = known_inputs(model, batch)
        start = [
            tf.constant(rng.normal(size=(8, *tensor.shape[1:])), tf.float32)
            for tensor in state.start(model, 8)
        ]

        def answers(
            first: int, last: int, model: Any = model, inputs: Any = inputs, start: Any = start
        ) -> list[np.ndarray]:
            rows = {name: tensor[first:last] for name, tensor in inputs.items()}
            outputs, after = state.call(
                model, rows, [tensor[first:last] for tensor in start], training=False
            )
            return [np.asarray(tensor) for tensor in (outputs, *after)]

        alone = [
            np.concatenate(arrays)
            for arrays in zip(*(answers(row, row + 1) for row in range(8)), strict=True)
        ]
        for rows in range(2, 9):
            for together, expected in zip(answers(0, rows), alone, strict=True):
                np.testing.assert_allclose(together, expected[:rows], rtol=1e-4, atol=1e-5)


@some_variants
def test_an_example_is_answered_whatever_it_is_padded_to(
    kind: str, sample: Sample, variant: dict[str, Any], prepare: Prepare
) -> None:
    case = Case(kind, prepare(kind, sample), {**SMALL, **variant})
    batches = case.batches("train")
    if batches.lengths is None:
        pytest.skip("all examples have one length")
    network, loss = case.build(), case.loss()
    indices = np.arange(5)
    longest = int(batches.lengths[indices].max())
    answers = []
    for length in (longest, longest + 1, longest + 7):
        batch = batches.cut(indices, length)
        outputs, _ = state.call(network, known_inputs(network, batch), [], training=False)
        totals = loss(outputs, batch)
        own = batch["mask"]
        if own.ndim > 1 and outputs.shape[1] == own.shape[1]:  # one output per step
            outputs = outputs * own.reshape(*own.shape, *[1] * (outputs.ndim - own.ndim))
        answers.append((outputs, *totals))
    # Behind an example's own steps there is padding, of any length.
    axes = range(1, answers[0][0].ndim)
    common = [min(answer[0].shape[axis] for answer in answers) for axis in axes]
    for answer in answers[1:]:
        for value, expected in zip(answer, answers[0], strict=True):
            cut = (slice(None), *map(slice, common))[: value.ndim] if value.ndim else ()
            np.testing.assert_allclose(value[cut], expected[cut], rtol=1e-4, atol=1e-5)


@some_trained
def test_training_moves_every_weight_by_operations_that_round_alike(number: int) -> None:
    trained = trained_once(number)
    assert "MatMul" in trained.operations
    assert not trained.operations & APPROXIMATE
    for weight, old in zip(trained.network.trainable_variables, trained.before, strict=True):
        assert not np.array_equal(weight.numpy(), old), weight.path


@some_trained
def test_a_saved_model_predicts_the_same_in_plain_keras(number: int, tmp_path: Path) -> None:
    trained = trained_once(number)
    models.write(tmp_path / "model.keras", trained.network)
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    batches = trained.case.batches("test")
    expected = predict(trained.network, batches)
    np.testing.assert_allclose(predict(loaded, batches), expected, rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(predict(recurrent.accelerate(loaded), batches), expected)


@some_trained
def test_the_same_seed_gives_the_same_bytes_and_another_seed_others(
    number: int, tmp_path: Path
) -> None:
    trained, written = trained_once(number), []
    first, fit = (trained.network, trained.history), trained.case.fit
    for name, (network, history, *_) in {"a": first, "b": fit(5), "c": fit(6)}.items():
        models.write(tmp_path / name / "model.keras", network)
        written.append(((tmp_path / name / "model.keras").read_bytes(), json.dumps(history.epochs)))
    assert written[0] == written[1]
    assert written[0][0] != written[2][0]


@SLOW
@some_trained
def test_it_learns_eight_examples_by_heart(number: int, prepare: Prepare) -> None:
    kind, sample, variant = CASES[number].values
    fields = kinds.module(kind, "train").Parameters.model_fields
    plain = {name: 0.0 for name in fields if "dropout" in name or name == "weight_decay"}
    plain |= {"optimizer": "adam", "decay": "constant", "average": None}
    long = {"units": 32, "epochs": 150, "patience": None, "learning_rate": 0.01}
    case = Case(kind, prepare(kind, sample), {**SMALL, **variant, **plain, **long})
    training.seed_everything(0)
    network, whole = case.build(), case.batches("train")
    chosen = np.arange(8) * 7 % len(whole)

    class Eight:
        streams = None if whole.streams is None else 8
        lengths = None if whole.lengths is None else whole.lengths[chosen]

        def __len__(self) -> int:
            return 8

        def cut(self, indices: np.ndarray, length: int | None = None) -> Batch:
            return whole.cut(chosen[indices], length)

    history = training.fit(network, case.loss(), Eight(), Eight(), case.parameters, 0)
    assert history.epochs[-1]["validation"] < 0.2 * history.epochs[0]["validation"]


@every_sample
def test_values_that_do_not_count_have_no_gradient(
    kind: str, sample: Sample, prepare: Prepare
) -> None:
    case = Case(kind, prepare(kind, sample), {**SMALL, **sample.variants[0]})
    network, loss = case.build(), case.loss()
    batch = case.batches("train").cut(np.arange(4))
    inputs = known_inputs(network, batch)
    gradients = []
    for wrong in (batch["targets"], batch["targets"][::-1]):
        mask = batch["mask"].copy()
        mask[1] = 0
        targets = np.where(mask > 0, batch["targets"], wrong)
        with tf.GradientTape() as tape:
            outputs, _ = state.call(network, inputs, state.start(network, 4), training=False)
            total, _ = loss(outputs, {**batch, "targets": targets, "mask": mask})
        computed = tape.gradient(total, network.trainable_variables)
        gradients.append([tf.convert_to_tensor(gradient).numpy() for gradient in computed])
    for first, second in zip(*gradients, strict=True):
        np.testing.assert_array_equal(first, second)


@every_sample
def test_examples_survive_the_disk_memory_mapped(
    kind: str, sample: Sample, prepare: Prepare, tmp_path: Path
) -> None:
    original = prepare(kind, sample)
    examples.write(tmp_path / "copy", original)
    copied = examples.read(tmp_path / "copy", type(original))
    about = json.loads((tmp_path / "copy/about.json").read_text())
    for field in fields(original):
        value, array = getattr(copied, field.name), getattr(original, field.name)
        if field.type is not np.ndarray:
            assert value == array
            continue
        np.testing.assert_array_equal(value, array)
        assert isinstance(value, np.memmap) or not array.size
        sha256 = hashlib.sha256((tmp_path / f"copy/{field.name}.npy").read_bytes()).hexdigest()
        assert about["arrays"][field.name] == {
            "shape": list(array.shape),
            "dtype": str(array.dtype),
            "sha256": sha256,
        }
