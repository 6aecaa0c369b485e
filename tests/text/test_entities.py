"""Entities and their counts: cases worked by hand, and conlleval's own rules in a loop."""

import numpy as np
import pytest

from stages.text import entities, tags
from stages.text.entities import Counts, Entities


def found(text: str) -> Entities:
    texts = [part.split() for part in text.split("|")]
    ids, names = tags.encode(tag for part in texts for tag in part)
    return entities.find(ids, names, np.cumsum([0, *map(len, texts)]))


def spans(found: Entities) -> list[tuple[int, int, int, str]]:
    arrays = (found.texts, found.first, found.after, found.types)
    return list(zip(*(array.tolist() for array in arrays), strict=True))


def test_entities_by_hand() -> None:
    assert spans(found("O I-PER B-PER I-LOC | B-PER I-ORG | O |  | I-A E-A I-A")) == [
        (0, 1, 2, "PER"),
        (0, 2, 3, "PER"),
        (0, 3, 4, "LOC"),
        (1, 4, 5, "PER"),
        (1, 5, 6, "ORG"),
        (4, 7, 9, "A"),
        (4, 9, 10, "A"),
    ]


@pytest.mark.parametrize(
    ("right", "predicted", "expected"),
    [
        ("B-A I-A O B-B", "B-A I-A O B-B", Counts(2, 2, 2)),
        ("B-A I-A O B-B", "B-A O O B-A", Counts(2, 2, 0)),
        # The script does not ask by which tags an entity was written.
        ("B-A I-A O B-B", "I-A I-A O I-B", Counts(2, 2, 2)),
        ("B-A I-A I-A", "B-A I-A B-A", Counts(1, 2, 0)),
        ("B-A B-A", "I-A I-A", Counts(2, 1, 0)),
        ("B-PER I-ORG", "B-PER B-ORG", Counts(2, 2, 2)),
        ("O I-PER B-PER I-LOC", "O I-PER I-PER I-LOC", Counts(3, 2, 1)),
        ("B-A | I-A", "B-A | B-A", Counts(2, 2, 2)),
        ("O O", "B-A O", Counts(0, 1, 0)),
        ("B-A O", "O O", Counts(1, 0, 0)),
        ("O", "O", Counts(0, 0, 0)),
    ],
)
def test_counts_by_hand(right: str, predicted: str, expected: Counts) -> None:
    assert entities.count(found(right), found(predicted)) == expected


def test_precision_recall_and_f1() -> None:
    counts = Counts(entities=4, predicted=3, correct=2)
    assert (counts.precision, counts.recall) == (2 / 3, 1 / 2)
    assert counts.f1 == pytest.approx(2 * (2 / 3) * (1 / 2) / (2 / 3 + 1 / 2))
    for counts in (Counts(0, 0, 0), Counts(3, 0, 0), Counts(0, 3, 0)):
        assert (counts.precision, counts.recall, counts.f1) == (0, 0, 0)


def conlleval(right: list[str], predicted: list[str]) -> dict[str, Counts]:
    """The script's counters, token by token, for tags of the letters B and I."""

    def starts(before: str, tag: str) -> bool:
        return tag != "O" and (before == "O" or before[2:] != tag[2:] or tag[0] == "B")

    def ends(before: str, tag: str) -> bool:
        return before != "O" and (tag == "O" or before[2:] != tag[2:] or tag[0] == "B")

    counts = {kind: [0, 0, 0] for kind in "AB"}
    inside, last_right, last_predicted = "", "O", "O"
    for tag, guess in zip([*right, "O"], [*predicted, "O"], strict=True):
        over = ends(last_right, tag), ends(last_predicted, guess)
        if inside and all(over):
            counts[inside][2] += 1
            inside = ""
        elif inside and (any(over) or tag[2:] != guess[2:]):
            inside = ""
        begun = starts(last_right, tag), starts(last_predicted, guess)
        if all(begun) and tag[2:] == guess[2:]:
            inside = tag[2:]
        if begun[0]:
            counts[tag[2:]][0] += 1
        if begun[1]:
            counts[guess[2:]][1] += 1
        last_right, last_predicted = tag, guess
    return {kind: Counts(*numbers) for kind, numbers in counts.items() if any(numbers)}


def test_counts_by_type_are_those_of_the_script() -> None:
    rng, names = np.random.default_rng(0), ["O", "B-A", "I-A", "B-B", "I-B"]
    correct = 0
    for _ in range(300):
        ids = rng.integers(0, 5, 12)
        guesses = np.where(rng.random(12) < 0.7, ids, rng.integers(0, 5, 12))
        right, predicted = ([names[number] for number in each] for each in (ids, guesses))
        ends = np.array([0, 12])
        computed = entities.count_by_type(
            entities.find(ids, names, ends), entities.find(guesses, names, ends)
        )
        assert computed == conlleval(right, predicted)
        correct += sum(counts.correct for counts in computed.values())
    assert correct > 300


def test_seen_and_unseen_entities() -> None:
    words = ["New", "York", "met", "Ann", "in", "Rome", "and", "Bob"]
    right = found("B-LOC I-LOC O B-PER O B-LOC O B-PER")
    predicted = found("B-ORG I-ORG O B-PER O O B-PER I-PER")
    training = entities.surfaces(found("B-LOC I-LOC O I-LOC"), ["New", "York", "or", "Rome"])
    assert training == ["New York", "Rome"]
    assert entities.surfaces(predicted, words) == ["New York", "Ann", "and Bob"]
    assert entities.count_by_novelty(right, predicted, words, training) == {
        "seen": Counts(entities=2, predicted=1, correct=0),
        "unseen": Counts(entities=2, predicted=2, correct=1),
    }
    assert entities.count_by_novelty(right, found("O"), words, [])["unseen"] == Counts(4, 0, 0)
