"""The scores of texts that are made of texts, as `stages.text.overlap` defines them."""

from stages.scores import Score
from stages.text import overlap

SCORES = {
    name: Score(better="higher", perfect=1 if name == "exact_match" else 100)
    for name in overlap.NAMES
}
HEADLINES = ("bleu_low", "bleu_high", "chrf", "rouge_l")
