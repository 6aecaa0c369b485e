"""The transcripts of recordings: of files that the command line gives, or of the test split."""

import argparse
import json
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from stages.drawing import COLOURS, shown
from stages.files import given, sounds
from stages.files.task_data import TaskData
from stages.kinds.data import Answer, Prediction, Request
from stages.kinds.speech_recognition import Examples, Ingested
from stages.kinds.speech_recognition.decoding import Decoding, Heard, hear
from stages.kinds.speech_recognition.judging import judge
from stages.sections import Count, Section

# Of the recording in the picture: seconds, and bands, at most.
SECONDS, BANDS = 5.0, 20
# Characters above it.
TITLE = 80


class Parameters(Section):
    """recordings: of the test split, so many are transcribed, and the first is drawn.
    decoding: how transcripts are found, as in `evaluate`.
    """

    recordings: Count = 10
    decoding: Decoding = Decoding()


def arguments(parser: argparse.ArgumentParser) -> None:
    """Adds what can be asked of a trained recogniser on the command line."""
    parser.add_argument(
        "--input",
        type=Path,
        nargs="+",
        help="recordings (WAV, FLAC and what else libsndfile reads), of any rate and any number of "
        "channels",
    )
    parser.add_argument(
        "--output", type=Path, help="a file for JSON lines; without it, transcripts are shown"
    )


def predict(request: Request, network: Any, parameters: Parameters) -> Prediction | Answer:
    """Transcribes recordings.

    Returns:
        `transcripts.jsonl`: each recording with its transcript and, of each word, `start` and `end`
        in seconds and `confidence`; and the table of the first one, a row for each step and band:
        `second`, `band`, `energy`, and in the rows of the lowest band the `probability` that a
        label is there, and where a word begins, `word` and its `end`.
    """
    from stages.networks.prediction import predict as apply

    data: TaskData[Ingested, Examples] = request.data
    given = request.arguments.input
    if given:
        names: list[str] = [str(path) for path in given]
        examples = _examples(data.examples, given)
        numbers = examples.numbers_of("test")
    else:
        examples = data.examples
        numbers = examples.numbers_of("test")[: parameters.recordings]
        names = judge(data, "test").names[: len(numbers)].tolist()
    heard = hear(partial(apply, network), examples, numbers, parameters.decoding)
    words = heard.words()
    rows = [
        {"recording": name, "transcript": text, "words": own}
        for name, text, own in zip(names, heard.texts, words, strict=True)
    ]
    lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    if any(value is not None for name, value in vars(request.arguments).items() if name != "task"):
        return Answer(lines, "".join(map(_shown, rows)))
    table = _table(examples, int(numbers[0]), heard, words[0])
    title = f"{names[0]}: {heard.texts[0] or 'no word'}"
    title = title if len(title) <= TITLE else f"{title[: TITLE - 1]}…"
    return Prediction({"transcripts.jsonl": lines}, table, title)


def _examples(examples: Examples, paths: list[Path]) -> Examples:
    """Returns the recordings in files as examples of the test split. Of those of training the
    labels stay, which a language model counts, but no features."""
    reader = examples.reader
    features = []
    for path in paths:
        given.expect_file(path)
        samples = sounds.samples_of(path, str(path), examples.rate)
        energies = reader(samples)
        features.append(((energies - examples.mean) / examples.deviation).astype(np.float16))
    # The transcripts of training stay, of which the language model is made, without their sound.
    train, count = examples.numbers_of("train"), len(paths)
    lengths = np.append(np.zeros(len(train), np.int64), [len(own) for own in features])
    return replace(
        examples,
        recordings={"train": len(train), "validation": 0, "test": count},
        variations=0,
        features=np.concatenate(features),
        starts=np.cumsum(lengths) - lengths,
        lengths=lengths,
        label_starts=np.append(examples.label_starts[train], np.zeros(count, np.int64)),
        label_counts=np.append(examples.label_counts[train], np.zeros(count, np.int64)),
        spelled=np.append(examples.spelled[train], np.ones(count, bool)),
    )


def _shown(row: dict[str, Any]) -> str:
    """Returns a recording as the terminal shows it: its transcript, and a line for each word."""
    lines = [f"{row['recording']}: {row['transcript'] or '(no word)'}"]
    lines += [
        f"  {word['start']:7.2f} to {word['end']:.2f} s  {word['confidence']:.2f}  {word['word']}"
        for word in row["words"]
    ]
    return "\n".join(lines) + "\n"


def _table(
    examples: Examples, number: int, heard: Heard, words: list[dict[str, Any]]
) -> pd.DataFrame:
    """Returns the spectrum of a recording, the first that was heard, and what was heard in it."""
    second = examples.hop * examples.stride
    steps = min(int(heard.steps[0]), round(SECONDS / second))
    start = int(examples.starts[number])
    frames = np.asarray(examples.features[start : start + int(examples.lengths[number])], float)
    energies = np.stack([piece.mean(0) for piece in _pieces(frames, examples.stride)[:steps]])
    bands = [piece.mean(0) for piece in np.array_split(energies.T, min(BANDS, examples.bands))]
    times = np.arange(steps) * second
    spoken, ends = np.full(steps, "", object), np.full(steps, np.nan)
    for word in words:
        step = int(word["start"] / second + 1e-6)
        if step < steps:
            spoken[step], ends[step] = word["word"], min(word["end"], steps * second)
    probability = 1 - np.exp(heard.log_p[0, :steps, -1].astype(float))
    table = pd.DataFrame(
        {
            "second": np.tile(times, len(bands)).round(3),
            "band": np.repeat(np.arange(1, len(bands) + 1), steps),
            "energy": np.concatenate(bands).round(2),
        }
    )
    lowest = table["band"] == 1
    table["word"] = np.where(lowest, np.tile(spoken, len(bands)), "")
    table["end"] = np.where(lowest, np.tile(ends, len(bands)), np.nan)
    table["probability"] = np.where(lowest, np.tile(probability.round(4), len(bands)), np.nan)
    return table


def _pieces(frames: np.ndarray, stride: int) -> list[np.ndarray]:
    """Returns the frames of each step."""
    return np.split(frames, np.arange(stride, len(frames), stride))


def draw(axes: Any, table: pd.DataFrame) -> None:
    """Draws the spectrum of a recording, and over it how probable it is at each step that a label
    is there, and which."""
    energies = table.pivot(index="band", columns="second", values="energy")
    times, bands = energies.columns.to_numpy(), len(energies)
    step = times[1] - times[0] if len(times) > 1 else 1.0
    extent = (times[0], times[-1] + step, 0.5, bands + 0.5)
    axes.imshow(energies, cmap="Greys", aspect="auto", origin="lower", extent=extent)
    axes.grid(False)
    axes.set_xlabel("seconds; the line: how probable it is that there is a label")
    axes.set_ylabel("mel bands")
    lowest = table[table["band"] == 1]
    axes.plot(
        times + step / 2,
        0.5 + bands * lowest["probability"].to_numpy(),
        color=COLOURS["network"],
        linewidth=1,
    )
    heard = lowest[lowest["end"].notna()]
    axes.hlines(np.full(len(heard), bands + 1), heard["second"], heard["end"], COLOURS["network"])
    for second, word in zip(heard["second"], heard["word"], strict=True):
        axes.text(second, bands + 1.4, shown(str(word), 20), color=COLOURS["network"], size=8)
    axes.set_ylim(0.5, bands + 3.5)
