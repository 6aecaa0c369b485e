"""Runs the pipeline from scratch in two fresh clones of HEAD and compares every output with the
committed `dvc.lock`.

python -m tools.verify                                # all tasks
python -m tools.verify --task next_word               # one of them; several: repeat --task
python -m tools.verify --emulate haswell              # small tasks, once, on an emulated processor

There is no cache and no run-cache, and the two runs differ in folder, hash seed, time zone, locale
and settings that would change the arithmetic if they were not overruled. Exit code 0 only if all
outputs of both have the committed bytes; then the processor is added to `data/verified.json`. For
an output that has not, the table says what differs, and of metrics whether they agree within
`--tolerance`, as they should on processors without AVX2 and with `arithmetic: native`.
"""

import logging
import math
import os
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from stages import arithmetic, command
from stages.errors import InputError
from stages.files import parameters
from stages.files.writing import read_json
from tools import clones, emulation, verified

log = logging.getLogger("reprise")

SETTINGS: list[dict[str, str]] = [
    {"PYTHONHASHSEED": "1", "TZ": "Asia/Tokyo", "LC_ALL": "C"},
    {
        **{"PYTHONHASHSEED": "2", "TZ": "America/Lima", "LC_ALL": "C.UTF-8"},
        **{"OPENBLAS_NUM_THREADS": "8", "TF_ENABLE_ONEDNN_OPTS": "0"},
    },
]
# Minutes under the emulator, where others take hours.
SMALL = ("sum_of_two", "next_word")


def main(arguments: list[str]) -> None:
    parser = command.parser(__doc__, task=False)
    parser.add_argument(
        "--task",
        action="append",
        help="run this task alone, or several times those that are named",
    )
    parser.add_argument("--emulate", choices=emulation.MODELS, help="a processor to emulate")
    parser.add_argument(
        "--tolerance",
        type=float,
        default=0.05,
        help="largest relative difference of a metric that counts as the same",
    )
    given = parser.parse_args(arguments)
    root = Path.cwd()
    tasks = [*verified.digests(root)]
    for task in given.task or []:
        if task not in tasks:
            raise InputError(f"expected the name of a task in dvc.lock, received {task!r}")
    if given.emulate and given.task is None and not {*SMALL} <= {*tasks}:
        raise InputError(
            f"expected the tasks {', '.join(SMALL)} in dvc.lock, or the name of another small one "
            "with --task (TASK=NAME), received neither"
        )
    only = given.task or ([*SMALL] if given.emulate else None)
    rows: list[tuple[str, ...]] = []
    with tempfile.TemporaryDirectory() as folder:
        emulated = emulation.install(Path(folder), given.emulate) if given.emulate else {}
        for number, variables in enumerate([emulated] if emulated else SETTINGS, 1):
            project = clones.clone(root, Path(folder) / ("clone" * number))
            (project / "dvc.lock").unlink()  # so that no stage is taken for done
            _run(project, [f"predict@{task}" for task in only or []], variables)
            rows += [(str(number), *row) for row in compared(root, project, only, given.tolerance)]
    width = max(len(path) for _, path, _ in rows)
    lines = [f"run  {'output':{width}}  compared with dvc.lock"]
    lines += [f"{n:>3}  {path:{width}}  {result}" for n, path, result in rows]
    different = sum(result != "same" for _, _, result in rows)
    processor = emulation.title(given.emulate) if given.emulate else str(arithmetic.processor())
    if not different and parameters.arithmetic() == "portable":
        verified.add(root, only or tasks, processor)
    lines += ["", f"this processor: {processor}", "verified on:", *verified.table(root)]
    sys.stdout.write("\n".join(lines) + "\n")
    if different:
        raise InputError(f"{different} of {len(rows)} outputs are not those of dvc.lock")


def compared(
    root: Path, project: Path, tasks: list[str] | None, tolerance: float
) -> Iterator[tuple[str, str]]:
    """Yields each output of the run in `project`, or those of `tasks` alone, and what it is beside
    that of `root`: `same`, or what differs."""
    expected, received = clones.outs(root), clones.outs(project)
    for path in {**expected, **received}:
        if tasks is not None and not {*tasks} & {*Path(path).parts}:
            continue
        if path not in expected or path not in received:
            yield path, f"different: only in {'the run' if path in received else 'dvc.lock'}"
        elif received[path] == expected[path]:
            yield path, "same"
        elif not (root / path).exists():
            yield path, "different (what it was is not here: dvc pull tells more)"
        else:
            yield (
                path,
                "different: "
                + (
                    "; ".join(differences(root / path, project / path, tolerance))
                    or "other bytes of the same content"
                ),
            )


