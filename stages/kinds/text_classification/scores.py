"""The scores of text classification."""

from stages.scores import Score

SCORES = {
    "accuracy": Score(better="higher", perfect=1),
    "macro_f1": Score(better="higher", perfect=1),
    "log_loss": Score(),
    "auc": Score(better="higher", perfect=1, needs="two classes"),
    "ece": Score(),
}
HEADLINES = ("accuracy_low", "accuracy_high", "macro_f1", "log_loss")
