"""The scores of tagging: of whole entities by conlleval's rules, and of single tokens."""

from stages.scores import Score

NAMES = ("f1", "precision", "recall", "token_accuracy", "f1_seen", "f1_unseen")
SCORES = {name: Score(better="higher", perfect=1) for name in NAMES}
HEADLINES = ("precision", "recall")
