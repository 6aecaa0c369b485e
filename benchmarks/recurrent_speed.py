"""How fast the recurrent layers train and predict, beside Keras's own and PyTorch's.

python -m benchmarks.recurrent_speed [--json FILE] [--repeats N] [--pytorch PYTHON]

A network is recurrent layers, all steps of whose outputs go through one dense layer; a training
step is forward, backward, and Adam. Training steps are many a call, as in the pipeline; so are
predictions, which tells what a layer takes; "single" is a call for one prediction. Then there is a
training step of the task `penn_treebank`, with Keras in its own `fit`, and the memory of a process.

Each library runs in a process of its own. For every shape all three are built, and then measured in
turn, several times over, so that whatever else the machine does hits all alike; what is compared
are medians. Keras's layers and Reprise's run in the same training loop, Keras's with whole batches,
Keras's Adam, and TensorFlow's own number of threads. PyTorch is no dependency of the project:
`--pytorch` names a Python that has it (`pip install torch`); by default this one is tried.
"""

import argparse
import json
import os
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

# (name, batch, steps, features, units, layers, both directions)
SHAPES = [
    ("32 x 24 x 8, 64 units", 32, 24, 8, 64, 1, False),
    ("32 x 96 x 7, 64 units", 32, 96, 7, 64, 1, False),
    ("64 x 96 x 7, 256 units", 64, 96, 7, 256, 1, False),
    ("20 x 35 x 200, 200 units", 20, 35, 200, 200, 1, False),
    ("32 x 48 x 16, 128 units, 2 layers", 32, 48, 16, 128, 2, False),
    ("32 x 48 x 16, 128 units, both directions", 32, 48, 16, 128, 1, True),
]
CELLS = {"lstm": 4, "gru": 3, "simple_rnn": 1}
LIBRARIES = ("keras", "reprise", "pytorch")
# What is measured, and what one of it is called. Training steps and predictions are many a call,
# where the library has such a thing.
KINDS = {"train": "training step", "predict": "prediction", "single": "call for one prediction"}
AT_LEAST = 0.4  # seconds of one measurement
STEPS = (
    128  # of the language model, in one measurement: enough to spread what a call of `fit` costs
)


def flops(
    cell: str, batch: int, steps: int, features: int, units: int, layers: int, both: int
) -> tuple[float, float]:
    """Returns the floating point operations of the matrix products in a training step, and in a
    prediction."""
    training = prediction = 0.0
    for layer in range(layers):
        inputs = (
            2
            * batch
            * steps
            * (units if layer else features)
            * CELLS[cell]
            * units
            * (2 if both else 1)
        )
        recurrent = 2 * batch * steps * units * CELLS[cell] * units * (2 if both else 1)
        training += (
            3 if layer else 2
        ) * inputs + 3 * recurrent  # nobody asks for the gradient by the first layer's inputs
        prediction += inputs + recurrent
    return training, prediction


