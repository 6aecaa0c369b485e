"""What a trained network writes for sources, as text."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from stages.kinds.sequence_to_sequence import Examples, texts
from stages.kinds.sequence_to_sequence.decoding import Decoder, Decoding, Output
from stages.kinds.sequence_to_sequence.texts import Source
from stages.text import tokens


@dataclass(frozen=True)
class Written:
    """An output: its text, its tokens and the logarithm of its probability.

    attention: (tokens and the end, source tokens) how much of what is read for a token of the
        output comes from a token of the source; None where nobody asked.
    """

    text: str
    tokens: list[str]
    log_probability: float
    attention: np.ndarray | None


class Writer:
    """A trained network and how outputs are searched for."""

    def __init__(
        self, network: Any, examples: Examples, tokenizer: tokens.Tokenizer, decoding: Decoding
    ) -> None:
        """`tokenizer`: of the targets."""
        self._tokenizer = tokenizer
        self._decoder = Decoder(network, examples, decoding)

    def outputs(
        self, sources: Sequence[Source], count: int = 1, *, attention: bool = False
    ) -> list[list[Written]]:
        """Returns the `count` best outputs for each source, the best one first: fewer where the
        search has found fewer."""
        found = self._decoder.decode(sources, attention) if sources else []
        return [
            [self._written(output, source.unknown) for output in outputs[:count]]
            for source, outputs in zip(sources, found, strict=True)
        ]

    def _written(self, output: Output, unknown: Sequence[str]) -> Written:
        size, ids = self._tokenizer.size, output.ids.tolist()
        names = [
            unknown[number - size] if number >= size else self._tokenizer.token(number)
            for number in ids
        ]
        text = texts.decode(ids, unknown, self._tokenizer)
        return Written(text, names, output.log_probability, output.attention)
