"""Ingested texts to token ids in one flat array, and the tokenizer as readable text."""

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO, Literal

import numpy as np

from stages.errors import InputError
from stages.files.task_data import IngestedTable
from stages.kinds.data import Prepared
from stages.splits import SPLITS
from stages.text import ngrams, tokens
from stages.text.data import IngestedTexts, TextExamples

QUANTILES = (0.0, 0.25, 0.5, 0.75, 0.95, 1.0)


class Parameters(tokens.Tokenization):
    """How texts become examples: besides the tokenization,

    end: whether a token stands for the end of a text.
    examples: `stream`: the texts of a split are one long text, of which every token is predicted
        from all before it; `prefixes`: every beginning of a text predicts its next token.
    """

    end: bool = True
    examples: Literal["stream", "prefixes"] = "stream"


def prepare(
    ingested: IngestedTable[IngestedTexts], parameters: Parameters, scratch: Path
) -> Prepared:
    """Fits a tokenizer on the training texts and encodes all texts, chunk by chunk."""
    training = (
        texts[splits == SPLITS.index("train")].tolist() for texts, splits in _chunks(ingested)
    )
    tokenizer = parameters.fit(training)
    counts = _Counts(tokenizer, parameters.end)
    dtype = np.min_scalar_type(tokenizer.size - 1)
    with (scratch / "token_ids").open("wb") as ids, (scratch / "offsets").open("wb") as offsets:
        _encode(ingested, tokenizer, counts, dtype, ids, offsets)
    if ingested.about.same:
        counts.repeat_training()
    _check_lengths(counts.lengths, 2 if parameters.examples == "prefixes" else 1)
    content = tokenizer.content()
    examples = TextExamples(
        examples=parameters.examples,
        unit=parameters.unit,
        vocabulary_size=tokenizer.size,
        tokenizer=hashlib.sha256(content.encode()).hexdigest(),
        pad_id=tokens.PAD,
        unknown_id=tokens.UNKNOWN,
        end_id=tokens.END,
        ends=parameters.end,
        fitted_on={
            "split": "train",
            "texts": int(counts.texts[0]),
            "tokens": int(counts.tokens[0]),
        },
        **counts.by_split(),
        token_ids=np.memmap(scratch / "token_ids", dtype, "r"),
        offsets=np.memmap(scratch / "offsets", np.int64, "r"),
        texts=_boundaries(counts.texts, same=ingested.about.same),
    )
    summary = (
        f"{examples.vocabulary_size} ids, tokens {examples.tokens}, unknown {examples.unknown_rate}"
    )
    return Prepared(examples, summary, {"tokenizer.json": content})


