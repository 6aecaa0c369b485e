"""Continuations of prompts, and texts drawn freely."""

import argparse
import json
import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pandas as pd
from pydantic import Field

from stages.errors import InputError
from stages.kinds import Known, Prediction
from stages.sections import Count, Section
from stages.text import language, tokens

DRAWN = "bars"
SHOWN = 10
_LINE_END = re.compile(r"\r\n|[\r\n]")
# How line breaks and tabs are shown where a token has a line of its own.
_BREAKS = str.maketrans({"\n": r"\n", "\r": r"\r", "\t": r"\t"})


class Parameters(Section):
    """prompts: texts to continue. samples: texts drawn freely, from the end of a text on. tokens:
    how many are generated at most.

    temperature: divides the logits; 0: always the likeliest token. top_k, top_p: only so many of
        the likeliest tokens, or only those whose probabilities together reach so much.
    beams: instead of drawing, the likeliest of so many continuations that are held at a time.
        longest: tokens of a prompt, where the network carries its state; else no more than the
        longest training text is ever seen of it.
    stop_at_end: whether a continuation ends with its text; null: yes, but not with the line where
        the lines of plain text are a stream.
    """

    prompts: list[Annotated[str, Field(min_length=1)]] = []
    samples: Annotated[int, Field(ge=0)] = 2
    tokens: Count = 40
    temperature: Annotated[float, Field(ge=0)] = 0.8
    top_k: Count | None = None
    top_p: Annotated[float, Field(gt=0, le=1)] = 1.0
    beams: Count | None = None
    longest: Count = 1000
    seed: Annotated[int, Field(ge=0)] = 0
    stop_at_end: bool | None = None


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


@dataclass
class Continuation:
    """A generated text: what it continues, its tokens and their probabilities under the model."""

    prompt: str
    text: str
    tokens: list[str]
    probabilities: list[float]

    def line(self) -> str:
        return json.dumps(vars(self), ensure_ascii=False)


def predict(
    known: Known, network: Any, parameters: Parameters, given: argparse.Namespace
) -> Prediction:
    """Continues the prompts and draws samples.

    Returns:
        `samples.jsonl`, a text a line with its tokens and their probabilities; `samples.md`, the
        same to read; and the likeliest next tokens of every prompt, `prompt`, `token`,
        `probability`.
    """
    tokenizer = tokens.of(known.text("tokenizer.json"))
    if given.next is not None and given.next < 1:
        raise InputError(f"--next: expected a number of tokens, at least 1, received {given.next}")
    asked = any(value is not None for name, value in vars(given).items() if name != "task")
    settings = {
        name: getattr(given, name)
        for name in Parameters.model_fields
        if getattr(given, name, None) is not None
    }
    chosen = parameters.model_dump() | settings
    if given.prompt is not None or given.samples:
        chosen |= {"prompts": given.prompt or [], "samples": given.samples or 0}
    parameters = known.checked(chosen, Parameters)
    generator = Generator(
        network, tokenizer, known.about, parameters, lines=known.layout.text is None
    )
    rows, written = [], []
    turns: Counter[str] = Counter()
    for prompt in parameters.prompts or [""]:
        ids = generator.encode(prompt)
        if prompt not in turns:
            likeliest = generator.following(ids)
            order = np.argsort(-likeliest, kind="stable")[: given.next or SHOWN]
            rows += [
                {
                    "prompt": prompt,
                    "token": tokenizer.token(int(one)),
                    "probability": float(likeliest[one]),
                }
                for one in order
            ]
        if prompt and given.next is None:
            # A prompt that is given again is continued in draws of its own.
            written += generator.continued(prompt, ids, 1, turns[prompt])
        turns[prompt] += 1
    if parameters.samples and given.next is None:
        written += generator.continued("", generator.encode(""), parameters.samples)
    table = pd.DataFrame(rows)
    title = f"after {rows[0]['prompt']!r}" if rows[0]["prompt"] else "at the start of a text"
    if given.next is not None:
        said = "".join(
            f"{row['probability']:.4f} {str(row['token']).translate(_BREAKS)}\n" for row in rows
        )
        lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    else:
        said, lines = _page(written), "".join(entry.line() + "\n" for entry in written)
    if asked:
        return Prediction(said=said, asked=lines)
    return Prediction(files={"samples.jsonl": lines, "samples.md": said}, rows=table, title=title)


def _page(written: list[Continuation]) -> str:
    return (
        "\n\n".join(
            f"**{entry.prompt}**{entry.text}" if entry.prompt else entry.text.strip()
            for entry in written
        )
        + "\n"
    )


