"""Progress bars of long loops, which show where somebody may see them."""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

from tqdm import tqdm

from domainlm.cancellation import check_cancelled

if TYPE_CHECKING:  # it has a parameter in its type hints alone
    _Tqdm = tqdm[NoReturn]
else:
    _Tqdm = tqdm


class Bar(_Tqdm):
    """A bar that also lets the loop be stopped, by `check_cancelled`, whenever it moves, whether it is shown or not."""

    def update(self, n: float | None = 1) -> bool | None:
        """Move by `n`."""
        moved = super().update(n)
        check_cancelled()
        return moved