def _chunks(ingested: IngestedTable[IngestedTexts]) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yields texts and their splits, split after split."""
    for chunk in ingested.chunks(["text", "split"]):
        yield chunk["text"].to_numpy(object), chunk["split"].to_numpy()


def _encode(
    ingested: IngestedTable[IngestedTexts],
    tokenizer: tokens.Tokenizer,
    counts: "_Counts",
    dtype: np.dtype[Any],
    id_file: BinaryIO,
    offset_file: BinaryIO,
) -> None:
    """Writes the ids of all texts to one file and where each text starts to another: arrays that
    need not fit into memory."""
    total = 0
    offset_file.write(np.zeros(1, np.int64).tobytes())
    for texts, splits in _chunks(ingested):
        encoded = tokenizer.encode(texts.tolist())
        ids, lengths = encoded.ids, encoded.lengths
        if counts.ends:
            ids, lengths = np.insert(ids, np.cumsum(lengths), tokens.END), lengths + 1
        id_file.write(ids.astype(dtype).tobytes())
        offset_file.write((total + np.cumsum(lengths)).tobytes())
        total += len(ids)
        counts.add(texts, splits, ids, lengths, encoded.unknown)


class _Counts:
    """What is counted in the texts of each split: arrays (3,), and `lengths`, the histograms of the
    texts' numbers of tokens."""

    def __init__(self, tokenizer: tokens.Tokenizer, ends: bool) -> None:
        self.ends = ends
        self._spelling = ngrams.Spelling(
            tokenizer.left_out, tokenizer.rarest, tokens.SPECIAL[tokens.UNKNOWN]
        )
        self.texts, self.tokens, self.unknown, self.characters, self.words = np.zeros(
            (5, len(SPLITS)), np.int64
        )
        self.spelling_nats = np.zeros(len(SPLITS))
        self.lengths = [np.zeros(1, np.int64) for _ in SPLITS]

    def add(
        self,
        texts: np.ndarray,
        splits: np.ndarray,
        ids: np.ndarray,
        lengths: np.ndarray,
        unknown: Sequence[str],
    ) -> None:
        """Counts some texts: their splits (texts,), ids (tokens,), lengths (texts,) and unknown
        tokens, in their order."""
        by_token = np.repeat(splits, lengths)
        ends = np.bincount(splits, minlength=len(SPLITS))
        self.texts += ends
        self.tokens += np.bincount(by_token, minlength=len(SPLITS))
        if unknown:
            by_unknown = by_token[ids == tokens.UNKNOWN]
            counted = by_unknown[self._spelling.are_unknown(unknown)]
            self.unknown += np.bincount(counted, minlength=len(SPLITS))
            nats = self._spelling.nats(unknown)
            self.spelling_nats += np.bincount(by_unknown, nats, len(SPLITS))
        words = (len(text.split()) for text in texts)
        for total, sizes in ((self.characters, map(len, texts)), (self.words, words)):
            by_text = np.fromiter(sizes, np.int64, len(texts))
            # The end of a text is a line's end: a character, and a word where ends are predicted.
            total += np.bincount(splits, by_text, len(SPLITS)).astype(np.int64) + ends * self.ends
        for split, histogram in enumerate(self.lengths):
            added = np.bincount(lengths[splits == split], minlength=len(histogram))
            added[: len(histogram)] += histogram
            self.lengths[split] = added

    def repeat_training(self) -> None:
        """Counts the training texts, which are all, in each split."""
        for array in (self.tokens, self.unknown, self.characters, self.words, self.spelling_nats):
            array[:] = array[0]
        self.lengths = self.lengths[:1] * len(SPLITS)

    def by_split(self) -> dict[str, Any]:
        """Returns the counts as fields of `TextExamples`."""

        def named(values: Sequence[Any]) -> dict[str, Any]:
            return dict(zip(SPLITS, values, strict=True))

        return {
            "tokens": named(self.tokens.tolist()),
            "characters": named(self.characters.tolist()),
            "words": named(self.words.tolist()),
            "unknown_rate": named((self.unknown / np.maximum(self.tokens, 1)).tolist()),
            # Rounded, as no two processors agree on the last digits of a logarithm.
            "spelling_nats": named([float(f"{nats:.9g}") for nats in self.spelling_nats]),
            "lengths": {
                "quantiles": list(QUANTILES),
                **named([_quantiles(histogram) for histogram in self.lengths]),
            },
        }


def _boundaries(texts: np.ndarray, *, same: bool) -> np.ndarray:
    """Returns (3, 2) first text of each split, and the text after the last one, from the number of
    texts of each split."""
    if same:
        return np.array([[0, texts[0]]] * len(SPLITS))
    ends = np.concatenate([[0], np.cumsum(texts)])
    return np.stack([ends[:-1], ends[1:]], axis=1)


def _check_lengths(histograms: Sequence[np.ndarray], needed: int) -> None:
    """Raises `InputError` where a split has no text of `needed` tokens, or too few in all."""
    for name, histogram in zip(SPLITS, histograms, strict=True):
        total = int(histogram @ np.arange(len(histogram)))
        if not histogram[needed:].sum() or total < 2:
            raise InputError(
                f"expected at least {max(needed, 2)} tokens to learn from in {name}, received "
                f"{total}: give more text, or another ingest.split"
            )


def _quantiles(histogram: np.ndarray) -> list[int]:
    """Returns the quantiles of lengths, from the number of texts of each length."""
    ends = np.cumsum(histogram)
    return [int(np.searchsorted(ends, max(1, np.ceil(share * ends[-1])))) for share in QUANTILES]
