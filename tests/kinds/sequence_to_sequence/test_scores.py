"""The scores of a small task in which all stages have run, beside those of its outputs by
sacrebleu and by loops."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import sacrebleu

from stages import evaluate as stage_evaluate
from stages import ingest, predict, summarize, tokenize_text
from stages.kinds.sequence_to_sequence import evaluate, train
from stages.kinds.sequence_to_sequence.sample import SAMPLES
from stages.networks.backend import keras
from stages.networks.prediction import Predictor
from stages.text import tokens
from tests.kinds.sequence_to_sequence.project import (
    data,
    log_probabilities,
    outputs_of,
    write_parameters,
)
from tests.tasks import write_raw, write_task

EVALUATION = Path("data/evaluations/x")


def model() -> dict[str, Any]:
    return json.loads((EVALUATION / "scores.json").read_text())["model"]


def json_lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def pairs(split: int) -> tuple[list[str], list[list[str]]]:
    """Returns the sources of a split and the references of each."""
    table = pd.read_parquet("data/ingested/x/table.parquet").query(f"split == {split}")
    references = [
        [text for text in row if text]
        for row in table[["target", "reference_2"]].fillna("").to_numpy()
    ]
    return table["source"].tolist(), references


def pair(number: int) -> tuple[list[int], list[int]]:
    """Returns the ids of both sides of a stored pair."""
    own, sides = vars(data().examples), []
    for side in ("source", "target"):
        first = own[f"{side}_starts"][number]
        ids = own[f"{side}_ids"][first : first + own[f"{side}_lengths"][number]]
        sides.append(ids.tolist())
    return sides[0], sides[1]


def outputs(sources: list[str], *arguments: str) -> list[str]:
    """Returns the best output for each source, as the command line gives it."""
    Path("sources.txt").write_text("".join(f"{source}\n" for source in sources))
    predict.main(["x", "--input", "sources.txt", *arguments, "--output", "out.jsonl"])
    return [line["outputs"][0]["text"] for line in json_lines(Path("out.jsonl"))]


def score(name: str, found: list[str], references: list[list[str]]) -> float:
    lists = [[own[min(number, len(own) - 1)] for own in references] for number in range(2)]
    return getattr(sacrebleu, f"corpus_{name}")(found, lists).score


@pytest.mark.usefixtures("translated")
def test_scores_are_those_of_the_outputs_for_the_test_sources() -> None:
    sources, references = pairs(2)
    lines, scores = json_lines(EVALUATION / "outputs.jsonl"), model()
    assert [line["source"] for line in lines] == sources
    assert [line["references"] for line in lines] == references
    assert {len(own) for own in references} == {1, 2}
    found = [line["output"] for line in lines]
    assert found == outputs(sources)
    for name in ("bleu", "chrf"):
        assert scores[name] == pytest.approx(score(name, found, references))
    right = [output in own for output, own in zip(found, references, strict=True)]
    assert scores["exact_match"] == np.mean(right)
    assert scores["chrf_low"] < scores["chrf"] < scores["chrf_high"]
    greedy = outputs(sources, "--beams", "1")
    assert scores["greedy_chrf"] == pytest.approx(score("chrf", greedy, references))


@pytest.mark.usefixtures("translated")
def test_validation_is_scored_as_test_is() -> None:
    sources, references = pairs(1)
    expected = score("chrf", outputs(sources), references)
    assert model()["validation"]["chrf"] == pytest.approx(expected)
    assert "validation_skill" in json.loads((EVALUATION / "scores.json").read_text())


@pytest.mark.usefixtures("translated")
def test_scores_of_tokens_are_those_of_a_loop_over_pairs() -> None:
    network = keras.saving.load_model("data/models/x/model.keras")
    examples = data().examples
    for split, scores in (("test", model()), ("validation", model()["validation"])):
        nats, hits = [], []
        for number in examples.numbers_of(split):
            source, target = pair(number)
            likely = log_probabilities(network, source, target)
            for place, token in enumerate([*target, tokens.END]):
                nats.append(-likely[place, token])
                hits.append(likely[place].argmax() == token)
        assert scores["token_accuracy"] == pytest.approx(np.mean(hits))
        assert scores["perplexity"] == pytest.approx(np.exp(np.mean(nats)), rel=1e-4)


def test_tokens_that_are_copied_count_as_the_loop_says(folder: Path) -> None:
    """By a network that was not trained: what is copied is as likely as attention and the gate of
    the pointer say."""
    sample = SAMPLES[0]
    for name, text in sample.files.items():
        write_raw(name, text)
    write_task(sample.entry)
    for stage in (ingest, tokenize_text):
        stage.main(["x"])
    examples = data().examples
    section = train.Parameters.model_validate(
        {"cell": "simple_rnn", "units": 4, "fast": False, "copy": True}
    )
    network = train.build(examples, section, "x")
    size, nats, hits = examples.sizes["target"], [], []
    for number in examples.numbers_of("test"):
        source, target = pair(number)
        first = examples.source_starts[number]
        copies = examples.copies[first : first + len(source)]
        before = [token if token < size else tokens.UNKNOWN for token in target]
        outputs = outputs_of(network, source, before)
        for row, token in zip(outputs, [*target, tokens.END], strict=True):
            share = 1 / (1 + np.exp(-row[size]))
            odds = np.zeros(size + examples.extended)
            odds[:size] = share * np.exp(row[:size]) / np.exp(row[:size]).sum()
            for copied, weight in zip(copies, row[size + 1 :], strict=True):
                odds[copied] += (1 - share) * weight
            assert odds.sum() == pytest.approx(1)
            nats.append(-np.log(odds[token]))
            hits.append(odds.argmax() == token)
    assert examples.target_ids.max() >= size
    scores = evaluate.scores_of_tokens(Predictor(network), examples, "test")
    assert scores["perplexity"] == pytest.approx(np.exp(np.mean(nats)), rel=1e-4)
    assert scores["token_accuracy"] == pytest.approx(np.mean(hits))


@pytest.mark.usefixtures("translated")
def test_the_curve_has_the_score_of_the_sources_of_each_length() -> None:
    curve = pd.read_csv("data/plots/x/curve.csv")
    sources, references = pairs(2)
    found = json_lines(EVALUATION / "outputs.jsonl")
    of_network = curve[curve["method"] == "model"]
    assert of_network["texts"].tolist() == [
        sum(len(source.split()) == length for source in sources) for length in (4, 6)
    ]
    for length, own in zip((4, 6), of_network["score"], strict=True):
        places = [place for place, source in enumerate(sources) if len(source.split()) == length]
        outputs = [found[place]["output"] for place in places]
        expected = score("chrf", outputs, [references[place] for place in places])
        assert own == pytest.approx(expected)
    of_copy = curve[curve["method"] == "copy"]
    assert of_copy["length"].tolist() == of_network["length"].tolist()
    places = [place for place, source in enumerate(sources) if len(source.split()) == 4]
    expected = score("chrf", [sources[p] for p in places], [references[p] for p in places])
    assert of_copy["score"].iloc[0] == pytest.approx(expected)


@pytest.mark.usefixtures("translated")
def test_the_outputs_that_are_least_like_their_references_are_listed() -> None:
    lines = json_lines(EVALUATION / "outputs.jsonl")
    likeness = [sacrebleu.sentence_chrf(line["output"], line["references"]).score for line in lines]
    assert [line["chrf"] for line in lines] == pytest.approx(likeness, abs=0.006)
    worst = json_lines(EVALUATION / "errors.jsonl")
    assert [line["chrf"] for line in worst] == sorted(line["chrf"] for line in lines)[:4]
    assert all(line in lines for line in worst)


@pytest.mark.usefixtures("translated")
@pytest.mark.slow
def test_another_score_and_greedy_search_alone() -> None:
    write_parameters(evaluate={"score": "exact_match", "beams": 1})
    stage_evaluate.main(["x"])
    scores = json.loads((EVALUATION / "scores.json").read_text())
    assert not [name for name in scores["model"] if name.startswith("greedy")]
    sources, _ = pairs(2)
    assert [line["output"] for line in json_lines(EVALUATION / "outputs.jsonl")] == outputs(
        sources, "--beams", "1"
    )
    curve = pd.read_csv("data/plots/x/curve.csv")
    own = curve[curve["method"] == "model"]
    whole = (own["score"] * own["texts"]).sum() / own["texts"].sum()
    assert whole == pytest.approx(scores["model"]["exact_match"])


@pytest.mark.usefixtures("translated")
def test_how_scores_were_computed_stands_in_the_metrics() -> None:
    summarize.main([])
    metrics = json.loads(Path("data/metrics/x.json").read_text())
    assert f"version:{sacrebleu.__version__}" in metrics["signatures"]["bleu"]
    assert set(metrics["signatures"]) == {"bleu", "chrf", "rouge"}
