"""Other packages' forecasts of the same windows -> recipe/rivals.json: what a user would take
instead.

Run from the project's root after `make recipe`: `python -m recipe.rivals [TASK ...]`. Each method
has its package's defaults. Entries that are there already stay, unless the task's windows have
changed. AutoETS and AutoTheta are fitted anew at each origin, on all history before it; LSTM and
GRU once, on all rows before the test split. Where there are many windows, some at even distances
stand for all.
"""

import json
import logging
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from recipe.datasets import HOME
from recipe.rival_methods import DONE, METHODS, Job
from stages import command
from stages.errors import InputError
from stages.files import examples, parameters
from stages.files.writing import read_json, write_json
from stages.kinds.forecasting.baseline import Forecaster, Parameters, Plan
from stages.scores import Score
from stages.series import metrics
from stages.series.data import SeriesExamples
from stages.series.outcomes import Outcomes

log = logging.getLogger("reprise")

RESULTS = HOME / "rivals.json"
PYTHON = HOME / ".venv-rivals/bin/python"
# The most windows of a series, and of a task.
OF_A_SERIES, OF_A_TASK = 100, 300
# Of the environment of the methods, those whose versions are recorded.
PACKAGES = ("statsforecast", "neuralforecast", "torch")

# job -> (windows, horizon) forecasts, and the number of windows that have the last value instead.
Runner = Callable[[Job], tuple[np.ndarray, int]]


def main(arguments: list[str]) -> None:
    parser = command.parser(__doc__, task=False)
    parser.add_argument("tasks", nargs="*", help="names of tasks; none: all")
    parser.add_argument("--methods", nargs="+", choices=list(METHODS), default=list(METHODS))
    parser.add_argument("--python", type=Path, default=PYTHON, help="with the other packages")
    args = parser.parse_args(arguments)
    known = parameters.read_all(HOME / "params.yaml")["tasks"]
    if unknown := [task for task in args.tasks if task not in known]:
        raise InputError(f"expected names of tasks of {HOME}/params.yaml, received {unknown[0]!r}")
    if not args.python.exists():
        raise InputError(f"expected {args.python}, found none: run make recipe-rivals")
    results = read_json(RESULTS) if RESULTS.exists() else {}
    results["windows"] = f"at most {OF_A_SERIES} of a series and {OF_A_TASK} of a task"
    results["versions"] = versions(args.python)
    entries = results.setdefault("tasks", {})
    for method in args.methods:
        with Program(args.python, method) as program:
            for task in args.tasks or known:
                entry = measure(task, method, entries.get(task), program)
                if entry is not entries.get(task):
                    entries[task] = entry
                    write_json(RESULTS, results)


def measure(task: str, method: str, entry: dict[str, Any] | None, run: Runner) -> dict[str, Any]:
    """Returns the entry of a task with what `method` adds to it; `entry` itself where that is there
    already, for the same windows and baseline."""
    prepared = examples.read(HOME / "data/examples" / task, SeriesExamples)
    outcomes = Outcomes(prepared, "test")
    chosen = spread(np.bincount(outcomes.series, minlength=len(prepared.series)))
    about = {
        **{name: getattr(prepared, name) for name in ("lookback", "horizon", "season")},
        "windows": len(chosen),
        "of": len(outcomes.windows),
    }
    entry = entry or {}
    same = all(entry.get(name) == value for name, value in about.items())
    baseline = best_baseline(task)
    if not same or any(entry.get(name) != value for name, value in baseline.items()):
        forecast = forecast_of(str(baseline["best_baseline"]), prepared, outcomes, chosen)
        baseline["baseline_mae"] = mae(outcomes, chosen, forecast)
        entry = {**about, **baseline, "methods": entry["methods"] if same else {}}
    if method in entry["methods"]:
        return entry
    started = time.perf_counter()
    forecast, failed = run(job_of(prepared, outcomes, chosen))
    result = {
        "mae": mae(outcomes, chosen, forecast[..., None]),
        "failed": failed,
        "seconds": round(time.perf_counter() - started, 1),
    }
    skill = Score().skill(result["mae"], entry["baseline_mae"])
    log.info(
        "%s, %d of %d windows: %s has mae %.4g (%s windows failed), %s %.4g: skill %s",
        *(task, len(chosen), len(outcomes.windows), method, result["mae"], failed),
        *(entry["best_baseline"], entry["baseline_mae"], skill),
    )
    return {**entry, "methods": {**entry["methods"], method: result}}


