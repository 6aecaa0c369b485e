"""Examples -> data/models/TASK: trains a network of any kind, and keeps the weights that were best on validation."""

import logging
import time
from pathlib import Path

from stages import command, kinds
from stages.errors import InputError
from stages.files import examples, models, parameters
from stages.files.writing import write_json, write_text
from stages.networks import training

log = logging.getLogger("reprise")


def main(arguments: list[str]) -> None:
    task = command.parser(__doc__).parse_args(arguments).task
    part = kinds.part(parameters.kind(task), "train")
    section = parameters.section(task, "train", part.Parameters)
    seed = parameters.seed()
    given = examples.read(Path("data/examples") / task)

    train, validation = (part.batches(given.arrays, given.about, split, section) for split in ("train", "validation"))
    started = time.perf_counter()
    networks, histories = [], []
    try:
        for member in range(1, section.members + 1):
            training.seed_everything(seed + member - 1)
            networks.append(part.build(given.about, section, f"member_{member}"))
            histories.append(training.fit(networks[-1], part.loss(section), train, validation, section, seed + member - 1))
    except InputError as error:
        raise InputError(f"task {task}: {error}") from None
    seconds = time.perf_counter() - started
    network = training.averaged(networks)

    folder = Path("data/models") / task
    models.write(folder / "model.keras", network)
    about = {
        "parameters": network.count_params(),
        "epochs": sum(len(history.epochs) for history in histories),
        "best_epochs": [history.best_epoch for history in histories],
        "fast": section.fast,
    }
    write_json(folder / "about.json", about)
    lines = [
        f"{member},{epoch['epoch']},{epoch['train']:.6g},{epoch['validation']:.6g}"
        for member, history in enumerate(histories, 1)
        for epoch in history.epochs
    ]
    write_text(Path("data/plots") / task / "learning_curve.csv", "\n".join(["member,epoch,train,validation", *lines]) + "\n")
    # Times differ from run to run, so no stage depends on them.
    write_json(
        Path("data/times") / f"{task}.json",
        {"train_seconds": round(seconds, 3), "train_steps": sum(history.steps for history in histories)},
    )
    log.info("%s: %s in %.1f s", task, ", ".join(f"{key} {value}" for key, value in about.items()), seconds)


if __name__ == "__main__":
    command.run(main)
