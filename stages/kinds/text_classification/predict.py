"""Labels of texts, the probability of each, and the tokens that moved the answer most."""

import argparse
import json
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pandas as pd
from pydantic import Field

from stages.drawing import COLOURS, shown
from stages.errors import InputError
from stages.files import given
from stages.kinds.data import Answer, Prediction, Request
from stages.kinds.text_classification.explaining import Answered, Classifier
from stages.kinds.text_classification.ingest import FOLDER
from stages.kinds.text_classification.ingest import Parameters as Layout
from stages.kinds.text_classification.linear import from_json
from stages.kinds.text_classification.tokenize_text import LINEAR, TOKENIZER
from stages.sections import Name, Section, matching
from stages.text import tokens

# Test texts that stand in for `texts`.
EXAMPLES = 3
# How line breaks and tabs are shown where a text has a line of its own.
_BREAKS = str.maketrans({"\n": r"\n", "\r": r"\r", "\t": r"\t"})


Text = Annotated[Name, matching(r"(?s).*\S.*", "a text with more than white space")]


class Parameters(Section):
    """texts: what to label; null: the first test texts.
    effects: how many tokens are named of each text, those that moved the answer most.
    """

    texts: Annotated[list[Text], Field(min_length=1)] | None = None
    effects: Annotated[int, Field(ge=0, le=1000)] = 10


def arguments(parser: argparse.ArgumentParser) -> None:
    """Adds what can be asked of a trained model on the command line."""
    parser.add_argument(
        "--text", action="append", help="a text to label; several times for several texts"
    )
    parser.add_argument(
        "--input",
        type=Path,
        help="a file of texts to label: a table with the task's text column, or a text per line",
    )
    parser.add_argument(
        "--effects",
        type=int,
        metavar="N",
        help="name the N tokens that moved the answer most (of a file's texts by default none)",
    )
    parser.add_argument(
        "--output", type=Path, help="a file for JSON lines; without it, text on the standard output"
    )


def predict(request: Request, network: Any, parameters: Parameters) -> Prediction | Answer:
    """Labels texts.

    Returns:
        `labels.jsonl`, one text per line; `labels.txt`, the same to read; and the tokens that moved
        the answers most, `text`, `label`, `place`, `token`, `effect`. Or the first two for what
        the command line asks for.
    """
    asked = any(
        value is not None for name, value in vars(request.arguments).items() if name != "task"
    )
    parameters = _with_options(request, parameters)
    if parameters.texts is None:
        table = request.data.ingested.read(["text", "split"])
        texts = table["text"][table["split"] == 2].head(EXAMPLES).tolist()
    else:
        texts = parameters.texts
    examples = request.data.examples
    linear = from_json(request.data.text(LINEAR)) if len(examples.linear) else None
    tokenizer = tokens.from_json(request.data.text(TOKENIZER))
    classifier = Classifier(network, examples, tokenizer, linear)
    answers = classifier.answers(texts, parameters.effects)
    lines = "".join(json.dumps(answer.line(), ensure_ascii=False) + "\n" for answer in answers)
    page = "".join(_page(answer) for answer in answers)
    if asked:
        return Answer(lines, page)
    rows = [
        {"text": shown(answer.text, 60), "label": answer.label, **effect}
        for answer in answers
        for effect in answer.effects
    ]
    columns = ["text", "label", "place", "token", "effect"]
    table = pd.DataFrame(rows, columns=columns)
    title = f"tokens that speak for {answers[0].label!r}"
    return Prediction({"labels.jsonl": lines, "labels.txt": page}, table, title)


def _with_options(request: Request, parameters: Parameters) -> Parameters:
    """Returns the parameters with those that the command line gives."""
    arguments = request.arguments
    if arguments.text is not None and arguments.input is not None:
        raise InputError("expected --text or --input, received both: ask for one after the other")
    values = parameters.model_dump()
    if arguments.text is not None:
        values["texts"] = arguments.text
    elif arguments.input is not None:
        assert isinstance(request.layout, Layout)
        column = "text" if request.layout.label == FOLDER else request.layout.text
        found = given.read(arguments.input, column, request.layout)
        values |= {"texts": [text for _, text in found], "effects": 0}
    if arguments.effects is not None:
        values["effects"] = arguments.effects
    return request.validated(values, Parameters)


def _page(answer: Answered) -> str:
    """Returns an answer as the terminal shows it."""
    named = sorted(answer.probabilities.items(), key=lambda item: -item[1])
    lines = [
        "  ".join(f"{label} {probability:.3f}" for label, probability in named[:5])
        + f"  {answer.text.translate(_BREAKS)}"
    ]
    if answer.effects:
        effects = (
            f"{row['effect']:+.2f} {row['token'].translate(_BREAKS)}" for row in answer.effects
        )
        lines.append(f"  for {answer.label}: {'  '.join(effects)}")
    if answer.unknown:
        lines.append(f"  unknown to training: {', '.join(answer.unknown)}")
    if answer.left_out:
        lines.append(f"  not read: {answer.left_out} tokens, as tokenize_text.longest says")
    return "\n".join(lines) + "\n"


def draw(axes: Any, table: pd.DataFrame) -> None:
    """Draws the `effect` of each `token` of the first `text`."""
    first = table[table["text"] == table["text"].iloc[0]].iloc[::-1] if len(table) else table
    places = np.arange(len(first))
    colours = [COLOURS["network" if effect > 0 else "baseline"] for effect in first["effect"]]
    axes.barh(places, first["effect"], color=colours)
    axes.set_yticks(places, [shown(str(token), 40) for token in first["token"]])
    axes.axvline(0, color=COLOURS["actual"], linewidth=0.8)
    axes.set_xlabel("log-odds of the answer, less those without the token")
