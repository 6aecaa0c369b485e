"""Tags of tokens that mark entities, such as `O B-PER I-PER`, and the schemes they are written in.

A corpus is flat: `ids` (tokens,) of tags whose `names` are a list, and `offsets` (texts + 1,) of
where each text starts, and the end of the last one. An entity goes on over tokens of one type until
a tag says that another one begins, in whatever scheme, as Tjong Kim Sang's script `conlleval` has
it. So every sequence of tags has a meaning, and one that breaks its scheme's rules can be repaired.

    iob1   I inside; B only where an entity directly follows another one of its type
    iob2   B at each beginning, I behind it
    iobes  as iob2, with E at the end and S for an entity of one token
    bilou  the same with L (last) and U (unit)
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from stages.errors import InputError

Scheme = Literal["iob1", "iob2", "iobes", "bilou"]
SCHEMES: tuple[Scheme, ...] = get_args(Scheme)
OUTSIDE = "O"

# The letters of tokens at the beginning, inside, at the end, and of an entity of one token.
_LETTERS: dict[Scheme, str] = {"iob1": "BIII", "iob2": "BIIB", "iobes": "BIES", "bilou": "BILU"}
_STARTING, _ENDING = "BSU", "ESLU"


@dataclass(frozen=True)
class Detected:
    """The scheme of a corpus.

    Attributes:
        scheme: the one whose rules the fewest tags break.
        wrong: how many tags break them.
        others: schemes that fit as well. They read the same entities.
    """

    scheme: Scheme
    wrong: int
    others: tuple[Scheme, ...]


def encode(tags: Iterable[str]) -> tuple[np.ndarray, list[str]]:
    """Returns the ids of tags, (tokens,), and their names in the order of their first use."""
    known: dict[str, int] = {}
    ids = np.fromiter((known.setdefault(tag, len(known)) for tag in tags), np.int32)
    return ids, list(known)


def split(names: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """Returns the letter of each tag and its type, (tags,) strings each; of `O` the type is "".

    Raises:
        InputError: if one of them is no tag.
    """
    parts = [name.partition("-") for name in names]
    for name, (letter, hyphen, kind) in zip(names, parts, strict=True):
        is_entity = len(letter) == 1 and letter in "BIESLU" and hyphen and kind
        if name != OUTSIDE and not is_entity:
            raise InputError(
                f"expected tags such as O, B-PER and I-PER (one of the letters B, I, E, S, L, U, a "
                f"hyphen and a type), received {name!r}: correct the tags, or choose the column "
                f"that has them"
            )
    letters = np.array([letter for letter, _, _ in parts], dtype=np.str_)
    return letters, np.array([kind for _, _, kind in parts], dtype=np.str_)


def types(names: Sequence[str]) -> list[str]:
    """Returns the types of tags, sorted."""
    return sorted(set(split(names)[1].tolist()) - {""})


def of_types(types: Iterable[str], scheme: Scheme) -> list[str]:
    """Returns the tags of entities of these types in a scheme, with `O` first."""
    letters = sorted(set(_LETTERS[scheme]))
    return [OUTSIDE, *(f"{letter}-{kind}" for kind in types for letter in letters)]


def boundaries(
    ids: np.ndarray, names: Sequence[str], offsets: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Returns at which tokens an entity begins, and at which one ends, (tokens,) bool each.

    An entity begins at a tag other than O that stands behind O, behind a tag of another type, at
    the beginning of a text, or behind a tag that ends its entity; or that says so itself.
    """
    letters, kinds = split(names)
    ids = np.asarray(ids)
    kind = np.unique(kinds, return_inverse=True)[1][ids]
    inside = (letters != OUTSIDE)[ids]
    first = np.zeros(len(ids) + 1, bool)
    first[offsets] = True
    cut = first[:-1].copy()
    cut[1:] |= ~inside[:-1] | (kind[1:] != kind[:-1]) | np.isin(letters, list(_ENDING))[ids][:-1]
    begins = inside & (cut | np.isin(letters, list(_STARTING))[ids])
    following = np.append(begins | ~inside, True)[1:]
    return begins, inside & (following | first[1:])


