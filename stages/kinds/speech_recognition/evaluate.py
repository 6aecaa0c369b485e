"""How many words the network hears right, by speaker, and what it confuses."""

import json
from collections.abc import Callable
from typing import Annotated, Any

import numpy as np
import pandas as pd

from stages.drawing import COLOURS, shown
from stages.files.task_data import TaskData
from stages.kinds.data import Baselines, Evaluation, Judged, Picture
from stages.kinds.speech_recognition import Examples, Ingested, judging
from stages.kinds.speech_recognition.decoding import Decoding, hear
from stages.kinds.speech_recognition.judging import Judge, judge
from stages.kinds.speech_recognition.scores import SCORES
from stages.sections import Count, Seed, one_of

SHOWN = 30


class Parameters(Judged):
    """decoding: how transcripts are found: `decoding`.
    draws, seed: of the bootstrap over test recordings from which the interval of the word error
        rate comes.
    """

    score: Annotated[str, one_of(SCORES)] = "wer"
    decoding: Decoding = Decoding()
    draws: Count = 1000
    seed: Seed = 0


def evaluate(
    data: TaskData[Ingested, Examples],
    predict: Callable[..., np.ndarray],
    baselines: Baselines,
    parameters: Parameters,
    retrain: Callable[[Any, str], Callable[..., np.ndarray]],
) -> Evaluation:
    """Scores the network on the test split.

    Returns:
        The scores, with the 95 % interval of the word error rate; those of each speaker (or number
        of words) as parts and as the curve; and `errors.jsonl`, the recordings with a wrong
        transcript.
    """
    examples = data.examples
    heard = {
        split: hear(predict, examples, examples.numbers_of(split), parameters.decoding).texts
        for split in ("validation", "test")
    }
    test = judge(data, "test")
    judged = test(heard["test"])
    by, groups = test.groups
    parts = {
        name: {**judged.scores(rows), "recordings": float(rows.sum())}
        for name, rows in groups.items()
    }
    curve = pd.DataFrame([{"group": name, **part} for name, part in parts.items()])
    return Evaluation(
        scores={**judged.scores(), **judged.interval(parameters.draws, parameters.seed)},
        curve=curve.assign(by=by, method="model"),
        title=f"word error rate on the test split, by {by}",
        files={"errors.jsonl": _errors(test, heard["test"])},
        pictures={
            "confusions": Picture(
                "words that were spoken, and what was heard",
                [lambda axes: judging.draw_confusions(axes, judged.confusions)],
            )
        },
        validation=judge(data, "validation")(heard["validation"]).scores(),
        parts=parts,
        signatures=dict.fromkeys(("wer", "cer"), judging.signature()),
    )


def _errors(test: Judge, found: list[str]) -> str:
    """Returns a line for each recording whose transcript is wrong."""
    lines = []
    for name, speaker, right, text in zip(
        test.names.tolist(), test.speakers.tolist(), test.transcripts, found, strict=True
    ):
        if text != right:
            line = {"recording": name, "speaker": speaker, "transcript": right, "heard": text}
            lines.append(json.dumps(line, ensure_ascii=False) + "\n")
    return "".join(lines)


def draw(axes: Any, curve: pd.DataFrame) -> None:
    """Draws the word error rate of each group, with how many recordings it has."""
    rows = curve.head(SHOWN).iloc[::-1]
    places = np.arange(len(rows))
    axes.barh(places, 100 * rows["wer"], color=COLOURS["network"])
    labels = [
        f"{shown(str(name), 40)} ({int(count)})"
        for name, count in zip(rows["group"], rows["recordings"], strict=True)
    ]
    axes.set_yticks(places, labels)
    axes.set_ylabel(str(rows["by"].iloc[0]))
    axes.set_xlim(left=0)
    axes.set_xlabel("word error rate, %")
