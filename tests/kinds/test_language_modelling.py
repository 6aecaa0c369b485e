"""The language kind from raw text to generated text, in small; its bad inputs, its padding, and
what its vocabulary knows."""

import gzip
import json
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from tempfile import gettempdir
from typing import Any

import numpy as np
import pandas as pd
import pytest
from ruamel.yaml import YAML

from stages import baseline, check, command, evaluate, ingest, predict, tokenize_text, train
from stages.files import examples
from stages.kinds.language_modelling import ingest as ingest_kind
from stages.kinds.language_modelling import predict as kind
from stages.kinds.language_modelling import train as language_training
from stages.networks import training
from stages.networks.backend import keras, tf
from stages.text import language, ngrams, streams
from tests.conftest import committed

WORDS = ["the", "cat", "sees", "a", "dog", "and", "runs", "home"]
LINES = [
    " ".join(WORDS[(row + step * (1 + row % 2)) % 8] for step in range(3 + row % 5))
    for row in range(100)
]
PARAMS: dict[str, Any] = {
    "seed": 1,
    "sources": {},
    "scale_and_window": [],
    "tokenize_text": ["x"],
    "tasks": {
        "x": {
            "kind": "language_modelling",
            "ingest": {
                "file": "data/raw/x.txt",
                "split": {"train": 0.8, "validation": 0.1, "test": 0.1},
            },
            "tokenize_text": {},
            "baseline": {},
            "train": {
                "cell": "gru",
                "units": 12,
                "epochs": 3,
                "steps": 8,
                "batch_size": 4,
                "learning_rate": 0.02,
            },
            "evaluate": {"steps": 5, "streams": 2},
            "predict": {"prompts": ["the cat"], "tokens": 6, "longest": 20},
        }
    },
}


def with_(**sections: dict[str, Any]) -> dict[str, Any]:
    copy = json.loads(json.dumps(PARAMS))
    for name, values in sections.items():
        copy["tasks"]["x"][name] |= values
    return copy


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("data/raw").mkdir(parents=True)
    Path("data/raw/x.txt").write_text("\n".join(LINES) + "\n")
    Path("params.yaml").write_text(json.dumps(PARAMS))
    return tmp_path


def error_of(
    main: Callable[[list[str]], None], arguments: list[str], monkeypatch: pytest.MonkeyPatch
) -> str:
    monkeypatch.setattr("sys.argv", ["stage", *arguments])
    with pytest.raises(SystemExit) as stopped:
        command.run(main)
    message = str(stopped.value.code)
    assert message.startswith("error: ")
    assert "Traceback" not in message
    return message


RAW: dict[str, tuple[str, bytes, dict[str, Any], str]] = {
    "not UTF-8": ("x.txt", b"fine\nnot \xff fine\n", {}, "received the byte 0xff at offset 9"),
    "empty file": ("x.txt", b"", {}, "received an empty file"),
    "white space": ("x.txt", b"  \n\n \n", {}, "received an empty file"),
    "broken gzip": ("x.txt.gz", b"no gzip", {}, "expected a gzipped file"),
    "one line": ("x.txt", b"a single line of text\n", {}, "at least one text in each split"),
    "empty column": ("x.csv", b"text,n\n,1\n,2\n,3\n", {"text": "text"}, "empty column 'text'"),
    "missing column": ("x.csv", b"words,n\nyes,1\n", {"text": "text"}, "'text'"),
    "numbers": (
        "x.jsonl",
        b'{"text": 1}\n{"text": 2}\n',
        {"text": "text"},
        "row 1: column 'text': expected text, received 1",
    ),
    "a table without its column": ("x.csv", b"text\nhello\n", {}, "expected ingest.text"),
    "missing key": (
        "x.jsonl",
        b'{"text": "a"}\n{"other": "b"}\n',
        {"text": "text"},
        "line 2: expected the key 'text', found 'other'",
    ),
    "broken JSON": (
        "x.jsonl",
        b'{"text": "a"}\n{"text": \n',
        {"text": "text"},
        "line 2: expected a JSON object",
    ),
    "missing group": (
        "x.csv",
        b"text\nhello\nyou\nall\n",
        {"text": "text", "group": "file_name"},
        "'file_name'",
    ),
}


