"""Outputs for sources that the command line or the parameters give, by a small network."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from stages import predict
from stages.kinds.sequence_to_sequence import texts
from stages.kinds.sequence_to_sequence.predict import draw
from stages.networks.backend import keras
from stages.text import tokens
from tests.kinds.sequence_to_sequence.project import data, log_probabilities, write_parameters
from tests.tasks import error_of

pytestmark = pytest.mark.usefixtures("translated")

TEXT = "två fem ett"


def answers(*arguments: str) -> list[dict[str, Any]]:
    predict.main(["x", *arguments, "--output", "out.jsonl"])
    return [json.loads(line) for line in Path("out.jsonl").read_text().splitlines()]


def shown(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    capsys.readouterr()
    predict.main(["x", *arguments])
    return capsys.readouterr().out


def ids_of(text: str) -> list[int]:
    return texts.tokenizers(data())[0].encode([text]).ids.tolist()


def test_an_output_has_the_log_probability_that_the_network_gives_it() -> None:
    network = keras.saving.load_model("data/models/x/model.keras")
    (line,) = answers("--text", TEXT)
    assert line["source"] == TEXT
    assert len(line["outputs"]) == 2
    target = texts.tokenizers(data())[1]
    for output in line["outputs"]:
        assert output["text"] == " ".join(output["tokens"])
        ids = target.encode([output["text"]]).ids.tolist()
        likely = log_probabilities(network, ids_of(TEXT), ids)
        expected = likely[np.arange(len(ids) + 1), [*ids, tokens.END]].sum()
        assert output["log_probability"] == pytest.approx(expected, abs=1e-3)


def test_with_one_beam_each_token_is_the_likeliest() -> None:
    network = keras.saving.load_model("data/models/x/model.keras")
    (line,) = answers("--text", TEXT, "--beams", "1")
    (output,) = line["outputs"]
    written: list[int] = []
    while not written or written[-1] != tokens.END:
        likely = log_probabilities(network, ids_of(TEXT), written)[-1]
        likely[[tokens.PAD, tokens.UNKNOWN]] = -np.inf
        written.append(int(likely.argmax()))
        assert len(written) < 50
    tokenizer = texts.tokenizers(data())[1]
    assert output["tokens"] == [tokenizer.token(number) for number in written[:-1]]


def test_several_outputs_are_the_best_of_the_beams() -> None:
    (line,) = answers("--text", TEXT, "--beams", "4", "--show", "4")
    found = [output["text"] for output in line["outputs"]]
    assert len(set(found)) == 4
    (fewer,) = answers("--text", TEXT, "--beams", "4", "--show", "1")
    assert fewer["outputs"] == line["outputs"][:1]


def test_a_file_of_sources_is_a_table_or_lines() -> None:
    sources = [TEXT, "ett två tre fyra fem ett", "fem"]
    expected = answers(*(word for text in sources for word in ("--text", text)))
    assert [line["source"] for line in expected] == sources
    Path("lines.txt").write_text("".join(f"{text}\n" for text in sources))
    pd.DataFrame({"other": 1, "source": sources}).to_csv("table.csv", index=False)
    for name in ("lines.txt", "table.csv"):
        found = answers("--input", name)
        assert [line["source"] for line in found] == sources
        for line, other in zip(found, expected, strict=True):
            assert [each["text"] for each in line["outputs"]] == [
                each["text"] for each in other["outputs"]
            ]
            assert [each["log_probability"] for each in line["outputs"]] == pytest.approx(
                [each["log_probability"] for each in other["outputs"]], abs=1e-3
            )


def test_words_that_training_does_not_know_are_said(capsys: pytest.CaptureFixture[str]) -> None:
    text = "zebra ett quagga zebra"
    (line,) = answers("--text", text)
    assert line["unknown"] == ["zebra", "quagga"]
    page = shown(capsys, "--text", text).splitlines()
    assert page[0] == text
    first = line["outputs"][0]
    assert page[1].split() == [f"{first['log_probability']:.2f}", *first["tokens"]]
    assert page[3] == "  unknown to training: zebra, quagga"


def test_the_pipeline_answers_for_the_first_test_sources_and_shows_the_attention() -> None:
    table = pd.read_parquet("data/ingested/x/table.parquet").query("split == 2")
    folder = Path("data/predictions/x")
    lines = [json.loads(line) for line in (folder / "outputs.jsonl").read_text().splitlines()]
    assert [line["source"] for line in lines] == table["source"].head(5).tolist()
    assert (folder / "outputs.txt").read_text().count("\n") == 5 * 3
    attention = pd.read_csv("data/plots/x/prediction.csv")
    written = attention.drop_duplicates("output_place")["output"].tolist()
    assert written == [*lines[0]["outputs"][0]["tokens"], "<eos>"]
    read = attention.drop_duplicates("source_place")["source"].tolist()
    assert " ".join(read) == lines[0]["source"]
    assert len(attention) == len(written) * len(read)
    sums = attention.groupby("output_place")["weight"].sum()
    np.testing.assert_allclose(sums, 1, atol=1e-5)
    assert attention["weight"].between(0, 1).all()


def test_sources_of_the_parameters_and_unknown_words_in_the_attention() -> None:
    write_parameters(predict={"texts": ["ett zebra två"], "beams": 1, "show": 1})
    predict.main(["x"])
    attention = pd.read_csv("data/plots/x/prediction.csv")
    assert attention["source"].head(3).tolist() == ["ett", "zebra", "två"]
    lines = Path("data/predictions/x/outputs.jsonl").read_text().splitlines()
    assert len(lines) == 1
    assert json.loads(lines[0])["unknown"] == ["zebra"]


def test_the_picture_names_as_many_tokens_as_there_is_room_for() -> None:
    places = np.arange(1, 201)
    read = [" piece", "\n", " ", "�"] * 50
    table = pd.DataFrame(
        {
            "output_place": np.repeat([1, 2], 200),
            "output": np.repeat(["ends", "<eos>"], 200),
            "source_place": np.tile(places, 2),
            "source": read * 2,
            "weight": np.repeat([0.25, 0.75], 200),
        }
    )
    axes = Figure().subplots()
    draw(axes, table)
    assert [label.get_text() for label in axes.get_yticklabels()] == ["ends", "<eos>"]
    (image,) = axes.get_images()
    np.testing.assert_array_equal(image.get_array(), np.repeat([[0.25], [0.75]], 200, 1))
    named = [label.get_text() for label in axes.get_xticklabels()]
    assert 50 <= len(named) <= 100
    draw(axes, table[table["source_place"] <= 4])
    assert [label.get_text() for label in axes.get_xticklabels()] == ["piece", r"\n", "␣", "�"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--text", "ett", "--input", "b.csv"], "expected --text or --input, received both"),
        (["--text", "  "], "--text: expected a text with more than white space, received '  '"),
        (["--text", "\udcff"], "--text: expected a valid string"),
        (["--text", "zebra quagga"], "text 'zebra quagga': expected at least one token that"),
        (["--text", "ett " * 7], "expected at most 6 tokens, as many as the longest source of"),
        (["--input", "long.txt"], "long.txt, line 3: expected at most 6 tokens"),
        (["--input", "long.csv"], "long.csv, row 2: expected at most 6 tokens"),
        (["--input", "none.csv"], "none.csv"),
        (["--input", "gap.csv"], "gap.csv, row 2: expected a text, received an empty one"),
        (["--input", "other.csv"], "expected the column 'source', found 'text'"),
        (["--text", "ett", "--beams", "0"], "--beams: expected greater than or equal to 1"),
        (["--text", "ett", "--show", "4"], "expected `show` of at most `beams`, 3"),
    ],
)
def test_questions_that_are_wrong_are_one_error(
    arguments: list[str], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("long.txt").write_text("ett\n\n" + "ett " * 7 + "\n")
    Path("long.csv").write_text("source\nett\n" + "ett " * 7 + "\n")
    Path("other.csv").write_text("text\nett\n")
    Path("gap.csv").write_text("source,n\nett,1\n,2\n")
    assert message in error_of(predict.main, ["x", *arguments], monkeypatch)
