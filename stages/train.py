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

    training.seed_everything(seed)
    started = time.perf_counter()
    try:
        network = part.build(given.about, section)
        train, validation = (part.batches(given.arrays, given.about, split) for split in ("train", "validation"))
        history = training.fit(network, part.loss(section), train, validation, section, seed)
    except InputError as error:
        raise InputError(f"task {task}: {error}") from None
    seconds = time.perf_counter() - started

    folder = Path("data/models") / task
    models.write(folder / "model.keras", network)
    about = {"parameters": network.count_params(), "epochs": len(history.epochs), "best_epoch": history.best_epoch}
    write_json(folder / "about.json", about)
    lines = ["epoch,train,validation", *(f"{epoch['epoch']},{epoch['train']:.6g},{epoch['validation']:.6g}" for epoch in history.epochs)]
    write_text(Path("data/plots") / task / "learning_curve.csv", "\n".join(lines) + "\n")
    # Times differ from run to run, so no stage depends on them.
    write_json(Path("data/times") / f"{task}.json", {"train_seconds": round(seconds, 3), "train_steps": history.steps})
    log.info("%s: %s in %.1f s", task, ", ".join(f"{key} {value}" for key, value in about.items()), seconds)


if __name__ == "__main__":
    command.run(main)
