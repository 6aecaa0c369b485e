"""Model, test examples and floors -> data/evaluations/TASK and plots: every score beside its
baselines."""

import logging
from dataclasses import asdict
from pathlib import Path

import pandas as pd

from stages import command, kinds
from stages.errors import InputError
from stages.files import examples, models, parameters, pictures, tables
from stages.files.writing import read_json, write_json
from stages.networks import recurrent, training

log = logging.getLogger("reprise")


def main(arguments: list[str]) -> None:
    task = command.parser(__doc__).parse_args(arguments).task
    part = kinds.module(parameters.kind(task), "evaluate")
    section = parameters.section(task, "evaluate", part.Parameters)
    given = examples.read(Path("data/examples") / task)
    floor_folder, model_folder = Path("data/baselines") / task, Path("data/models") / task
    floors, floor_arrays = (
        read_json(floor_folder / "scores.json"),
        examples.read(floor_folder).arrays,
    )

    about = models.about(model_folder, Path("data/examples") / task)
    network = models.read(model_folder / "model.keras")
    if about["fast"]:
        recurrent.accelerate(network)
    try:
        scores, curves, arrays = part.evaluate(
            given.arrays,
            given.about,
            lambda *of: training.predict(network, *of),
            floors,
            floor_arrays,
            section,
        )
    except InputError as error:
        raise InputError(f"task {task}: {error}") from None
    scores["model"] |= {"parameters": about["parameters"], "epochs": about["epochs"]}

    folder = Path("data/evaluations") / task
    examples.write(
        folder, examples.Examples(arrays, {"score": section.score, "direction": "lower"})
    )
    write_json(folder / "scores.json", scores)
    plots = Path("data/plots") / task
    tables.write_csv(plots / "curve.csv", curves)
    curve = pd.read_csv(plots / "learning_curve.csv")
    pictures.learning_curve(
        plots / "learning_curve.png", curve, about["best_epochs"], f"{task}: loss by epoch"
    )
    drawn = asdict(part.CURVE)
    pictures.curve(plots / "curve.png", curves, **drawn | {"title": f"{task}: {drawn['title']}"})
    log.info("%s: skill %s against %s", task, scores["skill"], scores["best_baseline"])


if __name__ == "__main__":
    command.run(main)
