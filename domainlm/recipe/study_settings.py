"""The keys of a recipe's [study]: what is varied."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field, field_validator, model_validator

from domainlm.recipe.base import Different, Scalar, Settings, Strings


class ArmSettings(Settings):
    """A combination of settings with a name."""

    name: str
    """What tables and plots call it."""
    set: dict[str, Any]
    """Dotted recipe keys with their values, of any kind: `{ "model.size" = "core/mini", "corpus.files" = ["a.txt"] }`;
    tables are merged into the existing ones, everything else is replaced."""

    @field_validator("name")
    @classmethod
    def _one_line(cls, name: str) -> str:
        if not name or name != name.strip() or not name.isprintable():
            raise ValueError("a name is one line that is not empty, without blanks around it")
        return name


class StudySettings(Settings):
    """What is varied."""

    axes: dict[str, Annotated[tuple[Scalar, ...], Field(strict=False, min_length=1), Different]] = Field(
        default_factory=dict
    )
    """Dotted recipe keys, each with the values to try; every combination is run, and shared stages only once."""
    arms: Annotated[tuple[ArmSettings, ...], Field(strict=False)] = ()
    """Combinations of settings that you choose, each with a name; if there are axes, every arm is run with every
    combination of theirs."""
    select: Strings = ()
    """Axes below finetuning whose values are chosen by dev, for each data set, instead of compared."""

    @model_validator(mode="after")
    def _select_varied(self) -> StudySettings:
        for key in self.select:
            if key not in self.axes or not key.startswith("finetuning."):
                raise ValueError(f"select names {key!r}, which is no axis below finetuning")
        return self

    @model_validator(mode="after")
    def _names_differ(self) -> StudySettings:
        names = [arm.name for arm in self.arms]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"two arms have the name {name!r}")
        return self
