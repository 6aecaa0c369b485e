"""Baselines, evaluations and predictions of a small task in which all stages have run."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_union

from stages import baseline, predict
from stages.kinds.text_classification import explaining, linear, measuring
from stages.networks.backend import keras
from stages.text import tokens
from tests.kinds.text_classification.project import data, tokenize, write_parameters
from tests.tasks import error_of

pytestmark = pytest.mark.usefixtures("classified")

TEXT = "the film was great and never dull"


def scores() -> dict[str, Any]:
    return json.loads(Path("data/evaluations/x/scores.json").read_text())


def answer(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    capsys.readouterr()
    predict.main(["x", *arguments])
    return capsys.readouterr().out


def answers(*arguments: str) -> list[dict[str, Any]]:
    predict.main(["x", *arguments, "--output", "out.jsonl"])
    return [json.loads(line) for line in Path("out.jsonl").read_text().splitlines()]


def probabilities_of(network: keras.Model, words: list[str]) -> np.ndarray:
    """Returns the network's answer for the words of one text, (classes,)."""
    ids = tokens.from_json(data().text("tokenizer.json")).encode([" ".join(words)]).ids
    logits = linear.from_json(data().text("linear.json")).logits([" ".join(words)])
    found = network({"tokens": ids[None], "linear": logits}).numpy()
    return np.exp(measuring.log_probabilities(found)[0])


def test_scores_are_those_of_the_answers_for_the_test_texts() -> None:
    table = pd.read_parquet("data/ingested/x/table.parquet").query("split == 2")
    table[["text"]].to_csv("test.csv", index=False)
    lines = answers("--input", "test.csv")
    right = [line["label"] == label for line, label in zip(lines, table["label"], strict=True)]
    found = scores()
    assert found["model"]["accuracy"] == pytest.approx(np.mean(right))
    own = [line["probabilities"][label] for line, label in zip(lines, table["label"], strict=True)]
    assert found["model"]["log_loss"] == pytest.approx(-np.log(own).mean(), rel=1e-3)
    assert found["model"]["accuracy"] > 0.7 > found["baseline"]["majority"]["accuracy"]
    assert set(found["model"]["parts"]) == {"bad", "good"}
    assert "validation_skill" in found
    curve = pd.read_csv("data/plots/x/curve.csv")
    counted = pd.crosstab(table["label"].to_numpy(), [line["label"] for line in lines])
    for actual, predicted, count in curve.to_numpy().tolist():
        assert count == counted.get(predicted, pd.Series(dtype=int)).get(actual, 0)
    assert curve["count"].sum() == len(table)
    diagonal = curve.loc[curve["actual"] == curve["predicted"], "count"].sum()
    assert diagonal == sum(right)
    wrong = [
        json.loads(line)
        for line in Path("data/evaluations/x/errors.jsonl").read_text().splitlines()
    ]
    assert len(wrong) == len(right) - sum(right)
    assert {line["text"] for line in wrong} <= set(table["text"])
    assert Path("data/plots/x/evaluation/calibration.png").stat().st_size > 1000


@pytest.mark.parametrize("method", ["tfidf", "tfidf_characters"])
def test_the_baseline_is_the_regression_with_the_best_validation_score(method: str) -> None:
    table = pd.read_parquet("data/ingested/x/table.parquet").dropna()
    texts, labels = (
        [table[name][table["split"] == number] for number in range(3)] for name in ("text", "label")
    )
    words = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, token_pattern=r"\w+|[^\w\s]")
    characters = TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 4), sublinear_tf=True)
    vectorizer = make_union(words, characters) if method == "tfidf_characters" else words
    features = [vectorizer.fit_transform(texts[0]), *map(vectorizer.transform, texts[1:])]
    found = {}
    for penalty in (0.5, 50.0):
        model = LogisticRegression(C=1 / penalty, max_iter=1000).fit(features[0], labels[0])
        losses = [
            -model.predict_log_proba(part)[np.arange(len(own)), (own == "good").astype(int)].mean()
            for part, own in zip(features[1:], labels[1:], strict=True)
        ]
        found[penalty] = (losses, model.score(features[2], labels[2]))
    best = min(found, key=lambda penalty: found[penalty][0][0])
    section = {"penalties": [50.0, 0.5], "methods": ["majority", method], "characters": 4}
    write_parameters(baseline=section, evaluate={"score": "log_loss"})
    baseline.main(["x"])
    scored = json.loads(Path("data/baselines/x/scores.json").read_text())
    assert scored[method]["penalty"] == best == 0.5
    assert scored[method]["validation"]["log_loss"] == pytest.approx(found[best][0][0], rel=1e-4)
    assert scored[method]["log_loss"] == pytest.approx(found[best][0][1], rel=1e-4)
    assert scored[method]["accuracy"] == pytest.approx(found[best][1])
    share = np.mean(labels[0] == "good")
    expected = -np.log(np.where(labels[2] == "good", share, 1 - share)).mean()
    assert scored["majority"]["log_loss"] == pytest.approx(expected)


