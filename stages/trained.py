"""What the stages that use a trained network have in common."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

from stages.errors import InputError
from stages.files import models
from stages.files.examples import record
from stages.files.writing import read_json, sha256_of, write_json

EXAMPLES, FOLDER = Path("data/examples"), Path("data/models")
PREDICTIONS = Path("data/predictions")
MODEL = "model.keras"


def load(task: str) -> tuple[Any, models.TrainedModel]:
    """Returns the trained network of a task, and what training says of it."""
    # Imported, `feeding` lets Keras load its layer.
    from stages.networks import feeding, recurrent  # noqa: F401

    folder = FOLDER / task
    path = folder / MODEL
    if not path.exists():
        raise InputError(
            f"expected a trained model at {path}, found none: run `dvc repro` or `dvc pull`"
        )
    about = models.about(folder, EXAMPLES / task)
    network = models.read(path)
    if about.fast:
        recurrent.accelerate(network)
    return network, about


def write_retrained(task: str, name: str, network: Any) -> None:
    """Writes a retrained network beside the predictions."""
    folder = PREDICTIONS / task
    models.write(folder / f"{name}.keras", network)
    write_json(folder / f"{name}.json", asdict(_retrained(task)))


def load_retrained(task: str, about: models.TrainedModel, examples: Any, name: str) -> Any:
    """Returns the retrained network that the pipeline wrote under a name, in place of one that is
    trained on `examples` now.

    Args:
        about: what training says of the model that was judged on validation.

    Raises:
        InputError: there is none, or examples or model have changed since.
    """
    from stages.networks import feeding, recurrent  # noqa: F401

    path = PREDICTIONS / task / f"{name}.keras"
    if not path.exists():
        raise InputError(
            f"expected a network retrained on all rows at {path}, for tasks.{task}.predict.refit, "
            "found none: run `dvc repro`"
        )
    stands = path.with_suffix(".json")
    if record(stands, read_json(stands), models.RetrainedModel) != _retrained(task):
        raise InputError(
            f"{path}: expected a network retrained from {FOLDER / task} on {EXAMPLES / task}, "
            "received one of another model or other examples: run `dvc repro`"
        )
    network = models.read(path)
    if about.fast:
        recurrent.accelerate(network)
    return network


def _retrained(task: str) -> models.RetrainedModel:
    return models.RetrainedModel(
        sha256_of(EXAMPLES / task / "about.json"), sha256_of(FOLDER / task / MODEL)
    )
