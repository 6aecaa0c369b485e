"""How fast the recurrent layers train and predict, beside Keras's own and PyTorch's.

python -m benchmarks.recurrent_speed [--json FILE] [--repeats N] [--pytorch PYTHON]

What is measured is in `benchmarks.recurrent_steps`. One call takes many training steps, as in the
pipeline, and many predictions, which tells what a layer takes; "single" is one prediction per call.
Then there is a training step of the task `penn_treebank`, with Keras in its own `fit`, and the
memory of a process.

Each library runs in a process of its own. For every shape all three are built, and then measured in
turn, several times over, so that whatever else the machine does hits all alike; what is compared
are medians. Keras's layers and Reprise's run in the same training loop, Keras's with whole batches,
Keras's Adam, TensorFlow's own number of threads and the fastest instructions of the processor.
"native" is Reprise with these instructions, `arithmetic: native`: the portable ones, where the
processor has no AVX-512. PyTorch is no dependency of the project: `--pytorch` names a Python that
has it (`pip install torch`); by default this one is tried.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from benchmarks.memory import peak
from benchmarks.recurrent_steps import (
    CELLS,
    Shape,
    Steps,
    flops,
    language_steps,
    peak_of_products,
    pytorch_steps,
    tensorflow_steps,
)
from stages import arithmetic

SHAPES = {
    "32 x 24 x 8, 64 units": Shape(32, 24, 8, 64, 1, False),
    "32 x 96 x 7, 64 units": Shape(32, 96, 7, 64, 1, False),
    "64 x 96 x 7, 256 units": Shape(64, 96, 7, 256, 1, False),
    "20 x 35 x 200, 200 units": Shape(20, 35, 200, 200, 1, False),
    "32 x 48 x 16, 128 units, 2 layers": Shape(32, 48, 16, 128, 2, False),
    "32 x 48 x 16, 128 units, both directions": Shape(32, 48, 16, 128, 1, True),
}
MEMORY_SHAPE = "64 x 96 x 7, 256 units"
LIBRARIES = ("keras", "reprise", "native", "pytorch")
OTHERS = [library for library in LIBRARIES if library != "reprise"]
# What is measured, and what one of it is called.
MEASURES = {"train": "training step", "predict": "prediction", "single": "single prediction"}
SHORTEST = 0.4  # seconds of one measurement
# Of the language model, in one measurement: enough to spread what a call of `fit` costs.
LANGUAGE_STEPS = 128


def work(library: str) -> None:
    """The process of one library: answers each line of its standard input, a JSON list, with a
    line."""
    if library in ("keras", "native"):
        arithmetic.use("native")
    if library == "keras":
        os.environ["TF_NUM_INTRAOP_THREADS"] = "0"
    functions: dict[str, Steps] = {}
    counts: dict[str, int] = {}
    for line in sys.stdin:
        command, *rest = json.loads(line)
        answer: Any
        if command == "peak":
            answer = peak_of_products()
        elif command == "memory":
            answer = peak()
        elif command in ("build", "build_language"):
            functions = build(library, *rest)
            answer = [seconds_of(function, 1) for function in functions.values()]
            counts = {name: count_of(function) for name, function in functions.items()}
        else:
            count = rest[0] if rest else counts[command]
            answer = seconds_of(functions[command], count) / count * 1000
        print(json.dumps(answer), flush=True)  # noqa: T201 - the protocol of this process


def build(library: str, *network: Any) -> dict[str, Steps]:
    """Returns the functions of a `network`, a cell and sizes, or of the language model, nothing."""
    if not network:
        return language_steps(library != "keras")
    if library == "pytorch":
        return pytorch_steps(*network)
    return tensorflow_steps(library != "keras", *network)


def seconds_of(function: Steps, count: int) -> float:
    started = time.perf_counter()
    function(count)
    return time.perf_counter() - started


def count_of(function: Steps) -> int:
    """Returns how many steps one measurement takes, and has done so many once."""
    function(1)
    count = max(1, min(256, int(SHORTEST / seconds_of(function, 1))))
    function(count)
    return count


class Worker:
    """The process of a library, from outside."""

    def __init__(self, library: str, python: str) -> None:
        environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
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


def measure(
    workers: dict[str, Worker], cell: str, name: str, repeats: int, flops_per_second: float
) -> dict[str, Any]:
    """Returns the medians of all measures of all libraries for a cell and a shape, in milliseconds,
    and which share of the machine's peak Reprise reaches."""
    shape = SHAPES[name]
    first = {library: worker.ask("build", cell, shape) for library, worker in workers.items()}
    times: dict[str, dict[str, list[float]]] = {
        quantity: {library: [] for library in workers} for quantity in MEASURES
    }
    for _ in range(repeats):
        for quantity, by_library in times.items():
            for library, worker in workers.items():
                by_library[library].append(worker.ask(quantity))
    medians = {quantity: medians_of(by_library) for quantity, by_library in times.items()}
    operations = dict(zip(MEASURES, flops(cell, shape), strict=False))
    shares = {
        quantity: count / medians[quantity]["reprise"] * 1000 / flops_per_second
        for quantity, count in operations.items()
    }
    return {
        "cell": cell,
        "shape": name,
        "milliseconds": medians,
        "of_peak": shares,
        "first_call_seconds": first["reprise"],
    }


