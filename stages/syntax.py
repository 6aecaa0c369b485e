"""Hashes of Python files that count their syntax alone: no comments, docstrings, blank lines,
layout or line ends. All versions of Python that the project runs under give the same hashes."""

import ast
import hashlib
from functools import cache
from pathlib import Path

from stages.errors import InputError

# Where a name is read or set follows from its place. `kind` tells u"x" from "x".
_LEFT_OUT = ("ctx", "kind", "type_comment")
# Of these nodes None is a value and not an absence.
_SINGLE_VALUES = (ast.Constant, ast.MatchSingleton)


def parsed(path: Path) -> ast.Module:
    """Returns the syntax tree of a file of code. Raises `InputError` if it is not Python."""
    try:
        return _tree(path.read_bytes())
    except (SyntaxError, ValueError, RecursionError) as error:
        line = f", line {error.lineno}" if isinstance(error, SyntaxError) and error.lineno else ""
        raise InputError(
            f"{path}{line}: expected valid Python, received: {getattr(error, 'msg', error)}"
        ) from None


def hash_of(path: Path) -> str:
    """Returns the hash of a file's syntax. Raises `InputError` if it is not Python."""
    return hash_of_tree(parsed(path))


@cache
def hash_of_tree(tree: ast.AST) -> str:
    words: list[str] = []
    _append(tree, words)
    return hashlib.sha256("\n".join(words).encode()).hexdigest()[:16]


@cache
def _tree(source: bytes) -> ast.Module:
    return ast.parse(source)


def _append(node: object, words: list[str]) -> None:
    """Appends what a node of the tree consists of, in an order and form that fit no other node."""
    if not isinstance(node, ast.AST):
        words.append(ascii(node))
        return
    words.append(type(node).__name__)
    for name in node._fields:
        if name in _LEFT_OUT:
            continue
        value = getattr(node, name, None)
        if name == "body" and isinstance(value, list):
            value = [item for item in value if not _is_docstring(item)]
        elif name == "values" and isinstance(node, ast.JoinedStr):
            value = _texts_and_values(node)
        elif name == "format_spec" and value and not _texts_and_values(value):
            value = None  # f"{x:}"
        # What only newer versions have is empty in code that runs under all of them.
        if (value is not None and value != []) or isinstance(node, _SINGLE_VALUES):
            words.append(f"({name}")
            for item in value if isinstance(value, list) else [value]:
                _append(item, words)
            words.append(")")


def _is_docstring(node: ast.AST) -> bool:
    """Whether a statement is a text alone."""
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )


def _texts_and_values(node: ast.JoinedStr) -> list[ast.expr]:
    """Returns what an f-string joins, without empty texts: Python 3.12 parses one in the format
    of f"{x:{width}}"."""
    return [item for item in node.values if getattr(item, "value", None) != ""]
