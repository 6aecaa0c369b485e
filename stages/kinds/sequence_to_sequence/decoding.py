"""Searches for the likeliest text of a network, token by token."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Any

import numpy as np
from pydantic import Field

from stages.batching import Batch, cut_ahead, padded, plan
from stages.kinds.sequence_to_sequence import Examples
from stages.kinds.sequence_to_sequence.texts import Source
from stages.sections import Count, Section
from stages.text import search
from stages.text.tokens import END

# So many texts are decoded side by side.
TEXTS = 128


class Decoding(Section):
    """How outputs are searched for.

    beams: how many are held at a time; 1: always the likeliest token.
    length_penalty: outputs compete by their log p / their number of tokens to this power.
    longest: most tokens of an output; null: twice as many as its source has, and ten.
    no_repeats: whether a token must not stand twice in a row. no_trigrams: whether no three tokens
        may stand twice in an output.
    """

    beams: Annotated[int, Field(ge=1, le=1000)] = 5
    length_penalty: Annotated[float, Field(ge=0)] = 1.0
    longest: Count | None = None
    no_repeats: bool = False
    no_trigrams: bool = False


@dataclass(frozen=True)
class Output:
    """What the network makes of a text: ids (tokens,) without the end, log p with it, and the
    weights of attention (tokens and end, source tokens) where they were asked for."""

    ids: np.ndarray
    log_probability: float
    attention: np.ndarray | None = None


@dataclass(frozen=True)
class Sources:
    """Texts as batches."""

    sources: Sequence[Source]
    streams = None

    def __len__(self) -> int:
        return len(self.sources)

    @cached_property
    def lengths(self) -> np.ndarray:
        return np.array([len(source.ids) for source in self.sources])

    @cached_property
    def _flat(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The ids and copies of all texts, one after the other, and where each starts."""
        ids = np.concatenate([source.ids for source in self.sources])
        copies = np.concatenate([source.copies for source in self.sources])
        return ids, copies, np.cumsum(self.lengths) - self.lengths

    def cut(self, indices: np.ndarray, length: int | None = None) -> Batch:
        """Returns `inputs`: `source` (batch, steps) int32, and where tokens can be copied under
        `given` their `copies` (batch, steps) int32, -1 for padding."""
        ids, copies, starts = self._flat
        lengths = self.lengths[indices]
        length = int(lengths.max()) if length is None else length
        cut, own = padded(ids, starts[indices], lengths, length)
        batch: Batch = {
            "inputs": {"source": cut.astype(np.int32)},
            "mask": np.ones(len(indices), np.float32),
        }
        if len(copies):
            places = padded(copies, starts[indices], lengths, length)[0]
            batch["given"] = {"copies": np.where(own, places, -1).astype(np.int32)}
        return batch


class Decoder:
    """A trained network, or the mean of several, that writes texts."""

    def __init__(self, network: Any, examples: Examples, decoding: Decoding) -> None:
        from stages.networks.generation import Generator

        self.examples, self.decoding = examples, decoding
        self._generator = Generator(network, examples.sizes["target"])

    def decode(self, sources: Sequence[Source], attention: bool = False) -> list[list[Output]]:
        """Returns for each text its outputs, the best first.

        Args:
            attention: whether the weights of attention are wanted, which takes as long again.
        """
        batches, outputs = Sources(sources), [[] for _ in sources]  # type: ignore[var-annotated]
        size = min(TEXTS, len(sources))
        chunks = plan(batches, size, 1)
        with ThreadPoolExecutor(1) as ahead:
            cut = cut_ahead(batches, chunks, size, ["source"], ahead)
            for chunk, batch in zip(chunks, cut, strict=True):
                for index, found in zip(chunk.indices, self._search(batch), strict=False):
                    outputs[index] = [Output(one.ids, one.log_probability) for one in found]
        if attention:
            for index, source in enumerate(sources):
                weights = self._attention(source, [output.ids for output in outputs[index]])
                outputs[index] = [
                    Output(output.ids, output.log_probability, own)
                    for output, own in zip(outputs[index], weights, strict=True)
                ]
        return outputs

    def _search(self, batch: Batch) -> list[list[search.Found]]:
        decoding = self.decoding
        source = batch["inputs"]["source"][0]
        copies = batch["given"]["copies"][0] if "given" in batch else None
        limits = 2 * (source > 0).sum(1) + 10
        if decoding.longest is not None:
            limits = np.minimum(limits, decoding.longest)
        return search.beam_searches(
            self._generator.begin(source, copies, decoding.beams),
            limits,
            decoding.beams,
            END,
            decoding.length_penalty,
            lambda paths: search.repeated(
                paths, tokens=decoding.no_repeats, trigrams=decoding.no_trigrams
            ),
        )

    def _attention(self, source: Source, outputs: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Returns the weights of attention of outputs of one source, (tokens and end, source
        tokens) each."""
        batch = Sources([source]).cut(np.arange(1))
        longest = max(map(len, outputs)) + 1
        tokens = np.zeros((len(outputs), longest), np.int64)
        for row, ids in enumerate(outputs):
            tokens[row, : len(ids) + 1] = [END, *ids]
        weights = self._generator.weights(batch["inputs"]["source"], tokens)
        return [weights[row, : len(ids) + 1] for row, ids in enumerate(outputs)]
