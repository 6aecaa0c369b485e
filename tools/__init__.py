"""What keeps the project's promises: commands for its people, which no stage needs."""


def one_line(error: Exception) -> str:
    """Returns the message of an error in a line; the name of its type, if it has none."""
    return " ".join(str(error).split()) or type(error).__name__
