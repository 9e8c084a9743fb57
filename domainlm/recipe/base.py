"""What the tables of a recipe have in common, and the types of their values."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from domainlm.recipe.toml_text import toml_text

V = TypeVar("V", bound=Sequence[bool | int | float | str])


def all_different(values: V) -> V:
    """The values as they are; raises `ValueError` where one stands there twice, which would train the same twice."""
    seen = [(type(value), value) for value in values]  # TOML tells 1, 1.0 and true apart
    for each in seen:
        if seen.count(each) > 1:
            raise ValueError(f"the value {toml_text(each[1])} stands there twice")
    return values


Positive = Annotated[int, Field(ge=1)]
NotNegative = Annotated[int, Field(ge=0)]
Share = Annotated[float, Field(ge=0.0, le=1.0)]
Dropout = Annotated[float, Field(ge=0.0, lt=1.0)]
Scalar = bool | int | float | str
Different = AfterValidator(all_different)
"""Of a list: no value may stand there twice."""
Strings = Annotated[tuple[str, ...], Field(strict=False)]


class Settings(BaseModel):
    """A table of the recipe: frozen, strict about types, and closed to unknown keys."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, strict=True, allow_inf_nan=False, use_attribute_docstrings=True
    )