def tensorflow_steps(fast: bool, cell: str, shape: list[Any]) -> dict[str, Callable[[int], None]]:
    """Returns, for each of KINDS, what does so many of it with TensorFlow."""
    import numpy as np

    from stages.networks import optimizers, recurrent
    from stages.networks.backend import keras, tf
    from stages.networks.losses import elementwise
    from stages.networks.recurrence import SHARDS
    from stages.networks.steps import training_steps
    from stages.networks.training import seed_everything

    batch, steps, features, units, layers, both = shape
    seed_everything(0)
    inputs = hidden = keras.Input((steps, features), name="x")
    kinds: dict[str, Any] = recurrent.FAST if fast else recurrent.PLAIN
    around = recurrent.Bidirectional if fast else keras.layers.Bidirectional
    for _ in range(layers):
        layer = kinds[cell](units, return_sequences=True)
        hidden = (around(layer) if both else layer)(hidden)
    network = keras.Model({"x": inputs}, keras.layers.Dense(1)(hidden))
    optimizer = (optimizers if fast else keras.optimizers).Adam()
    optimizer.build(network.trainable_variables)
    loss = elementwise(lambda targets, outputs: tf.square(targets - outputs))
    run = training_steps(network, loss, optimizer, [], None, SHARDS if fast else 1)
    rng = np.random.default_rng(0)
    chunks: dict[int, Any] = {}

    def train(count: int) -> None:
        if count not in chunks:
            x, y = (
                rng.normal(size=(count, batch, steps, features)),
                rng.normal(size=(count, batch, steps, 1)),
            )
            tensors = {
                "inputs": {"x": x.astype("float32")},
                "targets": y.astype("float32"),
                "mask": np.ones(y.shape, "float32"),
            }
            chunks[count] = tf.nest.map_structure(tf.constant, tensors)
        float(run(chunks[count], [])[0])

    example = tf.constant(rng.normal(size=(batch, steps, features)), tf.float32)
    forward = tf.function(lambda x: network({"x": x}, training=False)).get_concrete_function(
        example
    )

    @tf.function
    def stream(batches: Any) -> Any:
        return tf.map_fn(
            lambda x: network({"x": x}, training=False), batches, parallel_iterations=1
        )

    several: dict[int, Any] = {}

    def predict(count: int) -> None:
        if count not in several:
            several[count] = tf.constant(
                rng.normal(size=(count, batch, steps, features)), tf.float32
            )
        stream(several[count]).numpy()

    def single(count: int) -> None:
        for _ in range(count):
            forward(example).numpy()

    return {"train": train, "predict": predict, "single": single}


def language_steps(fast: bool) -> dict[str, Callable[[int], None]]:
    """A step of the task `penn_treebank`, 20 x 20 of 10,000 words and 2 x 200 units: Reprise's, or
    Keras's layers in Keras's `fit`."""
    import numpy as np

    from stages import kinds
    from stages.networks import optimizers
    from stages.networks.backend import keras, tf
    from stages.networks.state import start
    from stages.networks.steps import training_steps
    from stages.networks.training import seed_everything

    rows, steps, words, units = 20, 20, 10_000, 200
    seed_everything(0)
    tokens = np.random.default_rng(0).integers(0, words, (2, 256 * rows, steps)).astype("int32")
    if fast:
        module = kinds.module("language_modelling", "train")
        section = {"cell": "lstm", "units": units, "layers": 2, "steps": steps}
        parameters = module.Parameters.model_validate(section)
        examples = SimpleNamespace(examples="stream", vocabulary_size=words)
        network: Any = module.build(examples, parameters, "network")
        optimizer = optimizers.SGD(1.0, global_clipnorm=5.0)
        optimizer.build(network.trainable_variables)
        run = training_steps(network, module.loss(parameters), optimizer, [], None)
        state = start(network, rows)
    else:
        layers = [keras.layers.LSTM(units, return_sequences=True, stateful=True) for _ in range(2)]
        network = keras.Sequential(
            [
                keras.Input((steps,), rows),
                keras.layers.Embedding(words, units),
                *layers,
                keras.layers.Dense(words),
            ]
        )
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        network.compile(keras.optimizers.SGD(1.0, global_clipnorm=5.0), loss)

    def train(count: int) -> None:
        inputs, targets = tokens[:, : count * rows]
        if fast:
            shape = (count, rows, steps)
            chunk = {
                "inputs": {"tokens": inputs.reshape(shape)},
                "targets": targets.reshape(shape),
                "mask": np.ones(shape, "float32"),
            }
            float(run(tf.nest.map_structure(tf.constant, chunk), state)[0])
        else:
            network.fit(inputs, targets, batch_size=rows, shuffle=False, verbose=0)

    return {"train": train}