def test_an_effect_is_the_difference_that_a_token_makes(
    capsys: pytest.CaptureFixture[str],
) -> None:
    (line,) = answers("--text", TEXT, "--effects", "7")
    words = TEXT.split()
    network = keras.saving.load_model("data/models/x/model.keras")
    probabilities = probabilities_of(network, words)
    np.testing.assert_allclose(list(line["probabilities"].values()), probabilities, atol=1e-5)
    label = int(probabilities.argmax())
    assert line["label"] == ["bad", "good"][label]

    def log_odds(words: list[str]) -> float:
        own = probabilities_of(network, words)[label]
        return float(np.log(own / (1 - own)))

    effects = {
        (place, word): log_odds(words) - log_odds(words[: place - 1] + words[place:])
        for place, word in enumerate(words, 1)
    }
    found = {(row["place"], row["token"]): row["effect"] for row in line["effects"]}
    assert found == pytest.approx(effects, abs=2e-3)
    sizes = [abs(row["effect"]) for row in line["effects"]]
    assert sizes == sorted(sizes, reverse=True)
    shown = answer(capsys, "--text", TEXT, "--effects", "2").splitlines()
    first = line["effects"][0]
    assert shown[1].startswith(f"  for {line['label']}: {first['effect']:+.2f} {first['token']}  ")
    assert len(shown) == 2


def test_unknown_words_and_tokens_that_are_not_read_are_said(
    capsys: pytest.CaptureFixture[str],
) -> None:
    text = "Zebra unseen the film was a story quagga and it ends well"
    shown = answer(capsys, "--text", text)
    assert "unknown to training: zebra, quagga\n" in shown
    assert "not read: 3 tokens" in shown
    (line,) = answers("--text", text)
    assert line["unknown"] == ["zebra", "quagga"]
    assert line["tokens_left_out"] == 3
    # Of the tokens that are read, words that training does not know have their own names.
    assert {row["token"] for row in line["effects"]} == {
        *("zebra", "unseen", "the", "film", "was", "and", "it", "ends", "well")
    }
    (single,) = answers("--text", "great")
    assert [row["token"] for row in single["effects"]] == ["great"]


def test_a_file_of_texts_is_a_table_or_lines(capsys: pytest.CaptureFixture[str]) -> None:
    texts = [TEXT, "a dull story, never bright", "it ends"]
    expected = [
        {**line, "effects": []}
        for line in answers(*(word for text in texts for word in ("--text", text)))
    ]
    Path("lines.txt").write_text("".join(f"{text}\n" for text in texts))
    pd.DataFrame({"other": 1, "text": texts}).to_csv("table.csv", index=False)
    Path("table.jsonl").write_text("".join(json.dumps({"text": text}) + "\n" for text in texts))
    for name in ("lines.txt", "table.csv", "table.jsonl"):
        found = answers("--input", name)
        assert [line["text"] for line in found] == texts
        for line, other in zip(found, expected, strict=True):
            assert line["probabilities"] == pytest.approx(other["probabilities"], abs=1e-5)
            assert line["effects"] == []
    assert len(answers("--input", "lines.txt", "--effects", "1")[0]["effects"]) == 1


def test_the_pipeline_answers_for_texts_or_the_first_test_texts(
    capsys: pytest.CaptureFixture[str],
) -> None:
    table = pd.read_parquet("data/ingested/x/table.parquet").query("split == 2")
    folder = Path("data/predictions/x")
    lines = [json.loads(line) for line in (folder / "labels.jsonl").read_text().splitlines()]
    assert [line["text"] for line in lines] == table["text"].head(3).tolist()
    assert pd.read_csv("data/plots/x/prediction.csv")["text"].nunique() == 3
    write_parameters(predict={"texts": [TEXT], "effects": 2})
    before = (folder / "labels.txt").read_bytes()
    predict.main(["x"])
    assert (folder / "labels.txt").read_bytes() != before
    assert pd.read_csv("data/plots/x/prediction.csv")["text"].tolist() == [TEXT] * 2
    page = (folder / "labels.txt").read_text()
    assert answer(capsys, "--text", TEXT) == page


def test_of_a_long_text_runs_of_tokens_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(explaining, "RUNS", 3)
    (line,) = answers("--text", TEXT)
    assert {row["token"] for row in line["effects"]} == {"the film was", "great and", "never dull"}
    assert sorted(row["place"] for row in line["effects"]) == [1, 4, 6]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--text", "a", "--input", "b.csv"], "expected --text or --input, received both"),
        (["--input", "none.csv"], "none.csv"),
        (["--input", "other.csv"], "expected the column 'text', found 'words'"),
        (["--input", "empty.txt"], "empty.txt: expected at least one text, received none"),
        (["--text", "a", "--effects", "-1"], "--effects: expected greater than or equal to 0"),
        (["--text", "\udcff"], "--text: expected a valid string"),
        (["--text", "  "], "--text: expected a text with more than white space, received '  '"),
        (["--input", "gap.csv"], "gap.csv, row 2: expected a text, received an empty one"),
    ],
)
def test_questions_that_are_wrong_are_one_error(
    arguments: list[str], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("other.csv").write_text("words\na\n")
    Path("empty.txt").write_text("\n \n")
    Path("gap.csv").write_text("text,n\na,1\n,2\n")
    assert message in error_of(predict.main, ["x", *arguments], monkeypatch)


def test_examples_that_are_newer_than_the_model_are_one_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    write_parameters(tokenize_text={"longest": 5})
    tokenize()
    assert "expected the examples in data/examples/x that data/models/x was trained on" in error_of(
        predict.main, ["x"], monkeypatch
    )
