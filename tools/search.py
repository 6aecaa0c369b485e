"""A task and a space of its parameters -> the parameters with the best validation loss.

python -m tools.search TASK --space space.yaml --trials 20

The space is laid out as a task in params.yaml. In place of a value stands a list of choices, or
`{low: 1, high: 9}` with `log: true` or a `step` where wanted:

train:
  units: [32, 64, 128]
  learning_rate: {low: 0.0003, high: 0.03, log: true}

Each trial prepares and trains the task in a temporary folder, and the test split has no say. The
first trial has the parameters of params.yaml, if they are in the space. Trials are kept in
data/search/TASK.db, and a search that was stopped goes on there. Needs the package `optuna`.
"""

import csv
import hashlib
import json
import logging
import math
import os
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from pydantic import Field

from stages import code, command, kinds
from stages.errors import InputError
from stages.files import examples, parameters
from stages.sections import Count, Section

log = logging.getLogger("reprise")

# Losses are in the scaler's units, or per token: what changes these makes them incomparable. Of the
# stages that prepare examples these parameters change what is seen, and not what is predicted.
COMPARABLE = {"scale_and_window": ("lookback", "season", "stride")}
# These change what a loss means, or nothing.
NOT_OF_TRAINING = ("loss", "fast", "checkpoint_seconds")

Key = tuple[str, str]
Values = Mapping[Key, Any]


class Range(Section):
    """Numbers from `low` to `high`, both included; whole ones if both are. log: by their logarithm,
    evenly. step: between them, from `low`."""

    low: int | float
    high: int | float
    log: bool = False
    step: int | float | None = Field(None, gt=0)

    @property
    def whole(self) -> bool:
        return all(isinstance(number, int) for number in (self.low, self.high, self.step or 1))


Choices = list[str | bool | int | float | None]
Space = dict[Key, Range | Choices]


def main(arguments: list[str]) -> None:
    parser = command.parser(__doc__)
    parser.add_argument("--space", type=Path, required=True, help="the YAML file of the space")
    parser.add_argument("--trials", type=int, default=20, help="in all, with those before")
    parser.add_argument("--seed", type=int, default=0, help="of the suggestions")
    given = parser.parse_args(arguments)
    trials = parameters.checked(given.trials, Count, lambda _: "--trials")
    space = read_space(given.space, given.task)
    storage = Path("data/search") / f"{given.task}.db"
    name = name_of(given.task, space, given.seed)
    runner = Runner(given.task, space)
    best, loss = search(space, runner.loss, trials, given.seed, storage, name, runner.current)
    log.info("%s: validation loss %.6g", given.task, loss)
    sys.stdout.write(f"dvc exp run {options(given.task, best)}\n")


def read_space(path: Path, task: str) -> Space:
    """Reads a space. Raises `InputError` where a parameter is unknown, or changes what a validation
    loss means."""
    kind = parameters.kind(task)
    sections = parameters.checked(
        parameters.read_all(path),
        dict[str, dict[str, Range | Choices]],
        lambda keys: f"{path}: {'.'.join(keys)}",
    )
    space = {
        (section, name): entry
        for section, names in sections.items()
        for name, entry in names.items()
    }
    if not space:
        raise InputError(f"{path}: expected parameters and their choices, received none")
    for (section, name), entry in space.items():
        where = f"{path}: {section}.{name}"
        if section not in ("train", kinds.preparing(kind)):
            raise InputError(
                f"{where}: expected parameters of train or {kinds.preparing(kind)}, received one "
                f"of {section}"
            )
        if name not in kinds.module(kind, section).Parameters.model_fields:
            raise InputError(f"{where} is not a known key")
        if name not in COMPARABLE.get(section, ()) and (
            section != "train" or name in NOT_OF_TRAINING
        ):
            raise InputError(
                f"{where}: expected parameters that leave the validation loss what it is, received "
                f"{name}, by which losses are in other units or of other targets: search for each "
                "of its values by itself"
            )
        if isinstance(entry, Range) and (entry.high < entry.low or (entry.log and entry.low <= 0)):
            raise InputError(
                f"{where}: expected low <= high, and above 0 with `log`, received {entry.low} and "
                f"{entry.high}"
            )
        if entry == [] or (isinstance(entry, Range) and entry.log and entry.step):
            raise InputError(f"{where}: expected choices, or either `log` or a `step`")
    return space


