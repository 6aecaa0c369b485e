"""Model, test examples and baselines -> data/evaluations/TASK and plots: every score beside its
baselines."""

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from stages import arithmetic, command, drawing, kinds, trained
from stages.errors import naming
from stages.files import examples, parameters, pictures, tables
from stages.files.models import TrainedModel
from stages.files.task_data import TaskData
from stages.files.writing import read_json, write_json, write_text
from stages.kinds.data import Baselines, Evaluation, Picture
from stages.members import Retraining
from stages.scores import MethodScores, Score, numbers, on_validation

if TYPE_CHECKING:
    from stages.kinds.interfaces import Evaluate

log = logging.getLogger("reprise")


def main(arguments: list[str]) -> None:
    task = command.parser(__doc__).parse_args(arguments).task
    chosen = parameters.arithmetic()
    arithmetic.use(chosen)
    from stages.networks.prediction import Predictor

    kind = parameters.kind(task)
    module, package = kinds.module(kind, "evaluate"), kinds.package(kind)
    section = parameters.section(task, "evaluate", module.Parameters)
    folder = Path("data/baselines") / task
    baselines = Baselines(read_json(folder / "scores.json"), examples.read_arrays(folder)[0])
    network, about = trained.load(task)
    retraining = Retraining(
        task,
        kind,
        "evaluate",
        about,
        parameters.seed(),
        chosen,
        lambda: parameters.section(task, "train", kinds.module(kind, "train").Parameters),
    )
    with naming(f"task {task}"):
        evaluation = module.evaluate(
            TaskData(task, package.Ingested, package.Examples),
            Predictor(network),
            baselines,
            section,
            lambda prepared, name: Predictor(retraining(prepared, name)),
        )
    score = kinds.module(kind, "scores").SCORES[section.score]
    scores = compared(scores_of(evaluation, about), baselines.scores, section.score, score)
    if evaluation.signatures:
        scores["signatures"] = dict(evaluation.signatures)
    folder = Path("data/evaluations") / task
    judged_by = {"score": section.score, "direction": score.better}
    examples.write_arrays(folder, evaluation.arrays, judged_by)
    write_json(folder / "scores.json", scores)
    for name, content in evaluation.files.items():
        write_text(folder / name, content)
    plots = Path("data/plots") / task
    tables.write_csv(plots / "curve.csv", evaluation.curve)
    draw(plots, task, evaluation, module, about.best_epochs)
    retraining.finish()
    log.info("%s: skill %s against %s", task, scores["skill"], scores["best_baseline"])
    if lost := loss(scores):
        log.warning("%s: %s", task, lost)


def scores_of(evaluation: Evaluation, about: TrainedModel) -> dict[str, Any]:
    """Returns the network's scores, and what training says of it. Other scores than those on the
    whole test split are under `validation`, `refitted` and `parts`, where there are such."""
    model: dict[str, Any] = {
        **evaluation.scores,
        **about.settled,
        "parameters": about.parameters,
        "epochs": about.epochs,
    }
    if evaluation.validation:
        model["validation"] = dict(evaluation.validation)
    if evaluation.refitted:
        model["refitted"] = dict(evaluation.refitted)
    if evaluation.parts:
        model["parts"] = {name: dict(part) for name, part in evaluation.parts.items()}
    return model


def compared(
    model: dict[str, Any], baselines: Mapping[str, MethodScores], name: str, score: Score
) -> dict[str, Any]:
    """Returns the network's scores, those of the baselines, which of these is best by the score
    `name`, and skill against it; and the latter two on validation, where both sides have the score
    there."""
    methods: dict[str, dict[str, Any]] = {}
    for method, entry in baselines.items():
        methods[method] = dict(numbers(entry))
        if found := on_validation(entry):
            methods[method]["validation"] = found
    best, skill = score.against(model[name], {key: entry[name] for key, entry in methods.items()})
    scores = {"model": model, "baseline": methods, "best_baseline": best, "skill": skill}
    known = {
        key: entry["validation"][name]
        for key, entry in methods.items()
        if name in entry.get("validation", {})
    }
    if known and name in model.get("validation", {}):
        best, skill = score.against(model["validation"][name], known)
        scores |= {"validation_best_baseline": best, "validation_skill": skill}
    return scores


def loss(scores: Mapping[str, Any]) -> str:
    """Returns what is said of a network that loses to a baseline on validation; nothing of one that
    does not."""
    skill = scores.get("validation_skill")
    if skill is None or skill >= 0:
        return ""
    return (
        f"the network loses to {scores['validation_best_baseline']} on validation (skill "
        f'{skill:.2f}): README.md, section "When the network loses", says what to try'
    )


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
