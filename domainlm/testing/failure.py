"""What every check raises."""

from __future__ import annotations

from domainlm.errors import UserError


class CheckError(UserError):
    """Something a plugin declares breaks a rule of the interface."""
