"""The base of all parameter sections: pydantic models beside the code that reads them."""

import re
from collections.abc import Iterable
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field


class Section(BaseModel):
    """One section of a task in `params.yaml`.

    Unknown keys and wrong types are errors; defaults live in the subclass.
    """

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)


def matching(pattern: str, expected: str) -> AfterValidator:
    """Returns the check that a whole text matches `pattern`; `expected` describes it in words."""

    def check(value: str) -> str:
        if not re.fullmatch(pattern, value):
            raise ValueError(expected)
        return value

    return AfterValidator(check)


def _inside(path: str) -> str:
    if not path.isprintable() or any(name in ("", ".", "..") for name in path.split("/")):
        raise ValueError("a path that stays in its folder, such as part.csv or 2020/part.csv")
    return path


def one_of(names: Iterable[str]) -> AfterValidator:
    """Returns the check that a text is one of some names."""

    def check(value: str) -> str:
        if value not in names:
            raise ValueError(f"one of {', '.join(names)}")
        return value

    return AfterValidator(check)


# More than any machine counts to here, and far from where integers overflow.
Count = Annotated[int, Field(ge=1, le=10**9)]
Positive = Annotated[float, Field(gt=0)]
Rate = Annotated[float, Field(ge=0, lt=1)]
Name = Annotated[str, Field(min_length=1)]
# NumPy takes seeds of 32 bits, and the members of an ensemble count up from it.
Seed = Annotated[int, Field(strict=True, ge=0, lt=2**31)]
# DVC puts keys into shell commands and into paths.
Key = Annotated[
    str,
    matching(
        r"[A-Za-z_][A-Za-z0-9_]{0,99}",
        "a name of up to 100 ASCII letters, digits and _, not starting with a digit",
    ),
]
InnerPath = Annotated[str, AfterValidator(_inside)]
