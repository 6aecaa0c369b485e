"""Ingested texts to token ids in one flat array, with their classes; and as readable text the
tokenizer, and if it is wanted a linear model of the training texts."""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, BinaryIO, Literal

import numpy as np
import pandas as pd
from pydantic import model_validator

from stages.files import vectors as vector_files
from stages.files.task_data import IngestedTable
from stages.kinds.data import Prepared
from stages.kinds.text_classification import Examples, Ingested
from stages.kinds.text_classification import linear as linear_models
from stages.sections import Count
from stages.splits import SPLITS
from stages.text import tokens
from stages.text.vectors import with_vectors

TOKENIZER, LINEAR = "tokenizer.json", "linear.json"


class Parameters(tokens.Tokenization):
    """How texts become examples: besides the tokenization,

    longest: how many tokens of a text are read; null: all. cut: which part of a longer text is left
        out.
    vectors: a file of pretrained word vectors in `data/raw/vectors/`; null: none. Words that it
        alone knows are known.
    linear: a linear model of what is read of the training texts, which the network's answers are
        added to; null: none.
    """

    lower: bool = True
    apart: bool = True
    longest: Count | None = None
    cut: Literal["end", "beginning", "middle"] = "end"
    vectors: vector_files.VectorPath | None = None
    linear: linear_models.Parameters | None = None

    @model_validator(mode="after")
    def _of_words(self) -> "Parameters":
        if self.vectors is not None and self.unit != "words":
            raise ValueError("`unit: words` with `vectors`, which are vectors of words")
        if self.linear is not None and self.unit != "words":
            raise ValueError("`unit: words` with `linear`, a model of words")
        return self


def prepare(ingested: IngestedTable[Ingested], parameters: Parameters, scratch: Path) -> Prepared:
    """Fits a tokenizer on the training texts, those without a label as well, and encodes all texts,
    chunk by chunk."""
    training = (
        chunk["text"][chunk["split"] == 0].tolist() for chunk in ingested.chunks(["text", "split"])
    )
    tokenizer = parameters.fit(training)
    known, values, covered = tokenizer.size, np.zeros((0, 0), np.float32), None
    if parameters.vectors is not None:
        assert isinstance(tokenizer, tokens.Words)
        pretrained = vector_files.read(Path(parameters.vectors))
        tokenizer, values, covered = with_vectors(tokenizer, pretrained, pretrained.words)
    counts = _Counts(parameters, covered)
    dtype = np.min_scalar_type(tokenizer.size - 1)
    with (scratch / "token_ids").open("wb") as file:
        for chunk in ingested.chunks(["text", "split"]):
            _encode(chunk, tokenizer, counts, dtype, file)
    names = ingested.read(["label"])["label"]
    labels = pd.Categorical(names, categories=ingested.about.classes).codes.astype(np.int32)
    lengths = np.concatenate(counts.lengths)
    files, logits = {TOKENIZER: tokenizer.content()}, np.zeros((0, 0), np.float32)
    if parameters.linear is not None:
        train = ingested.about.texts["train"]
        linear = linear_models.fit(counts.texts[:train], labels[:train], parameters.linear)
        files[LINEAR], logits = linear.content(), linear.logits(counts.texts)
    examples = Examples(
        classes=ingested.about.classes,
        unit=parameters.unit,
        tokenizer=hashlib.sha256(files[TOKENIZER].encode()).hexdigest(),
        known=known,
        longest=parameters.longest,
        cut=parameters.cut,
        texts=ingested.about.texts,
        **counts.by_split(known),
        token_ids=np.memmap(scratch / "token_ids", dtype, "r"),
        starts=np.cumsum(lengths) - lengths,
        lengths=lengths,
        labels=labels,
        vectors=values,
        linear=logits,
    )
    summary = (
        f"{known} ids, {len(examples.classes)} classes, texts {examples.texts}, unknown "
        f"{examples.unknown_rate}"
    )
    if examples.covered:
        summary += f", covered by vectors {examples.covered}"
    return Prepared(examples, summary, files)


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


def names_of(found: tokens.Encoded, tokenizer: tokens.Tokenizer) -> np.ndarray:
    """Returns the tokens of `encode` as text, (tokens,), also those that are unknown."""
    distinct, places = np.unique(found.ids, return_inverse=True)
    names = np.array([tokenizer.token(number) for number in distinct], object)[places]
    names[found.ids == tokens.UNKNOWN] = found.unknown
    return names


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
    read = kept(found.lengths, longest, cut)
    ids = found.ids[read]
    file.write(ids.astype(dtype).tobytes())
    counts.add(chunk["split"].to_numpy(), ids, found.lengths)
    if counts.parameters.linear is not None:
        ends = np.cumsum(counts.lengths[-1]).tolist()
        names = names_of(found, tokenizer)[read].tolist()
        counts.texts += [
            " ".join(names[first:end]) for first, end in zip([0, *ends], ends, strict=False)
        ]


class _Counts:
    """What is counted in the texts of each split: arrays (3,); and of each text, in their order,
    `lengths`, the number of its tokens, and for a linear model `texts`, what is read of it."""

    def __init__(self, parameters: Parameters, has_vector: np.ndarray | None) -> None:
        self.parameters, self._has_vector = parameters, has_vector
        self._tokens, self._unknown, self._covered, self._shortened = np.zeros(
            (4, len(SPLITS)), np.int64
        )
        self.lengths: list[np.ndarray] = []
        self.texts: list[str] = []

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
