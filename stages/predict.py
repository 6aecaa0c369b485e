"""Model and what is known -> data/predictions/TASK: the future of a series, the continuation of a
text.

What can be asked of a trained model on the command line, without retraining, is the kind's:
python -m stages.predict TASK --help
"""

import argparse
import logging
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stages import arithmetic, command, kinds, trained
from stages.errors import naming
from stages.files import examples, parameters, pictures, tables
from stages.files.task_data import TaskData
from stages.files.writing import expect_place, write_output, write_text
from stages.kinds.data import Answer, Prediction, Request, SectionType, Stream
from stages.members import Retraining

if TYPE_CHECKING:
    from stages.kinds.interfaces import Predict

log = logging.getLogger("reprise")


def main(arguments: list[str]) -> None:
    parser = command.parser(__doc__)
    # The name of a task decides on the other arguments; of several words it is the one that is a
    # task.
    words = [word for word in arguments if not word.startswith("-")]
    tasks = parameters.all_tasks()
    task = next((word for word in words if word in tasks), next(iter(words), None))
    if task is None:
        parser.parse_args(arguments)  # ends with what is missing
        return
    arithmetic.use(parameters.arithmetic())
    module = kinds.module(parameters.kind(task), "predict")
    module.arguments(parser)
    args = parser.parse_args(arguments)
    if args.output is not None:
        expect_place(args.output)  # before the work
    result, retraining = predict(args.task, module, args)
    if isinstance(result, Prediction):
        write(args.task, result, module)
        retraining.finish()
    elif isinstance(result, Stream):
        with naming(f"task {args.task}"):
            for piece in result.pieces:
                sys.stdout.write(piece)
                sys.stdout.flush()
    elif args.output is None:
        sys.stdout.write(command.printable(result.shown))
    else:
        write_output(args.output, result.content)


def predict(
    task: str, module: "Predict", args: argparse.Namespace
) -> tuple[Prediction | Answer | Stream, Retraining]:
    """Returns what a task's model predicts, or answers to the command line; and what retrained the
    model where that was needed."""
    kind = parameters.kind(task)
    package = kinds.package(kind)
    section = parameters.section(task, "predict", module.Parameters)
    layout = parameters.section(task, "ingest", kinds.module(kind, "ingest").Parameters)

    def validated(values: dict[str, Any], model: type[SectionType]) -> SectionType:
        return parameters.checked(values, model, lambda keys: _option(keys, args))

    network, about = trained.load(task)
    retraining = Retraining(
        task,
        kind,
        "predict",
        about,
        parameters.seed(),
        parameters.arithmetic(),
        lambda: parameters.section(task, "train", kinds.module(kind, "train").Parameters),
    )
    answering = any(value is not None for name, value in vars(args).items() if name != "task")
    request = Request(
        data=TaskData(task, package.Ingested, package.Examples),
        fitted=examples.read_arrays(Path("data/evaluations") / task)[0],
        layout=layout,
        arguments=args,
        validated=validated,
        retrain=partial(trained.load_retrained, task, about) if answering else retraining,
    )
    with naming(f"task {task}"):
        return module.predict(request, network, section), retraining


def write(task: str, prediction: Prediction, module: "Predict") -> None:
    for name, content in prediction.files.items():
        write_text(Path("data/predictions") / task / name, content)
    for name, network in prediction.networks.items():
        trained.write_retrained(task, name, network)
    plots = Path("data/plots") / task
    tables.write_csv(plots / "prediction.csv", prediction.table)
    pictures.write(
        plots / "prediction.png",
        f"{task}: {prediction.title}",
        lambda axes: module.draw(axes, prediction.table),
    )
    log.info("%s: %s", task, prediction.title)


def _option(keys: Sequence[str], args: argparse.Namespace) -> str:
    """Returns the option of the command line that gave a parameter; one that can be repeated is
    named after one of its values."""
    if not keys:
        return "the command line"
    name = keys[0] if hasattr(args, keys[0]) else keys[0].removesuffix("s")
    return f"--{name.replace('_', '-')}"


if __name__ == "__main__":
    command.run(main)