def search(
    space: Space,
    loss: Callable[[Values], float],
    trials: int,
    seed: int,
    storage: Path,
    name: str,
    first: Values,
) -> tuple[Values, float]:
    """Returns the parameters with the smallest loss after `trials` trials, and this loss.

    Suggestions are those of a tree-structured Parzen estimator (Bergstra et al., "Algorithms for
    hyper-parameter optimization", 2011). They depend on the seed and on the trials before alone: a
    search that was stopped goes on as if it had not been.

    Args:
        loss: raises `InputError` where the parameters cannot be used; such trials count.
        storage: the database. name: of the study in it.
        first: the parameters of the first trial, if they are in the space.
    """
    optuna = _optuna()
    storage.parent.mkdir(parents=True, exist_ok=True)
    study = optuna.create_study(
        storage=f"sqlite:///{storage}", study_name=name, load_if_exists=True, direction="minimize"
    )
    distributions = {".".join(key): _distribution(entry) for key, entry in space.items()}
    keys = {".".join(key): key for key in space}
    failed = "none yet"
    while (number := sum(trial.state.is_finished() for trial in study.trials)) < trials:
        study.sampler = optuna.samplers.TPESampler(seed=seed + number)
        start = {".".join(key): value for key, value in first.items()}
        if number == 0 and contains(space, first):
            study.enqueue_trial(start)
        trial = study.ask(distributions)
        values = {keys[name]: value for name, value in trial.params.items()}
        shown = ", ".join(f"{name} {value}" for name, value in trial.params.items())
        try:
            result = loss(values)
            study.tell(trial, result)
            log.info("trial %d: %.6g with %s", number + 1, result, shown)
        except InputError as error:
            study.tell(trial, state=optuna.trial.TrialState.FAIL)
            failed = str(error)
            log.warning("trial %d: none with %s: %s", number + 1, shown, failed)
    if not any(trial.value is not None for trial in study.trials):
        raise InputError(f"expected a trial that gives a loss, received none: {failed}")
    return {keys[name]: value for name, value in study.best_params.items()}, study.best_value


class Runner:
    """Trains a task with other parameters, in folders of its own.

    Attributes:
        current: the values that the parameters of the space have in params.yaml.
    """

    def __init__(self, task: str, space: Space) -> None:
        self.task, self.kind = task, parameters.kind(task)
        self.preparing = kinds.preparing(self.kind)
        self._root, self._params = Path.cwd(), parameters.read_all()
        sections = {
            stage: parameters.section(task, stage, kinds.module(self.kind, stage).Parameters)
            for stage in ("train", self.preparing)
        }
        self.current = {(stage, name): getattr(sections[stage], name) for stage, name in space}
        self._keep = sections["train"].keep
        self._prepares = any(stage == self.preparing for stage, _ in space)
        for folder in ("ingested", "examples"):
            if not (self._root / "data" / folder / task).is_dir():
                raise InputError(
                    f"expected data/{folder}/{task}, found none: run `dvc repro "
                    f"{self.preparing}@{task}`"
                )

    def loss(self, values: Values) -> float:
        """Returns the validation loss of the weights that training keeps; of several members, their
        mean."""
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            self._lay_out(folder, values)
            if self._prepares:
                self._run(folder, self.preparing)
                self._expect_same_targets(folder)
            self._run(folder, "train")
            keep = values.get(("train", "keep"), self._keep)
            return kept_loss(folder / "data/plots" / self.task / "learning_curve.csv", keep)

    def _lay_out(self, folder: Path, values: Values) -> None:
        params = json.loads(json.dumps(self._params))
        entry = params["tasks"][self.task]
        for (stage, name), value in values.items():
            entry[stage] = {**(entry.get(stage) or {}), name: value}
        entry["train"] = {**(entry.get("train") or {}), "checkpoint_seconds": None}
        (folder / "params.yaml").write_text(json.dumps(params), encoding="utf-8")
        for linked in ("ingested",) if self._prepares else ("ingested", "examples"):
            (folder / "data" / linked).mkdir(parents=True)
            place = folder / "data" / linked / self.task
            place.symlink_to(self._root / "data" / linked / self.task)
        listed = f"data/code/train/{self.kind}.txt"
        (folder / listed).parent.mkdir(parents=True)
        text = code.current(self._root, listed, self._params)
        (folder / listed).write_text(text, encoding="utf-8")

    def _run(self, folder: Path, stage: str) -> None:
        done = subprocess.run(
            [sys.executable, "-m", f"stages.{stage}", self.task],
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(self._root)},
            capture_output=True,
            text=True,
        )
        if done.returncode:
            last = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
            raise InputError(last.removeprefix("error: "))

    def _expect_same_targets(self, folder: Path) -> None:
        module = kinds.module(self.kind, "train")
        section = parameters.section(self.task, "train", module.Parameters)
        expected, received = (
            len(
                module.batches(
                    examples.read(root / "data/examples" / self.task, self._examples),
                    "validation",
                    section,
                )
            )
            for root in (self._root, folder)
        )
        if expected != received:
            raise InputError(
                f"expected the {expected} validation examples that params.yaml gives, received "
                f"{received}, on which the loss is another one"
            )

    @property
    def _examples(self) -> Any:
        return kinds.package(self.kind).Examples


