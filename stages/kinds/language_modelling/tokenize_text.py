"""Ingested texts -> data/examples/TASK: token ids in one flat array, and the tokenizer as readable
text."""

import hashlib
import logging
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field

from stages import command
from stages.errors import InputError
from stages.files import examples, parameters, tables
from stages.files.writing import read_json, write_text
from stages.sections import Count, Section
from stages.splits import SPLITS
from stages.text import ngrams, tokens

log = logging.getLogger("reprise")

QUANTILES = (0.0, 0.25, 0.5, 0.75, 0.95, 1.0)


class Parameters(Section):
    """How texts become examples.

    unit: `words`, `characters`, or `bytes`: byte-level byte-pair encoding, pieces of words in which
        nothing is unknown.
    vocabulary_size: how many ids there are at most (for `bytes` exactly), with the special ones;
        null: all tokens.
    minimum_count: rarer tokens are unknown.
    lower: whether letters become small ones. apart: whether punctuation marks are words of their
        own.
    end: whether a token stands for the end of a text.
    examples: `stream`: the texts of a split are one long text, of which every token is predicted
        from all before it; `prefixes`: every beginning of a text predicts its next token.
    """

    unit: tokens.Unit = "words"
    # The trainer of `bytes` takes memory for the whole size at once.
    vocabulary_size: Annotated[int, Field(gt=len(tokens.SPECIAL), le=10_000_000)] | None = None
    minimum_count: Count = 1
    lower: bool = False
    apart: bool = False
    end: bool = True
    examples: Literal["stream", "prefixes"] = "stream"


def main(arguments: list[str]) -> None:
    task = command.parser(__doc__).parse_args(arguments).task
    section = parameters.section(task, "tokenize_text", Parameters)
    source, folder = Path("data/ingested") / task, Path("data/examples") / task
    # In the stage's own folder, which the next run empties if this one is killed.
    scratch = folder / ".scratch"
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir(parents=True)
    try:
        result, tokenizer = prepare(
            Texts(source / "table.parquet"), read_json(source / "about.json"), section, scratch
        )
        examples.write(folder, result)
    except InputError as error:
        raise InputError(f"task {task}: {error}") from None
    finally:
        shutil.rmtree(scratch)
    write_text(folder / "tokenizer.json", tokenizer.content())
    log.info(
        "%s: %d ids, tokens %s, unknown %s",
        task,
        tokenizer.size,
        result.about["tokens"],
        result.about["unknown_rate"],
    )