def pytorch_steps(cell: str, shape: list[Any]) -> dict[str, Callable[[int], None]]:
    """The same with PyTorch."""
    import torch

    torch.manual_seed(0)
    torch.set_num_threads(len(os.sched_getaffinity(0)))
    batch, steps, features, units, layers, both = shape
    kind = {"lstm": torch.nn.LSTM, "gru": torch.nn.GRU, "simple_rnn": torch.nn.RNN}[cell]
    recurrent = kind(features, units, layers, batch_first=True, bidirectional=both)
    dense = torch.nn.Linear(units * (2 if both else 1), 1)
    optimizer = torch.optim.Adam([*recurrent.parameters(), *dense.parameters()])
    x, y = torch.randn(batch, steps, features), torch.randn(batch, steps, 1)

    def train(count: int) -> None:
        for _ in range(count):
            optimizer.zero_grad()
            torch.nn.functional.mse_loss(dense(recurrent(x)[0]), y).backward()
            optimizer.step()

    def predict(count: int) -> None:
        with torch.inference_mode():
            for _ in range(count):
                dense(recurrent(x)[0]).numpy()

    return {"train": train, "predict": predict, "single": predict}


def peak_of_products() -> float:
    """Returns the floating point operations a second of a large matrix product, on all cores."""
    from stages.networks.backend import tf

    left, right = tf.random.normal((2048, 2048)), tf.random.normal((2048, 2048))
    times = []
    for _ in range(12):
        start = time.perf_counter()
        tf.matmul(left, right).numpy()
        times.append(time.perf_counter() - start)
    return 2 * 2048**3 / min(times)


def memory() -> float:
    """Returns the largest memory that this process has held so far, in MiB (Linux)."""
    return int(re.search(r"VmHWM:\s+(\d+)", Path("/proc/self/status").read_text())[1]) / 1024  # type: ignore[index]


def work(library: str) -> None:
    """One library's process: answers each line of its standard input, a JSON list, with a line."""
    functions: dict[str, Callable[[int], None]]
    for line in sys.stdin:
        command, *rest = json.loads(line)
        answer: Any = None
        if command == "peak":
            answer = peak_of_products()
        elif command == "memory":
            answer = memory()
        elif command in ("build", "build_language"):
            fast = library == "reprise"
            if command == "build_language":
                functions = language_steps(fast)
            else:
                functions = (
                    pytorch_steps(*rest) if library == "pytorch" else tensorflow_steps(fast, *rest)
                )
            counts = {}
            answer = []
            for name, function in functions.items():
                start = time.perf_counter()
                function(1)
                answer.append(time.perf_counter() - start)
                function(1)
                start = time.perf_counter()
                function(1)
                counts[name] = max(1, min(256, int(AT_LEAST / (time.perf_counter() - start))))
                function(counts[name])
        else:
            count = rest[0] if rest else counts[command]
            start = time.perf_counter()
            functions[command](count)
            answer = (time.perf_counter() - start) / count * 1000
        print(json.dumps(answer), flush=True)  # noqa: T201 - the protocol of this process


class Worker:
    def __init__(self, library: str, python: str) -> None:
        environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"} | (
            {"TF_NUM_INTRAOP_THREADS": "0"} if library == "keras" else {}
        )
        command = [python, "-m", "benchmarks.recurrent_speed", "--work", library]
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env=environment,
        )

    def ask(self, *command: Any) -> Any:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps(command) + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def end(self) -> None:
        self.process.communicate()


def language_times(workers: dict[str, Worker], repeats: int) -> dict[str, float]:
    """Returns the milliseconds of a training step of the task `penn_treebank`."""
    times: dict[str, list[float]] = {"keras": [], "reprise": []}
    for library in times:
        workers[library].ask("build_language")
        workers[library].ask("train", STEPS)
    for _ in range(repeats):
        for library, of in times.items():
            of.append(workers[library].ask("train", STEPS))
    return {library: statistics.median(of) for library, of in times.items()}


def memory_of(library: str, python: str, cell: str, shape: list[Any]) -> dict[str, float]:
    """Returns the peak memory of a fresh process that trains, and what of it training has added, in
    MiB."""
    worker = Worker(library, python)
    worker.ask("build", cell, [2, 2, 2, 2, 1, False])
    before = worker.ask("memory")
    worker.ask("build", cell, shape)
    after = worker.ask("memory")
    worker.end()
    return {"peak": after, "added": after - before}


