"""Bits to tokens in one flat array."""

from pathlib import Path

import numpy as np
from stages.kinds.parity import Examples, Ingested

from stages.files.task_data import IngestedTable
from stages.kinds.data import Prepared
from stages.sections import Section


class Parameters(Section):
    """There is nothing to choose."""


def prepare(ingested: IngestedTable[Ingested], parameters: Parameters, scratch: Path) -> Prepared:
    bits = ingested.read(["bits"])["bits"].to_list()
    lengths = np.array([len(sequence) for sequence in bits])
    ones = np.array([sequence.count("1") for sequence in bits])
    examples = Examples(
        sequences=ingested.about.sequences,
        tokens=np.frombuffer("".join(bits).encode(), np.uint8) - ord("0") + 1,
        starts=np.cumsum(lengths) - lengths,
        lengths=lengths,
        odd=(ones % 2).astype(np.uint8),
    )
    return Prepared(examples, f"sequences {examples.sequences}")
