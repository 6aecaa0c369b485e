"""The error that a user can repair: wrong data or wrong parameters."""


class InputError(ValueError):
    """Says what was expected, what was received and how to fix it.

    Stages print it as one line, without a traceback.
    """
