"""The scores of speech recognition. How they are computed: `judging`."""

from stages.scores import Score

SCORES = {
    "wer": Score(),
    "cer": Score(),
    "accuracy": Score(better="higher", perfect=1),
}
HEADLINES = ("cer", "accuracy")
