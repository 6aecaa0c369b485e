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
from stages.errors import naming
from stages.files import checkpoints, examples
from stages.files.models import TrainedModel
from stages.networks.parameters import Training

if TYPE_CHECKING:
    from stages.kinds.interfaces import Pretrain, Train
    from stages.networks.progress import History
    from stages.networks.training import Rates

log = logging.getLogger("reprise")

# The name of a network that members start from, and of the folder of its checkpoints.
PRETRAINED = "pretrained"


@dataclass(frozen=True)
class Pretrained:
    """A network that all members start from, and what its training says."""

    module: "Pretrain"
    network: Any
    history: "History"

    def told(self) -> dict[str, float]:
        """Returns how many epochs it was trained for, the best one, and its validation loss."""
        epochs, best = self.history.epochs, self.history.best_epoch
        loss = epochs[best - 1]["validation"] if best else self.history.start
        return {"epochs": len(epochs), "best_epoch": best, "validation": loss}


def train_members(
    module: "Train",
    prepared: Any,
    section: Training,
    seed: int,
    saved: Path,
    before: "Pretrain | None" = None,
) -> tuple[Any, list["History"], dict[str, float], Pretrained | None]:
    """Returns the mean of trained networks that differ in their seed alone, what training says of
    each, what the kind says of them all, and the network that they started from, if there is one.

    Args:
        prepared: the examples.
        saved: the folder of the checkpoints.
        before: trains that network.
    """
    from stages.networks import training

    train, validation = (
        module.batches(prepared, split, section) for split in ("train", "validation")
    )
    pretrained = pretrain(before, prepared, section, seed, saved)
    networks, histories, settled = [], [], []
    for member in range(section.members):
        network, rates = _started(module, pretrained, prepared, section, seed, member)
        histories.append(
            training.fit(
                network,
                module.loss(section),
                train,
                validation,
                section,
                seed + member,
                _checkpoints(saved, section, _name(member)),
                rates=rates,
            )
        )
        settled.append(module.settle(network, prepared, section))
        networks.append(network)
    means = {name: float(np.mean([one[name] for one in settled])) for name in settled[0]}
    return training.averaged(networks), histories, means, pretrained


def retrain_members(
    module: "Train",
    prepared: Any,
    section: Training,
    seed: int,
    about: TrainedModel,
    saved: Path,
    before: "Pretrain | None" = None,
) -> Any:
    """Returns the mean of networks that are trained without validation, each for as many epochs as
    validation chose for the member of the same seed.

    Args:
        prepared: the examples.
        section: its `epochs` are those of the learning rate's schedule.
        about: what training says of the members that were judged on validation.
        saved: the folder of the checkpoints.
        before: trains the network that they start from, for as many epochs as validation chose.
    """
    from stages.networks import training

    train, networks = module.batches(prepared, "train", section), []
    pretrained = pretrain(before, prepared, section, seed, saved, about)
    for member, best_epoch in enumerate(about.best_epochs):
        network, rates = _started(module, pretrained, prepared, section, seed, member)
        networks.append(network)
        if best_epoch:
            training.fit(
                network,
                module.loss(section),
                train,
                None,
                section,
                seed + member,
                _checkpoints(saved, section, _name(member)),
                stop_after=best_epoch,
                rates=rates,
            )
        module.settle(network, prepared, section, about.settled)
    return training.averaged(networks)


def pretrain(
    before: "Pretrain | None",
    prepared: Any,
    section: Training,
    seed: int,
    saved: Path,
    about: TrainedModel | None = None,
) -> Pretrained | None:
    """Returns the network that members start from; None: they start from their own weights.

    Args:
        about: what training says of a model that was judged on validation: the network is trained
            without it, for as many epochs. None: it is judged now.
    """
    from stages.networks import training
    from stages.networks.progress import History

    chosen = None if before is None else before.section(section)
    if before is None or chosen is None:
        return None
    training.seed_everything(seed)
    network, history = before.build(prepared, section, PRETRAINED), History([], 0, 0, 0.0)
    stop_after = None if about is None else int((about.pretrained or {})["best_epoch"])
    if stop_after != 0:
        validation = None if about else before.batches(prepared, "validation", section)
        with naming("pretraining"):
            history = training.fit(
                network,
                before.loss(section),
                before.batches(prepared, "train", section),
                validation,
                chosen,
                seed,
                _checkpoints(saved, section, PRETRAINED),
                stop_after=stop_after,
            )
    return Pretrained(before, network, history)


def _started(
    module: "Train",
    pretrained: Pretrained | None,
    prepared: Any,
    section: Training,
    seed: int,
    member: int,
) -> tuple[Any, "Rates | None"]:
    """Returns a member before its training, and the learning rates of its variables."""
    from stages.networks import training

    training.seed_everything(seed + member)
    network = module.build(prepared, section, _name(member))
    if pretrained is None:
        return network, None
    pretrained.module.transfer(pretrained.network, network)
    return network, pretrained.module.rates(network, section)


def _checkpoints(saved: Path, section: Training, name: str) -> checkpoints.Checkpoints:
    return checkpoints.Checkpoints(saved / name, section.checkpoint_seconds)


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
        before = kinds.module(self.kind, "pretrain") if kinds.has(self.kind, "pretrain") else None
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
            "pretrained": self.about.pretrained,
            "arrays": _replaced(prepared),
        }
        code = (Path("data/code") / self.stage / f"{self.kind}.txt").read_text(encoding="utf-8")
        saved = checkpoints.begin(
            Path("data/checkpoints") / f"{self.task}.refit" / name,
            checkpoints.key_of(source, settings, code),
        )
        self.saved.append(saved)
        log.info("%s: retraining: %s", self.task, name)
        return retrain_members(module, prepared, section, self.seed, self.about, saved, before)

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
