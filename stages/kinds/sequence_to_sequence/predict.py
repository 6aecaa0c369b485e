"""Outputs for sources, and where in the source each of their tokens comes from."""

import argparse
import json
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import compress
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pandas as pd
from pydantic import Field, model_validator

from stages.drawing import shown
from stages.errors import InputError
from stages.files import given
from stages.files.task_data import TaskData
from stages.kinds.data import Answer, Prediction, Request
from stages.kinds.sequence_to_sequence import Examples, Ingested, texts
from stages.kinds.sequence_to_sequence.decoding import Decoding
from stages.kinds.sequence_to_sequence.ingest import Parameters as Layout
from stages.kinds.sequence_to_sequence.texts import Source
from stages.kinds.sequence_to_sequence.writing import Writer, Written
from stages.sections import Count, Name, matching
from stages.text import tokens

# Test sources that stand in for `texts`.
EXAMPLES = 5
# Of the picture, in points: its axes, and the names of tokens. Of these, so many characters stand
# side by side; and characters of the title.
WIDTH, HEIGHT, SMALLEST, LARGEST = 400, 130, 5, 9
CHARACTERS, TITLE = 80, 40
# How line breaks and tabs are shown where a text has a line of its own.
_BREAKS = str.maketrans({"\n": r"\n", "\r": r"\r", "\t": r"\t"})

Text = Annotated[Name, matching(r"(?s).*\S.*", "a text with more than white space")]


class Parameters(Decoding):
    """How outputs are searched for, and

    texts: the sources; null: the first test sources.
    show: how many outputs there are for each, the best of the `beams`.
    """

    texts: Annotated[list[Text], Field(min_length=1)] | None = None
    show: Count = 1

    @model_validator(mode="after")
    def _has_beams(self) -> "Parameters":
        if self.show > self.beams:
            raise ValueError(f"`show` of at most `beams`, {self.beams}")
        return self


@dataclass(frozen=True)
class Asked:
    """A source that is asked for: its text, the names of its tokens, and those that are unknown to
    training."""

    text: str
    source: Source
    tokens: list[str]
    unknown: list[str]


def arguments(parser: argparse.ArgumentParser) -> None:
    """Adds what can be asked of a trained model on the command line."""
    parser.add_argument(
        "--text", action="append", help="a source; several times for several sources"
    )
    parser.add_argument(
        "--input",
        type=Path,
        help="a file of sources: a table with the task's source column, or a source per line",
    )
    parser.add_argument(
        "--beams", type=int, help="hold so many outputs at a time; 1: always the likeliest token"
    )
    parser.add_argument("--show", type=int, metavar="N", help="the N best outputs for each source")
    parser.add_argument(
        "--output", type=Path, help="a file for JSON lines; without it, text on the standard output"
    )


def predict(request: Request, network: Any, parameters: Parameters) -> Prediction | Answer:
    """Writes outputs for sources.

    Returns:
        `outputs.jsonl`, a line for each source with its outputs, their tokens and
        log-probabilities, and its unknown tokens; `outputs.txt`, the same to read; and the
        attention of the best output for the first source, `output_place`, `output`,
        `source_place`, `source`, `weight`. Or the first two for what the command line asks for.
    """
    data: TaskData[Ingested, Examples] = request.data
    asking = any(
        value is not None for name, value in vars(request.arguments).items() if name != "task"
    )
    parameters, places = _with_options(request, parameters)
    tokenizers = texts.tokenizers(data)
    asked = _asked(data, tokenizers, parameters.texts, places)
    writer = Writer(network, data.examples, tokenizers[1], parameters)
    sources = [each.source for each in asked]
    pictured = 0 if asking else 1
    found = writer.outputs(sources[:pictured], parameters.show, attention=True)
    found += writer.outputs(sources[pictured:], parameters.show)
    answers = list(zip(asked, found, strict=True))
    lines = "".join(json.dumps(_line(*answer), ensure_ascii=False) + "\n" for answer in answers)
    page = "".join(_page(*answer) for answer in answers)
    if asking:
        return Answer(lines, page)
    first = asked[0].text
    title = f"attention to {first if len(first) <= TITLE else f'{first[: TITLE - 1]}…'!r}"
    files = {"outputs.jsonl": lines, "outputs.txt": page}
    return Prediction(files, _attention(asked[0], found[0][0]), title)


def _with_options(request: Request, parameters: Parameters) -> tuple[Parameters, list[str] | None]:
    """Returns the parameters with those that the command line gives, and of the texts of a file the
    place of each."""
    arguments, places = request.arguments, None
    if arguments.text is not None and arguments.input is not None:
        raise InputError("expected --text or --input, received both: ask for one after the other")
    values = parameters.model_dump()
    if arguments.text is not None:
        values["texts"] = arguments.text
    elif arguments.input is not None:
        assert isinstance(request.layout, Layout)
        found = given.read(arguments.input, request.layout.source, request.layout)
        places = [place for place, _ in found]
        values["texts"] = [text for _, text in found]
    if arguments.beams is not None:
        values |= {"beams": arguments.beams, "show": min(values["show"], max(arguments.beams, 1))}
    if arguments.show is not None:
        values["show"] = arguments.show
    return request.validated(values, Parameters), places


