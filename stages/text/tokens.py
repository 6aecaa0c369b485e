"""Tokenizers: text to token ids and back. Each is fitted on training text and kept as JSON.

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
from typing import TYPE_CHECKING, Annotated, Literal, Protocol

import numpy as np
from pydantic import Field

from stages.errors import InputError
from stages.sections import Count, Section

if TYPE_CHECKING:  # It takes time to import, and only one unit needs it.
    import tokenizers

# The longest word that byte-pair encoding sees in one piece.
LONGEST_WORD = 256
PAD, UNKNOWN, END = 0, 1, 2
SPECIAL = ("<pad>", "<unk>", "<eos>")
Unit = Literal["words", "characters", "bytes"]


@cache
def _word_pattern() -> re.Pattern[str]:
    """Returns the pattern of words, and of every other visible character by itself.

    By Unicode's rules (annex 29), what extends a character stays with it: combining marks, such as
    accents and the vowels of many scripts; joiners, which occur inside words of Persian and Indian
    languages; the colours of emoji, and emoji that are joined to another.
    """
    marks = "".join(
        chr(point)
        for point in range(sys.maxunicode)
        if unicodedata.category(chr(point)) in ("Mn", "Mc", "Me")
    )
    # The lookahead spares most characters the search through the long list of marks.
    extending = f"(?![\0-\u02ff])[{marks}\u200c\u200d\U0001f3fb-\U0001f3ff]"
    return re.compile(
        rf"\w+(?:{extending}\w*)*|[^\w\s](?:{extending})*(?:(?<=\u200d)[^\w\s](?:{extending})*)*"
    )


@cache
def _contraction_pattern() -> re.Pattern[str]:
    """Returns the pattern of words as above, but with the short forms of English as words of their
    own, as in the Penn Treebank: do n't, it 's."""
    mark = "['\N{RIGHT SINGLE QUOTATION MARK}]"
    forms = rf"\w+(?=n{mark}t\b)|n{mark}t\b|(?<=\w){mark}(?:s|m|d|re|ve|ll)\b"
    return re.compile(f"{forms}|{_word_pattern().pattern}", re.IGNORECASE)


def spans(text: str, contractions: bool = False) -> list[tuple[int, int]]:
    """Returns where each word of a text starts and ends, with punctuation marks and, if
    `contractions`, the short forms of English as words of their own."""
    pattern = _contraction_pattern() if contractions else _word_pattern()
    return [match.span() for match in pattern.finditer(text)]


@dataclass(frozen=True)
class Encoded:
    """The tokens of several texts.

    Attributes:
        ids: (tokens,) int64, of all texts, one after the other.
        lengths: (texts,) int64, the number of tokens of each text.
        unknown: the unknown tokens, in their order.
    """

    ids: np.ndarray
    lengths: np.ndarray
    unknown: list[str]


class Tokenizer(Protocol):
    """Text to ids and back.

    Attributes:
        size: the number of ids.
        left_out: the training tokens that are not in the vocabulary, with their counts; empty once
            the tokenizer was loaded from JSON.
        rarest: the tokens of the vocabulary with the lowest count in training, mostly 1.
    """

    left_out: Mapping[str, int]

    @property
    def size(self) -> int: ...

    @property
    def rarest(self) -> list[str]: ...

    def encode(self, texts: Sequence[str]) -> Encoded: ...

    def decode(self, ids: Iterable[int]) -> str: ...

    def token(self, token_id: int) -> str:
        """Returns one token as a reader would want to see it."""
        ...

    def content(self) -> str:
        """Returns the tokenizer as JSON, for `from_json`."""
        ...


class _Vocabulary:
    """A list of tokens with their counts in training, the special ones first."""

    def __init__(self, tokens: Sequence[str], counts: Sequence[int], lower: bool) -> None:
        self.tokens, self.counts, self.lower = list(tokens), list(counts), lower
        self.left_out: Mapping[str, int] = {}

    @property
    def size(self) -> int:
        return len(self.tokens)

    @property
    def rarest(self) -> list[str]:
        counts = self.counts[len(SPECIAL) :]
        lowest = min(filter(None, counts), default=0)
        tokens = self.tokens[len(SPECIAL) :]
        pairs = zip(tokens, counts, strict=True)
        return [token for token, count in pairs if 0 < count == lowest]

    def token(self, token_id: int) -> str:
        return self.tokens[token_id]

    def _to_json(self, settings: Mapping[str, str | bool]) -> str:
        """Returns JSON with one token and its count per line."""
        pairs = zip(self.tokens, self.counts, strict=True)
        lines = ",\n".join(f"    {json.dumps(pair, ensure_ascii=False)}" for pair in pairs)
        head = "".join(
            f"  {json.dumps(key)}: {json.dumps(value)},\n" for key, value in settings.items()
        )
        return f'{{\n{head}  "tokens": [\n{lines}\n  ]\n}}\n'


class Words(_Vocabulary):
    """Words between white space. Decoding puts one space between words.

    apart: whether punctuation marks are words of their own. contractions: and whether the short
        forms of English are, always with a straight apostrophe: do n't, it 's.

    A vocabulary that was `extended` by words that training lacks, which have the count 0, looks a
    word that it does not have up in lower case.
    """

    def __init__(
        self,
        tokens: Sequence[str],
        counts: Sequence[int],
        lower: bool,
        apart: bool,
        contractions: bool = False,
    ) -> None:
        super().__init__(tokens, counts, lower)
        self.apart, self.contractions = apart, contractions
        # Without the special tokens: where a text spells one, it is a word like any other.
        self._ids = {token: i for i, token in enumerate(self.tokens) if i >= len(SPECIAL)}
        # Words of training come first, and have a count.
        self.known = len(self.tokens) - sum(count == 0 for count in self.counts[len(SPECIAL) :])

    def extended(self, words: Iterable[str]) -> "Words":
        """Returns this vocabulary with more words behind its own, each with the count 0.

        Left out are words that it has, and those that `encode` never looks up, as splitting a text
        does not give them: with upper-case letters if `lower`, with marks inside if `apart`.
        """
        more = dict.fromkeys(
            word
            for word in words
            if word not in self._ids and word != SPECIAL[UNKNOWN] and self._is_word(word)
        )
        counts = [*self.counts, *[0] * len(more)]
        result = Words([*self.tokens, *more], counts, self.lower, self.apart, self.contractions)
        result.left_out = self.left_out
        return result

    def _is_word(self, word: str) -> bool:
        """Whether splitting a text can give this word."""
        # Of a short form it depends on what is before it.
        return self._split(word) == [word] or (
            self.contractions and self._split(f"x{word}")[-1] == word
        )

    def _split(self, text: str) -> list[str]:
        text = text.lower() if self.lower else text
        if self.apart and self.contractions:
            found = _contraction_pattern().findall(text)
            return [word.replace("\N{RIGHT SINGLE QUOTATION MARK}", "'") for word in found]
        return _word_pattern().findall(text) if self.apart else text.split()

    def count(self, texts: Iterable[str]) -> Counter[str]:
        return Counter(chain.from_iterable(map(self._split, texts)))

    def lookup(self, words: Sequence[str]) -> np.ndarray:
        """Returns the id of each word, (words,) int64, by the rules of `encode`, but without
        splitting or changing it."""
        get, is_extended = self._ids.get, self.known < self.size
        found = (
            get(word) or (get(word.lower(), UNKNOWN) if is_extended else UNKNOWN) for word in words
        )
        return np.fromiter(found, np.int64, len(words))

    def encode(self, texts: Sequence[str]) -> Encoded:
        words = [self._split(text) for text in texts]
        lengths = np.fromiter(map(len, words), np.int64, len(words))
        get = self._ids.get
        all_words = chain.from_iterable(words)
        numbers = (
            (get(word, UNKNOWN) for word in all_words)
            if self.known == self.size
            else (get(word) or get(word.lower(), UNKNOWN) for word in all_words)
        )
        ids = np.fromiter(numbers, np.int64, int(lengths.sum()))
        is_unknown = ids == UNKNOWN
        unknown = compress(chain.from_iterable(words), is_unknown.tolist())
        return Encoded(ids, lengths, list(unknown) if is_unknown.any() else [])

    def decode(self, ids: Iterable[int]) -> str:
        return " ".join(self.tokens[token_id] for token_id in ids)

    def content(self) -> str:
        settings: dict[str, str | bool] = {"unit": "words", "lower": self.lower}
        settings["apart"] = self.apart
        if self.contractions:
            settings["contractions"] = True
        return self._to_json(settings)


class Characters(_Vocabulary):
    """Characters: Unicode code points."""

    def __init__(self, tokens: Sequence[str], counts: Sequence[int], lower: bool) -> None:
        super().__init__(tokens, counts, lower)
        # The id of every code point.
        self._table = np.full(sys.maxunicode + 2, UNKNOWN, np.int64)
        for token_id, token in enumerate(self.tokens):
            if len(token) == 1:
                self._table[ord(token)] = token_id

    def _points(self, texts: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
        """Returns the code points of all texts, and the length of each text."""
        texts = [text.lower() for text in texts] if self.lower else texts
        lengths = np.fromiter(map(len, texts), np.int64, len(texts))
        encoded = "".join(texts).encode("utf-32-le", "surrogatepass")
        return np.frombuffer(encoded, np.uint32), lengths

    def count(self, texts: Iterable[str]) -> Counter[str]:
        points, counts = np.unique(self._points(list(texts))[0], return_counts=True)
        return Counter(dict(zip(map(chr, points.tolist()), counts.tolist(), strict=True)))

    def encode(self, texts: Sequence[str]) -> Encoded:
        points, lengths = self._points(texts)
        ids = self._table[points]
        return Encoded(ids, lengths, list(map(chr, points[ids == UNKNOWN].tolist())))

    def decode(self, ids: Iterable[int]) -> str:
        return "".join(self.tokens[token_id] for token_id in ids)

    def content(self) -> str:
        return self._to_json({"unit": "characters", "lower": self.lower})


class Bytes:
    """Byte-level byte-pair encoding (Sennrich et al., 2016; Radford et al., 2019).

    Tokens are pieces of words, made of bytes: nothing is unknown, and decoding restores every text
    exactly. The implementation is Hugging Face's.
    """

    left_out: Mapping[str, int] = {}
    rarest: list[str] = []

    def __init__(self, trained: "tokenizers.Tokenizer") -> None:
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

    def token(self, token_id: int) -> str:
        return self.decode([token_id])

    def content(self) -> str:
        return self._trained.to_str(pretty=True)


class Tokenization(Section):
    """How texts become tokens.

    unit: `words`, `characters`, or `bytes`: byte-level byte-pair encoding, pieces of words in which
        nothing is unknown.
    vocabulary_size: how many ids there are at most (for `bytes` exactly), with the special ones;
        null: all tokens.
    minimum_count: rarer tokens are unknown.
    lower: whether letters become small ones. apart: whether punctuation marks are words of their
        own. contractions: and whether the short forms of English are: do n't, it 's.
    """

    unit: Unit = "words"
    # The trainer of `bytes` takes memory for the whole size at once.
    vocabulary_size: Annotated[int, Field(gt=len(SPECIAL), le=10_000_000)] | None = None
    minimum_count: Count = 1
    lower: bool = False
    apart: bool = False
    contractions: bool = False

    def fit(self, texts: Iterable[Sequence[str]]) -> Tokenizer:
        """Fits a tokenizer on the training texts, which come in batches."""
        return fit(
            texts,
            self.unit,
            self.vocabulary_size,
            self.minimum_count,
            self.lower,
            self.apart,
            self.contractions,
        )


def fit(
    texts: Iterable[Sequence[str]],
    unit: Unit,
    size: int | None,
    minimum_count: int,
    lower: bool,
    apart: bool,
    contractions: bool = False,
) -> Tokenizer:
    """Fits a tokenizer.

    Args:
        texts: the training texts, in batches.
        size: the most ids, including the three special ones; for `bytes` the exact number.
        minimum_count: rarer words and characters are unknown.
        lower, apart, contractions: as for `Words`.

    Raises:
        InputError: there is no text, or not enough for `size`.
    """
    if unit == "bytes":
        return _fit_bytes(texts, size, minimum_count, lower)
    empty = (
        Words([], [], lower, apart, contractions) if unit == "words" else Characters([], [], lower)
    )
    counts: Counter[str] = Counter()
    for batch in texts:
        counts.update(empty.count(batch))
    if not counts:
        raise InputError(
            f"expected at least one token in the training text, received none: {unit} of an empty "
            "text"
        )
    # By count, then by token: the same text gives the same ids, whatever the order of its lines.
    frequent = (token for token, count in counts.items() if count >= minimum_count)
    known = (token for token in frequent if token != SPECIAL[UNKNOWN])
    kept = sorted(known, key=lambda token: (-counts[token], token))
    if size is not None:
        if size > len(kept) + len(SPECIAL):
            raise InputError(
                f"tokenize_text.vocabulary_size: expected at most {len(kept) + len(SPECIAL)}, as "
                f"the training text has {len(kept)} different {unit} (of at least {minimum_count} "
                f"each), received {size}; null takes all of them"
            )
        kept = kept[: size - len(SPECIAL)]
    tokens, frequencies = [*SPECIAL, *kept], [0] * len(SPECIAL) + [counts[token] for token in kept]
    fitted = (
        Words(tokens, frequencies, lower, apart, contractions)
        if unit == "words"
        else Characters(tokens, frequencies, lower)
    )
    fitted.left_out = counts - Counter({token: counts[token] for token in kept})
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
    # Training takes time quadratic in the length of a word, so longer sequences, such as genes, are
    # cut.
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
            f"{len(alphabet) + len(SPECIAL)} (all bytes) to what the training text can fill, here "
            f"{trained.get_vocab_size()}, received {size}"
        )
    # Where a text spells a special token, it is text like any other.
    content = json.loads(trained.to_str())
    content["added_tokens"] = []
    return Bytes(tokenizers.Tokenizer.from_str(json.dumps(content)))


def from_json(content: str) -> Tokenizer:
    """Returns the tokenizer whose `content()` this is."""
    settings = json.loads(content)
    if "unit" not in settings:
        import tokenizers

        return Bytes(tokenizers.Tokenizer.from_str(content))
    tokens, counts = zip(*settings["tokens"], strict=True)
    if settings["unit"] == "words":
        contractions = settings.get("contractions", False)
        return Words(tokens, counts, settings["lower"], settings["apart"], contractions)
    return Characters(tokens, counts, settings["lower"])
