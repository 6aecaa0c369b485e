"""Scores of language models, and how the next token is chosen from its probabilities."""

import numpy as np

from stages.text.data import TextExamples


def scores(nats: np.ndarray, examples: TextExamples) -> dict[str, float]:
    """Returns the scores of the test tokens.

    Args:
        nats: (tokens,) -log p of each token that is scored.
        about: of the examples: the numbers of tokens, characters and words of the test split, the
            share of unknown tokens, and the nats of their spelling.

    Returns:
        `perplexity` a token, exp of the mean, and `nats_per_token`: all unknown tokens are one and
        the same here, as is usual, so that these fall with the size of the vocabulary.
        `bits_per_character` and `perplexity_per_word` do not: an unknown token costs its spelling
        too. They count the nats of all tokens over the split's characters and words; where not all
        tokens are scored, in proportion. And `unknown_rate`, the share of unknown tokens.
    """
    mean = float(nats.mean())
    whole = mean * examples.tokens["test"] + examples.spelling_nats["test"]
    return {
        "perplexity": float(np.exp(mean)),
        "nats_per_token": mean,
        "bits_per_character": float(whole / np.log(2) / examples.characters["test"]),
        "perplexity_per_word": float(np.exp(min(whole / examples.words["test"], 700.0))),
        "unknown_rate": float(examples.unknown_rate["test"]),
    }


def probabilities(
    logits: np.ndarray, temperature: float = 1.0, top_k: int | None = None, top_p: float = 1.0
) -> np.ndarray:
    """Returns the probabilities from which the next token is drawn, (..., tokens) float64.

    Args:
        logits: (..., tokens).
        temperature: divides the logits; 0 leaves only the likeliest.
        top_k: only so many of the likeliest are left (Fan et al., 2018).
        top_p: only the likeliest whose probabilities together first reach this are left (Holtzman
            et al., 2020).
    """
    logits = np.asarray(logits, np.float64)
    if temperature == 0:
        best = np.zeros_like(logits)
        np.put_along_axis(best, logits.argmax(-1)[..., None], 1.0, -1)
        return best
    # Divided last: a temperature next to 0 makes numbers infinite, and the difference of two such
    # is none.
    with np.errstate(over="ignore"):
        odds = np.exp((logits - logits.max(-1, keepdims=True)) / temperature)
    odds /= odds.sum(-1, keepdims=True)
    order = np.argsort(-odds, axis=-1, kind="stable")
    ranked = np.take_along_axis(odds, order, -1)
    keep = np.ones(ranked.shape, bool)
    if top_k is not None:
        keep[..., top_k:] = False
    # A token is left if those likelier than it do not reach top_p yet.
    keep[..., 1:] &= np.cumsum(ranked, -1)[..., :-1] < top_p
    ranked = np.where(keep, ranked, 0.0)
    ranked /= ranked.sum(-1, keepdims=True)
    out = np.empty_like(odds)
    np.put_along_axis(out, order, ranked, -1)
    return out
