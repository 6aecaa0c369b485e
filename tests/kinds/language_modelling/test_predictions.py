"""What a trained language model answers on the command line, and what it writes as a stage."""

import json
from itertools import pairwise
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pandas as pd
import pytest
from ruamel.yaml import YAML

from stages import evaluate, predict, tokenize_text
from tests.conftest import committed
from tests.kinds.language_modelling.project import (
    LINES,
    TEXTS,
    data,
    tokenize,
    write_lines,
    write_parameters,
    write_texts,
)
from tests.tasks import error_of, run_all, write_task


def answer(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """Returns what the command prints."""
    capsys.readouterr()
    predict.main(["x", *arguments])
    return capsys.readouterr().out


def answers(*arguments: str) -> list[dict[str, Any]]:
    """Returns the lines that the command writes to a file."""
    predict.main(["x", *arguments, "--output", "out.jsonl"])
    return [json.loads(line) for line in Path("out.jsonl").read_text().splitlines()]


def outputs() -> dict[str, bytes]:
    """Returns the files that the stages `evaluate` and `predict` have written."""
    folders = (Path("data/predictions"), Path("data/plots"))
    files = [path for folder in folders for path in folder.rglob("*") if path.is_file()]
    return {path.as_posix(): path.read_bytes() for path in files}


@pytest.mark.usefixtures("trained")
def test_the_likeliest_next_tokens_come_in_their_order(capsys: pytest.CaptureFixture[str]) -> None:
    rows = answer(capsys, "--prompt", "the cat", "--next", "5").splitlines()
    probabilities = [float(row.split()[0]) for row in rows]
    assert len(rows) == 5
    assert all(first >= second for first, second in pairwise(probabilities))


@pytest.mark.usefixtures("trained")
def test_a_seed_decides_what_is_drawn(capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--prompt", "the cat", "--tokens", "12", "--temperature", "1.5", "--seed"]
    texts = [answer(capsys, *options, seed) for seed in ("1", "1", "2")]
    assert texts[0] == texts[1] != texts[2]
    assert texts[0].startswith("**the cat** ")


@pytest.mark.usefixtures("trained")
def test_a_file_holds_a_line_for_each_prompt_and_sample() -> None:
    lines = answers("--prompt", "the cat", "--samples", "2", "--top-k", "3")
    assert [line["prompt"] for line in lines] == ["the cat", "", ""]
    for line in lines:
        assert len(line["tokens"]) == len(line["probabilities"])
        assert all(0 < probability <= 1 for probability in line["probabilities"])


@pytest.mark.usefixtures("trained")
def test_a_beam_search_is_at_least_as_likely_as_the_likeliest_token_at_each_step() -> None:
    options = ["--prompt", "the cat", "--tokens", "5"]
    greedy, beam = (
        answers(*options, *search)[0]["probabilities"]
        for search in (["--temperature", "0"], ["--beams", "8"])
    )
    assert np.log(beam).sum() >= np.log(greedy).sum() - 1e-6


@pytest.mark.usefixtures("trained")
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--prompt", "zebra quagga"], "expected at least one token that training saw"),
        (["--prompt", "the " * 50], "expected at most 20 tokens, received 50"),
        (["--prompt", "  "], "expected a prompt with at least one token"),
        (["--prompt", "the", "--top-p", "0"], "task x: --top-p: expected greater than 0"),
        (
            ["--prompt", "the", "--temperature", "-1"],
            "task x: --temperature: expected greater than or equal to 0",
        ),
        (["--prompt", "zebra\n"], "expected at least one token that training saw"),
        (["--prompt", "the \udcff"], "--prompt: expected a valid string"),
        (["--next", "0"], "--next: expected a number of tokens, at least 1, received 0"),
        (
            ["--next=-3", "--prompt", "the"],
            "--next: expected a number of tokens, at least 1, received -3",
        ),
    ],
)
def test_prompts_that_are_wrong_are_one_error(
    arguments: list[str], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert message in error_of(predict.main, ["x", *arguments], monkeypatch)


@pytest.mark.usefixtures("trained")
def test_any_option_leaves_the_outputs_of_the_pipeline(
    capsys: pytest.CaptureFixture[str],
) -> None:
    before = outputs()
    page = Path("data/predictions/x/samples.md").read_text()
    assert answer(capsys, "--seed", "0") == page
    assert answer(capsys, "--temperature", "0.5") != page
    first = json.loads(before["data/predictions/x/samples.jsonl"].splitlines()[0])
    assert answer(capsys, "--samples", "0") == f"**the cat**{first['text']}\n"
    assert answer(capsys, "--output", "out.jsonl") == ""
    assert Path("out.jsonl").read_bytes() == before["data/predictions/x/samples.jsonl"]
    assert outputs() == before


@pytest.mark.usefixtures("trained")
def test_a_repeated_prompt_is_continued_in_draws_of_its_own(
    capsys: pytest.CaptureFixture[str],
) -> None:
    options = ["--temperature", "2", "--tokens", "15"]
    alone = [
        answer(capsys, *options, "--prompt", prompt).splitlines()[0]
        for prompt in ("the cat", "a dog")
    ]
    prompts = ["the cat", "a dog", "the cat", "the cat"]
    lines = answers(*options, *(word for prompt in prompts for word in ("--prompt", prompt)))
    texts = [f"**{line['prompt']}**{line['text']}" for line in lines]
    assert len(set(texts)) == 4
    assert [text.splitlines()[0] for text in texts[:2]] == alone
    likeliest = answer(capsys, "--prompt", "the", "--prompt", "the", "--next", "3")
    assert len(likeliest.splitlines()) == 3


@pytest.mark.usefixtures("trained")
def test_a_stream_of_lines_continues_behind_their_ends() -> None:
    options = ["--prompt", "the cat", "--tokens", "200"]
    (line,) = answers(*options)
    assert len(line["tokens"]) == 200
    assert line["text"].count("\n") == line["tokens"].count("<eos>") > 5
    assert "<eos>" not in line["text"]
    (stopped,) = answers(*options, "--stop-at-end")
    assert stopped["tokens"] == line["tokens"][: line["tokens"].index("<eos>") + 1]
    assert stopped["text"] == line["text"].split("\n")[0]


@pytest.mark.usefixtures("project")
def test_each_likely_token_is_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    write_texts([f"{line}\n\tend" for line in LINES])
    write_parameters(
        ingest=TEXTS, tokenize_text={"unit": "characters"}, predict={"prompts": ["the"]}
    )
    run_all()
    lines = answer(capsys, "--next", "99").splitlines()
    assert len(lines) == data().examples.vocabulary_size
    assert {r"\n", r"\t"} <= {line.split(" ", 1)[1] for line in lines}


@pytest.mark.usefixtures("trained")
@pytest.mark.parametrize("stage", [predict, evaluate])
def test_examples_that_are_newer_than_the_model_are_one_error(
    stage: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same number of words in another order: without the check, other words would be meant."""
    tokenize_text.main(["x"])
    stage.main(["x"])
    swap = {"cat": "dog", "dog": "cat"}
    write_lines([" ".join(swap.get(word, word) for word in line.split()) for line in LINES])
    tokenize()
    before = outputs()
    assert "expected the examples in data/examples/x that data/models/x was trained on" in error_of(
        stage.main, ["x"], monkeypatch
    )
    assert outputs() == before


@pytest.mark.published
@pytest.mark.usefixtures("project")
def test_the_textbook_example_answers_deep_or_machine() -> None:
    """The task `next_word` as it stands in the project's params.yaml."""
    content = YAML(typ="safe").load(committed("params.yaml"))
    lines = content["sources"]["phrases"]["lines"]
    assert lines[0] == "I love machine learning"
    Path("data/raw/phrases.txt").write_text("".join(line + "\n" for line in lines))
    write_task(content["tasks"]["next_word"])
    run_all()
    rows = pd.read_csv("data/plots/x/prediction.csv").query("prompt == 'I love'")
    probabilities = dict(zip(rows["token"], rows["probability"], strict=True))
    assert 0.3 < probabilities["deep"] < 0.7
    assert 0.3 < probabilities["machine"] < 0.7
    assert probabilities["deep"] + probabilities["machine"] > 0.9
