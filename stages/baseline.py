"""Examples -> data/baselines/TASK: the naive and linear floors, scored on the test split, without TensorFlow."""

import logging
from pathlib import Path

from stages import command, kinds
from stages.errors import InputError
from stages.files import examples, parameters
from stages.files.writing import write_json

log = logging.getLogger("reprise")


def main(arguments: list[str]) -> None:
    task = command.parser(__doc__).parse_args(arguments).task
    part = kinds.part(parameters.kind(task), "baseline")
    section = parameters.section(task, "baseline", part.Parameters)
    given = examples.read(Path("data/examples") / task)
    try:
        scores, arrays = part.baseline(given.arrays, given.about, section)
    except InputError as error:
        raise InputError(f"task {task}: {error}") from None
    folder = Path("data/baselines") / task
    examples.write(folder, examples.Examples(arrays, {"parameters": section.model_dump()}))
    write_json(folder / "scores.json", scores)
    for name, entry in scores.items():
        log.info("%s: %-15s %s", task, name, "  ".join(f"{key} {value:.4g}" for key, value in entry.items() if key != "by_horizon"))


if __name__ == "__main__":
    command.run(main)
