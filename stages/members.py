"""The members of a network: trained and judged on validation, or retrained on other examples."""

import hashlib
import logging
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from stages import kinds
from stages.arithmetic import Arithmetic, signature
from stages.files import checkpoints, examples
from stages.files.models import TrainedModel
from stages.networks.parameters import Training

if TYPE_CHECKING:
    from stages.kinds.interfaces import Train
    from stages.networks.progress import History

log = logging.getLogger("reprise")


def train_members(
    module: "Train", prepared: Any, section: Training, seed: int, saved: Path
) -> tuple[Any, list["History"], dict[str, float]]:
    """Returns the mean of trained networks that differ in their seed alone, what training says of
    each, and what the kind says of them all.

    Args:
        prepared: the examples.
        saved: the folder of the checkpoints.
    """
    from stages.networks import training

    train, validation = (
        module.batches(prepared, split, section) for split in ("train", "validation")
    )
    networks, histories, settled = [], [], []
    for member in range(section.members):
        networks.append(_built(module, prepared, section, seed, member))
        histories.append(
            training.fit(
                networks[-1],
                module.loss(section),
                train,
                validation,
                section,
                seed + member,
                _checkpoints(saved, section, member),
            )
        )
        settled.append(module.settle(networks[-1], prepared, section))
    means = {name: float(np.mean([one[name] for one in settled])) for name in settled[0]}
    return training.averaged(networks), histories, means


def retrain_members(
    module: "Train",
    prepared: Any,
    section: Training,
    seed: int,
    about: TrainedModel,
    saved: Path,
) -> Any:
    """Returns the mean of networks that are trained without validation, each for as many epochs as
    validation chose for the member of the same seed.

    Args:
        prepared: the examples.
        section: its `epochs` are those of the learning rate's schedule.
        about: what training says of the members that were judged on validation.
        saved: the folder of the checkpoints.
    """
    from stages.networks import training

    train, networks = module.batches(prepared, "train", section), []
    for member, best_epoch in enumerate(about.best_epochs):
        networks.append(_built(module, prepared, section, seed, member))
        if best_epoch:
            training.fit(
                networks[-1],
                module.loss(section),
                train,
                None,
                section,
                seed + member,
                _checkpoints(saved, section, member),
                stop_after=best_epoch,
            )
        module.settle(networks[-1], prepared, section, about.settled)
    return training.averaged(networks)


def _built(module: "Train", prepared: Any, section: Training, seed: int, member: int) -> Any:
    from stages.networks import training

    training.seed_everything(seed + member)
    return module.build(prepared, section, _name(member))


def _checkpoints(saved: Path, section: Training, member: int) -> checkpoints.Checkpoints:
    return checkpoints.Checkpoints(saved / _name(member), section.checkpoint_seconds)


def _name(member: int) -> str:
    return f"member_{member + 1}"


@dataclass(frozen=True)
class Retraining:
    """Retrains the network of a task on other examples, within the stage that needs it.

    Each training has its checkpoints in `data/checkpoints/TASK.refit/NAME`, so that a stage that
    was killed goes on from there.

    Attributes:
        about: what training says of the network that was judged on validation.
        section: reads the section `train` when something is trained.
        saved: the folders of the checkpoints of what was trained.
    """

    task: str
    kind: str
    stage: str
    about: TrainedModel
    seed: int
    arithmetic: Arithmetic
    section: Callable[[], Training]
    saved: list[Path] = field(default_factory=list)

    def __call__(self, prepared: Any, name: str) -> Any:
        """Returns a network that is trained on `prepared`, examples like the task's own.

        Args:
            name: of the network, unique in its stage.
        """
        from stages.networks import training

        module, section = kinds.module(self.kind, "train"), self.section()
        source = Path("data/examples") / self.task
        own = examples.read(source, kinds.package(self.kind).Examples)
        epochs = training.epochs(section, module.batches(own, "train", section))
        section = section.model_copy(update={"epochs": epochs})
        settings = {
            "seed": self.seed,
            "arithmetic": signature(self.arithmetic),
            **section.model_dump(exclude={"checkpoint_seconds"}),
            "best_epochs": self.about.best_epochs,
            "settled": self.about.settled,
            "arrays": _replaced(prepared),
        }
        code = (Path("data/code") / self.stage / f"{self.kind}.txt").read_text(encoding="utf-8")
        saved = checkpoints.begin(
            Path("data/checkpoints") / f"{self.task}.refit" / name,
            checkpoints.key_of(source, settings, code),
        )
        self.saved.append(saved)
        log.info("%s: retraining: %s", self.task, name)
        return retrain_members(module, prepared, section, self.seed, self.about, saved)

    def finish(self) -> None:
        """Records that what was trained has been used."""
        for folder in self.saved:
            checkpoints.finish(folder)


def _replaced(prepared: Any) -> dict[str, str]:
    """Returns hashes of the arrays of examples that are not those on the disk, which are
    memory-mapped."""
    arrays = {entry.name: getattr(prepared, entry.name) for entry in fields(prepared)}
    return {
        name: hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()
        for name, array in arrays.items()
        if isinstance(array, np.ndarray) and not isinstance(array, np.memmap)
    }
