"""Who gives something: a distribution with its version, and the entry point in it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, order=True)
class Provider:
    """A plugin as it is installed.

    Attributes:
        distribution: name of the distribution that holds it ("domainlm" for the core itself).
        version: that distribution's version.
        entry_point: name of the entry point in the group `domainlm`.
    """

    distribution: str
    version: str
    entry_point: str

    def __str__(self) -> str:
        return f"{self.distribution} {self.version}"

    @property
    def label(self) -> str:
        """Unique among all plugins: distribution, version and entry point."""
        return f"{self.distribution} {self.version} [{self.entry_point}]"
