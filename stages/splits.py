"""The splits of every task: train, then validation, then test."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from stages.sections import Count, Section

SPLITS = ("train", "validation", "test")
Fraction = Annotated[float, Field(gt=0, lt=1)]


class ByFraction(Section):
    """Fractions of the rows of each series. Rows past their sum are in no split."""

    train: Fraction
    validation: Fraction
    test: Fraction

    @model_validator(mode="after")
    def _sum(self) -> "ByFraction":
        if self.train + self.validation + self.test > 1 + 1e-9:
            raise ValueError("fractions whose sum is at most 1")
        return self


class ByCount(Section):
    """Rows of each series; one of them may be `rest`. Without a `rest`, rows past their sum are in
    no split."""

    train: Count | Literal["rest"]
    validation: Count | Literal["rest"]
    test: Count | Literal["rest"]

    @model_validator(mode="after")
    def _one_rest(self) -> "ByCount":
        if [self.train, self.validation, self.test].count("rest") > 1:
            raise ValueError("at most one `rest`")
        return self