def measure_language(workers: dict[str, Worker], repeats: int) -> dict[str, float]:
    """Returns the milliseconds of a training step of the task `penn_treebank`."""
    times: dict[str, list[float]] = {"keras": [], "reprise": []}
    for library in times:
        workers[library].ask("build_language")
        workers[library].ask("train", LANGUAGE_STEPS)
    for _ in range(repeats):
        for library, values in times.items():
            values.append(workers[library].ask("train", LANGUAGE_STEPS))
    return medians_of(times)


def medians_of(times: dict[str, list[float]]) -> dict[str, float]:
    return {library: statistics.median(values) for library, values in times.items()}


def measure_memory(library: str, cell: str) -> dict[str, float]:
    """Returns the peak memory of a fresh process that trains, and how much of it training has
    added, in MiB."""
    worker = Worker(library, sys.executable)
    worker.ask("build", cell, Shape(2, 2, 2, 2, 1, False))
    before = worker.ask("memory")
    worker.ask("build", cell, SHAPES[MEMORY_SHAPE])
    after = worker.ask("memory")
    worker.end()
    return {"peak": after, "added": after - before}


def heading() -> str:
    names = (f"{f'ms per {name}':>36}{'faster than':>27}{'':8}" for name in MEASURES.values())
    columns = "".join(f"{name:>9}" for name in (*LIBRARIES, *OTHERS))
    below = f"{columns}{'of peak':>8}{columns}{'of peak':>8}{columns}"
    return f"{'':52}{''.join(names)}\n{'':52}{below}\n"


def line_of(case: dict[str, Any]) -> str:
    """Returns the line of the table for what `measure` returned."""
    line = f"{case['cell'] + ', ' + case['shape']:52}"
    for measure, medians in case["milliseconds"].items():
        times = {library: f"{value:.2f}" for library, value in medians.items()}
        faster = {
            library: f"{value / medians['reprise']:.2f}" for library, value in medians.items()
        }
        line += "".join(f"{times.get(library, ''):>9}" for library in LIBRARIES)
        line += "".join(f"{faster.get(library, ''):>9}" for library in OTHERS)
        line += f"{case['of_peak'][measure]:8.0%}" if measure in case["of_peak"] else ""
    return f"{line}\n"


def memory_line(cell: str, memory: dict[str, dict[str, float]]) -> str:
    peaks, added = (
        ", ".join(f"{library} {entry[key]:.0f} MiB" for library, entry in memory.items())
        for key in ("peak", "added")
    )
    return f"{cell}, {MEMORY_SHAPE}: {peaks} at the peak; added by training {added}\n"


def compare(pythons: dict[str, str], repeats: int) -> dict[str, Any]:
    """Measures everything, shows it on the way, and returns it."""
    workers = {library: Worker(library, python) for library, python in pythons.items()}
    flops_per_second = workers["keras"].ask("peak")
    missing = "" if "pytorch" in workers else "; no PyTorch found"
    show(f"largest matrix product: {flops_per_second / 1e9:.0f} GFLOP/s{missing}\n{heading()}")
    cases = []
    for cell in CELLS:
        for name in SHAPES:
            cases.append(measure(workers, cell, name, repeats, flops_per_second))
            show(line_of(cases[-1]))
    language = measure_language(workers, repeats)
    times = ", ".join(f"{library} {value:.1f} ms" for library, value in language.items())
    ratio = language["keras"] / language["reprise"]
    show(f"a training step of penn_treebank: {times}, {ratio:.2f} times faster\n")
    for worker in workers.values():
        worker.end()
    memory = {}
    for cell in CELLS:
        memory[cell] = {library: measure_memory(library, cell) for library in ("keras", "reprise")}
        show(memory_line(cell, memory[cell]))
    return {
        "processor": str(arithmetic.processor()),
        "peak_gflops": flops_per_second / 1e9,
        "cores": len(os.sched_getaffinity(0)),
        "cases": cases,
        "penn_treebank_milliseconds": language,
        "memory_mebibytes": memory,
    }


def show(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--json", type=Path)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--pytorch", default=sys.executable, help="a Python that has PyTorch")
    parser.add_argument("--work", choices=LIBRARIES, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.work:
        return work(args.work)
    pythons = dict.fromkeys(("keras", "reprise", "native"), sys.executable)
    importing = subprocess.run([args.pytorch, "-c", "import torch"], capture_output=True)
    if importing.returncode == 0:
        pythons["pytorch"] = args.pytorch
    results = compare(pythons, args.repeats)
    if args.json is not None:
        args.json.write_text(json.dumps(results, indent=2) + "\n")


if __name__ == "__main__":
    main()
