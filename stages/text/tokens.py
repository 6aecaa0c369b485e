"""Tokenizers: text to token ids and back. Each is fitted on training text, and is written down as
readable JSON.

The first ids mean the same in all of them: 0 is padding, 1 an unknown token, 2 the end of a text.
"""

import json
import re
import sys
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import chain, compress
from typing import Any, Literal, Protocol

import numpy as np

from stages.errors import InputError

LONGEST_WORD = 256
PAD, UNKNOWN, END = 0, 1, 2
SPECIAL = ("<pad>", "<unk>", "<eos>")
Unit = Literal["words", "characters", "bytes"]


@cache
def _apart() -> re.Pattern[str]:
    """Returns the pattern of words, and of every other visible character by itself.

    By Unicode's rules (annex 29), what extends a character stays with it: combining marks, such as
    accents and the vowels of many scripts; joiners, which words of Persian and Indian languages
    have inside; the colours of emoji, and emoji that are joined to one.
    """
    marks = "".join(
        chr(point)
        for point in range(sys.maxunicode)
        if unicodedata.category(chr(point)) in ("Mn", "Mc", "Me")
    )
    # The long list is only gone through where a character can be in it.
    extending = f"(?![\0-\u02ff])[{marks}\u200c\u200d\U0001f3fb-\U0001f3ff]"
    return re.compile(
        rf"\w+(?:{extending}\w*)*|[^\w\s](?:{extending})*(?:(?<=\u200d)[^\w\s](?:{extending})*)*"
    )


@dataclass(frozen=True)
class Encoded:
    """The tokens of some texts.

    Attributes:
        ids: (tokens,) int64, of all texts.
        lengths: (texts,) how many each text has.
        unknown: the unknown tokens, in their order.
    """

    ids: np.ndarray
    lengths: np.ndarray
    unknown: list[str]


class Tokenizer(Protocol):
    """Text to ids and back.

    Attributes:
        size: how many ids there are.
        left_out: the training tokens that are unknown, and how often each is there; known when it
            was fitted only.
        rarest: the tokens of the vocabulary that are the rarest in training: mostly those that it
            has once.
    """

    left_out: Mapping[str, int]

    @property
    def size(self) -> int: ...

    @property
    def rarest(self) -> list[str]: ...

    def encode(self, texts: Sequence[str]) -> Encoded: ...

    def decode(self, ids: Iterable[int]) -> str: ...

    def token(self, number: int) -> str:
        """Returns one token as a reader would want to see it."""
        ...

    def content(self) -> str:
        """Returns what `of` makes the tokenizer from."""
        ...


class Words:
    """Words between white space; with `apart`, punctuation marks are words of their own. Decoding
    puts one space between words."""

    def __init__(
        self, tokens: Sequence[str], counts: Sequence[int], lower: bool, apart: bool
    ) -> None:
        self.tokens, self.counts, self.lower, self.apart = list(tokens), list(counts), lower, apart
        self.left_out: Mapping[str, int] = {}
        # Text that spells a special token is text, not the token.
        self._ids = {
            token: number for number, token in enumerate(self.tokens) if number >= len(SPECIAL)
        }

    @property
    def size(self) -> int:
        return len(self.tokens)

    @property
    def rarest(self) -> list[str]:
        return _rarest(self.tokens, self.counts)

    def _split(self, text: str) -> list[str]:
        text = text.lower() if self.lower else text
        return _apart().findall(text) if self.apart else text.split()

    def count(self, texts: Iterable[str]) -> Counter[str]:
        return Counter(chain.from_iterable(map(self._split, texts)))

    def encode(self, texts: Sequence[str]) -> Encoded:
        split = [self._split(text) for text in texts]
        lengths = np.fromiter(map(len, split), np.int64, len(split))
        get = self._ids.get
        numbers = (get(word, UNKNOWN) for word in chain.from_iterable(split))
        ids = np.fromiter(numbers, np.int64, int(lengths.sum()))
        is_unknown = ids == UNKNOWN
        unknown = compress(chain.from_iterable(split), is_unknown.tolist())
        return Encoded(ids, lengths, list(unknown) if is_unknown.any() else [])

    def decode(self, ids: Iterable[int]) -> str:
        return " ".join(self.tokens[number] for number in ids)

    def token(self, number: int) -> str:
        return self.tokens[number]

    def content(self) -> str:
        return _written(
            {"unit": "words", "lower": self.lower, "apart": self.apart}, self.tokens, self.counts
        )


