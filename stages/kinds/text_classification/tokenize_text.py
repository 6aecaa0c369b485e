"""Ingested texts to token ids in one flat array, with their classes, and the tokenizer as readable
text."""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, BinaryIO, Literal

import numpy as np
import pandas as pd
from pydantic import Field, model_validator

from stages.files import vectors as vector_files
from stages.files.task_data import IngestedTable
from stages.kinds.data import Prepared
from stages.kinds.text_classification import Examples, Ingested
from stages.sections import Count, Section
from stages.splits import SPLITS
from stages.text import tokens


class Parameters(Section):
    """How texts become examples.

    unit: `words`, `characters`, or `bytes`: byte-level byte-pair encoding, pieces of words in which
        nothing is unknown.
    vocabulary_size: how many ids there are at most (for `bytes` exactly), with the special ones;
        null: all tokens.
    minimum_count: rarer tokens are unknown.
    lower: whether letters become small ones. apart: whether punctuation marks are words of their
        own. contractions: and whether the short forms of English are: do n't, it 's.
    longest: how many tokens of a text are read; null: all. cut: which part of a longer text is left
        out.
    vectors: a file of pretrained word vectors in `data/raw/vectors/`; null: none. Words that it
        alone knows are known.
    """

    unit: tokens.Unit = "words"
    # The trainer of `bytes` takes memory for the whole size at once.
    vocabulary_size: Annotated[int, Field(gt=len(tokens.SPECIAL), le=10_000_000)] | None = None
    minimum_count: Count = 1
    lower: bool = True
    apart: bool = True
    contractions: bool = False
    longest: Count | None = None
    cut: Literal["end", "beginning", "middle"] = "end"
    vectors: vector_files.VectorPath | None = None

    @model_validator(mode="after")
    def _vectors(self) -> "Parameters":
        if self.vectors is not None and self.unit != "words":
            raise ValueError("`unit: words` with `vectors`, which are vectors of words")
        return self


def prepare(ingested: IngestedTable[Ingested], parameters: Parameters, scratch: Path) -> Prepared:
    """Fits a tokenizer on the training texts, those without a label as well, and encodes all texts,
    chunk by chunk."""
    training = (
        chunk["text"][chunk["split"] == 0].tolist() for chunk in ingested.chunks(["text", "split"])
    )
    tokenizer = tokens.fit(
        training,
        parameters.unit,
        parameters.vocabulary_size,
        parameters.minimum_count,
        parameters.lower,
        parameters.apart,
        parameters.contractions,
    )
    known, values, covered = tokenizer.size, np.zeros((0, 0), np.float32), None
    if parameters.vectors is not None:
        tokenizer, values, covered = _with_vectors(tokenizer, Path(parameters.vectors))
    counts = _Counts(parameters, covered)
    dtype = np.min_scalar_type(tokenizer.size - 1)
    with (scratch / "token_ids").open("wb") as file:
        for chunk in ingested.chunks(["text", "split"]):
            _encode(chunk, tokenizer, counts, dtype, file)
    labels = ingested.read(["label"])["label"]
    lengths = np.concatenate(counts.lengths)
    content = tokenizer.content()
    examples = Examples(
        classes=ingested.about.classes,
        unit=parameters.unit,
        tokenizer=hashlib.sha256(content.encode()).hexdigest(),
        known=known,
        longest=parameters.longest,
        cut=parameters.cut,
        texts=ingested.about.texts,
        **counts.by_split(known),
        token_ids=np.memmap(scratch / "token_ids", dtype, "r"),
        starts=np.cumsum(lengths) - lengths,
        lengths=lengths,
        labels=pd.Categorical(labels, categories=ingested.about.classes).codes.astype(np.int32),
        vectors=values,
    )
    summary = (
        f"{known} ids, {len(examples.classes)} classes, texts {examples.texts}, unknown "
        f"{examples.unknown_rate}"
    )
    if examples.covered:
        summary += f", covered by vectors {examples.covered}"
    return Prepared(examples, summary, {"tokenizer.json": content})


