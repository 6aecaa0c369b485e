"""Model, test examples and baselines -> data/evaluations/TASK and plots: every score beside its
baselines."""

import logging
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from stages import arithmetic, command, drawing, kinds, trained
from stages.errors import naming
from stages.files import examples, parameters, pictures, tables
from stages.files.task_data import TaskData
from stages.files.writing import read_json, write_json, write_text
from stages.kinds.data import Baselines, Evaluation, Picture
from stages.scores import numbers

if TYPE_CHECKING:
    from stages.kinds.interfaces import Evaluate

log = logging.getLogger("reprise")


def main(arguments: list[str]) -> None:
    task = command.parser(__doc__).parse_args(arguments).task
    arithmetic.use(parameters.arithmetic())
    from stages.networks.prediction import predict

    kind = parameters.kind(task)
    module, package = kinds.module(kind, "evaluate"), kinds.package(kind)
    section = parameters.section(task, "evaluate", module.Parameters)
    folder = Path("data/baselines") / task
    baselines = Baselines(read_json(folder / "scores.json"), examples.read_arrays(folder)[0])
    network, about = trained.load(task)
    with naming(f"task {task}"):
        evaluation = module.evaluate(
            TaskData(task, package.Ingested, package.Examples),
            partial(predict, network),
            baselines,
            section,
        )
    score = kinds.module(kind, "scores").SCORES[section.score]
    methods = {name: numbers(scores) for name, scores in baselines.scores.items()}
    judged = {name: scores[section.score] for name, scores in methods.items()}
    best = score.best(judged)
    scores = {
        "model": {
            **evaluation.scores,
            **about.settled,
            "parameters": about.parameters,
            "epochs": about.epochs,
        },
        "baseline": methods,
        "best_baseline": best,
        "skill": score.skill(evaluation.scores[section.score], judged[best]),
    }
    folder = Path("data/evaluations") / task
    judged_by = {"score": section.score, "direction": score.better}
    examples.write_arrays(folder, evaluation.arrays, judged_by)
    write_json(folder / "scores.json", scores)
    for name, content in evaluation.files.items():
        write_text(folder / name, content)
    plots = Path("data/plots") / task
    tables.write_csv(plots / "curve.csv", evaluation.curve)
    draw(plots, task, evaluation, module, about.best_epochs)
    log.info("%s: skill %s against %s", task, scores["skill"], best)


def draw(
    plots: Path, task: str, evaluation: Evaluation, module: "Evaluate", best_epochs: list[int]
) -> None:
    """Writes the pictures: the learning curve, the evaluation's curve, and what else the kind
    draws."""
    learning = pd.read_csv(plots / "learning_curve.csv")
    drawn = {
        "learning_curve": Picture(
            "loss by epoch",
            [lambda axes: drawing.draw_learning_curve(axes, learning, best_epochs)],
        ),
        "curve": Picture(evaluation.title, [lambda axes: module.draw(axes, evaluation.curve)]),
        **evaluation.pictures,
    }
    for name, picture in drawn.items():
        path = plots / "evaluation" / f"{name}.png"
        pictures.write(path, f"{task}: {picture.title}", *picture.draws)


if __name__ == "__main__":
    command.run(main)
