"""Examples -> data/models/TASK: trains a network of any kind, and keeps the weights that were best
on validation. A kind with a module `pretrain` may train another network first, from whose weights
its own starts.

Checkpoints are in data/checkpoints/TASK: a run that was killed goes on from there, to the bytes of
one that was not.
"""

import logging
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from stages import arithmetic, command, kinds
from stages.errors import naming
from stages.files import checkpoints, examples, models, parameters
from stages.files.writing import sha256_of, write_json, write_text
from stages.members import train_members

if TYPE_CHECKING:
    from stages.networks.progress import History

log = logging.getLogger("reprise")


def main(arguments: list[str]) -> None:
    task = command.parser(__doc__).parse_args(arguments).task
    kind, seed, chosen = parameters.kind(task), parameters.seed(), parameters.arithmetic()
    arithmetic.use(chosen)
    module = kinds.module(kind, "train")
    before = kinds.module(kind, "pretrain") if kinds.has(kind, "pretrain") else None
    section = parameters.section(task, "train", module.Parameters)
    source, folder = Path("data/examples") / task, Path("data/models") / task
    settings = {
        "seed": seed,
        "arithmetic": arithmetic.signature(chosen),
        **section.model_dump(exclude={"checkpoint_seconds"}),
    }
    code = (Path("data/code/train") / f"{kind}.txt").read_text(encoding="utf-8")
    saved = checkpoints.begin(
        Path("data/checkpoints") / task, checkpoints.key_of(source, settings, code)
    )
    with naming(f"task {task}"):
        prepared = examples.read(source, kinds.package(kind).Examples)
        network, histories, settled, pretrained = train_members(
            module, prepared, section, seed, saved, before
        )
    models.write(folder / "model.keras", network)
    about = models.TrainedModel(
        parameters=network.count_params(),
        epochs=sum(len(history.epochs) for history in histories),
        best_epochs=[history.best_epoch for history in histories],
        settled=settled,
        fast=section.fast,
        examples=sha256_of(source / "about.json"),
        pretrained=pretrained.told() if pretrained else None,
    )
    told = {name: value for name, value in asdict(about).items() if value is not None}
    write_json(folder / "about.json", told)
    write_text(Path("data/plots") / task / "learning_curve.csv", learning_curve(histories))
    # Times differ from run to run, so no stage depends on them.
    trainings = [*histories, *([pretrained.history] if pretrained else [])]
    seconds = sum(history.seconds for history in trainings)
    steps = sum(history.steps for history in trainings)
    times = {"train_seconds": round(seconds, 3), "train_steps": steps}
    write_json(Path("data/times") / f"{task}.json", times)
    checkpoints.finish(saved)
    shown = (f"{name} {value}" for name, value in told.items() if name != "examples")
    log.info("%s: %s in %.1f s", task, ", ".join(shown), seconds)


def learning_curve(histories: Sequence["History"]) -> str:
    """Returns the losses of each epoch of each member as CSV; epoch 0 is before the first step."""
    lines = ["member,epoch,train,validation"]
    for member, history in enumerate(histories, 1):
        lines.append(f"{member},0,,{history.start:.6g}")
        lines += [
            f"{member},{epoch['epoch']},{epoch['train']:.6g},{epoch['validation']:.6g}"
            for epoch in history.epochs
        ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    command.run(main)