def kept_loss(path: Path, keep: str) -> float:
    """Returns the best or the last validation loss of a learning curve; of several members, their
    mean.

    Args:
        keep: `best` or `last`, as `train.keep`.
    """
    members: dict[str, list[float]] = {}
    with path.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            members.setdefault(row["member"], []).append(float(row["validation"]))
    kept = [losses[-1] if keep == "last" else min(losses) for losses in members.values()]
    if not kept or not all(map(math.isfinite, kept)):
        raise InputError("expected a finite validation loss, received none: training diverged")
    return sum(kept) / len(kept)


def name_of(task: str, space: Space, seed: int) -> str:
    """Returns the name of the study of all that its losses depend on: with others, another one
    begins."""
    params = parameters.read_all()
    kind = parameters.kind(task)
    about = Path("data/ingested") / task / "about.json"
    parts = [
        {
            ".".join(key): entry if isinstance(entry, list) else entry.model_dump()
            for key, entry in space.items()
        },
        [seed, params["seed"], params["arithmetic"], parameters.task(task)],
        code.current(Path(), f"data/code/train/{kind}.txt", params),
        about.read_text(encoding="utf-8") if about.is_file() else "",
    ]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]


def options(task: str, values: Values) -> str:
    """Returns parameters as options of `dvc exp run`."""
    return " ".join(
        f"-S {shlex.quote(f'tasks.{task}.{stage}.{name}={json.dumps(value).strip(chr(34))}')}"
        for (stage, name), value in values.items()
    )


def _optuna() -> Any:
    try:
        import optuna
    except ImportError as error:
        raise InputError(
            f"expected the package optuna to search for parameters, received: {error}. pip install "
            "optuna"
        ) from None
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    return optuna


def _distribution(entry: Range | Choices) -> Any:
    distributions = _optuna().distributions
    if isinstance(entry, list):
        return distributions.CategoricalDistribution(entry)
    if entry.whole:
        return distributions.IntDistribution(entry.low, entry.high, entry.log, entry.step or 1)
    return distributions.FloatDistribution(
        float(entry.low), float(entry.high), entry.log, entry.step
    )


def contains(space: Space, values: Values) -> bool:
    """Returns whether a space has these values of all its parameters."""
    return all(key in values and _is_in(entry, values[key]) for key, entry in space.items())


def _is_in(entry: Range | Choices, value: Any) -> bool:
    if isinstance(entry, list):
        return any(value == choice and type(value) is type(choice) for choice in entry)
    if not isinstance(value, int | float) or not entry.low <= value <= entry.high:
        return False
    steps = (value - entry.low) / (entry.step or (1 if entry.whole else math.inf))
    return math.isclose(steps, round(steps), abs_tol=1e-9)


if __name__ == "__main__":
    command.run(main)
