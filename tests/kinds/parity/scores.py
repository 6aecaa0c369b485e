"""The score of parity: the share of right answers."""

from stages.scores import Score

SCORES = {"accuracy": Score(better="higher", perfect=1)}
HEADLINES: tuple[str, ...] = ()
