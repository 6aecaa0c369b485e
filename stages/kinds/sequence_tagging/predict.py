"""The entities of texts that parameters, the command line or a file give."""

import argparse
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pandas as pd
from pydantic import Field

from stages.drawing import COLOURS, shown
from stages.errors import InputError
from stages.files import conll, given, raw, raw_json
from stages.files.task_data import TaskData
from stages.kinds.data import Answer, Prediction, Request
from stages.kinds.sequence_tagging import Examples, Ingested, lexicon
from stages.kinds.sequence_tagging.agreeing import Agreement
from stages.kinds.sequence_tagging.decoding import decode
from stages.kinds.sequence_tagging.ingest import Parameters as Layout
from stages.kinds.sequence_tagging.tokenize_text import CHARACTERS, WORDS
from stages.sections import Count, Section
from stages.splits import SPLITS
from stages.text import entities, tags, tokens

# Entities in the plot.
SHOWN = 30
PLAIN = ".txt"


class Parameters(Section):
    """texts: whose entities are found. sentences: without any text, so many of the test split.
    agreement: as in `evaluate`; texts that are given together are neighbours.
    """

    texts: list[Annotated[str, Field(min_length=1)]] = []
    sentences: Count = 8
    agreement: Agreement = 0.0


@dataclass(frozen=True)
class Text:
    """A text and the first character of each of its tokens and the one behind its last."""

    text: str
    spans: list[tuple[int, int]]

    @property
    def tokens(self) -> list[str]:
        return [self.text[first:after] for first, after in self.spans]


def arguments(parser: argparse.ArgumentParser) -> None:
    """Adds what can be asked of a trained tagger on the command line."""
    parser.add_argument(
        "--text", action="append", help="a text; several times for several, each one sentence"
    )
    parser.add_argument(
        "--input",
        type=Path,
        help=f"a file of texts: {PLAIN}: one a line; JSON lines with `text` or `tokens`; any "
        "other: columns as in the task's raw file, whose tags are not read",
    )
    parser.add_argument(
        "--output", type=Path, help="a file for JSON lines; without it, marked text is shown"
    )


def predict(request: Request, network: Any, parameters: Parameters) -> Prediction | Answer:
    """Finds the entities of texts.

    Returns:
        `entities.jsonl`: each text with its tokens, their tags as in the raw file, and its
        entities; `entities.txt`, the texts with the entities marked; and the table `entity`,
        `type`, `probability`. The probability of an entity is that of its least probable tag.
    """
    data: TaskData[Ingested, Examples] = request.data
    known = lexicon.from_json(
        data.text(WORDS),
        data.text(CHARACTERS),
        digits=data.examples.digits,
        longest=data.examples.longest,
    )
    texts = _texts(request, parameters, known)
    examples = _examples(data.examples, known, texts)
    rows = _tagged(examples, network, texts, parameters.agreement)
    lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    page = "".join(f"{_marked(row)}\n" for row in rows)
    if any(value is not None for name, value in vars(request.arguments).items() if name != "task"):
        return Answer(lines, page)
    found = [
        {"entity": each["text"], "type": each["type"], "probability": each["probability"]}
        for row in rows
        for each in row["entities"]
    ]
    # A plot needs a row.
    found = found or [{"entity": "no entity", "type": tags.OUTSIDE, "probability": 0.0}]
    files = {"entities.jsonl": lines, "entities.txt": page}
    return Prediction(files, pd.DataFrame(found[:SHOWN]), "entities and their probability")


def _texts(request: Request, parameters: Parameters, known: lexicon.Lexicon) -> list[Text]:
    """Returns the texts that are asked for, each with at least one token."""
    arguments, layout = request.arguments, request.layout
    assert isinstance(layout, Layout)
    if arguments.text is not None and arguments.input is not None:
        raise InputError("expected --text or --input, received both")
    apart = partial(_apart, contractions=_has_contractions(known, request.data.examples.known))
    if arguments.input is not None:
        return _read(arguments.input, layout, apart)
    if arguments.text is not None:
        parameters = request.validated({"texts": arguments.text}, Parameters)
    if parameters.texts:
        return [apart(text, f"text {text[:40]!r}") for text in parameters.texts]
    place, offsets = request.data.examples.tokens_of("test")
    words = request.data.ingested.read(["token"])["token"].tolist()[place]
    return [
        _joined(words[first:after])
        for first, after in pairwise(offsets[: parameters.sentences + 1].tolist())
    ]


