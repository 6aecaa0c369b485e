"""What a trained tagger answers on the command line, and what it writes as a stage."""

import json
from pathlib import Path
from typing import Any

import pytest

from stages import predict
from stages.kinds.sequence_tagging.ingest import Parameters as Layout
from stages.kinds.sequence_tagging.predict import _apart, _read
from tests.kinds.sequence_tagging.project import SAMPLE
from tests.tasks import error_of

TEXT = "Ada Byron lives in Rome , far  from Mary Shelley."


def answers(*arguments: str) -> list[dict[str, Any]]:
    """Returns the lines that the command writes to a file."""
    predict.main(["x", *arguments, "--output", "out.jsonl"])
    return [json.loads(line) for line in Path("out.jsonl").read_text().splitlines()]


@pytest.mark.usefixtures("trained")
def test_entities_stand_where_their_offsets_say(capsys: pytest.CaptureFixture[str]) -> None:
    (row,) = answers("--text", TEXT)
    assert row["text"] == TEXT
    assert row["tokens"][-2:] == ["Shelley", "."]
    assert [(each["text"], each["type"]) for each in row["entities"]][:2] == [
        ("Ada Byron", "PER"),
        ("Rome", "LOC"),
    ]
    for each in row["entities"]:
        assert TEXT[each["start_character"] : each["end_character"]] == each["text"]
        assert " ".join(row["tokens"][each["start"] : each["end"]]) == each["text"]
        own = row["tags"][each["start"] : each["end"]]
        kind = each["type"]
        assert own == [f"B-{kind}", *[f"I-{kind}"] * (len(own) - 1)]
        assert 0 < each["probability"] <= 1
    capsys.readouterr()
    predict.main(["x", "--text", TEXT])
    marked = capsys.readouterr().out
    first = row["entities"][0]
    assert marked.startswith(f"[Ada Byron PER {first['probability']:.2f}] lives in [Rome LOC ")
    assert marked.endswith("\n")


def test_short_forms_stand_apart_where_those_of_training_do() -> None:
    text = "Bart's dog doesn't bark."
    assert _apart(text, "", True).tokens == ["Bart", "'s", "dog", "does", "n't", "bark", "."]
    assert _apart(text, "").tokens[:3] == ["Bart", "'", "s"]


def test_each_form_of_a_file_gives_the_same_texts(folder: Path) -> None:
    words = ["Ada", "Byron", "lives", "in", "Rome", "."]
    files = {
        "in.txt": " ".join(words) + "\n\n",
        "in.conll": "-DOCSTART-\n\n" + "".join(f"{word}\n" for word in words),
        "tagged.conll": "".join(f"{word} O\n" for word in words),
        "in.jsonl": json.dumps({"tokens": words}) + "\n",
        "text.jsonl": json.dumps({"text": " ".join(words)}) + "\n",
    }
    layout = Layout.model_validate(SAMPLE.entry["ingest"])
    for name, content in files.items():
        Path(name).write_text(content)
        (text,) = _read(Path(name), layout, _apart)
        assert (text.text, text.tokens) == ("Ada Byron lives in Rome .", words), name


@pytest.mark.usefixtures("trained")
def test_texts_are_answered_whatever_stands_beside_them() -> None:
    Path("in.txt").write_text(f"Yes !\n{TEXT}\n")
    beside, together = answers("--input", "in.txt")
    (alone,) = answers("--text", TEXT)
    assert together["tags"] == alone["tags"]
    assert beside["entities"] == []


WRONG = {
    "an empty text": (["--text", " "], "text ' ': expected at least one word, received none"),
    "both": (["--text", "a", "--input", "in.txt"], "expected --text or --input, received both"),
    "no file": (["--input", "none.txt"], "expected a file at none.txt, found none"),
    "an empty file": (["--input", "empty.txt"], "expected at least one text, received an empty"),
    "no entry": (["--input", "empty.jsonl"], "expected at least one text, received none"),
    "a ragged file": (["--input", "ragged.conll"], "line 2: expected 1 columns"),
}


@pytest.mark.parametrize("name", WRONG)
@pytest.mark.usefixtures("trained")
def test_a_wrong_request_is_one_error(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for file, text in (("empty.txt", "\n"), ("empty.jsonl", ""), ("ragged.conll", "a\nb c\n")):
        Path(file).write_text(text)
    arguments, message = WRONG[name]
    assert message in error_of(predict.main, ["x", *arguments], monkeypatch)


@pytest.mark.usefixtures("trained")
def test_the_stage_answers_for_the_texts_of_its_parameters() -> None:
    (line,) = Path("data/predictions/x/entities.jsonl").read_text().splitlines()
    assert json.loads(line)["text"] == "Ada Byron saw Rome, Paris and Oslo."
    assert Path("data/plots/x/prediction.csv").read_text().startswith("entity,type,probability\n")
