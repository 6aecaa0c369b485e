"""The vectors of tokens, and vocabularies that have more words than training."""

import numpy as np

from stages.text import tokens
from stages.text.vectors import Vectors

VECTORS = Vectors(["the", "apple", "Apple"], np.array([[1, 2], [3, 4], [5, 6]], np.float32))


def test_a_token_is_looked_up_as_written_then_lowercased() -> None:
    values, covered = VECTORS.of(["Apple", "APPLE", "apple", "The", "pear", "<pad>"])
    np.testing.assert_array_equal(values, [[5, 6], [3, 4], [3, 4], [1, 2], [0, 0], [0, 0]])
    assert values.dtype == np.float32
    assert covered.tolist() == [True, True, True, True, False, False]
    empty, none = VECTORS.of([])
    assert (empty.shape, none.shape) == ((0, 2), (0,))


def test_a_vocabulary_is_extended_behind_its_words() -> None:
    fitted = tokens.fit([["a b a <unk>"]], "words", None, 1, False, False)
    assert isinstance(fitted, tokens.Words)
    more = fitted.extended(["b", "c", "c", "<unk>", "two words", "Don't", ""])
    assert more.tokens == [*fitted.tokens, "c", "Don't"]
    assert more.counts == [*fitted.counts, 0, 0]
    assert (fitted.known, more.known, more.size) == (5, 5, 7)
    assert (more.rarest, more.left_out) == (["b"], {"<unk>": 1})
    again = tokens.from_json(more.content())
    assert isinstance(again, tokens.Words)
    for vocabulary in (more, again):
        encoded = vocabulary.encode(["a C Don't don't x"])
        assert encoded.ids.tolist() == [3, 5, 6, tokens.UNKNOWN, tokens.UNKNOWN]
        assert encoded.unknown == ["don't", "x"]
        assert vocabulary.known == 5
    # Without more words nothing changes.
    assert fitted.encode(["A a"]).ids.tolist() == [tokens.UNKNOWN, 3]
    assert fitted.extended([]).content() == fitted.content()


def test_words_that_no_text_gives_do_not_extend_a_vocabulary() -> None:
    fitted = tokens.fit([["a"]], "words", None, 1, True, True)
    assert isinstance(fitted, tokens.Words)
    more = fitted.extended(["Paris", "don't", "paris", "!", "u.s."])
    assert more.tokens[fitted.size :] == ["paris", "!"]
    assert more.encode(["Paris!"]).ids.tolist() == [fitted.size, fitted.size + 1]


def test_words_that_a_file_lacks_have_the_vector_of_another() -> None:
    vectors = Vectors(["not", "me", "i"], np.eye(3, dtype=np.float32))
    values, covered = vectors.of(["n't", "N'T", "i", "I", "a", "'s"])
    np.testing.assert_array_equal(values[:4].argmax(1), [0, 0, 2, 2])
    assert covered.tolist() == [True] * 4 + [False] * 2