def differences(first: Path, second: Path, tolerance: float) -> Iterator[str]:
    """Yields what differs between two files or folders: which array, tensor or metric, and by how
    much."""
    if first.is_dir():
        names = [
            {path.relative_to(folder) for path in folder.rglob("*") if path.is_file()}
            for folder in (first, second)
        ]
        yield from (f"{name} is in one of them only" for name in sorted(names[0] ^ names[1]))
        for name in sorted(names[0] & names[1]):
            yield from (
                f"{name}: {found}" for found in differences(first / name, second / name, tolerance)
            )
    elif first.read_bytes() != second.read_bytes():
        match first.suffix:
            case ".npy":
                yield _of_arrays(*(np.load(path, allow_pickle=False) for path in (first, second)))
            case ".keras":
                yield from _of_models(first, second)
            case ".json":
                yield from _of_numbers(read_json(first), read_json(second), tolerance)
            case ".csv" | ".txt" | ".md" | ".jsonl":
                lines = [path.read_text(encoding="utf-8").splitlines() for path in (first, second)]
                where = next(
                    (n for n, (a, b) in enumerate(zip(*lines, strict=False), 1) if a != b),
                    min(map(len, lines)) + 1,
                )
                yield f"first in line {where} of {len(lines[0])}"
            case _:
                yield f"{first.stat().st_size:,} and {second.stat().st_size:,} bytes"


def _of_arrays(first: np.ndarray, second: np.ndarray) -> str:
    if first.shape != second.shape or first.dtype != second.dtype:
        return f"{first.dtype} {first.shape} and {second.dtype} {second.shape}"
    numbers = np.issubdtype(first.dtype, np.number)
    unequal = int(
        np.sum((first != second) & ~(np.isnan(first) & np.isnan(second) if numbers else False))
    )
    if not numbers:
        return f"{unequal} of {first.size} values"
    largest = np.nanmax(np.abs(first.astype(float) - second.astype(float)))
    return f"{unequal} of {first.size} values, by {largest:.3g} at most"


def _of_models(first: Path, second: Path) -> Iterator[str]:
    import h5py

    def tensors(path: Path) -> tuple[dict[str, np.ndarray], dict[str, bytes]]:
        found: dict[str, np.ndarray] = {}
        with zipfile.ZipFile(path) as archive:
            with archive.open("model.weights.h5") as file, h5py.File(file) as weights:
                weights.visititems(
                    lambda name, entry: found.update(
                        {name: entry[()]} if isinstance(entry, h5py.Dataset) else {}
                    )
                )
            return found, {
                name: archive.read(name) for name in archive.namelist() if not name.endswith(".h5")
            }

    (weights, parts), (other_weights, other_parts) = tensors(first), tensors(second)
    yield from (
        f"{name} differs"
        for name in sorted(parts.keys() | other_parts.keys())
        if parts.get(name) != other_parts.get(name)
    )
    yield from (
        f"{name} is in one of them only" for name in sorted(weights.keys() ^ other_weights.keys())
    )
    for name in sorted(weights.keys() & other_weights.keys()):
        if not np.array_equal(weights[name], other_weights[name]):
            yield f"{name}: {_of_arrays(weights[name], other_weights[name])}"


def _of_numbers(first: Any, second: Any, tolerance: float, where: str = "") -> Iterator[str]:
    if isinstance(first, dict) and isinstance(second, dict):
        for key in {**first, **second}:
            if first.get(key) != second.get(key):
                yield from _of_numbers(
                    first.get(key), second.get(key), tolerance, f"{where}.{key}".lstrip(".")
                )
    elif isinstance(first, (int, float)) and isinstance(second, (int, float)):
        near = "within" if math.isclose(first, second, rel_tol=tolerance) else "beyond"
        yield f"{where} {first:.6g} and {second:.6g}, {near} the tolerance of {tolerance:g}"
    else:
        yield f"{where} {first!r} and {second!r}"


def _run(project: Path, targets: list[str], settings: dict[str, str]) -> None:
    environment = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        # Without it DVC fails in a folder whose name is not ASCII, where the locale is.
        "PYTHONUTF8": "1",
        **settings,
    }
    log.info(
        "%s in %s: %s",
        "dvc repro " + " ".join(targets),
        project,
        ", ".join(f"{key}={value}" for key, value in settings.items()),
    )
    done = subprocess.run(
        [sys.executable, "-m", "dvc", "repro", "--force", *targets],
        cwd=project,
        env=environment,
        stdout=sys.stderr,
    )
    if done.returncode:
        raise InputError(f"the run ended with exit code {done.returncode}")


if __name__ == "__main__":
    command.run(main)