def _with_vectors(
    tokenizer: tokens.Tokenizer, path: Path
) -> tuple[tokens.Tokenizer, np.ndarray, np.ndarray]:
    """Returns the tokenizer with the words that a file of vectors has besides; and for each of its
    ids the vector, (ids, numbers), and whether there is one, (ids,) bool."""
    assert isinstance(tokenizer, tokens.Words)
    read = vector_files.read(path)
    extended = tokenizer.extended(read.words)
    values, covered = read.of(extended.tokens)
    # Padding and unknown tokens have none, however a file calls its words.
    values[: len(tokens.SPECIAL)], covered[: len(tokens.SPECIAL)] = 0, False
    return extended, values, covered


def encode(texts: Sequence[str], tokenizer: tokens.Tokenizer) -> tokens.Encoded:
    """Returns the tokens of some texts. A text without any is one unknown token, an empty one."""
    found = tokenizer.encode(texts)
    empty = np.flatnonzero(found.lengths == 0)
    if not len(empty):
        return found
    places = np.cumsum(found.lengths)[empty]
    before = np.concatenate([[0], np.cumsum(found.ids == tokens.UNKNOWN)])[places]
    unknown = np.insert(np.array(found.unknown, object), before, "")
    ids = np.insert(found.ids, places, tokens.UNKNOWN)
    return tokens.Encoded(ids, np.maximum(found.lengths, 1), unknown.tolist())


def kept(lengths: np.ndarray, longest: int | None, cut: str) -> np.ndarray:
    """Returns which tokens of texts are read, (tokens,) bool.

    Args:
        lengths: (texts,) how many each has.
        longest, cut: as in the parameters.
    """
    if longest is None:
        return np.ones(lengths.sum(), bool)
    places = np.arange(lengths.sum()) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    excess = np.repeat(np.maximum(lengths - longest, 0), lengths)
    first = {"beginning": 0, "end": longest, "middle": longest - longest // 2}[cut]
    return (places < first) | (places >= first + excess)


def _encode(
    chunk: pd.DataFrame,
    tokenizer: tokens.Tokenizer,
    counts: "_Counts",
    dtype: np.dtype[Any],
    file: BinaryIO,
) -> None:
    """Writes the ids of some texts behind those of others: an array that need not fit into
    memory."""
    longest, cut = counts.parameters.longest, counts.parameters.cut
    found = encode(chunk["text"].tolist(), tokenizer)
    ids = found.ids[kept(found.lengths, longest, cut)]
    file.write(ids.astype(dtype).tobytes())
    counts.add(chunk["split"].to_numpy(), ids, found.lengths)


class _Counts:
    """What is counted in the texts of each split: arrays (3,); and `lengths`, the numbers of tokens
    of each text, in their order."""

    def __init__(self, parameters: Parameters, has_vector: np.ndarray | None) -> None:
        self.parameters, self._has_vector = parameters, has_vector
        self._tokens, self._unknown, self._covered, self._shortened = np.zeros(
            (4, len(SPLITS)), np.int64
        )
        self.lengths: list[np.ndarray] = []

    def add(self, splits: np.ndarray, ids: np.ndarray, lengths: np.ndarray) -> None:
        """Counts some texts: their splits (texts,), the ids that are read, (tokens,), and their
        lengths before they were cut, (texts,)."""
        longest = self.parameters.longest
        read = lengths if longest is None else np.minimum(lengths, longest)
        self.lengths.append(read)
        self._shortened += np.bincount(splits[read < lengths], minlength=len(SPLITS))
        by_token = np.repeat(splits, read)
        self._tokens += np.bincount(by_token, minlength=len(SPLITS))
        self._unknown += np.bincount(by_token[ids == tokens.UNKNOWN], minlength=len(SPLITS))
        if self._has_vector is not None:
            self._covered += np.bincount(by_token[self._has_vector[ids]], minlength=len(SPLITS))

    def by_split(self, known: int) -> dict[str, Any]:
        """Returns the counts as fields of `Examples`, from the number of ids that training has."""

        def named(values: np.ndarray) -> dict[str, Any]:
            return dict(zip(SPLITS, values.tolist(), strict=True))

        covered = {}
        if self._has_vector is not None:
            words = self._has_vector[len(tokens.SPECIAL) : known]
            covered = named(self._covered / self._tokens)
            covered["vocabulary"] = float(words.mean()) if len(words) else 0.0
        return {
            "shortened": named(self._shortened),
            "unknown_rate": named(self._unknown / self._tokens),
            "covered": covered,
        }