class Generator:
    """Generates token by token: a step of the network a token where its state is carried, else its
    window of the last tokens."""

    def __init__(
        self,
        network: Any,
        tokenizer: tokens.Tokenizer,
        about: dict[str, Any],
        parameters: Parameters,
        *,
        lines: bool = False,
    ) -> None:
        """`lines`: whether the texts are the lines of plain text."""
        from stages.networks import training

        self.tokenizer, self.about, self.parameters = tokenizer, about, parameters
        self.stream = about["examples"] == "stream"
        self.longest = parameters.longest if self.stream else about["lengths"]["train"][-1] - 1
        if tokenizer.size == len(tokens.SPECIAL) and not about["ends"]:
            raise InputError(
                "expected a vocabulary with tokens to write, received an empty one: lower "
                "tokenize_text.minimum_count"
            )
        self.stops = (
            parameters.stop_at_end
            if parameters.stop_at_end is not None
            else not (lines and self.stream)
        )
        if not self.stops and not self.stream:
            raise InputError(
                "stop_at_end: expected true, as beginnings of texts know nothing of what follows "
                "a text's end; received false"
            )
        # Where no text has a line break in it, a line's end is the end of a text.
        one_line = about["unit"] == "characters" and tokens.UNKNOWN in tokenizer.encode(["\n"])[0]
        self.lines = lines or one_line
        self._step = training.stepping(network)

    def encode(self, prompt: str) -> np.ndarray:
        """Returns a prompt's ids; of an empty one none."""
        texts = _LINE_END.split(prompt) if self.lines else [prompt]
        ids, lengths = self.tokenizer.encode(texts)
        if prompt and not len(ids) and len(texts) == 1:
            raise InputError(f"expected a prompt with at least one token, received {prompt!r}")
        if len(ids) and (ids == tokens.UNKNOWN).all():
            raise InputError(
                f"prompt {prompt!r}: expected at least one token that training saw, received "
                "unknown ones only"
            )
        if not self.stream:
            # A text knows nothing of those before it, and what is too long is cut off at its
            # beginning, as in generation.
            return ids[len(ids) - lengths[-1] :][-self.longest :]
        if self.about["ends"]:
            ids = np.insert(ids, np.cumsum(lengths[:-1]), tokens.END)
        if len(ids) > self.longest:
            raise InputError(
                f"prompt {prompt[:40]!r}...: expected at most {self.longest} tokens, received "
                f"{len(ids)}: shorten it"
            )
        return ids

    def _begin(self, ids: np.ndarray) -> tuple[np.ndarray, Any]:
        """Returns the logits after a prompt, (1, tokens), and the state, which holds all that a
        next step needs."""
        if self.stream:
            # Every text starts after the end of another one.
            before = (
                np.concatenate([[tokens.END], ids]) if self.about["ends"] or not len(ids) else ids
            )
            return self._step(before[None].astype(np.int32), None)
        return self._window(ids[None])

    def _window(self, ids: np.ndarray) -> tuple[np.ndarray, Any]:
        kept = ids[:, -self.longest :]
        padded = np.full((len(ids), max(self.longest, 1)), tokens.PAD, np.int32)
        if kept.shape[1]:
            padded[:, -kept.shape[1] :] = kept
        return self._step(padded, None)[0], [ids]

    def _next(self, chosen: np.ndarray, state: Any) -> tuple[np.ndarray, Any]:
        if self.stream:
            return self._step(chosen[:, None].astype(np.int32), state)
        return self._window(np.concatenate([state[0], chosen[:, None]], 1))

    def _allowed(self, logits: np.ndarray) -> np.ndarray:
        """Padding and unknown tokens are never written; the end only where texts have one."""
        logits = np.array(logits, np.float64)
        logits[:, [tokens.PAD, tokens.UNKNOWN]] = -np.inf
        if not self.about["ends"]:
            logits[:, tokens.END] = -np.inf
        return logits

    def following(self, ids: np.ndarray) -> np.ndarray:
        """Returns the probability of each token after a prompt, (tokens,)."""
        return language.probabilities(self._begin(ids)[0])[0]

    def continued(
        self, prompt: str, ids: np.ndarray, count: int, turn: int = 0
    ) -> list[Continuation]:
        """Returns `count` continuations, in their own draws, others at each `turn`; or the
        likeliest one that a beam search finds."""
        logits, state = self._begin(ids)
        if self.parameters.beams is not None:
            chosen, nats = self._searched(logits, state, self.parameters.beams)
            found = [(chosen, np.exp(nats))]
        else:
            found = self._drawn(
                np.repeat(logits, count, 0), [np.repeat(part, count, 0) for part in state], turn
            )
        return [self._written(prompt, ids, *of) for of in found]

    def _drawn(
        self, logits: np.ndarray, state: Any, turn: int
    ) -> list[tuple[np.ndarray, np.ndarray]]:
        given = self.parameters
        rng = np.random.default_rng([given.seed, turn] if turn else given.seed)
        chosen, likely = [], []
        open_rows = np.ones(len(logits), bool)
        for _ in range(given.tokens):
            allowed = self._allowed(logits)
            odds = language.probabilities(allowed, given.temperature, given.top_k, given.top_p)
            draws = (
                odds.cumsum(-1) > rng.random((len(odds), 1)) * odds.sum(-1, keepdims=True)
            ).argmax(-1)
            chosen.append(draws)
            likely.append(
                np.take_along_axis(language.probabilities(logits), draws[:, None], -1)[:, 0]
            )
            open_rows &= draws != tokens.END if self.stops else True
            if not open_rows.any():
                break
            logits, state = self._next(draws, state)
        return [self._cut(*of) for of in zip(np.stack(chosen, 1), np.stack(likely, 1), strict=True)]

    def _cut(self, chosen: np.ndarray, likely: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        ends = np.flatnonzero((chosen == tokens.END) & self.stops)
        stop = ends[0] + 1 if len(ends) else len(chosen)
        return chosen[:stop], likely[:stop]

    def _searched(
        self, logits: np.ndarray, state: Any, beams: int
    ) -> tuple[np.ndarray, np.ndarray]:
        return search(
            self._allowed,
            logits,
            state,
            self._next,
            beams,
            self.parameters.tokens,
            tokens.END if self.stops else None,
        )

    def _written(
        self, prompt: str, ids: np.ndarray, chosen: np.ndarray, likely: np.ndarray
    ) -> Continuation:
        kept = chosen[:-1] if self.stops and len(chosen) and chosen[-1] == tokens.END else chosen
        ended = np.split(kept, np.flatnonzero(kept == tokens.END))
        whole = "\n".join(self.tokenizer.decode(part[part != tokens.END]) for part in ended)
        space = (
            " "
            if prompt and self.about["unit"] == "words" and "\n" not in (prompt[-1], whole[:1])
            else ""
        )
        shown = [self.tokenizer.token(int(one)) for one in chosen]
        return Continuation(prompt, space + whole, shown, [float(f"{one:.5g}") for one in likely])


def search(
    allowed: Any,
    logits: np.ndarray,
    state: Any,
    step: Any,
    beams: int,
    length: int,
    end: int | None,
) -> Any:
    """Beam search: returns the ids of the likeliest continuation that was found, (tokens,), and the
    log p of each.

    Args:
        allowed: logits (rows, tokens) -> the same with -inf where a token must not follow.
        logits, state: after the prompt, of one row.
        step: (ids (rows,), state) -> logits (rows, tokens), state: a list of arrays whose first
            axis is the rows.
        end: the id that ends a continuation; it competes with the others as it is, and is not
            continued. None: there is no such id.
    """
    paths, nats = np.zeros((1, 0), np.int64), np.zeros((1, 0))
    finished: list[tuple[float, np.ndarray, np.ndarray]] = []
    for _ in range(length):
        likely = np.log(np.maximum(language.probabilities(allowed(logits)), 1e-300))
        total = nats.sum(1)[:, None] + likely
        order = np.argsort(-total, axis=None, kind="stable")[:beams]
        rows, chosen = np.unravel_index(order, total.shape)
        paths = np.concatenate([paths[rows], chosen[:, None]], 1)
        nats = np.concatenate([nats[rows], likely[rows, chosen][:, None]], 1)
        over = chosen == end if end is not None else np.zeros(len(chosen), bool)
        finished += [
            (float(nats[row].sum()), paths[row], nats[row]) for row in np.flatnonzero(over)
        ]
        keep = np.flatnonzero(~over)
        best = max((entry[0] for entry in finished), default=-np.inf)
        # A continuation only gets less likely with every token.
        keep = keep[nats[keep].sum(1) > best]
        paths, nats = paths[keep], nats[keep]
        if not len(keep):
            break
        logits, state = step(chosen[keep], [np.asarray(part)[rows[keep]] for part in state])
    finished += [(float(of.sum()), path, of) for path, of in zip(paths, nats, strict=True)]
    _, path, of = max(finished, key=lambda entry: entry[0])
    return path, of