def _asked(
    data: TaskData[Ingested, Examples],
    tokenizers: tuple[tokens.Tokenizer, tokens.Tokenizer],
    asked: Sequence[str] | None,
    places: Sequence[str] | None,
) -> list[Asked]:
    """Returns the sources, by default the first ones of the test split."""
    if asked is None:
        numbers = data.examples.numbers_of("test")[:EXAMPLES]
        table = data.ingested.read(["source"])["source"]
        asked = table.iloc[data.examples.rows[numbers]].tolist()
        sources = texts.sources_of(data, numbers, tokenizers)
    else:
        sources = texts.encode(asked, *tokenizers)
        longest = int(data.examples.source_lengths.max())
        places = places or [f"text {text[:40]!r}" for text in asked]
        for place, source in zip(places, sources, strict=True):
            expect_readable(place, source.ids, longest)
    return [
        _named(text, source, tokenizers[0]) for text, source in zip(asked, sources, strict=True)
    ]


def expect_readable(place: str, ids: np.ndarray, longest: int) -> None:
    """Raises `InputError` for a source without a token that training knows, or with more tokens
    than any source of the examples."""
    if (ids == tokens.UNKNOWN).all():
        raise InputError(
            f"{place}: expected at least one token that training saw, received unknown ones only"
        )
    if len(ids) > longest:
        raise InputError(
            f"{place}: expected at most {longest} tokens, as many as the longest source of the "
            f"examples has, received {len(ids)}: shorten it, or divide it"
        )


def _named(text: str, source: Source, tokenizer: tokens.Tokenizer) -> Asked:
    """Returns a source with the names of its tokens, those that training does not know as well."""
    is_unknown = source.ids == tokens.UNKNOWN
    others = iter(tokenizer.encode([text.strip()]).unknown if is_unknown.any() else [])
    names = [
        next(others) if number == tokens.UNKNOWN else tokenizer.token(number)
        for number in source.ids.tolist()
    ]
    return Asked(text, source, names, list(dict.fromkeys(compress(names, is_unknown))))


def _line(asked: Asked, outputs: Sequence[Written]) -> dict[str, Any]:
    """Returns the outputs for a source as JSON has them."""
    return {
        "source": asked.text,
        "outputs": [
            {
                "text": output.text,
                "tokens": output.tokens,
                "log_probability": round(output.log_probability, 4),
            }
            for output in outputs
        ],
        "unknown": asked.unknown,
    }


def _page(asked: Asked, outputs: Sequence[Written]) -> str:
    """Returns the outputs for a source as the terminal shows them."""
    lines = [asked.text.translate(_BREAKS)]
    lines += [
        f"{output.log_probability:8.2f}  {output.text.translate(_BREAKS)}" for output in outputs
    ]
    if asked.unknown:
        lines.append(f"  unknown to training: {', '.join(asked.unknown)}")
    return "\n".join(lines) + "\n"


def _attention(asked: Asked, output: Written) -> pd.DataFrame:
    """Returns the weight of each token of a source for each token of its output and for its end."""
    assert output.attention is not None
    written, read = [*output.tokens, tokens.SPECIAL[tokens.END]], asked.tokens
    return pd.DataFrame(
        {
            "output_place": np.repeat(np.arange(1, len(written) + 1), len(read)),
            "output": np.repeat(np.array(written, object), len(read)),
            "source_place": np.tile(np.arange(1, len(read) + 1), len(written)),
            "source": np.tile(np.array(read, object), len(written)),
            "weight": output.attention.astype(np.float64).round(6).ravel(),
        }
    )


def draw(axes: Any, table: pd.DataFrame) -> None:
    """Draws the weight of each token of the source for each token of the output."""
    sides = {
        side: table.drop_duplicates(f"{side}_place")[side].map(_label).tolist()
        for side in ("source", "output")
    }
    weights = table["weight"].to_numpy().reshape(len(sides["output"]), len(sides["source"]))
    axes.imshow(weights, cmap="Reds", vmin=0, vmax=1, aspect="auto", interpolation="nearest")
    axes.grid(False)
    upright = len("".join(sides["source"])) + len(sides["source"]) > CHARACTERS
    for set_ticks, names, room, rotation in (
        (axes.set_xticks, sides["source"], WIDTH, 90 if upright else 0),
        (axes.set_yticks, sides["output"], HEIGHT, 0),
    ):
        # As many names as there is room for.
        step = int(np.ceil(len(names) * SMALLEST / room))
        size = float(np.clip(room / len(names), SMALLEST, LARGEST))
        set_ticks(range(0, len(names), step), names[::step], rotation=rotation, fontsize=size)
    axes.set_xlabel("source")
    axes.set_ylabel("output")


def _label(token: str) -> str:
    """Returns a token as people read it: without the space before it, if it has more."""
    return shown(str(token).strip() or str(token).replace(" ", "␣"), 14)