def convert(
    ids: np.ndarray,
    names: Sequence[str],
    offsets: np.ndarray,
    scheme: Scheme,
    known: Sequence[str] = (),
) -> tuple[np.ndarray, list[str]]:
    """Returns the same entities in a scheme: ids (tokens,), and the names of all its tags.

    Tags that break the rules of their own scheme are repaired.

    Args:
        known: types whose tags come first, in this order, such as those of training texts. Tags of
            the others follow, sorted by type.
    """
    _, kinds = split(names)
    every = [*known, *(kind for kind in types(names) if kind not in set(known))]
    targets = of_types(every, scheme)
    index = {name: number for number, name in enumerate(targets)}
    begins, ends = boundaries(ids, names, offsets)
    place = np.select([begins & ends, begins, ends], [3, 0, 2], 1)
    if scheme == "iob1":
        kind = np.unique(kinds, return_inverse=True)[1][ids]
        adjoins = begins.copy()
        adjoins[:1] = False
        adjoins[1:] &= ends[:-1] & (kind[1:] == kind[:-1])
        adjoins[np.asarray(offsets)[:-1][np.diff(offsets) > 0]] = False
        place = np.where(adjoins, 0, 1)
    table = np.array(
        [
            [0 if kind == "" else index[f"{letter}-{kind}"] for letter in _LETTERS[scheme]]
            for kind in kinds
        ],
        np.int32,
    ).reshape(-1, 4)
    return table[ids, place], targets


def repair(
    ids: np.ndarray, names: Sequence[str], offsets: np.ndarray, scheme: Scheme
) -> tuple[np.ndarray, list[str], int]:
    """Returns what `convert` does for the scheme that the tags are in, and how many tags have
    changed."""
    repaired, targets = convert(ids, names, offsets, scheme)
    before = np.array(names, dtype=np.str_)[ids]
    after = np.array(targets, dtype=np.str_)[repaired]
    return repaired, targets, int((before != after).sum())


def detect(ids: np.ndarray, names: Sequence[str], offsets: np.ndarray) -> Detected:
    """Returns the scheme of a corpus: the one in which the fewest tags are wrong.

    Raises:
        InputError: if its tags have letters of two schemes.
    """
    fitting = _fitting([names[number] for number in np.unique(ids)])
    wrong = {scheme: repair(ids, names, offsets, scheme)[2] for scheme in fitting}
    best = min(fitting, key=lambda scheme: wrong[scheme])
    others = tuple(s for s in fitting if s != best and wrong[s] == wrong[best])
    return Detected(best, wrong[best], others)


def _fitting(names: Sequence[str]) -> list[Scheme]:
    """Returns the schemes that have the letters of these tags; those that have more letters only
    where there are no entities."""
    letters = set(split(names)[0].tolist()) - {OUTSIDE}
    fitting: list[Scheme] = ["iob2", "iob1", "iobes", "bilou"]
    if letters:
        candidates = fitting[:2] if letters <= set("BI") else fitting[2:]
        fitting = [scheme for scheme in candidates if letters <= set(_LETTERS[scheme])]
    if not fitting:
        raise InputError(
            f"expected tags of one scheme (BIO, BIOES or BILOU), received tags with the letters "
            f"{', '.join(sorted(letters))}: rewrite them in one scheme"
        )
    return fitting


def allowed(names: Sequence[str], scheme: Scheme | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Returns which tags may follow which, (tags + 1, tags) bool, where the last row says which may
    start a text, and which may end one, (tags,) bool.

    Args:
        scheme: None: the one that has the letters of `names`, and iob2 if those are B and I.
    """
    letters, kinds = split(names)
    scheme = _fitting(names)[0] if scheme is None else scheme
    # A text starts and ends as behind and before O.
    letter, kind = np.append(letters, OUTSIDE), np.append(kinds, "")
    same = (kind[:, None] == kind) & (letter != OUTSIDE)
    if scheme == "iob1":
        follows = (letter != "B") | same
    elif scheme == "iob2":
        follows = (letter != "I") | same
    else:
        is_open = np.isin(letter, ["B", "I"])
        goes_on = np.isin(letter, ["I", *_LETTERS[scheme][2]])
        follows = np.where(is_open[:, None], same & goes_on, ~goes_on)
    return follows[:, :-1], follows[:-1, -1]
