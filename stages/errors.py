"""The error that a user can repair: wrong data or wrong parameters."""

from collections.abc import Iterator
from contextlib import contextmanager


class InputError(ValueError):
    """Says what was expected, what was received and how to fix it. Stages print it as one line,
    without a traceback."""


@contextmanager
def naming(what: str) -> Iterator[None]:
    """Puts `what` was worked on in front of an error's message."""
    try:
        yield
    except InputError as error:
        raise InputError(f"{what}: {error}") from None
