"""Makes a small file of word vectors of a large one, in the same text format, gzipped.

python -m tools.reduce_vectors SOURCE TARGET --words 10000 --step 0.05
python -m tools.reduce_vectors SOURCE TARGET --words 12000 --first 6000 --texts TEXT ...

SOURCE may be written as GloVe, word2vec or fastText write them. TARGET gets the first words of
SOURCE or, with --texts, its first words up to --first, then those that these texts use most and, as
far as there is room, the next ones of SOURCE. The order stays that of SOURCE. Numbers are rounded
to multiples of --step. The same SOURCE and texts give the same content; the gzipped bytes are
zlib's. Give texts of training alone: a choice of words by others would tell of them.
"""

import argparse
import gzip
import logging
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from stages import command
from stages.errors import InputError
from stages.files import raw, vectors
from stages.files.writing import whole
from stages.text.tokens import Words

log = logging.getLogger("reprise")


def main(arguments: list[str]) -> None:
    parser = command.parser(__doc__, task=False)
    parser.add_argument("source", type=Path, help="a file of word vectors, which may be gzipped")
    parser.add_argument("target", type=Path, help="the file to write, whose name ends in .gz")
    parser.add_argument("--words", type=_count, required=True, help="how many words to keep")
    parser.add_argument("--step", type=_step, default=0.01, help="of the numbers; default 0.01")
    parser.add_argument("--texts", type=Path, nargs="+", default=[], help="choose words by these")
    parser.add_argument("--first", type=_count, default=0, help="words that are kept in any case")
    parser.add_argument("--head", type=_count, help="words of the source to look at; default: all")
    given = parser.parse_args(arguments)
    if given.target.suffix != ".gz":
        raise InputError(f"target: expected a name that ends in .gz, received {given.target.name}")
    # Without texts the first words are enough, and a few more, as some may be there twice.
    head = given.head if given.texts or given.head else given.words + given.words // 10 + 10
    source = vectors.read(given.source, head)
    if len(source.words) < given.words:
        raise InputError(
            f"{given.source}: expected at least {given.words} words, received {len(source.words)}"
        )
    used = used_in([raw.read_text(path) for path in given.texts])
    rows = chosen(source.words, given.words, used, given.first)
    rounded = np.rint(source.values[rows].astype(float) / given.step).astype(int)
    text = content([source.words[row] for row in rows], rounded, given.step)
    with whole(given.target) as temporary:
        # With neither the time nor the name of the file.
        temporary.write_bytes(gzip.compress(text.encode(), 9, mtime=0))
    size = given.target.stat().st_size
    log.info("%s: %d words, %s bytes", given.target, len(rows), f"{size:,}")
    _log_difference(source.values[rows], rounded * given.step)


def _count(text: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text)):
        raise argparse.ArgumentTypeError(f"expected a whole number above 0, received {text!r}")
    return int(text)


def _step(text: str) -> float:
    try:
        step = float(text)
    except ValueError:
        step = 0.0
    if not 1e-6 <= step <= 1:
        raise argparse.ArgumentTypeError(f"expected a number from 1e-6 to 1, received {text!r}")
    return step


def used_in(texts: Sequence[str]) -> Counter[str]:
    """Returns how often each word occurs, in lower case, both where punctuation is apart and where
    white space alone separates words, whichever is more."""
    counts = [Words([], [], True, apart).count(texts) for apart in (False, True)]
    return counts[0] | counts[1]


def chosen(words: Sequence[str], number: int, used: Counter[str], first: int = 0) -> list[int]:
    """Returns the rows of `number` words, ascending: the `first` ones, then those that are used,
    the most used ones if there is no room for all, and else the next ones."""
    order = sorted(range(len(words)), key=lambda row: (row >= first, -used[words[row]], row))
    return sorted(order[:number])


def content(words: Sequence[str], rounded: np.ndarray, step: float) -> str:
    """Returns lines of a word and its numbers, `step` times `rounded`, as short as they can be."""
    numbers = {
        int(multiple): np.format_float_positional(round(multiple * step, 9), trim="-")
        for multiple in np.unique(rounded)
    }
    numbers[0] = "0"
    rows = zip(words, rounded.tolist(), strict=True)
    return "".join(f"{word} {' '.join(map(numbers.__getitem__, row))}\n" for word, row in rows)


def _log_difference(before: np.ndarray, after: np.ndarray) -> None:
    norms = np.linalg.norm(before, axis=1) * np.linalg.norm(after, axis=1)
    cosines = (before * after).sum(axis=1)[norms > 0] / norms[norms > 0]
    log.info(
        "rounding changes a number by at most %.4f, and a vector's direction to a cosine of %.5f "
        "in the mean and at least %.5f",
        np.abs(before - after).max(),
        cosines.mean(),
        cosines.min(),
    )


if __name__ == "__main__":
    command.run(main)
