"""The scores of a language model. The skill of each is relative to 0."""

from stages.scores import Score

SCORES = {
    name: Score()
    for name in ("perplexity", "nats_per_token", "bits_per_character", "perplexity_per_word")
}
HEADLINES: tuple[str, ...] = ()
