"""How transcripts are written before they are learned and compared."""

import re
import unicodedata

# How `normalized` writes a transcript, for the signature of scores.
LOWER, PUNCTUATION = "lower case", "punctuation removed but for apostrophes within words"
# Apostrophes that are not within a word, where all other marks are spaces already.
_OUTSIDE = re.compile(r"(?<![^\s'])'|'(?![^\s'])")


def normalized(text: str, *, lower: bool, punctuation: bool) -> str:
    """Returns a transcript in Unicode's composed form (NFC), its words with one space between them.

    Args:
        lower: whether letters become small.
        punctuation: whether punctuation marks and symbols stay; else each becomes a space, but for
            apostrophes within words, which are written '.
    """
    text = unicodedata.normalize("NFC", text.lower() if lower else text)
    if not punctuation:
        text = "".join(
            letter if letter == "'" or unicodedata.category(letter)[0] not in "PS" else " "
            for letter in text.replace("’", "'")
        )
        text = _OUTSIDE.sub(" ", text)
    return " ".join(text.split())
