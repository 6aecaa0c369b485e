"""What stages and the modules of a kind hand to each other."""

import argparse
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np
import pandas as pd

from stages.files.task_data import TaskData
from stages.formats import FileFormat
from stages.scores import MethodScores
from stages.sections import Section

SectionType = TypeVar("SectionType", bound=Section)
Arrays = Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Prepared:
    """Examples, what the log says of them, and text files by their names that stand beside them,
    such as a tokenizer."""

    examples: Any
    summary: str
    files: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Baselines:
    """The scores of each baseline on the test split, with those on the validation split under
    `validation` where there are such, and arrays that evaluation needs besides."""

    scores: Mapping[str, MethodScores]
    arrays: Arrays = field(default_factory=dict)


@dataclass(frozen=True)
class Picture:
    """A picture: its title, and for each of its axes, one below the other, the function that draws
    on them."""

    title: str
    draws: Sequence[Callable[[Any], None]]


@dataclass(frozen=True)
class Evaluation:
    """The network's scores on the test split.

    Attributes:
        scores: of the network.
        curve: the table of a plot; title: what it shows.
        arrays: what was fitted on validation and prediction needs.
        files: text files by their names, which stand beside the scores.
        pictures: other pictures than that of the curve, by their names without a suffix.
        validation: its scores on the validation split, where the baselines have such.
        refitted: the scores of networks that were retrained during the test split.
        parts: the scores of parts of the test split or of single classes, by their names.
        signatures: how scores were computed, where their names alone do not say it: of the
            baselines' scores as of the network's.
    """

    scores: dict[str, float]
    curve: pd.DataFrame
    title: str
    arrays: Arrays = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)
    pictures: Mapping[str, Picture] = field(default_factory=dict)
    validation: Mapping[str, float] = field(default_factory=dict)
    refitted: Mapping[str, float] = field(default_factory=dict)
    parts: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    signatures: Mapping[str, str] = field(default_factory=dict)


class Judged(Section):
    """A section `evaluate`. score: what skill, the best baseline and the summary go by."""

    score: str


@dataclass(frozen=True)
class Request:
    """What a prediction starts from.

    Attributes:
        data: what the stages before have written.
        fitted: the arrays of the evaluation.
        layout: the task's section `ingest`.
        arguments: of the command line; each that was not given is None.
        validated: checks values by their names against a section, and blames the command line.
        retrain: examples and a name -> a network that is trained on them for as many epochs as
            validation chose. For an answer to the command line nothing is trained: it is the
            network that the pipeline kept under this name.
    """

    data: TaskData[Any, Any]
    fitted: Arrays
    layout: FileFormat
    arguments: argparse.Namespace
    validated: Callable[[dict[str, Any], type[SectionType]], SectionType]
    retrain: Callable[[Any, str], Any]


@dataclass(frozen=True)
class Prediction:
    """What comes next: text files by their names, and the table of a plot with its title; and the
    retrained networks, by the names given to `retrain`, that the command line needs again."""

    files: Mapping[str, str]
    table: pd.DataFrame
    title: str
    networks: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Answer:
    """What was asked for on the command line: the content of a file, and as the terminal shows
    it."""

    content: str
    shown: str = ""


@dataclass(frozen=True)
class Stream:
    """An answer that grows with what comes in: pieces of text, each of which is written at once."""

    pieces: Iterable[str]


@dataclass(frozen=True)
class Sample:
    """A small task, for the tests that every kind has to pass.

    Attributes:
        files: raw files by their names in `data/raw`.
        entry: the task's entry in `params.yaml`.
        variants: sections `train` that together use every branch of the network.
        resized: returns a sample of random sizes that suits a variant; None: this one.
    """

    files: Mapping[str, str | bytes]
    entry: dict[str, Any]
    variants: list[dict[str, Any]]
    resized: "Callable[[np.random.Generator, dict[str, Any]], Sample] | None" = None
