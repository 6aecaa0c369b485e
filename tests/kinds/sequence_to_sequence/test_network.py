"""What the network learns: to write backwards what it reads, and to copy what it does not know."""

import random
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from stages.batching import padded_lengths
from stages.errors import InputError
from stages.files import models
from stages.files.writing import sha256_of, write_json
from stages.kinds.data import Sample
from stages.kinds.sequence_to_sequence import Examples, texts, train
from stages.kinds.sequence_to_sequence.decoding import Decoder, Decoding
from stages.networks import training
from tests.conftest import ROOT, Run
from tests.kinds.test_contract import prepared

PAIRS, LENGTHS = 6000, (2, 5)


def sample(words: Callable[[random.Random], list[str]], backwards: bool, **tokens: Any) -> Sample:
    """Returns a task whose targets are the words of its sources, or the same backwards."""
    draw = random.Random(1)
    sources = [words(draw) for _ in range(PAIRS)]
    lines = [f"{' '.join(own)}\t{' '.join(own[::-1] if backwards else own)}\n" for own in sources]
    entry = {
        "kind": "sequence_to_sequence",
        "ingest": {
            "file": "data/raw/pairs.tsv",
            "split": {"train": 0.85, "validation": 0.05, "test": 0.1},
        },
        "tokenize_text": tokens,
        "baseline": {},
        "train": {},
        "evaluate": {},
        "predict": {},
    }
    return Sample({"pairs.tsv": "source\ttarget\n" + "".join(lines)}, entry, [])


def exact(examples: Examples, settings: dict[str, Any]) -> float:
    """Trains a network and returns the share of test pairs whose target is its greedy output."""
    parameters = train.Parameters.model_validate(
        {"units": 64, "batch_size": 32, "learning_rate": 0.006, "decay": "cosine", "patience": None}
        | settings
    )
    training.seed_everything(3)
    network = train.build(examples, parameters, "network")
    batches = [train.batches(examples, split, parameters) for split in ("train", "validation")]
    training.fit(network, train.loss(parameters), *batches, parameters, 3)
    numbers = examples.numbers_of("test")
    sources = [
        texts.Source(
            np.asarray(examples.source_ids[start : start + length], np.int64),
            np.asarray(examples.copies[start : start + length], np.int64),
            [],
        )
        for start, length in zip(
            examples.source_starts[numbers], examples.source_lengths[numbers], strict=True
        )
    ]
    found = Decoder(network, examples, Decoding(beams=1)).decode(sources)
    targets = [
        examples.target_ids[start : start + length]
        for start, length in zip(
            examples.target_starts[numbers], examples.target_lengths[numbers], strict=True
        )
    ]
    same = [np.array_equal(own[0].ids, one) for own, one in zip(found, targets, strict=True)]
    return float(np.mean(same))


@pytest.mark.slow
@pytest.mark.parametrize(
    "settings",
    [
        {"cell": "gru", "epochs": 25},
        {"cell": "lstm", "epochs": 15, "input_feeding": True, "attention": "additive"},
    ],
)
def test_it_learns_to_write_backwards(
    settings: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = sample(lambda draw: draw.choices("abcdefghijkl", k=draw.choice(LENGTHS)), True)
    examples = prepared(tmp_path, monkeypatch, "sequence_to_sequence", task)
    assert exact(examples, settings) >= 0.99


@pytest.mark.slow
@pytest.mark.parametrize("copy", [True, False])
def test_it_learns_to_copy_words_that_it_does_not_know(
    copy: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each name stands in one pair alone, so that none is known."""
    names = iter(range(10**6))
    task = sample(
        lambda draw: [
            draw.choice("abcdef") if draw.random() < 0.5 else f"name{next(names)}"
            for _ in range(draw.choice(LENGTHS))
        ],
        False,
        minimum_count=2,
    )
    examples = prepared(tmp_path, monkeypatch, "sequence_to_sequence", task)
    assert examples.unknown_rate["target"]["test"] > 0.3
    found = exact(examples, {"cell": "gru", "copy": copy, "epochs": 15})
    assert found >= 0.99 if copy else found < 0.2, found


def test_pairs_of_few_lengths_are_padded_each_side_to_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Targets are much shorter than sources, and no batch is padded beyond the longest of its
    length."""
    task = sample(lambda draw: draw.choices("abc", k=draw.choice((2, 9, 30))), False)
    task.entry["tokenize_text"] |= {"longest_target": 9, "long": "cut"}
    examples = prepared(tmp_path, monkeypatch, "sequence_to_sequence", task)
    pairs = train.Pairs(examples, examples.numbers_of("train"), True)
    assert set(padded_lengths(pairs.lengths)) == {3, 10, 30}
    for length, target in ((3, 3), (10, 10), (30, 10)):
        indices = np.flatnonzero(pairs.lengths == length)[:4]
        batch = pairs.cut(indices, length)
        source = {3: 2, 10: 9, 30: 30}[length]
        assert batch["inputs"]["source"].shape == (4, source) == batch["given"]["copies"].shape
        assert batch["inputs"]["target"].shape == batch["targets"].shape == (4, target)
        for row, number in enumerate(pairs.numbers[indices]):
            start, count = examples.target_starts[number], examples.target_lengths[number]
            ids = examples.target_ids[start : start + count].tolist()
            assert batch["targets"][row, : count + 1].tolist() == [*ids, 2]
            assert batch["inputs"]["target"][row, : count + 1].tolist() == [2, *ids]
            assert batch["mask"][row].sum() == count + 1


def test_characters_cannot_be_copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    task = sample(lambda draw: draw.choices("abcdef", k=9), False, unit="characters")
    examples = prepared(tmp_path, monkeypatch, "sequence_to_sequence", task)
    parameters = train.Parameters.model_validate({"copy": True})
    with pytest.raises(InputError, match=r"train\.copy: expected tokens .* received characters"):
        train.batches(examples, "train", parameters)


@pytest.mark.slow
def test_a_network_with_input_feeding_loads_in_a_stage_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run: Run
) -> None:
    task = sample(lambda draw: draw.choices("abcdef", k=9), False)
    examples = prepared(tmp_path, monkeypatch, "sequence_to_sequence", task)
    parameters = train.Parameters.model_validate({"input_feeding": True, "units": 3})
    models.write(Path("data/models/sample/model.keras"), train.build(examples, parameters, "fed"))
    stands = sha256_of(Path("data/examples/sample/about.json"))
    about = models.TrainedModel(0, 0, [0], {}, True, stands)
    write_json(Path("data/models/sample/about.json"), asdict(about))
    load = f"import sys; sys.path.insert(0, {str(ROOT)!r}); from stages import trained; "
    done = run(tmp_path, "python", "-c", f"{load}print(trained.load('sample')[0].name)")
    assert done.stdout.split()[-1] == "fed"
