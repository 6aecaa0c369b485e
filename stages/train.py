"""Examples -> data/models/TASK: trains a network of any kind, and keeps the weights that were best
on validation.

Checkpoints are in data/checkpoints/TASK: a run that was killed goes on from there, to the bytes of
one that was not.
"""

import logging
from pathlib import Path

from stages import command, kinds
from stages.errors import InputError
from stages.files import checkpoints, examples, models, parameters
from stages.files.writing import sha256_of, write_json, write_text
from stages.networks import training

log = logging.getLogger("reprise")


def main(arguments: list[str]) -> None:
    task = command.parser(__doc__).parse_args(arguments).task
    part = kinds.module(parameters.kind(task), "train")
    section = parameters.section(task, "train", part.Parameters)
    seed = parameters.seed()
    source = Path("data/examples") / task
    given = examples.read(source)

    key = checkpoints.key_of(
        source, {"seed": seed, **section.model_dump(exclude={"checkpoint_seconds"})}
    )
    saved = checkpoints.begin(Path("data/checkpoints") / task, key)
    train, validation = (
        part.batches(given.arrays, given.about, split, section) for split in ("train", "validation")
    )
    networks, histories = [], []
    try:
        for member in range(1, section.members + 1):
            training.seed_everything(seed + member - 1)
            networks.append(part.build(given.about, section, f"member_{member}"))
            store = checkpoints.Checkpoints(saved / f"member_{member}", section.checkpoint_seconds)
            histories.append(
                training.fit(
                    networks[-1],
                    part.loss(section),
                    train,
                    validation,
                    section,
                    seed + member - 1,
                    store,
                )
            )
    except InputError as error:
        raise InputError(f"task {task}: {error}") from None
    seconds = sum(history.seconds for history in histories)
    network = training.averaged(networks)

    folder = Path("data/models") / task
    models.write(folder / "model.keras", network)
    about = {
        "parameters": network.count_params(),
        "epochs": sum(len(history.epochs) for history in histories),
        "best_epochs": [history.best_epoch for history in histories],
        "fast": section.fast,
        "examples": sha256_of(source / "about.json"),
    }
    write_json(folder / "about.json", about)
    lines = [
        f"{member},{epoch['epoch']},{epoch['train']:.6g},{epoch['validation']:.6g}"
        for member, history in enumerate(histories, 1)
        for epoch in history.epochs
    ]
    write_text(
        Path("data/plots") / task / "learning_curve.csv",
        "\n".join(["member,epoch,train,validation", *lines]) + "\n",
    )
    # Times differ from run to run, so no stage depends on them.
    write_json(
        Path("data/times") / f"{task}.json",
        {
            "train_seconds": round(seconds, 3),
            "train_steps": sum(history.steps for history in histories),
        },
    )
    checkpoints.finish(saved)
    shown = ", ".join(f"{key} {value}" for key, value in about.items() if key != "examples")
    log.info("%s: %s in %.1f s", task, shown, seconds)


if __name__ == "__main__":
    command.run(main)
