"""What outputs are compared with, of the network and the baselines alike."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from stages.files.task_data import TaskData
from stages.kinds.sequence_to_sequence import Examples, Ingested
from stages.text import overlap

# By length there are at most so many groups of sources.
GROUPS = 6


@dataclass(frozen=True)
class Judge:
    """The texts of a split.

    Attributes:
        sources: in the order of the examples.
        references: of each source, its target first; "" where it has fewer than others.
    """

    sources: list[str]
    references: list[list[str]]

    @cached_property
    def _lengths(self) -> tuple[np.ndarray, list[str]]:
        return by_length(np.array([len(source.split()) for source in self.sources], np.int64))

    @property
    def lengths(self) -> list[str]:
        """How many words the sources of each group have, such as `3 to 5`, from few to many."""
        return self._lengths[1]

    def count(self, outputs: Sequence[str], names: Sequence[str] = overlap.NAMES) -> overlap.Counts:
        """Returns what the scores of these names are made of, of an output for each source."""
        return overlap.count(outputs, self.references, names)

    def by_length(self, counts: overlap.Counts) -> dict[str, list[float]]:
        """Returns each score of each group of `lengths`."""
        groups, labels = self._lengths
        return counts.by_group(groups, len(labels))


def by_length(words: np.ndarray) -> tuple[np.ndarray, list[str]]:
    """Groups texts by their length, so that the groups are about as large as each other.

    Args:
        words: (texts,) int, how many each text has.

    Returns:
        The group of each text, (texts,), and the label of each group.
    """
    shares = np.arange(1, GROUPS) / GROUPS
    inner = np.quantile(words, shares, method="inverted_cdf")
    ends = np.unique(np.append(inner, words.max())).astype(int).tolist()
    lows = [int(words.min()), *(end + 1 for end in ends[:-1])]
    labels = [
        str(end) if low == end else f"{low} to {end}" for low, end in zip(lows, ends, strict=True)
    ]
    return np.searchsorted(ends, words), labels


def judge(data: TaskData[Ingested, Examples], split: str) -> Judge:
    """Returns the judge of a split."""
    columns = data.ingested.about.references
    rows = np.asarray(data.examples.rows[data.examples.numbers_of(split)])
    table = data.ingested.read(["source", *columns]).iloc[rows].fillna("")
    return Judge(table["source"].tolist(), table[columns].to_numpy(object).tolist())
