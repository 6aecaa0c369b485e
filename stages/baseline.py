"""Examples -> data/baselines/TASK: the naive and linear floors, scored on the test split, without
TensorFlow."""

import logging
from pathlib import Path
from typing import Any

import numpy as np

from stages import command, kinds
from stages.errors import InputError
from stages.files import examples, parameters
from stages.files.writing import write_json

log = logging.getLogger("reprise")


def main(arguments: list[str]) -> None:
    task = command.parser(__doc__).parse_args(arguments).task
    part = kinds.module(parameters.kind(task), "baseline")
    section = parameters.section(task, "baseline", part.Parameters)
    score = parameters.section(
        task, "evaluate", kinds.module(parameters.kind(task), "evaluate").Parameters
    ).score
    given = examples.read(Path("data/examples") / task)
    try:
        scores, arrays = part.baseline(given.arrays, given.about, section)
        check_score(scores, score)
    except InputError as error:
        raise InputError(f"task {task}: {error}") from None
    folder = Path("data/baselines") / task
    examples.write(folder, examples.Examples(arrays, {"parameters": section.model_dump()}))
    write_json(folder / "scores.json", scores)
    for name, entry in scores.items():
        log.info(
            "%s: %-15s %s",
            task,
            name,
            "  ".join(f"{key} {value:.4g}" for key, value in entry.items() if key != "by_horizon"),
        )


def check_score(scores: dict[str, dict[str, Any]], score: str) -> None:
    """Raises `InputError` where the score that tasks are compared by does not exist for any method:
    no training could be judged by it."""
    exist = sorted(
        {
            name
            for entry in scores.values()
            for name, value in entry.items()
            if name != "by_horizon" and np.isfinite(value)
        }
    )
    if score not in exist:
        reason = (
            "needs naive2 among baseline.methods"
            if score not in next(iter(scores.values()))
            else "has no scale on this data, or no value"
        )
        raise InputError(
            f"evaluate.score: expected a score that exists, one of {', '.join(exist)}, received "
            f"{score!r}, which {reason}"
        )


if __name__ == "__main__":
    command.run(main)