def spread(counts: Sequence[int] | np.ndarray) -> np.ndarray:
    """Returns the indices of windows at even distances: at most `OF_A_SERIES` of each series, and
    `OF_A_TASK` in all.

    Args:
        counts: (series,) windows of each series, which lie one after the other.
    """
    first = np.cumsum([0, *counts])[:-1]
    of_series = [
        start + _even(count, OF_A_SERIES) for start, count in zip(first, counts, strict=True)
    ]
    indices = np.concatenate(of_series)
    return indices[_even(len(indices), OF_A_TASK)]


def _even(count: int, most: int) -> np.ndarray:
    return np.linspace(0, count - 1, min(count, most)).round().astype(np.int64)


def best_baseline(task: str) -> dict[str, str | float]:
    """Returns the baseline with the smallest error on all test windows, and this error."""
    scores = read_json(HOME / "data/baselines" / task / "scores.json")
    errors = {method: of_method["mae"] for method, of_method in scores.items()}
    best = Score().best(errors)
    return {"best_baseline": best, "mae_on_all": errors[best]}


def forecast_of(
    method: str, prepared: SeriesExamples, outcomes: Outcomes, chosen: np.ndarray
) -> np.ndarray:
    """Returns a baseline's forecasts of the chosen windows, (windows, horizon, targets), in raw
    units."""
    plan = Plan(prepared.season, [method])
    forecaster = Forecaster(prepared, plan, tuple(Parameters().alphas))
    return outcomes.restored(forecaster.forecast(method, outcomes))[chosen]


def mae(outcomes: Outcomes, chosen: np.ndarray, forecast: np.ndarray) -> float:
    """Returns the mean absolute error of forecasts of the chosen windows, in raw units."""
    actual, mask = outcomes.actual[chosen], outcomes.mask[chosen]
    return metrics.scores(actual, forecast, mask, np.ones_like(actual[:, 0]))["mae"]


def job_of(prepared: SeriesExamples, outcomes: Outcomes, chosen: np.ndarray) -> Job:
    """Returns what `recipe.rival_methods` is given of a task with one target."""
    return {
        "values": prepared.raw_targets[:, 0],
        "starts": np.asarray(prepared.starts),
        "known": prepared.spans[2, :, 0],
        "origins": outcomes.origins[chosen],
        "series": outcomes.series[chosen],
        **{name: np.array(getattr(prepared, name)) for name in ("lookback", "horizon", "season")},
    }


class Program:
    """A method in its own environment, started once for all tasks: to import it takes longer than
    many a forecast."""

    def __init__(self, python: Path, method: str) -> None:
        self._method, self._folder = method, tempfile.TemporaryDirectory()
        self._errors = Path(self._folder.name) / "errors.txt"
        program = Path(__file__).with_name("rival_methods.py")
        with self._errors.open("w") as errors:
            self._process = subprocess.Popen(
                [python.absolute(), program, method],
                cwd=self._folder.name,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            )

    def __enter__(self) -> "Program":
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()
        self._folder.cleanup()

    def __call__(self, job: Job) -> tuple[np.ndarray, int]:
        np.savez(Path(self._folder.name) / "job.npz", **job)  # type: ignore[arg-type]
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(f"{self._folder.name}\n")
        self._process.stdin.flush()
        # The packages write lines of their own as well.
        if not any(line.rstrip("\n") == DONE for line in self._process.stdout):
            said = self._errors.read_text(encoding="utf-8", errors="replace").strip()
            last = (said.splitlines() or ["no message"])[-1]
            raise InputError(f"{self._method}: expected forecasts, received an error: {last}")
        with np.load(Path(self._folder.name) / "out.npz") as result:
            return result["forecast"], int(result["failed"])


def versions(python: Path) -> dict[str, str]:
    """Returns the versions of the other packages."""
    code = (
        "import json, sys; from importlib.metadata import version; "
        "print(json.dumps({name: version(name) for name in sys.argv[1:]}))"
    )
    done = subprocess.run([python, "-c", code, *PACKAGES], capture_output=True, text=True)
    if done.returncode:
        raise InputError(
            f"{python}: expected the packages {', '.join(PACKAGES)}, received an error: "
            f"{done.stderr.strip().splitlines()[-1]}: run make recipe-rivals"
        )
    return json.loads(done.stdout)


if __name__ == "__main__":
    command.run(main)
