"""The base of all parameter sections: a section is a pydantic model that stands beside the code that reads it."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field


class Section(BaseModel):
    """One section of a task in `params.yaml`. Unknown keys and wrong types are errors; defaults live in the subclass."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)


Count = Annotated[int, Field(ge=1)]
Positive = Annotated[float, Field(gt=0)]
Rate = Annotated[float, Field(ge=0, lt=1)]
Name = Annotated[str, Field(min_length=1)]
