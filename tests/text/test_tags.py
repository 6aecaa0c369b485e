"""Schemes of tags: worked cases by hand, and conversions that come back to where they started."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stages.errors import InputError
from stages.text import tags

# The same entities in all schemes; the second text begins with the type with which the first ends.
WRITTEN: dict[tags.Scheme, str] = {
    "iob1": "O I-A I-A B-A I-B O I-B I-B I-B | I-B I-A B-A I-A",
    "iob2": "O B-A I-A B-A B-B O B-B I-B I-B | B-B B-A B-A I-A",
    "iobes": "O B-A E-A S-A S-B O B-B I-B E-B | S-B S-A B-A E-A",
    "bilou": "O B-A L-A U-A U-B O B-B I-B L-B | U-B U-A B-A L-A",
}
SCHEMES = pytest.mark.parametrize("scheme", tags.SCHEMES)


def read(*texts: list[str]) -> tuple[np.ndarray, list[str], np.ndarray]:
    ids, names = tags.encode(itertools.chain(*texts))
    return ids, names, np.cumsum([0, *map(len, texts)])


def split(text: str) -> list[list[str]]:
    return [part.split() for part in text.split("|")]


def written(ids: np.ndarray, names: list[str]) -> list[str]:
    return [names[number] for number in ids]


@SCHEMES
@pytest.mark.parametrize("source", tags.SCHEMES)
def test_the_same_entities_in_all_schemes(scheme: tags.Scheme, source: tags.Scheme) -> None:
    corpus = read(*split(WRITTEN[source]))
    expected = WRITTEN[scheme].replace("|", "").split()
    assert written(*tags.convert(*corpus, scheme)) == expected


@SCHEMES
def test_a_scheme_is_recognized(scheme: tags.Scheme) -> None:
    corpus = read(*split(WRITTEN[scheme]))
    assert tags.detect(*corpus) == tags.Detected(scheme, 0, ())
    assert tags.repair(*corpus, scheme)[2] == 0


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("O O", tags.Detected("iob2", 0, ("iob1", "iobes", "bilou"))),
        ("O S-A", tags.Detected("iobes", 0, ())),
        ("B-A L-A", tags.Detected("bilou", 0, ())),
        # One text each, wrong in the other scheme.
        ("I-A O B-A", tags.Detected("iob2", 1, ("iob1",))),
        ("I-A O B-A I-B I-B O I-A", tags.Detected("iob1", 1, ())),
        ("B-A B-A O B-A I-A", tags.Detected("iob2", 0, ())),
        ("B-A E-A E-A", tags.Detected("iobes", 1, ())),
    ],
)
def test_the_scheme_with_the_fewest_wrong_tags(text: str, expected: tags.Detected) -> None:
    assert tags.detect(*read(text.split())) == expected


@pytest.mark.parametrize(
    ("scheme", "text", "repaired", "count"),
    [
        ("iob2", "O I-A I-A", "O B-A I-A", 1),
        ("iob2", "B-A I-B I-B", "B-A B-B I-B", 1),
        ("iob2", "O I-PER B-PER I-LOC", "O B-PER B-PER B-LOC", 2),
        ("iob2", "B-PER I-ORG", "B-PER B-ORG", 1),
        ("iob2", "B-A | I-A", "B-A | B-A", 1),
        ("iob2", "| I-A | | I-A |", "| B-A | | B-A |", 2),
        ("iob1", "O B-A I-A | B-A", "O I-A I-A | I-A", 2),
        ("iob1", "I-B B-A B-A", "I-B I-A B-A", 1),
        ("iobes", "B-A O E-A I-A", "S-A O S-A S-A", 3),
        ("iobes", "B-A I-A B-A E-B", "B-A E-A S-A S-B", 3),
        ("iobes", "S-A I-A E-A", "S-A B-A E-A", 1),
        ("bilou", "I-A L-A L-A U-A", "B-A L-A U-A U-A", 2),
    ],
)
def test_wrong_tags_are_repaired_and_counted(
    scheme: tags.Scheme, text: str, repaired: str, count: int
) -> None:
    ids, names, changed = tags.repair(*read(*split(text)), scheme)
    assert written(ids, names) == repaired.replace("|", "").split()
    assert changed == count


ANY_TAG = st.sampled_from(["O", *(f"{x}-{kind}" for x in "BIESLU" for kind in ("A", "B-C"))])
CORPUS = st.lists(st.lists(ANY_TAG, max_size=6), min_size=1, max_size=4)


def entities(texts: list[list[str]]) -> list[tuple[int, int, str]]:
    """The rules of conlleval in a loop: first token, token behind the last one, type."""
    found: list[tuple[int, int, str]] = []
    position = 0
    for text in texts:
        before, opened = "O", None
        for tag in [*text, "O"]:
            letter, kind = tag[0], tag[2:]
            cut = before == "O" or before[2:] != kind or before[0] in "ESLU" or letter in "BSU"
            if opened is not None and (tag == "O" or cut):
                found.append((opened, position, before[2:]))
                opened = None
            if tag != "O" and cut:
                opened = position
            before, position = tag, position + 1
        position -= 1
    return found


@settings(max_examples=40, deadline=None)
@given(CORPUS)
def test_conversions_keep_the_entities_and_come_back(texts: list[list[str]]) -> None:
    ids, names, offsets = read(*texts)
    begins, ends = tags.boundaries(ids, names, offsets)
    expected = entities(texts)
    assert np.flatnonzero(begins).tolist() == [first for first, _, _ in expected]
    assert (np.flatnonzero(ends) + 1).tolist() == [after for _, after, _ in expected]
    for one, other in itertools.permutations(tags.SCHEMES, 2):
        there = tags.convert(ids, names, offsets, one)
        back = tags.convert(*tags.convert(*there, offsets, other), offsets, one)
        np.testing.assert_array_equal(back[0], there[0])
        assert back[1] == there[1]
        texts_there = [written(there[0][a:b], there[1]) for a, b in itertools.pairwise(offsets)]
        assert entities(texts_there) == expected
        assert tags.repair(*there, offsets, one)[2] == 0


@SCHEMES
def test_what_is_allowed_is_what_needs_no_repair(scheme: tags.Scheme) -> None:
    names = tags.of_types(["A", "B"], scheme)
    follows, ends = tags.allowed(names, scheme)
    assert follows.shape == (len(names) + 1, len(names))
    for length in (1, 2, 3):
        for path in itertools.product(range(len(names)), repeat=length):
            is_allowed = ends[path[-1]] and all(
                follows[i, j] for i, j in zip((len(names), *path[:-1]), path, strict=True)
            )
            wrong = tags.repair(np.array(path), names, np.array([0, length]), scheme)[2]
            assert is_allowed == (wrong == 0), [names[tag] for tag in path]
    if scheme != "iob1":
        for computed, expected in zip(tags.allowed(names), (follows, ends), strict=True):
            np.testing.assert_array_equal(computed, expected)


def test_tags_of_known_types_come_first() -> None:
    corpus = read(["I-B", "O", "I-A", "I-C"])
    ids, names = tags.convert(*corpus, "iob2", known=["C", "D"])
    assert names == ["O", *(f"{x}-{kind}" for kind in "CDAB" for x in "BI")]
    assert names[:5] == tags.of_types(["C", "D"], "iob2")
    assert written(ids, names) == ["B-B", "O", "B-A", "B-C"]
    assert tags.types(names) == ["A", "B", "C", "D"]


@pytest.mark.parametrize("tag", ["B", "B-", "-A", "X-A", "PER", "o", "", "BI-A"])
def test_what_is_no_tag(tag: str) -> None:
    with pytest.raises(InputError, match=f"such as O, B-PER.*received '{tag}'"):
        tags.split(["O", tag])


def test_letters_of_two_schemes() -> None:
    with pytest.raises(InputError, match="letters B, E, L"):
        tags.detect(*read(["B-A", "E-A", "B-A", "L-A"]))


def test_no_tags_at_all() -> None:
    ids, names, offsets = read([])
    assert tags.detect(ids, names, offsets).wrong == 0
    assert written(*tags.convert(ids, names, offsets, "iob1")) == []