class Characters:
    """Characters: code points of Unicode."""

    def __init__(self, tokens: Sequence[str], counts: Sequence[int], lower: bool) -> None:
        self.tokens, self.counts, self.lower = list(tokens), list(counts), lower
        self.left_out: Mapping[str, int] = {}
        # The id of every code point.
        self._table = np.full(sys.maxunicode + 2, UNKNOWN, np.int64)
        for number, token in enumerate(self.tokens):
            if len(token) == 1:
                self._table[ord(token)] = number

    @property
    def size(self) -> int:
        return len(self.tokens)

    @property
    def rarest(self) -> list[str]:
        return _rarest(self.tokens, self.counts)

    def _points(self, texts: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
        texts = [text.lower() for text in texts] if self.lower else texts
        lengths = np.fromiter(map(len, texts), np.int64, len(texts))
        return np.frombuffer(
            "".join(texts).encode("utf-32-le", "surrogatepass"), np.uint32
        ), lengths

    def count(self, texts: Iterable[str]) -> Counter[str]:
        points, counts = np.unique(self._points(list(texts))[0], return_counts=True)
        return Counter(dict(zip(map(chr, points.tolist()), counts.tolist(), strict=True)))

    def encode(self, texts: Sequence[str]) -> Encoded:
        points, lengths = self._points(texts)
        ids = self._table[points]
        return Encoded(ids, lengths, list(map(chr, points[ids == UNKNOWN].tolist())))

    def decode(self, ids: Iterable[int]) -> str:
        return "".join(self.tokens[number] for number in ids)

    def token(self, number: int) -> str:
        return self.tokens[number]

    def content(self) -> str:
        return _written({"unit": "characters", "lower": self.lower}, self.tokens, self.counts)


class Bytes:
    """Byte-level byte-pair encoding (Sennrich et al., 2016; Radford et al., 2019), by Hugging
    Face's tokenizers.

    Pieces of words, made of bytes: nothing is unknown, and decoding gives every text back exactly.
    """

    left_out: Mapping[str, int] = {}
    rarest: list[str] = []

    def __init__(self, trained: Any) -> None:
        self._trained = trained

    @property
    def size(self) -> int:
        return self._trained.get_vocab_size()

    def encode(self, texts: Sequence[str]) -> Encoded:
        pieces = [encoding.ids for encoding in self._trained.encode_batch(list(texts))]
        lengths = np.fromiter(map(len, pieces), np.int64, len(pieces))
        ids = np.fromiter(chain.from_iterable(pieces), np.int64, int(lengths.sum()))
        return Encoded(ids, lengths, [])

    def decode(self, ids: Iterable[int]) -> str:
        return self._trained.decode(list(ids), skip_special_tokens=False)

    def token(self, number: int) -> str:
        return self.decode([number])

    def content(self) -> str:
        return self._trained.to_str(pretty=True)


def fit(
    texts: Iterable[Sequence[str]],
    unit: Unit,
    size: int | None,
    minimum_count: int,
    lower: bool,
    apart: bool,
) -> Tokenizer:
    """Fits a tokenizer on training text, given in parts.

    Args:
        size: how many ids there are at most, the three special ones included; for `bytes` exactly.
        minimum_count: words and characters that are rarer are unknown.

    Raises:
        InputError: there is no text; or less of it than `size` asks for.
    """
    if unit == "bytes":
        return _fit_bytes(texts, size, minimum_count, lower)
    empty = Words([], [], lower, apart) if unit == "words" else Characters([], [], lower)
    counts: Counter[str] = Counter()
    for part in texts:
        counts.update(empty.count(part))
    if not counts:
        raise InputError(
            f"expected at least one token in the training text, received none: {unit} of an empty "
            "text"
        )
    # By count, then by token: the same text gives the same ids, in whatever order it comes.
    known = (
        pair for pair in counts.items() if pair[1] >= minimum_count and pair[0] != SPECIAL[UNKNOWN]
    )
    kept = sorted(known, key=lambda pair: (-pair[1], pair[0]))
    if size is not None:
        if size > len(kept) + len(SPECIAL):
            raise InputError(
                f"tokenize_text.vocabulary_size: expected at most {len(kept) + len(SPECIAL)}, as "
                f"the training text has {len(kept)} "
                f"different {unit} (of at least {minimum_count} each), received {size}; null "
                "takes all of them"
            )
        kept = kept[: size - len(SPECIAL)]
    tokens, found = (
        [*SPECIAL, *(token for token, _ in kept)],
        [0, 0, 0, *(count for _, count in kept)],
    )
    fitted = (
        Words(tokens, found, lower, apart) if unit == "words" else Characters(tokens, found, lower)
    )
    fitted.left_out = counts - Counter(dict(kept))
    return fitted


def _fit_bytes(
    texts: Iterable[Sequence[str]], size: int | None, minimum_count: int, lower: bool
) -> Bytes:
    import tokenizers
    from tokenizers import decoders, models, normalizers, pre_tokenizers, trainers

    if size is None:
        raise InputError(
            "tokenize_text.vocabulary_size: expected a number for the unit bytes, received null"
        )
    trained = tokenizers.Tokenizer(models.BPE())
    trained.normalizer = normalizers.Lowercase() if lower else None
    # Learning takes the square of a word's length: what is longer than any word, as sequences of
    # genes are, is cut.
    cut = pre_tokenizers.Split(tokenizers.Regex(rf"\S{{{LONGEST_WORD}}}"), "isolated")
    trained.pre_tokenizer = pre_tokenizers.Sequence(
        [cut, pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    trained.decoder = decoders.ByteLevel()
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    trainer = trainers.BpeTrainer(
        vocab_size=size,
        min_frequency=min(minimum_count, sys.maxsize),
        special_tokens=list(SPECIAL),
        initial_alphabet=alphabet,
        show_progress=False,
    )
    trained.train_from_iterator(texts, trainer)
    if trained.get_vocab_size() != size:
        raise InputError(
            "tokenize_text.vocabulary_size: expected a number from "
            f"{len(alphabet) + len(SPECIAL)} (all bytes) to what the training text "
            f"can fill, here {trained.get_vocab_size()}, received {size}"
        )
    # Text that spells a special token is text, not the token.
    content = json.loads(trained.to_str())
    content["added_tokens"] = []
    return Bytes(tokenizers.Tokenizer.from_str(json.dumps(content)))


def of(content: str) -> Tokenizer:
    """Returns the tokenizer that was written down as `content`."""
    found = json.loads(content)
    if "unit" not in found:
        import tokenizers

        return Bytes(tokenizers.Tokenizer.from_str(content))
    tokens, counts = zip(*found["tokens"], strict=True)
    if found["unit"] == "words":
        return Words(tokens, counts, found["lower"], found["apart"])
    return Characters(tokens, counts, found["lower"])


def _rarest(tokens: Sequence[str], counts: Sequence[int]) -> list[str]:
    least = min(counts[len(SPECIAL) :], default=0)
    return [
        token
        for token, count in zip(tokens[len(SPECIAL) :], counts[len(SPECIAL) :], strict=True)
        if count == least
    ]


def _written(settings: dict[str, Any], tokens: Sequence[str], counts: Sequence[int]) -> str:
    """Returns JSON with a token and its count a line."""
    lines = ",\n".join(
        f"    {json.dumps(pair, ensure_ascii=False)}" for pair in zip(tokens, counts, strict=True)
    )
    head = "".join(
        f"  {json.dumps(key)}: {json.dumps(value)},\n" for key, value in settings.items()
    )
    return f'{{\n{head}  "tokens": [\n{lines}\n  ]\n}}\n'
