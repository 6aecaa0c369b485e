"""What each module of a kind offers to the stages. mypy holds the modules of every folder to it.

`parameters` is always an instance of the module's own class `Parameters`, and `data` has the
classes that the kind's package names, so these types are `Any` here and exact in the kind.
"""

import argparse
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import pandas as pd

from stages.batching import Batches
from stages.files.task_data import IngestedTable, TaskData
from stages.formats import FileFormat
from stages.kinds.data import (
    Answer,
    Arrays,
    Baselines,
    Evaluation,
    Judged,
    Prediction,
    Prepared,
    Request,
    Sample,
    Stream,
)
from stages.networks.parameters import Training
from stages.scores import Score
from stages.sections import Section

if TYPE_CHECKING:
    from stages.networks.prediction import Predictor


class Package(Protocol):
    """The folder itself, its `__init__.py`.

    Attributes:
        Ingested: the dataclass of what `ingest` says of its table.
        Examples: the dataclass of the examples.
    """

    @property
    def Ingested(self) -> type[Any]: ...

    @property
    def Examples(self) -> type[Any]: ...


class WithParameters(Protocol):
    """What the module of each stage has: its section of a task in `params.yaml`."""

    @property
    def Parameters(self) -> type[Section]: ...


class Ingest(Protocol):
    """Raw data to one typed table, split into train, validation and test."""

    @property
    def Parameters(self) -> type[FileFormat]: ...

    def read(self, path: Path, parameters: Any) -> Sequence[pd.DataFrame]:
        """Reads the raw file, or the files of a folder: one table per file."""

    def ingest(self, tables: Sequence[pd.DataFrame], parameters: Any) -> tuple[pd.DataFrame, Any]:
        """Returns the typed table and an instance of the package's `Ingested`."""


class Prepare(WithParameters, Protocol):
    """The ingested table to examples: `scale_and_window`, `tokenize_text` or `extract_features`."""

    def prepare(self, ingested: IngestedTable[Any], parameters: Any, scratch: Path) -> Prepared:
        """Returns the examples. `scratch` is a folder for arrays that outgrow memory."""


class Baseline(WithParameters, Protocol):
    """Scores without a network, and without TensorFlow."""

    def baseline(self, data: TaskData[Any, Any], parameters: Any, judged: Any) -> Baselines:
        """Scores every baseline on the test split.

        Args:
            judged: the task's section `evaluate`, an instance of that module's `Parameters`.
        """


class Train(Protocol):
    """The network of a kind."""

    @property
    def Parameters(self) -> type[Training]: ...

    def batches(self, examples: Any, split: str, parameters: Any) -> Batches:
        """Returns the source of batches of a split."""

    def build(self, examples: Any, parameters: Any, name: str) -> Any:
        """Returns a Keras model."""

    def loss(self, parameters: Any) -> Callable[[Any, dict[str, Any]], tuple[Any, Any]]:
        """Returns the loss of a batch: (outputs, batch) to its sum and its weight."""

    def settle(
        self,
        network: Any,
        examples: Any,
        parameters: Any,
        settled: Mapping[str, float] | None = None,
    ) -> dict[str, float]:
        """Changes what is left to change of a trained network with the help of validation, and
        returns numbers that are reported beside its scores.

        Args:
            settled: such numbers, of a network that was trained on fewer examples: they are applied
                in place of what validation would say.
        """


class Pretrain(Protocol):
    """A network of another purpose, trained first, from whose weights the kind's network starts.
    Optional: the stage `train` asks for it.

    `parameters` is the section `train`, as for the module of this name.
    """

    def section(self, parameters: Any) -> Training | None:
        """Returns how that network is trained; None: it is not wanted."""

    def batches(self, examples: Any, split: str, parameters: Any) -> Batches:
        """Returns the source of batches of a split."""

    def build(self, examples: Any, parameters: Any, name: str) -> Any:
        """Returns a Keras model, which is not saved."""

    def loss(self, parameters: Any) -> Callable[[Any, dict[str, Any]], tuple[Any, Any]]:
        """Returns the loss of a batch: (outputs, batch) to its sum and its weight."""

    def transfer(self, pretrained: Any, network: Any) -> None:
        """Copies weights into the kind's network."""

    def rates(self, network: Any, parameters: Any) -> Callable[[int], Sequence[float]] | None:
        """Returns by what the learning rate of each trainable variable of the kind's network is
        multiplied in an epoch, by the epoch's number from 1; None: by nothing."""


