"""Keeping the program answerable while compiled code computes."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TypeVar

from domainlm.cancellation import check_cancelled
from domainlm.progress import Bar

_Result = TypeVar("_Result")
_SECONDS_BETWEEN_LOOKS = 0.1


def run_answerably(function: Callable[[], _Result], title: str) -> _Result:
    """Call a function in another thread, show the time it takes, and let Ctrl-C through at once.

    Compiled code that runs for a minute would let Python hear of a Ctrl-C only when it ends. After one, the thread is
    left to itself; it does not keep the program from ending.

    Args:
        function: what to call. What it raises is raised here.
        title: what the progress line calls it.
    """
    results: list[_Result] = []
    errors: list[BaseException] = []

    def call() -> None:
        try:
            results.append(function())
        except BaseException as error:  # noqa: BLE001 - raised again by the caller's thread
            errors.append(error)

    thread = threading.Thread(target=call, daemon=True)
    with Bar(desc=title, bar_format="{desc}: {elapsed}", disable=None) as bar:
        thread.start()
        while thread.is_alive():
            thread.join(_SECONDS_BETWEEN_LOOKS)
            bar.refresh()
            check_cancelled()
    if errors:
        raise errors[0]
    return results[0]
