"""What single tokens say of the class, counted in the training texts."""

import numpy as np

from stages.batching import padded
from stages.kinds.text_classification import Examples
from stages.kinds.text_classification.texts import first_of_equals
from stages.text.tokens import PAD

# Texts that are counted at a time.
_CHUNK = 1024


def log_ratios(examples: Examples) -> np.ndarray:
    """Returns the logarithm of each token's probability in the training texts of each class, less
    its mean over the classes, (known, classes) float32: 0 where a token tells nothing.

    A text counts a token once, and one is added to each count (naive Bayes with Laplace's
    smoothing; for two classes the difference of a token's numbers is the log-count ratio of Wang
    and Manning, 2012).
    """
    classes, known = len(examples.classes), examples.known
    counts = np.ones((classes, known))
    for numbers in np.array_split(examples.numbers_of("train"), _parts(examples)):
        lengths = np.asarray(examples.lengths[numbers])
        tokens, own = padded(
            examples.token_ids, examples.starts[numbers], lengths, int(lengths.max())
        )
        labels = np.repeat(examples.labels[numbers][:, None], tokens.shape[1], 1)
        counted = own & first_of_equals(tokens) & (tokens < known)
        places = labels[counted].astype(np.int64) * known + tokens[counted]
        counts += np.bincount(places, minlength=classes * known).reshape(classes, known)
    counts[:, PAD] = 1
    logs = np.log(counts / counts.sum(1, keepdims=True))
    return (logs - logs.mean(0)).T.astype(np.float32)


def _parts(examples: Examples) -> int:
    return -(-examples.texts["train"] // _CHUNK)
