"""Scores, baselines and what an evaluation writes."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from stages.kinds.sequence_tagging import baseline, features
from stages.kinds.sequence_tagging.judging import Judge
from stages.text import entities, tags
from tests.kinds.sequence_tagging.project import data, scores

NAMES = ["O", "B-X", "I-X", "B-Y", "I-Y"]


def judge_of(sentences: list[str], training: frozenset[str] = frozenset()) -> Judge:
    """Returns the judge of sentences such as `Ada/B-X sings/O`."""
    pairs = [[pair.split("/") for pair in sentence.split()] for sentence in sentences]
    words = [word for sentence in pairs for word, _ in sentence]
    ids = [NAMES.index(tag) for sentence in pairs for _, tag in sentence]
    offsets = np.cumsum([0, *map(len, pairs)])
    return Judge(words, np.array(ids), NAMES, offsets, training)


def test_scores_of_a_case_by_hand() -> None:
    """Four entities, three predicted: one right, one of the wrong type, one too long."""
    judge = judge_of(["a/B-X b/I-X c/O", "d/B-Y e/O f/B-X", "g/B-X h/O"], frozenset({"a b", "g"}))
    found = np.array([1, 2, 0, 1, 0, 0, 1, 2])
    result = judge.scores(found)
    assert result["precision"] == pytest.approx(1 / 3)
    assert result["recall"] == pytest.approx(1 / 4)
    assert result["f1"] == pytest.approx(2 / 7)
    assert result["token_accuracy"] == pytest.approx(5 / 8)
    # Seen: `a b` and `g` are there, `a b` is predicted. Unseen: `d` and `f`; `d` and `g h`.
    assert result["f1_seen"] == pytest.approx(2 / 3)
    assert result["f1_unseen"] == 0
    parts = judge.by_type(found)
    assert parts["X"] == {"precision": 1 / 3, "recall": 1 / 3, "f1": 1 / 3, "entities": 3}
    assert parts["Y"]["recall"] == 0


def test_scores_without_any_seen_entity_do_not_exist() -> None:
    judge = judge_of(["a/B-X b/O"])
    result = judge.scores(judge.tags)
    assert result["f1"] == result["f1_unseen"] == 1
    assert np.isnan(result["f1_seen"])


def test_the_interval_is_that_of_sentences_drawn_one_by_one() -> None:
    rng = np.random.default_rng(3)
    offsets = np.cumsum([0, *rng.integers(1, 6, 30)])
    gold, found = rng.integers(0, 5, (2, offsets[-1]))
    found = np.where(rng.random(len(gold)) < 0.7, gold, found)
    judge = Judge(["w"] * len(gold), gold, NAMES, offsets, frozenset())
    draws, values = np.random.default_rng(9), []
    for _ in range(40):
        chosen = draws.integers(0, 30, 30)
        right = total = 0
        for sentence in chosen:
            part = slice(*offsets[sentence : sentence + 2])
            own = np.array([0, part.stop - part.start])
            counts = entities.count(
                entities.find(gold[part], NAMES, own), entities.find(found[part], NAMES, own)
            )
            right, total = right + counts.correct, total + counts.entities + counts.predicted
        values.append(2 * right / total)
    low, high = np.quantile(values, [0.025, 0.975])
    assert judge.interval(found, 40, 9) == pytest.approx({"f1_low": low, "f1_high": high})


def test_the_most_frequent_tag_of_a_word() -> None:
    train = judge_of(["a/B-X b/O a/B-Y", "a/B-Y b/I-Y B/B-X"])
    table = baseline._most_frequent(train)
    assert {word: NAMES[tag] for word, tag in table.items()} == {"a": "B-Y", "b": "O", "B": "B-X"}
    found = baseline._looked_up(table, judge_of(["b/O a/O new/O"]))
    assert [NAMES[tag] for tag in found] == ["O", "B-Y", "O"]


def test_features_of_a_word_by_hand() -> None:
    found = features.of(["Ab1", "c"], np.array([0, 2]))
    assert found[0][:10] == [
        "word=Ab1",
        "lower=ab1",
        "shape=8",
        "pattern=Xx0",
        "prefix=a",
        "prefix=ab",
        "prefix=ab1",
        "suffix=1",
        "suffix=b1",
        "suffix=ab1",
    ]
    assert {"-1:none", "-2:none", "+2:none", "+1:lower=c", "+1:word=c"} <= {
        feature if feature[0] == "-" else f"+{feature}" if feature[0].isdigit() else feature
        for feature in found[0]
    }
    # Nothing of another sentence is a neighbour.
    assert features.of(["Ab1", "c"], np.array([0, 1, 2]))[0].count("1:none") == 1


def test_the_feature_crf_learns_a_rule_and_the_penalty_that_validation_prefers() -> None:
    pytest.importorskip("pycrfsuite")
    sentences = [f"{name}/B-X {name}/I-X runs/O" for name in ("Ann", "Bo", "Cy", "Di")]
    train, others = judge_of(sentences * 3), judge_of(["Ed/B-X Ed/I-X runs/O"])
    parameters = baseline.Parameters.model_validate(
        {"penalties": [{"c1": 1000.0, "c2": 0.0}, {"c1": 0.0, "c2": 0.1}]}
    )
    found = baseline._feature_crf(train, others, others, parameters)
    again = baseline._feature_crf(train, others, others, parameters)
    for tagged, second in zip(found, again, strict=True):
        np.testing.assert_array_equal(tagged, others.tags)
        np.testing.assert_array_equal(tagged, second)


@pytest.mark.usefixtures("trained")
def test_an_evaluation_holds_every_type_and_every_error() -> None:
    written = scores()
    model = written["model"]
    assert model["f1"] > 0.9
    assert model["f1_low"] <= model["f1"] <= model["f1_high"]
    assert set(model["parts"]) == {"LOC", "PER"}
    assert set(model["validation"]) >= {"f1", "f1_unseen", "token_accuracy"}
    curve = pd.read_csv("data/plots/x/curve.csv")
    assert curve["f1"].tolist() == pytest.approx([model["parts"][t]["f1"] for t in curve["type"]])
    lines = Path("data/evaluations/x/errors.jsonl").read_text().splitlines()
    assert bool(lines) == (model["f1"] < 1)
    for line in map(json.loads, lines):
        bare = [{**each, "probability": None} for each in line["predicted"]]
        assert bare != [{**each, "probability": None} for each in line["entities"]]


@pytest.mark.usefixtures("trained")
def test_tags_of_the_network_keep_the_rules_of_their_scheme() -> None:
    examples = data().examples
    assert examples.scheme == "iobes"
    written = Path("data/predictions/x/entities.jsonl").read_text().splitlines()
    lines = [json.loads(line) for line in written]
    ids, names = tags.encode(tag for line in lines for tag in line["tags"])
    offsets = np.cumsum([0, *(len(line["tags"]) for line in lines)])
    assert tags.repair(ids, names, offsets, "iob2")[2] == 0
