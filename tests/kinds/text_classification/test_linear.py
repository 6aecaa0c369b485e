"""The linear model of texts, against scikit-learn's own features and predictions."""

import json

import numpy as np
import pytest
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_union

from stages.errors import InputError
from stages.kinds.text_classification import linear

TEXTS = [
    *("a good film !", "good , very good", "bad and dull", "do n't see it", "a bad , bad film"),
    *("lovely \N{OGHAM SPACE MARK} end", "what a film", "dull end", "it 's bad", "so so"),
]
UNSEEN = ["a lovely and good end", "", "\u201cnever\u201d seen before"]


@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("characters", [None, 4])
def test_logits_are_those_of_a_regression_on_the_same_terms(
    classes: int, characters: int | None
) -> None:
    labels = np.arange(len(TEXTS)) % classes
    parameters = linear.Parameters(characters=characters, penalty=0.2)
    found = linear.fit(TEXTS, labels, parameters)
    words = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, token_pattern=r"\w+|[^\w\s]")
    runs = TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 4), sublinear_tf=True)
    union = make_union(words, runs) if characters else make_union(words)
    model = LogisticRegression(C=5, max_iter=1000).fit(union.fit_transform(TEXTS), labels)
    logits = found.logits([*TEXTS, *UNSEEN])
    assert logits.dtype == np.float32
    probabilities = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    expected = model.predict_proba(union.transform([*TEXTS, *UNSEEN]))
    # Coefficients are rounded.
    np.testing.assert_allclose(probabilities, expected, atol=1e-3)
    again = linear.from_json(found.content())
    np.testing.assert_array_equal(again.logits([*TEXTS, *UNSEEN]), logits)
    assert again.content() == found.content()
    entries = json.loads(found.content())["parts"]
    assert [part["characters"] for part in entries] == [None, 4][: 1 + bool(characters)]
    assert len(entries[0]["terms"]["good"]) == 1 + classes


def test_rare_terms_are_left_out_and_one_is_needed() -> None:
    labels = np.arange(len(TEXTS)) % 2
    terms = json.loads(linear.fit(TEXTS, labels, linear.Parameters(minimum_texts=3)).content())
    assert list(terms["parts"][0]["terms"]) == ["a", "bad", "film"]
    with pytest.raises(
        InputError, match=r"tokenize_text\.linear\.minimum_texts: expected a number of texts"
    ):
        linear.fit(TEXTS, labels, linear.Parameters(minimum_texts=9))
