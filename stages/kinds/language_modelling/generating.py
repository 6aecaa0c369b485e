"""Text that a language model writes, token by token."""

import json
import re
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
from pydantic import Field

from stages.errors import InputError
from stages.sections import Count, Section
from stages.text import language, tokens
from stages.text.data import TextExamples
from stages.text.search import beam_search

_LINE_END = re.compile(r"\r\n|[\r\n]")


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


@dataclass
class Continuation:
    """A generated text: what it continues, its tokens and their probabilities under the model."""

    prompt: str
    text: str
    tokens: list[str]
    probabilities: list[float]

    def line(self) -> str:
        return json.dumps(vars(self), ensure_ascii=False)


class Generator:
    """Generates token by token. Where the network carries its state, a token is one step of it;
    else the network sees a window of the last tokens."""

    def __init__(
        self,
        network: Any,
        tokenizer: tokens.Tokenizer,
        examples: TextExamples,
        parameters: Parameters,
        *,
        lines: bool = False,
    ) -> None:
        """`lines`: whether the texts are the lines of plain text."""
        from stages.networks.prediction import stepping

        self.tokenizer, self.examples, self.parameters = tokenizer, examples, parameters
        self.stream = examples.examples == "stream"
        self.longest = parameters.longest if self.stream else int(examples.lengths["train"][-1]) - 1
        if tokenizer.size == len(tokens.SPECIAL) and not examples.ends:
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
        self.lines = lines or (
            examples.unit == "characters" and tokens.UNKNOWN in tokenizer.encode(["\n"]).ids
        )
        self._step = stepping(network)

    def encode(self, prompt: str) -> np.ndarray:
        """Returns a prompt's ids; of an empty one none."""
        texts = _LINE_END.split(prompt) if self.lines else [prompt]
        encoded = self.tokenizer.encode(texts)
        ids, lengths = encoded.ids, encoded.lengths
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
        if self.examples.ends:
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
            if self.examples.ends or not len(ids):
                ids = np.concatenate([[tokens.END], ids])
            return self._step(ids[None].astype(np.int32), None)
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
        if not self.examples.ends:
            logits[:, tokens.END] = -np.inf
        return logits

    def following(self, ids: np.ndarray) -> np.ndarray:
        """Returns the probability of each token after a prompt, (tokens,)."""
        return language.probabilities(self._begin(ids)[0])[0]

    def continuations(
        self, prompt: str, ids: np.ndarray, count: int, turn: int = 0
    ) -> list[Continuation]:
        """Returns `count` continuations of a prompt, each in its own draws, which differ from
        `turn` to `turn`; or, with `beams`, the likeliest one that a beam search meets."""
        logits, state = self._begin(ids)
        if self.parameters.beams is None:
            logits, state = (
                np.repeat(logits, count, 0),
                [np.repeat(array, count, 0) for array in state],
            )
            drawn = self._draw(logits, state, turn)
        else:
            chosen, log_probabilities = beam_search(
                self._allowed,
                logits,
                state,
                self._next,
                self.parameters.beams,
                self.parameters.tokens,
                tokens.END if self.stops else None,
            )
            drawn = [(chosen, np.exp(log_probabilities))]
        return [self._continuation(prompt, *tokens_and_odds) for tokens_and_odds in drawn]

    def _draw(
        self, logits: np.ndarray, state: Any, turn: int
    ) -> list[tuple[np.ndarray, np.ndarray]]:
        """Returns the ids of a continuation of each row, and their probabilities."""
        settings = self.parameters
        rng = np.random.default_rng([settings.seed, turn] if turn else settings.seed)
        columns, probabilities = [], []
        is_open = np.ones(len(logits), bool)
        for _ in range(settings.tokens):
            odds = language.probabilities(
                self._allowed(logits), settings.temperature, settings.top_k, settings.top_p
            )
            thresholds = rng.random((len(odds), 1)) * odds.sum(-1, keepdims=True)
            chosen = (odds.cumsum(-1) > thresholds).argmax(-1)
            columns.append(chosen)
            likelihoods = language.probabilities(logits)
            probabilities.append(np.take_along_axis(likelihoods, chosen[:, None], -1)[:, 0])
            is_open &= chosen != tokens.END if self.stops else True
            if not is_open.any():
                break
            logits, state = self._next(chosen, state)
        return [
            self._until_end(*row)
            for row in zip(np.stack(columns, 1), np.stack(probabilities, 1), strict=True)
        ]

    def _until_end(
        self, ids: np.ndarray, probabilities: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        ends = np.flatnonzero((ids == tokens.END) & self.stops)
        stop = ends[0] + 1 if len(ends) else len(ids)
        return ids[:stop], probabilities[:stop]

    def _continuation(
        self, prompt: str, ids: np.ndarray, probabilities: np.ndarray
    ) -> Continuation:
        kept = ids[:-1] if self.stops and len(ids) and ids[-1] == tokens.END else ids
        lines = np.split(kept, np.flatnonzero(kept == tokens.END))
        text = "\n".join(self.tokenizer.decode(line[line != tokens.END]) for line in lines)
        spaced = self.examples.unit == "words" and prompt and "\n" not in (prompt[-1], text[:1])
        return Continuation(
            prompt,
            f" {text}" if spaced else text,
            [self.tokenizer.token(int(number)) for number in ids],
            [float(f"{probability:.5g}") for probability in probabilities],
        )
