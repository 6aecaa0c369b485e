"""Continuations of prompts, and texts drawn freely."""

import argparse
import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from stages.drawing import COLOURS, shown
from stages.errors import InputError
from stages.files.task_data import TaskData
from stages.kinds.data import Answer, Prediction, Request
from stages.kinds.language_modelling.generating import Continuation, Generator, Parameters
from stages.kinds.language_modelling.ingest import Parameters as Layout
from stages.text import tokens
from stages.text.data import IngestedTexts, TextExamples

__all__ = ["Parameters", "arguments", "draw", "predict"]

# Likeliest next tokens in the plot.
SHOWN = 10
# How line breaks and tabs are shown where a token has a line of its own.
_BREAKS = str.maketrans({"\n": r"\n", "\r": r"\r", "\t": r"\t"})


def arguments(parser: argparse.ArgumentParser) -> None:
    """Adds what can be asked of a trained model on the command line."""
    parser.add_argument(
        "--prompt",
        action="append",
        help="a text to continue; several times for several texts, or for several draws",
    )
    parser.add_argument(
        "--next", type=int, metavar="N", help="only show the N likeliest next tokens of the prompts"
    )
    parser.add_argument("--tokens", type=int, help="how many tokens to generate at most")
    parser.add_argument("--samples", type=int, help="how many texts to draw freely")
    parser.add_argument("--temperature", type=float, help="0: always the likeliest token")
    parser.add_argument("--top-k", type=int, help="draw from so many of the likeliest tokens")
    parser.add_argument(
        "--top-p",
        type=float,
        help="draw from the likeliest tokens whose probabilities together reach this",
    )
    parser.add_argument("--beams", type=int, help="search with so many beams instead of drawing")
    parser.add_argument("--seed", type=int, help="another number draws other texts")
    parser.add_argument(
        "--stop-at-end",
        action=argparse.BooleanOptionalAction,
        help="whether a continuation ends with its text",
    )
    parser.add_argument(
        "--output", type=Path, help="a file for JSON lines; without it, text on the standard output"
    )


def predict(request: Request, network: Any, parameters: Parameters) -> Prediction | Answer:
    """Continues the prompts and draws samples.

    Returns:
        `samples.jsonl`, one text per line with its tokens and their probabilities; `samples.md`,
        the same to read; and the likeliest next tokens of every prompt, `prompt`, `token`,
        `probability`. Or, for `--next`, these alone.
    """
    data: TaskData[IngestedTexts, TextExamples] = request.data
    arguments = request.arguments
    if arguments.next is not None and arguments.next < 1:
        raise InputError(
            f"--next: expected a number of tokens, at least 1, received {arguments.next}"
        )
    parameters = _with_options(request, parameters)
    assert isinstance(request.layout, Layout)
    generator = Generator(
        network,
        tokens.from_json(data.text("tokenizer.json")),
        data.examples,
        parameters,
        lines=request.layout.text is None,
    )
    likeliest, texts = _generate(generator, parameters, arguments.next)
    if arguments.next is not None:
        return _answer_next(likeliest)
    page, lines = _page(texts), "".join(f"{text.line()}\n" for text in texts)
    if any(value is not None for name, value in vars(arguments).items() if name != "task"):
        return Answer(lines, page)
    prompt = likeliest[0]["prompt"]
    title = f"after {prompt!r}" if prompt else "at the start of a text"
    return Prediction({"samples.jsonl": lines, "samples.md": page}, pd.DataFrame(likeliest), title)


def _with_options(request: Request, parameters: Parameters) -> Parameters:
    """Returns the parameters with those that the command line gives."""
    arguments = request.arguments
    options = {
        name: value
        for name in Parameters.model_fields
        if (value := getattr(arguments, name, None)) is not None
    }
    values = parameters.model_dump() | options
    if arguments.prompt is not None or arguments.samples:
        values |= {"prompts": arguments.prompt or [], "samples": arguments.samples or 0}
    return request.validated(values, Parameters)


def _generate(
    generator: Generator, parameters: Parameters, following: int | None
) -> tuple[list[dict[str, Any]], list[Continuation]]:
    """Returns the likeliest next tokens of each prompt, and the generated texts: none where only
    the `following` tokens are asked for."""
    likeliest: list[dict[str, Any]] = []
    texts: list[Continuation] = []
    turns: Counter[str] = Counter()
    for prompt in parameters.prompts or [""]:
        ids = generator.encode(prompt)
        if prompt not in turns:
            likeliest += _likeliest(generator, prompt, ids, following or SHOWN)
        if prompt and following is None:
            # A prompt that is given again is continued in draws of its own.
            texts += generator.continuations(prompt, ids, 1, turns[prompt])
        turns[prompt] += 1
    if parameters.samples and following is None:
        texts += generator.continuations("", generator.encode(""), parameters.samples)
    return likeliest, texts


def _likeliest(
    generator: Generator, prompt: str, ids: np.ndarray, count: int
) -> list[dict[str, Any]]:
    probabilities = generator.following(ids)
    return [
        {
            "prompt": prompt,
            "token": generator.tokenizer.token(int(number)),
            "probability": float(probabilities[number]),
        }
        for number in np.argsort(-probabilities, kind="stable")[:count]
    ]


def _answer_next(rows: Sequence[dict[str, Any]]) -> Answer:
    return Answer(
        "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows),
        "".join(
            f"{row['probability']:.4f} {str(row['token']).translate(_BREAKS)}\n" for row in rows
        ),
    )


def _page(texts: Sequence[Continuation]) -> str:
    pieces = [
        f"**{text.prompt}**{text.text}" if text.prompt else text.text.strip() for text in texts
    ]
    return "\n\n".join(pieces) + "\n"


def draw(axes: Any, table: pd.DataFrame) -> None:
    """Draws the `probability` of each `token` for the first `prompt`."""
    first = table[table["prompt"] == table["prompt"].iloc[0]].iloc[::-1]
    places = np.arange(len(first))
    axes.barh(places, first["probability"], color=COLOURS["network"])
    axes.set_yticks(places, [shown(token, 40) for token in first["token"]])
    axes.set_xlabel("probability of the next token")
