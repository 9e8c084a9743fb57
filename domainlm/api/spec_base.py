"""What all specs have in common: a name, a line that says what it is, and a version."""

from __future__ import annotations

import re
from dataclasses import dataclass

from domainlm.errors import SpecError

_NAME = re.compile(r"[a-z0-9][a-z0-9._+-]*/[a-z0-9][a-z0-9._+-]*")


def check_spec_name(name: object, where: str) -> None:
    """Raise `SpecError` unless `name` is of the form `namespace/name`."""
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise SpecError(
            "not a spec name",
            where=where,
            given=repr(name),
            allowed='"namespace/name" in lower-case letters, digits and . _ + -',
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class SpecBase:
    """A frozen declaration that checks itself when it is made."""

    name: str
    description: str
    version: int = 1

    def __post_init__(self) -> None:
        where = f"{type(self).__name__} {self.name!r}"
        check_spec_name(self.name, where)
        if not isinstance(self.description, str) or not self.description.strip():
            raise SpecError("needs a description", where=where, remedy="say in one line what it is")
        if not isinstance(self.version, int) or isinstance(self.version, bool) or self.version < 1:
            raise SpecError("wrong version", where=where, given=repr(self.version), allowed="a whole number from 1")
        self._check(where)

    def _check(self, where: str) -> None:
        """Check the fields of the concrete spec; raise `SpecError`."""

    @property
    def reference(self) -> str:
        """Name with version, `namespace/name@version`: what an artifact records."""
        return f"{self.name}@{self.version}"