def main() -> None:
    arguments = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    arguments.add_argument("--json", type=Path)
    arguments.add_argument("--repeats", type=int, default=7)
    arguments.add_argument("--pytorch", default=sys.executable, help="a Python that has PyTorch")
    arguments.add_argument("--work", choices=LIBRARIES, help=argparse.SUPPRESS)
    given = arguments.parse_args()
    if given.work:
        return work(given.work)

    has_pytorch = (
        subprocess.run([given.pytorch, "-c", "import torch"], capture_output=True).returncode == 0
    )
    pythons = {"keras": sys.executable, "reprise": sys.executable} | (
        {"pytorch": given.pytorch} if has_pytorch else {}
    )
    workers = {library: Worker(library, python) for library, python in pythons.items()}
    peak = workers["keras"].ask("peak")
    write = sys.stdout.write
    write(
        f"largest matrix product: {peak / 1e9:.0f} "
        f"GFLOP/s{'' if has_pytorch else '; no PyTorch found'}\n"
    )
    write(
        f"{'':52}"
        + "".join(f"{'ms a ' + said:>27}{'faster than':>18}{'':8}" for said in KINDS.values())
        + "\n"
    )
    columns = f"{'keras':>9}{'reprise':>9}{'pytorch':>9}{'keras':>9}{'pytorch':>9}"
    write(f"{'':52}{columns}{'of peak':>8}{columns}{'of peak':>8}{columns}\n")
    cases = []
    for cell in CELLS:
        for name, *shape in SHAPES:
            first = {
                library: worker.ask("build", cell, shape) for library, worker in workers.items()
            }
            times: dict[str, dict[str, list[float]]] = {
                kind: {library: [] for library in workers} for kind in KINDS
            }
            for _ in range(given.repeats):
                for kind in times:
                    for library, worker in workers.items():
                        times[kind][library].append(worker.ask(kind))
            medians = {
                kind: {library: statistics.median(found) for library, found in of.items()}
                for kind, of in times.items()
            }
            operations = dict(zip(KINDS, flops(cell, *shape), strict=False))
            of_peak = {
                kind: count / medians[kind]["reprise"] * 1000 / peak
                for kind, count in operations.items()
            }
            cases.append(
                {
                    "cell": cell,
                    "shape": name,
                    "milliseconds": medians,
                    "of_peak": of_peak,
                    "first_call_seconds": first["reprise"],
                }
            )
            line = f"{cell + ', ' + name:52}"
            for kind, of in medians.items():
                line += "".join(
                    f"{of[library]:9.2f}" if library in of else f"{'':9}" for library in LIBRARIES
                )
                line += "".join(
                    f"{of[other] / of['reprise']:9.2f}" if other in of else f"{'':9}"
                    for other in ("keras", "pytorch")
                )
                line += f"{of_peak[kind]:8.0%}" if kind in of_peak else ""
            write(line + "\n")
            sys.stdout.flush()
    language = language_times(workers, given.repeats)
    write(
        "a training step of penn_treebank: "
        + ", ".join(f"{library} {of:.1f} ms" for library, of in language.items())
    )
    write(f", {language['keras'] / language['reprise']:.2f} times faster\n")
    for worker in workers.values():
        worker.end()
    held = {}
    for cell in CELLS:
        shape = list(SHAPES[2][1:])
        held[cell] = {
            library: memory_of(library, pythons[library], cell, shape)
            for library in ("keras", "reprise")
        }
        write(
            f"{cell}, {SHAPES[2][0]}: "
            + ", ".join(f"{of} {found['peak']:.0f} MiB" for of, found in held[cell].items())
        )
        write(
            " at the peak; added by training "
            + ", ".join(f"{of} {found['added']:.0f} MiB" for of, found in held[cell].items())
            + "\n"
        )
    if given.json is not None:
        found = {"peak_gflops": peak / 1e9, "cores": len(os.sched_getaffinity(0)), "cases": cases}
        found |= {"penn_treebank_milliseconds": language, "memory_mebibytes": held}
        given.json.write_text(json.dumps(found, indent=2) + "\n")


if __name__ == "__main__":
    main()
