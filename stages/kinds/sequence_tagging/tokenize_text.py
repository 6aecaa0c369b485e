"""Tagged tokens to ids of words, characters, shapes and tags in flat arrays, and the vocabularies
as readable text. Only training sentences decide what has an id."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from stages.files import vectors as vector_files
from stages.files.task_data import IngestedTable
from stages.files.vectors import VectorPath
from stages.kinds.data import Prepared
from stages.kinds.sequence_tagging import Examples, Ingested, lexicon
from stages.sections import Count, Section
from stages.splits import SPLITS
from stages.text import tags, tokens
from stages.text.tags import Scheme
from stages.text.vectors import with_vectors

WORDS, CHARACTERS = "words.json", "characters.json"


class Parameters(Section):
    """How tagged tokens become examples.

    scheme: of the tags that the network learns, whatever that of the raw file.
    lower: whether words are looked up in small letters; shapes and characters keep what they were.
    digits: whether all digits of a word count as 0 there.
    minimum_count: rarer words have no id.
    longest_word: characters of a word that the network reads; those in the middle of a longer word
        are left out.
    vectors: a file of pretrained word vectors below data/raw/vectors/.
    """

    scheme: Scheme = "iobes"
    lower: bool = True
    digits: bool = False
    minimum_count: Count = 1
    longest_word: Count = 20
    vectors: VectorPath | None = None


def prepare(ingested: IngestedTable[Ingested], parameters: Parameters, scratch: Path) -> Prepared:
    """Fits the vocabularies on the training tokens, and encodes all."""
    table, about = ingested.read(["token", "tag", "sentence"]), ingested.about
    words = table["token"].tolist()
    offsets = np.append(np.flatnonzero(table["sentence"].diff().ne(0)), len(words))
    ids, names = tags.encode(table["tag"])
    ids, names = tags.convert(ids, names, offsets, parameters.scheme, about.types)
    known = lexicon.fit(
        words[: about.tokens["train"]],
        lower=parameters.lower,
        digits=parameters.digits,
        minimum_count=parameters.minimum_count,
        longest=parameters.longest_word,
    )
    full, values, covered = known, np.zeros((0, 0), np.float32), np.zeros(known.words.size, bool)
    if parameters.vectors is not None:
        pretrained = vector_files.read(Path(parameters.vectors))
        more = (word for word in pretrained.words if word == _spelled(word, known))
        extended, values, covered = with_vectors(known.words, pretrained, more)
        full = replace(known, words=extended)
    encoded = full.encode(words)
    of_split = np.repeat(np.arange(len(SPLITS)), [about.tokens[name] for name in SPLITS])
    examples = Examples(
        sentences=about.sentences,
        scheme=parameters.scheme,
        original=about.scheme,
        tag_names=names,
        tags_known=len(tags.of_types(about.types, parameters.scheme)),
        known=known.words.size,
        lower=parameters.lower,
        digits=parameters.digits,
        characters_known=known.characters.size,
        longest=known.longest,
        unknown_rate=_shares(encoded.words == tokens.UNKNOWN, of_split),
        covered=_covered(covered, encoded.words, of_split, known.words.size) if len(values) else {},
        words=encoded.words,
        tags=ids.astype(np.int32),
        shapes=encoded.shapes,
        characters=encoded.characters.astype(np.min_scalar_type(known.characters.size)),
        character_starts=np.append(0, np.cumsum(encoded.lengths)),
        offsets=offsets,
        vectors=values,
    )
    summary = (
        f"{known.words.size} words, {known.characters.size} characters, {examples.tags_known} "
        f"tags, unknown {examples.unknown_rate}"
    )
    if examples.covered:
        summary += f", covered by vectors {examples.covered}"
    files = {WORDS: full.words.content(), CHARACTERS: full.characters.content()}
    return Prepared(examples, summary, files)


def _spelled(word: str, known: lexicon.Lexicon) -> str:
    return lexicon.spelling(word, known.words.lower, known.digits)


def _shares(chosen: np.ndarray, of_split: np.ndarray) -> dict[str, float]:
    """Returns the share of the tokens of each split that are chosen."""
    counts = np.bincount(of_split[chosen], minlength=len(SPLITS))
    shares = counts / np.bincount(of_split, minlength=len(SPLITS))
    return dict(zip(SPLITS, shares.tolist(), strict=True))


def _covered(
    covered: np.ndarray, words: np.ndarray, of_split: np.ndarray, known: int
) -> dict[str, float]:
    """Returns the share of running tokens, and of the training vocabulary, with a vector."""
    vocabulary = covered[len(tokens.SPECIAL) : known]
    share = float(vocabulary.mean()) if len(vocabulary) else 0.0
    return {**_shares(covered[words], of_split), "vocabulary": share}
