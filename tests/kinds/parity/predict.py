"""The parity of sequences that parameters or the command line give."""

import argparse
from typing import Annotated, Any

import numpy as np
import pandas as pd
from pydantic import Field
from stages.kinds.parity import Examples
from stages.kinds.parity.train import Sequences

from stages.kinds.data import Answer, Prediction, Request
from stages.sections import Section, matching

Bits = Annotated[str, matching("[01]+", "zeros and ones, such as 0110")]


class Parameters(Section):
    """bits: the sequences to answer for."""

    bits: Annotated[list[Bits], Field(min_length=1)] = ["0", "1", "0110", "0111"]


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--bits", action="append", help="a sequence; several times for several")
    parser.set_defaults(output=None)


def predict(request: Request, network: Any, parameters: Parameters) -> Prediction | Answer:
    from stages.networks.prediction import predict as apply

    asked = request.arguments.bits
    if asked is not None:
        parameters = request.validated({"bits": asked}, Parameters)
    lengths = np.array([len(bits) for bits in parameters.bits])
    examples = Examples(
        sequences={"train": 0, "validation": 0, "test": len(lengths)},
        tokens=np.frombuffer("".join(parameters.bits).encode(), np.uint8) - ord("0") + 1,
        starts=np.cumsum(lengths) - lengths,
        lengths=lengths,
        odd=np.zeros(len(lengths), np.uint8),
    )
    logits = apply(network, Sequences(examples, np.arange(len(lengths))))[:, 0]
    table = pd.DataFrame({"bits": parameters.bits, "probability": 1 / (1 + np.exp(-logits))})
    lines = "".join(f"{row.bits},{row.probability:.4f}\n" for row in table.itertuples())
    if asked is not None:
        return Answer(lines, lines)
    return Prediction({"answers.csv": lines}, table, "probability of an odd number of ones")


def draw(axes: Any, table: pd.DataFrame) -> None:
    axes.barh(table["bits"], table["probability"])
    axes.set_xlabel("probability of an odd number of ones")