@pytest.mark.parametrize("name", RAW)
def test_raw_text_that_is_wrong_is_one_error_and_earlier_results_stay(
    name: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ingest.main(["x"])
    before = Path("data/ingested/x/table.parquet").read_bytes()
    file, content, section, message = RAW[name]
    Path("data/raw", file).write_bytes(content)
    Path("params.yaml").write_text(
        json.dumps(with_(ingest={"file": f"data/raw/{file}", **section}))
    )
    assert message in error_of(ingest.main, ["x"], monkeypatch)
    assert Path("data/ingested/x/table.parquet").read_bytes() == before


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ({"vocabulary_size": 500}, "vocabulary_size: expected at most 11"),
        ({"unit": "bytes"}, "expected a number for the unit bytes"),
        ({"unit": "bytes", "vocabulary_size": 5000}, "can fill"),
        ({"minimum_count": 10**6}, ""),
        ({"vocabulary_size": 3}, "vocabulary_size: expected greater than 3"),
        (
            {"unit": "bytes", "vocabulary_size": 10**12},
            "vocabulary_size: expected less than or equal to 10000000",
        ),
        ({"unit": "bytes", "vocabulary_size": 300, "minimum_count": 10**9}, "can fill"),
    ],
)
def test_vocabularies_that_do_not_fit_are_one_error(
    section: dict[str, Any], message: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ingest.main(["x"])
    Path("params.yaml").write_text(json.dumps(with_(tokenize_text=section)))
    if message:
        assert message in error_of(tokenize_text.main, ["x"], monkeypatch)
    else:  # everything is unknown: allowed, and said
        tokenize_text.main(["x"])
        assert examples.read(Path("data/examples/x")).about["unknown_rate"]["train"] > 0.8


def test_one_token_is_one_error(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("data/raw/x.txt").write_text("a\nb\nc\n")
    changed = with_(
        ingest={"split": {"train": 1, "validation": 1, "test": 1}}, tokenize_text={"end": False}
    )
    Path("params.yaml").write_text(json.dumps(changed))
    ingest.main(["x"])
    assert "expected at least 2 tokens to learn from in train, received 1" in error_of(
        tokenize_text.main, ["x"], monkeypatch
    )


@pytest.mark.parametrize(
    ("section", "value", "message"),
    [
        ("predict", {"top_p": 0.0}, "predict.top_p: expected greater than 0, received 0.0"),
        (
            "predict",
            {"top_p": 1.5},
            "predict.top_p: expected less than or equal to 1, received 1.5",
        ),
        (
            "predict",
            {"temperature": -1.0},
            "predict.temperature: expected greater than or equal to 0",
        ),
        ("train", {"members": 3}, "one member"),
        ("tokenize_text", {"unit": "syllables"}, "tokenize_text.unit"),
        (
            "ingest",
            {"split": "none"},
            "ingest.split: expected the keys train, validation, test or 'same', received 'none'",
        ),
        (
            "ingest",
            {"split": {"train": "/etc/passwd", "validation": "b", "test": "c"}},
            "error: params.yaml: tasks.x.ingest.split.train: ",
        ),
        (
            "ingest",
            {"split": {"train": 0.8, "test": 0.2}},
            "error: params.yaml: tasks.x.ingest.split.validation is missing",
        ),
        (
            "ingest",
            {"split": {"train": 8, "validation": 2, "test": "none"}},
            "error: params.yaml: tasks.x.ingest.split.test: expected",
        ),
    ],
)
def test_parameters_are_checked_before_any_stage_works(
    section: str, value: dict[str, Any], message: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("params.yaml").write_text(json.dumps(with_(**{section: value})))
    assert message in error_of(check.main, [], monkeypatch)


def test_all_sources_of_the_same_texts_give_the_same_table(folder: Path) -> None:
    ingest.main(["x"])
    expected = pd.read_parquet("data/ingested/x/table.parquet")
    text = Path("data/raw/x.txt").read_bytes()
    Path("data/raw/x.txt.gz").write_bytes(gzip.compress(text))
    Path("data/raw/bom.txt").write_bytes(b"\xef\xbb\xbf" + text)
    table = pd.DataFrame({"words": LINES})
    table.to_csv("data/raw/x.csv", index=False)
    table.to_csv("data/raw/x.tsv", index=False, sep="\t")
    table.to_parquet("data/raw/x.parquet", index=False)
    table.to_json("data/raw/x.jsonl", orient="records", lines=True)
    Path("data/raw/many").mkdir()
    for part in range(4):
        Path(f"data/raw/many/{part}.txt").write_text("\n".join(LINES[part * 25 : part * 25 + 25]))
    plain = ["x.txt.gz", "bom.txt", "many"]
    for file in [*plain, "x.csv", "x.tsv", "x.parquet", "x.jsonl"]:
        section = {"file": f"data/raw/{file}"} | ({} if file in plain else {"text": "words"})
        Path("params.yaml").write_text(json.dumps(with_(ingest=section)))
        ingest.main(["x"])
        pd.testing.assert_frame_equal(pd.read_parquet("data/ingested/x/table.parquet"), expected)


def test_groups_stay_together(folder: Path) -> None:
    rows = [
        {"module": f"m{row % 17}", "text": f"group {row % 17} text {row}"} for row in range(300)
    ]
    Path("data/raw/x.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    section = {"file": "data/raw/x.jsonl", "text": "text", "group": "module"}
    Path("params.yaml").write_text(json.dumps(with_(ingest=section)))
    ingest.main(["x"])
    table = pd.read_parquet("data/ingested/x/table.parquet")
    of_group = (
        table.assign(group=table["text"].str.split().str[1]).groupby("group")["split"].nunique()
    )
    assert (of_group == 1).all()
    assert len(table) == 300
    np.testing.assert_allclose(np.bincount(table["split"]) / 300, [0.8, 0.1, 0.1], atol=0.06)


def run_all() -> dict[str, Any]:
    for main in (
        ingest.main,
        tokenize_text.main,
        baseline.main,
        train.main,
        evaluate.main,
        predict.main,
    ):
        main(["x"])
    return json.loads(Path("data/evaluations/x/scores.json").read_text())


@pytest.mark.parametrize("mode", ["stream", "prefixes"])
def test_scores_are_those_of_a_loop_over_the_test_tokens(folder: Path, mode: str) -> None:
    """The network's perplexity, token by token with the state carried or window by window; and the
    trigram's on the same tokens."""
    changed = with_(tokenize_text={"examples": mode}, evaluate={"streams": 1})
    Path("params.yaml").write_text(json.dumps(changed))
    scores = run_all()
    given = examples.read(Path("data/examples/x"))
    ids, starts = streams.tokens_of(given.arrays, "test")
    network = keras.saving.load_model("data/models/x/model.keras")
    step, nats = training.stepping(network), []
    if mode == "stream":
        last, state = 2, None
        for token in ids.tolist():
            logits, state = step(np.array([[last]], np.int32), state)
            nats.append(-np.log(language.probabilities(logits)[0, token]))
            last = token
    else:
        longest = given.about["lengths"]["train"][-1] - 1
        for first, stop in pairwise(starts):
            for place in range(first + 1, stop):
                window = np.zeros((1, longest), np.int32)
                past = ids[max(first, place - longest) : place]
                window[0, longest - len(past) :] = past
                nats.append(-np.log(language.probabilities(step(window, None)[0])[0, ids[place]]))
    assert scores["model"]["perplexity"] == pytest.approx(np.exp(np.mean(nats)), rel=1e-4)
    assert scores["model"]["perplexity"] < scores["baseline"]["unigram"]["perplexity"]
    train_ids, train_starts = streams.tokens_of(given.arrays, "train")
    marks = [
        np.isin(np.arange(len(of)), at[:-1])
        for of, at in ((train_ids, train_starts), (ids, starts))
    ]
    if mode == "stream":
        found = ngrams.KneserNey(
            np.asarray(train_ids, int), given.about["vocabulary_size"]
        ).log_probabilities(np.asarray(ids, int))
    else:
        model = ngrams.KneserNey(
            np.asarray(train_ids, int), given.about["vocabulary_size"], marks[0]
        )
        found = model.log_probabilities(np.asarray(ids, int), marks[1])[~marks[1]]
    assert scores["baseline"]["trigram"]["perplexity"] == pytest.approx(np.exp(-found.mean()))
    assert len(found) == len(nats)


@pytest.mark.parametrize("shape", [(3, 5), (4,)])
def test_the_loss_is_the_cross_entropy_with_its_gradient(shape: tuple[int, ...]) -> None:
    rng = np.random.default_rng(0)
    targets = tf.constant(rng.integers(0, 11, shape), tf.int32)
    logits = tf.constant(9 * rng.normal(size=(*shape, 11)), tf.float32)
    weights = tf.constant(rng.normal(size=shape), tf.float32)
    results = []
    for loss in (
        language_training.loss(language_training.Parameters()),
        tf.nn.sparse_softmax_cross_entropy_with_logits,
    ):
        with tf.GradientTape() as tape:
            tape.watch(logits)
            losses = loss(targets, logits)
            total = tf.reduce_sum(losses * weights)
        results.append((losses, tape.gradient(total, logits)))
    for found, expected in zip(*results, strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)


def test_more_padding_gives_the_same_loss(folder: Path) -> None:
    Path("params.yaml").write_text(json.dumps(with_(tokenize_text={"examples": "prefixes"})))
    ingest.main(["x"])
    tokenize_text.main(["x"])
    train.main(["x"])
    given = examples.read(Path("data/examples/x"))
    network = keras.saving.load_model("data/models/x/model.keras")
    ids, starts = streams.tokens_of(given.arrays, "test")
    found = []
    for steps in (7, 8, 12, 30):
        source = streams.Prefixes(ids, starts, steps)
        batch = source.cut(np.arange(len(source)))
        logits = network(batch["inputs"])
        found.append(
            float(
                tf.reduce_mean(
                    tf.nn.sparse_softmax_cross_entropy_with_logits(batch["targets"], logits)
                )
            )
        )
    np.testing.assert_allclose(found, found[0], rtol=1e-5)


def test_the_vocabulary_knows_only_training_texts(folder: Path) -> None:
    """Other test texts, with new words: tokenizer, counts, training ids and floors' training are
    what they were."""
    kept = []
    for tail in ("the cat runs home", "quite unheard of words"):
        Path("data/raw/x.txt").write_text("\n".join([*LINES[:90], *[tail] * 10]) + "\n")
        ingest.main(["x"])
        tokenize_text.main(["x"])
        given = examples.read(Path("data/examples/x"))
        ids, _ = streams.tokens_of(given.arrays, "train")
        kept.append(
            (
                Path("data/examples/x/tokenizer.json").read_bytes(),
                np.asarray(ids).tobytes(),
                streams.tokens_of(given.arrays, "validation")[0].tobytes(),
                given.about["lengths"]["train"],
                given.about["vocabulary_size"],
            )
        )
        rate = given.about["unknown_rate"]
        assert rate["train"] == 0
    assert kept[0] == kept[1]
    assert rate["test"] > 0.5


@pytest.fixture
def trained(folder: Path) -> Path:
    run_all()
    return folder


def test_what_can_be_asked_on_the_command_line(
    trained: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    predict.main(["x", "--prompt", "the cat", "--next", "5"])
    shown = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert len(shown) == 5
    assert all(float(first[0]) >= float(second[0]) for first, second in pairwise(shown))
    texts = []
    for seed in ("1", "1", "2"):
        predict.main(
            ["x", "--prompt", "the cat", "--tokens", "12", "--temperature", "1.5", "--seed", seed]
        )
        texts.append(capsys.readouterr().out)
    assert texts[0] == texts[1] != texts[2]
    assert texts[0].startswith("**the cat** ")
    predict.main(
        ["x", "--prompt", "the cat", "--samples", "2", "--top-k", "3", "--output", "out.jsonl"]
    )
    lines = [json.loads(line) for line in Path("out.jsonl").read_text().splitlines()]
    assert [line["prompt"] for line in lines] == ["the cat", "", ""]
    assert all(
        0 < chance <= 1 and len(line["tokens"]) == len(line["probabilities"])
        for line in lines
        for chance in line["probabilities"]
    )
    greedy, beam = [], []
    for found, options in ((greedy, ["--temperature", "0"]), (beam, ["--beams", "8"])):
        predict.main(
            ["x", "--prompt", "the cat", "--tokens", "5", *options, "--output", "out.jsonl"]
        )
        found += json.loads(Path("out.jsonl").read_text().splitlines()[0])["probabilities"]
    assert np.log(beam).sum() >= np.log(greedy).sum() - 1e-6


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
    arguments: list[str], message: str, trained: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert message in error_of(predict.main, ["x", *arguments], monkeypatch)


@pytest.mark.published
def test_the_textbook_example_answers_deep_or_machine(folder: Path) -> None:
    """The task `next_word` as it stands in the project's params.yaml."""
    content = YAML(typ="safe").load(committed("params.yaml"))
    task, lines = content["tasks"]["next_word"], content["sources"]["phrases"]["lines"]
    assert lines[0] == "I love machine learning"
    Path("data/raw/phrases.txt").write_text("".join(line + "\n" for line in lines))
    Path("params.yaml").write_text(json.dumps({**PARAMS, "tasks": {"x": task}}))
    run_all()
    rows = pd.read_csv("data/plots/x/prediction.csv")
    chances = dict(
        rows[rows["prompt"] == "I love"][["token", "probability"]].itertuples(index=False)
    )
    assert 0.3 < chances["deep"] < 0.7
    assert 0.3 < chances["machine"] < 0.7
    assert chances["deep"] + chances["machine"] > 0.9


def test_generation_takes_one_step_a_token(trained: Path) -> None:
    """With the state carried, what is generated is what the whole text before it gives."""
    known = kind.Known(
        examples.read(Path("data/examples/x")),
        {},
        {},
        ingest_kind.Parameters.model_validate(PARAMS["tasks"]["x"]["ingest"]),
        lambda: None,
        lambda path: [],
        lambda name: Path("data/examples/x", name).read_text(),
        lambda value, model: model(**value),
    )
    network = keras.saving.load_model("data/models/x/model.keras")
    tokenizer = kind.tokens.from_json(known.text("tokenizer.json"))
    generator = kind.Generator(
        network, tokenizer, known.about, kind.Parameters(temperature=0.0, tokens=8)
    )
    ids = generator.encode("the cat")
    (found,) = generator.continued("the cat", ids, 1)
    step, path = training.stepping(network), [2, *ids.tolist()]
    for token in found.tokens:
        logits = generator._allowed(step(np.array([path], np.int32), None)[0])
        assert tokenizer.token(int(logits.argmax())) == token
        path.append(int(logits.argmax()))


def said(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    capsys.readouterr()
    predict.main(["x", *arguments])
    return capsys.readouterr().out


def outputs() -> dict[str, bytes]:
    folders = (Path("data/predictions"), Path("data/plots"))
    return {
        str(path): path.read_bytes()
        for folder in folders
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_any_option_asks_and_leaves_the_outputs_of_the_pipeline(
    trained: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = outputs()
    as_the_pipeline = Path("data/predictions/x/samples.md").read_text()
    assert said(capsys, "--seed", "0") == as_the_pipeline
    assert said(capsys, "--temperature", "0.5") != as_the_pipeline
    first = json.loads(before["data/predictions/x/samples.jsonl"].splitlines()[0])
    assert said(capsys, "--samples", "0") == f"**the cat**{first['text']}\n"
    assert said(capsys, "--output", "out.jsonl") == ""
    assert Path("out.jsonl").read_bytes() == before["data/predictions/x/samples.jsonl"]
    assert outputs() == before


def test_a_prompt_that_is_given_again_is_continued_in_draws_of_its_own(
    trained: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["--temperature", "2", "--tokens", "15"]
    once = said(capsys, *options, "--prompt", "the cat").splitlines()[0]
    other = said(capsys, *options, "--prompt", "a dog").splitlines()[0]
    predict.main(
        [
            "x",
            *options,
            "--prompt",
            "the cat",
            "--prompt",
            "a dog",
            *["--prompt", "the cat"] * 2,
            "--output",
            "out.jsonl",
        ]
    )
    lines = [json.loads(line) for line in Path("out.jsonl").read_text().splitlines()]
    found = [f"**{line['prompt']}**{line['text']}" for line in lines]
    assert len(set(found)) == 4
    assert [text.splitlines()[0] for text in found][:2] == [once, other]
    assert len(said(capsys, "--prompt", "the", "--prompt", "the", "--next", "3").splitlines()) == 3


def test_a_stream_of_lines_goes_on_behind_their_ends(
    trained: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    predict.main(["x", "--prompt", "the cat", "--tokens", "200", "--output", "out.jsonl"])
    line = json.loads(Path("out.jsonl").read_text())
    assert len(line["tokens"]) == 200
    assert line["text"].count("\n") == line["tokens"].count("<eos>") > 5
    assert "<eos>" not in line["text"]
    predict.main(
        ["x", "--prompt", "the cat", "--tokens", "200", "--stop-at-end", "--output", "out.jsonl"]
    )
    stopped = json.loads(Path("out.jsonl").read_text())
    assert stopped["tokens"] == line["tokens"][: line["tokens"].index("<eos>") + 1]
    assert stopped["text"] == line["text"].split("\n")[0]


def generator_of(
    section: dict[str, Any],
    prediction: dict[str, Any] | None = None,
    *,
    lines: bool = True,
    rows: list[str] | None = None,
) -> kind.Generator:
    """Returns a generator whose network gives all tokens the same probability."""
    Path("params.yaml").write_text(json.dumps(with_(tokenize_text=section)))
    if rows is not None:
        Path("data/raw/x.jsonl").write_text(
            "".join(json.dumps({"text": text}) + "\n" for text in rows)
        )
        Path("params.yaml").write_text(
            json.dumps(
                with_(tokenize_text=section, ingest={"file": "data/raw/x.jsonl", "text": "text"})
            )
        )
    ingest.main(["x"])
    tokenize_text.main(["x"])
    about = examples.read(Path("data/examples/x")).about
    tokenizer = kind.tokens.from_json(Path("data/examples/x/tokenizer.json").read_text())
    network = language_training.build(about, language_training.Parameters(units=2))
    return kind.Generator(
        network, tokenizer, about, kind.Parameters(**(prediction or {})), lines=lines
    )


def test_a_line_break_in_a_prompt_is_what_it_is_in_training(folder: Path) -> None:
    end = [kind.tokens.END]

    def ids(generator: kind.Generator, prompt: str) -> list[int]:
        return generator.encode(prompt).tolist()

    for unit in ("characters", "words"):
        lines = generator_of({"unit": unit})
        the, home = ids(lines, "the"), ids(lines, "home")
        for line_end in ("\n", "\r\n", "\r"):
            assert ids(lines, f"the{line_end}home{line_end}") == the + end + home + end
        assert ids(lines, "\n") == end
    no_ends = generator_of({"unit": "characters", "end": False})
    assert ids(no_ends, "the\nhome") == ids(no_ends, "thehome")
    with_breaks = generator_of(
        {"unit": "characters"}, lines=False, rows=[f"{line}\n{line}" for line in LINES]
    )
    assert not {kind.tokens.UNKNOWN, kind.tokens.END} & set(ids(with_breaks, "the\nhome"))
    without = generator_of({"unit": "characters"}, lines=False, rows=LINES)
    assert ids(without, "the\nhome") == ids(without, "the") + end + ids(without, "home")


def test_a_prompt_for_beginnings_of_texts_is_cropped_as_generation_crops(folder: Path) -> None:
    generator = generator_of({"examples": "prefixes"}, {"tokens": 3, "temperature": 0.0})
    longest = max(len(line.split()) for line in LINES)
    ids = generator.encode(" ".join(WORDS * 5))
    assert generator.tokenizer.decode(ids) == " ".join((WORDS * 5)[-longest:])
    long, short = (
        generator.continued("", generator.encode(" ".join(words)), 1)[0]
        for words in (WORDS * 5, (WORDS * 5)[-longest:])
    )
    assert long == short
    assert generator.encode("the cat\na dog").tolist() == generator.encode("a dog").tolist()
    assert generator.encode("the cat\n").tolist() == []
    with pytest.raises(kind.InputError, match="stop_at_end: expected true"):
        generator_of({"examples": "prefixes"}, {"stop_at_end": False})


@pytest.mark.parametrize("stage", [predict, evaluate])
def test_examples_that_are_newer_than_the_model_are_one_error(
    stage: Any, trained: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same number of words in another order: without the check, other words would be told."""
    tokenize_text.main(["x"])
    stage.main(["x"])
    swap = {"cat": "dog", "dog": "cat"}
    lines = [" ".join(swap.get(word, word) for word in line.split()) for line in LINES]
    Path("data/raw/x.txt").write_text("\n".join(lines) + "\n")
    ingest.main(["x"])
    tokenize_text.main(["x"])
    before = outputs()
    assert "expected the examples in data/examples/x that data/models/x was trained on" in error_of(
        stage.main, ["x"], monkeypatch
    )
    assert outputs() == before


def test_a_scratch_folder_of_a_run_that_was_killed_is_removed_by_the_next(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ingest.main(["x"])
    tokenize_text.main(["x"])
    names = sorted(path.name for path in Path("data/examples/x").iterdir())
    Path("data/examples/x/.scratch").mkdir()
    Path("data/examples/x/.scratch/token_ids").write_bytes(b"half")
    tokenize_text.main(["x"])
    assert sorted(path.name for path in Path("data/examples/x").iterdir()) == names
    assert {
        path
        for path in Path(gettempdir()).glob("reprise_*")
        if path.stat().st_mtime > Path("params.yaml").stat().st_mtime
    } == set()
    Path("params.yaml").write_text(json.dumps(with_(tokenize_text={"vocabulary_size": 500})))
    error_of(tokenize_text.main, ["x"], monkeypatch)
    assert sorted(path.name for path in Path("data/examples/x").iterdir()) == names


def test_each_likely_token_is_a_line(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("data/raw/x.jsonl").write_text(
        "".join(json.dumps({"text": f"{line}\n\tend"}) + "\n" for line in LINES)
    )
    section = {"file": "data/raw/x.jsonl", "text": "text"}
    Path("params.yaml").write_text(
        json.dumps(
            with_(
                ingest=section, tokenize_text={"unit": "characters"}, predict={"prompts": ["the"]}
            )
        )
    )
    run_all()
    lines = said(capsys, "--next", "99").splitlines()
    size = examples.read(Path("data/examples/x")).about["vocabulary_size"]
    assert len(lines) == size
    assert {r"\n", r"\t"} <= {line.split(" ", 1)[1] for line in lines}