def _read(path: Path, layout: Layout, apart: Callable[[str, str], Text]) -> list[Text]:
    """Reads the texts of a file; `apart` splits a text, of which it is told the place."""
    given.expect_file(path)
    suffix = raw.suffix_of(path)
    if suffix in raw_json.SUFFIXES:
        found = []
        for place, entry in raw_json.objects(path, layout.encoding):
            if isinstance(entry.get("text"), str):
                found.append(apart(entry["text"], place))
            else:
                found.append(_joined(conll.texts_at(place, entry, layout.tokens)))
        if not found:
            raise InputError(f"{path}: expected at least one text, received none")
        return found
    if suffix == PLAIN:
        lines = raw.lines(raw.read_text(path, layout.encoding))
        found = [
            apart(line, f"{path}, line {number}")
            for number, line in enumerate(lines, 1)
            if line.strip()
        ]
        if not found:
            raise InputError(f"{path}: expected at least one text, received an empty file")
        return found
    table = conll.read(path, layout.encoding, layout.layout(tagged=False))
    return [_joined(rows["token"].tolist()) for _, rows in table.groupby("sentence")]


def _has_contractions(known: lexicon.Lexicon, ids_known: int) -> bool:
    """Whether the short forms of English are words of their own in the training sentences, which
    have the first `ids_known` ids."""
    ids = known.words.lookup(["n't", "'s"])
    return bool(((ids != tokens.UNKNOWN) & (ids < ids_known)).any())


def _apart(text: str, place: str, contractions: bool = False) -> Text:
    """Splits a text into words and punctuation marks."""
    spans = tokens.spans(text, contractions)
    if not spans:
        raise InputError(f"{place}: expected at least one word, received none")
    return Text(text, spans)


def _joined(words: Sequence[str]) -> Text:
    """Joins words to a text by spaces."""
    ends = np.cumsum([len(word) + 1 for word in words]) - 1
    spans = [(end - len(word), end) for word, end in zip(words, ends.tolist(), strict=True)]
    return Text(" ".join(words), spans)


def _tagged(
    examples: Examples, network: Any, texts: Sequence[Text], agreement: float
) -> list[dict[str, Any]]:
    """Returns the tokens, tags and entities of each text, which are the examples."""
    from stages.networks.prediction import predict as apply

    offsets = examples.offsets
    found, probability = decode(partial(apply, network), examples, np.arange(len(texts)), agreement)
    spans = entities.find(found, examples.tag_names, offsets)
    written, names = tags.convert(found, examples.tag_names, offsets, examples.original)
    bounds = np.searchsorted(spans.texts, np.arange(len(texts) + 1))
    rows = []
    for number, text in enumerate(texts):
        first, after = offsets[number : number + 2].tolist()
        rows.append(
            {
                "text": text.text,
                "tokens": text.tokens,
                "tags": [names[tag] for tag in written[first:after].tolist()],
                "entities": [
                    _entity(
                        text,
                        int(spans.first[index]) - first,
                        int(spans.after[index]) - first,
                        str(spans.types[index]),
                        probability[spans.first[index] : spans.after[index]],
                    )
                    for index in range(bounds[number], bounds[number + 1])
                ],
            }
        )
    return rows


def _entity(text: Text, start: int, end: int, kind: str, probability: np.ndarray) -> dict[str, Any]:
    """Returns the entity of the tokens from `start` to before `end`."""
    first, after = text.spans[start][0], text.spans[end - 1][1]
    return {
        "text": text.text[first:after],
        "type": kind,
        "start": start,
        "end": end,
        "start_character": first,
        "end_character": after,
        "probability": round(float(probability.min()), 4),
    }


def _examples(examples: Examples, known: lexicon.Lexicon, texts: Sequence[Text]) -> Examples:
    """Returns the texts as examples of the test split."""
    words = [word for text in texts for word in text.tokens]
    encoded = known.encode(words)
    return replace(
        examples,
        sentences={**dict.fromkeys(SPLITS, 0), "test": len(texts)},
        words=encoded.words,
        tags=np.zeros(len(words), np.int32),
        shapes=encoded.shapes,
        characters=encoded.characters,
        character_starts=np.append(0, np.cumsum(encoded.lengths)),
        offsets=np.append(0, np.cumsum([len(text.spans) for text in texts])),
    )


def _marked(row: dict[str, Any]) -> str:
    """Returns a text with its entities, their types and probabilities in brackets."""
    pieces, end = [], 0
    for entity in row["entities"]:
        pieces.append(row["text"][end : entity["start_character"]])
        pieces.append(f"[{entity['text']} {entity['type']} {entity['probability']:.2f}]")
        end = entity["end_character"]
    return "".join([*pieces, row["text"][end:]])


def draw(axes: Any, table: pd.DataFrame) -> None:
    """Draws the `probability` of each entity, in the order of the texts."""
    rows = table.iloc[::-1]
    places = np.arange(len(rows))
    axes.barh(places, rows["probability"], color=COLOURS["network"])
    labels = [
        f"{shown(str(entity), 40)} ({shown(str(kind), 20)})"
        for entity, kind in zip(rows["entity"], rows["type"], strict=True)
    ]
    axes.set_yticks(places, labels)
    axes.set_xlim(0, 1)
    axes.set_xlabel("probability")
