"""What the stages that use a trained network have in common."""

from pathlib import Path
from typing import Any

from stages.errors import InputError
from stages.files import models


def load(task: str) -> tuple[Any, models.TrainedModel]:
    """Returns the trained network of a task, and what training says of it."""
    from stages.networks import recurrent

    folder = Path("data/models") / task
    path = folder / "model.keras"
    if not path.exists():
        raise InputError(
            f"expected a trained model at {path}, found none: run `dvc repro` or `dvc pull`"
        )
    about = models.about(folder, Path("data/examples") / task)
    network = models.read(path)
    if about.fast:
        recurrent.accelerate(network)
    return network, about