class Scores(Protocol):
    """The module `scores`.

    Attributes:
        SCORES: the scores by which a task can be judged.
        HEADLINES: other scores of the network that stand in the summary of all tasks.
    """

    @property
    def SCORES(self) -> Mapping[str, Score]: ...

    @property
    def HEADLINES(self) -> Sequence[str]: ...


class Evaluate(Protocol):
    """Scores of the network beside its baselines."""

    @property
    def Parameters(self) -> type[Judged]: ...

    def evaluate(
        self,
        data: TaskData[Any, Any],
        predict: "Predictor",
        baselines: Baselines,
        parameters: Any,
        retrain: Callable[[Any, str], "Predictor"],
    ) -> Evaluation:
        """Scores the network on the test split.

        Args:
            predict: the network: batches, and optionally what is kept of the outputs -> that, for
                all examples, as `stages.networks.prediction.predict`; it is its attribute
                `network`.
            baselines: what `baseline` returned.
            retrain: examples and a name -> as `predict`, of a network that is trained on them for
                as many epochs as validation chose.
        """

    def draw(self, axes: Any, curve: pd.DataFrame) -> None:
        """Draws the evaluation's curve on matplotlib's axes."""


class Predict(WithParameters, Protocol):
    """What a trained network says of what comes next."""

    def arguments(self, parser: argparse.ArgumentParser) -> None:
        """Adds what can be asked of a trained network on the command line."""

    def predict(
        self, request: Request, network: Any, parameters: Any
    ) -> Prediction | Answer | Stream:
        """Answers the command line, or, where it asks for nothing, predicts for the pipeline."""

    def draw(self, axes: Any, table: pd.DataFrame) -> None:
        """Draws the prediction's table on matplotlib's axes."""


class Export(Protocol):
    """A trained network for use without this project. Optional: `tools.export` asks for it.

    `fitted` are the arrays of the evaluation.
    """

    def serving(self, data: TaskData[Any, Any], network: Any, fitted: Arrays) -> Any:
        """Returns a TensorFlow function with an input signature: a dictionary of inputs, raw, in
        batches of any size, to a dictionary of outputs. The network is one of plain Keras."""

    def about(self, data: TaskData[Any, Any], network: Any, fitted: Arrays) -> dict[str, Any]:
        """Returns what a caller has to know, as JSON has it: `inputs` and `outputs` by their names,
        and what they mean."""

    def difference(
        self,
        data: TaskData[Any, Any],
        network: Any,
        fitted: Arrays,
        answer: Callable[[Mapping[str, np.ndarray]], Mapping[str, np.ndarray]],
    ) -> float:
        """Returns how far an exported model, of inputs to outputs, is from the trained network at
        most, relative to the scale of the targets."""


class Samples(Protocol):
    """Small tasks for the tests that every kind has to pass, in the module `sample`."""

    @property
    def SAMPLES(self) -> Sequence[Sample]: ...


# The interface of each module of a kind; of those that prepare examples a kind has one.
MODULES: Mapping[str, type] = {
    "ingest": Ingest,
    "scale_and_window": Prepare,
    "tokenize_text": Prepare,
    "extract_features": Prepare,
    "baseline": Baseline,
    "train": Train,
    "scores": Scores,
    "evaluate": Evaluate,
    "predict": Predict,
    "sample": Samples,
}
# Those that a kind need not have.
OPTIONAL: Mapping[str, type] = {"export": Export, "pretrain": Pretrain}