class Texts:
    """The texts of an ingested table, read part by part."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def parts(self, split: int | None = None) -> Iterator[tuple[list[str], np.ndarray]]:
        """Yields texts and their splits; of all splits, or of one."""
        for part in tables.read_in_parts(self.path, ["text", "split"]):
            texts, splits = part["text"].to_numpy(object), part["split"].to_numpy()
            keep = slice(None) if split is None else splits == split
            yield texts[keep].tolist(), splits[keep]


def prepare(
    texts: Any, ingested: dict[str, Any], section: Parameters, scratch: Path
) -> tuple[examples.Examples, tokens.Tokenizer]:
    """Fits a tokenizer on the training texts and encodes all texts.

    Args:
        texts: gives `parts(split)`, texts and their splits, split after split.
        scratch: a folder for arrays that grow; what is returned is mapped from there, so that
            memory holds one part at a time.
    """
    training = (part for part, _ in texts.parts(0))
    tokenizer = tokens.fit(
        training,
        section.unit,
        section.vocabulary_size,
        section.minimum_count,
        section.lower,
        section.apart,
    )
    spelling = ngrams.Spelling(tokenizer.left_out, tokenizer.rarest, tokens.SPECIAL[tokens.UNKNOWN])
    kind = np.min_scalar_type(tokenizer.size - 1)
    rows = np.zeros(len(SPLITS), np.int64)
    counts = {
        name: np.zeros(len(SPLITS), np.int64)
        for name in ("tokens", "unknown", "characters", "words")
    }
    spelling_nats = np.zeros(len(SPLITS))
    histograms = [np.zeros(1, np.int64) for _ in SPLITS]
    total = 0
    with (
        (scratch / "token_ids").open("wb") as id_file,
        (scratch / "offsets").open("wb") as offset_file,
    ):
        offset_file.write(np.zeros(1, np.int64).tobytes())
        for part, splits in texts.parts():
            ids, lengths = tokenizer.encode(part)
            unknown = tokenizer.unknown(part, ids) if (ids == tokens.UNKNOWN).any() else []
            if section.end:
                ids, lengths = np.insert(ids, np.cumsum(lengths), tokens.END), lengths + 1
            id_file.write(ids.astype(kind).tobytes())
            offset_file.write((total + np.cumsum(lengths)).tobytes())
            total += len(ids)
            of_token = np.repeat(splits, lengths)
            ends = np.bincount(splits, minlength=len(SPLITS))
            rows += ends
            counts["tokens"] += np.bincount(of_token, minlength=len(SPLITS))
            if unknown:
                of_unknown = of_token[ids == tokens.UNKNOWN]
                counts["unknown"] += np.bincount(
                    of_unknown[spelling.are_unknown(unknown)], minlength=len(SPLITS)
                )
                spelling_nats += np.bincount(of_unknown, spelling.nats(unknown), len(SPLITS))
            for name, sizes in (
                ("characters", map(len, part)),
                ("words", (len(text.split()) for text in part)),
            ):
                per_text = np.fromiter(sizes, np.int64, len(part))
                # The end of a text is a line's end: a character, and a word where ends are
                # predicted.
                counts[name] += (
                    np.bincount(splits, per_text, len(SPLITS)).astype(np.int64) + ends * section.end
                )
            for split, histogram in enumerate(histograms):
                found = np.bincount(lengths[splits == split], minlength=len(histogram))
                found[: len(histogram)] += histogram
                histograms[split] = found
    spans = np.concatenate([[0], np.cumsum(rows)])
    if ingested["same"]:
        boundaries = np.array([[0, rows[0]]] * len(SPLITS))
        counts = {name: np.repeat(of[:1], len(SPLITS)) for name, of in counts.items()}
        spelling_nats = np.repeat(spelling_nats[:1], len(SPLITS))
        histograms = histograms[:1] * len(SPLITS)
    else:
        boundaries = np.stack([spans[:-1], spans[1:]], axis=1)
    needed = 2 if section.examples == "prefixes" else 1
    for name, histogram in zip(SPLITS, histograms, strict=True):
        if not histogram[needed:].sum() or histogram @ np.arange(len(histogram)) < 2:
            raise InputError(
                f"expected at least {max(needed, 2)} tokens to learn from in {name}, received "
                f"{int(histogram @ np.arange(len(histogram)))}: give more text, or another "
                "ingest.split"
            )
    arrays = {
        "token_ids": np.memmap(scratch / "token_ids", kind, "r"),
        "offsets": np.memmap(scratch / "offsets", np.int64, "r"),
        "texts": boundaries,
    }

    def by_split(values: Any) -> dict[str, Any]:
        return dict(zip(SPLITS, values, strict=True))

    return examples.Examples(
        arrays,
        {
            "examples": section.examples,
            "unit": section.unit,
            "vocabulary_size": tokenizer.size,
            "tokenizer": hashlib.sha256(tokenizer.content().encode()).hexdigest(),
            "pad_id": tokens.PAD,
            "unknown_id": tokens.UNKNOWN,
            "end_id": tokens.END,
            "ends": section.end,
            "fitted_on": {
                "split": "train",
                "texts": int(rows[0]),
                "tokens": int(counts["tokens"][0]),
            },
            **{name: by_split(counts[name].tolist()) for name in ("tokens", "characters", "words")},
            "unknown_rate": by_split(
                (counts["unknown"] / np.maximum(counts["tokens"], 1)).tolist()
            ),
            # Rounded, as no two processors agree on the last digits of a logarithm.
            "spelling_nats": by_split([float(f"{nats:.9g}") for nats in spelling_nats]),
            "lengths": {
                "quantiles": list(QUANTILES),
                **by_split([_quantiles(histogram) for histogram in histograms]),
            },
        },
    ), tokenizer


def _quantiles(histogram: np.ndarray) -> list[int]:
    """Returns the quantiles of lengths, of which `histogram` holds how often each one is there."""
    ends = np.cumsum(histogram)
    return [int(np.searchsorted(ends, max(1, np.ceil(part * ends[-1])))) for part in QUANTILES]


if __name__ == "__main__":
    command.run(main)
