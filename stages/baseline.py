"""Examples -> data/baselines/TASK: baselines without a network, scored on the test split, without
TensorFlow."""

import logging
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from stages import command, kinds
from stages.errors import InputError, naming
from stages.files import examples, parameters
from stages.files.task_data import TaskData
from stages.files.writing import write_json
from stages.kinds.data import Baselines
from stages.scores import Score, numbers

log = logging.getLogger("reprise")


def main(arguments: list[str]) -> None:
    task = command.parser(__doc__).parse_args(arguments).task
    kind = parameters.kind(task)
    module = kinds.module(kind, "baseline")
    section = parameters.section(task, "baseline", module.Parameters)
    judged = parameters.section(task, "evaluate", kinds.module(kind, "evaluate").Parameters)
    package = kinds.package(kind)
    with naming(f"task {task}"):
        data = TaskData(task, package.Ingested, package.Examples)
        baselines = module.baseline(data, section, judged)
        check_score(baselines, judged.score, kinds.module(kind, "scores").SCORES)
    folder = Path("data/baselines") / task
    examples.write_arrays(folder, baselines.arrays, {"parameters": section.model_dump()})
    write_json(folder / "scores.json", baselines.scores)
    for method, scores in baselines.scores.items():
        shown = "  ".join(f"{name} {value:.4g}" for name, value in numbers(scores).items())
        log.info("%s: %-15s %s", task, method, shown)


def check_score(baselines: Baselines, score: str, scores: Mapping[str, Score]) -> None:
    """Raises `InputError` where the score by which the task is judged does not exist for any
    baseline: no training could be judged by it."""
    methods = [numbers(method) for method in baselines.scores.values()]
    exist = {name for method in methods for name, value in method.items() if np.isfinite(value)}
    if score in exist:
        return
    reason = "has no scale on this data, or no value"
    if not any(score in method for method in methods) and scores[score].needs:
        reason = f"needs {scores[score].needs}"
    raise InputError(
        f"evaluate.score: expected a score that exists, one of {', '.join(sorted(exist))}, "
        f"received {score!r}, which {reason}"
    )


if __name__ == "__main__":
    command.run(main)
