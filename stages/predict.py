"""Model and what is known -> data/predictions/TASK: the future of a series, the continuation of a
text.

What can be asked of a trained model on the command line, without retraining, is the kind's: python
-m stages.predict TASK --help
"""

import argparse
import logging
import sys
from collections.abc import Sequence
from pathlib import Path

from stages import command, kinds
from stages.errors import InputError
from stages.files import examples, models, parameters, pictures, readers, tables
from stages.files.writing import expect_place, read_json, write_output, write_text
from stages.networks import recurrent

log = logging.getLogger("reprise")

DRAWINGS = {"forecast": pictures.forecast, "bars": pictures.bars}


def main(arguments: list[str]) -> None:
    parser = command.parser(__doc__)
    # The name of a task says which further words there are; of several words it is the one that is
    # a task.
    words = [word for word in arguments if not word.startswith("-")]
    task = next((word for word in words if word in parameters.all_tasks()), next(iter(words), None))
    part = None
    if task is not None:
        part = kinds.module(parameters.kind(task), "predict")
        part.arguments(parser)
    given = parser.parse_args(arguments)
    assert part is not None
    run(given.task, part, given)


def run(task: str, part: kinds.ModuleType, given: argparse.Namespace) -> None:
    ingest = kinds.module(parameters.kind(task), "ingest")
    section = parameters.section(task, "predict", part.Parameters)
    layout = parameters.section(task, "ingest", ingest.Parameters)
    if given.output is not None:
        expect_place(given.output)  # before the work
    trained = Path("data/models") / task / "model.keras"
    if not trained.exists():
        raise InputError(
            f"expected a trained model at {trained}, found none: run `dvc repro` or `dvc pull`"
        )
    prepared = Path("data/examples") / task
    about = models.about(trained.parent, prepared)
    known = kinds.Known(
        examples=examples.read(prepared),
        fitted=examples.read(Path("data/evaluations") / task).arrays,
        layout=layout,
        ingested=read_json(Path("data/ingested") / task / "about.json"),
        table=lambda: tables.read(Path("data/ingested") / task / "table.parquet"),
        raw=lambda path: readers.READERS[ingest.READS](
            path, None, ingest.columns_to_read(layout, newer=True), layout
        ),
        text=lambda name: (prepared / name).read_text(encoding="utf-8"),
        checked=lambda value, model: parameters.checked(
            value, model, lambda keys: _option(keys, given)
        ),
    )
    network = models.read(trained)
    if about["fast"]:
        recurrent.accelerate(network)
    try:
        found = part.predict(known, network, section, given)
    except InputError as error:
        raise InputError(f"task {task}: {error}") from None
    if found.asked is not None:
        if given.output is None:
            sys.stdout.write(command.printable(found.said))
        else:
            write_output(given.output, found.asked)
        return
    for name, content in found.files.items():
        write_text(Path("data/predictions") / task / name, content)
    plots = Path("data/plots") / task
    tables.write_csv(plots / "prediction.csv", found.rows)
    DRAWINGS[part.DRAWN](plots / "prediction.png", found.rows, f"{task}: {found.title}")
    log.info("%s: %s", task, found.title)


def _option(keys: Sequence[str], given: argparse.Namespace) -> str:
    """Returns the option of the command line that gave a parameter; one that can be repeated is
    called after one of its values."""
    if not keys:
        return "the command line"
    name = keys[0] if hasattr(given, keys[0]) else keys[0].removesuffix("s")
    return f"--{name.replace('_', '-')}"


if __name__ == "__main__":
    command.run(main)
