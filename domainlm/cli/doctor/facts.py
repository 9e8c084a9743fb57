"""What `domainlm doctor` finds: a fact each, and what to do where something is amiss."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Fact:
    """One line of the diagnosis.

    Attributes:
        section: heading that it stands below.
        name: what it is about.
        value: what was found.
        remedy: what to do about it; empty where all is well.
    """

    section: str
    name: str
    value: str
    remedy: str = ""
