"""The progress bar of a phase."""

from __future__ import annotations

from collections.abc import Mapping

from domainlm.progress import Bar


def progress_bar(phase: str, num_steps: int, first: int, *, is_shown: bool = True) -> Bar:
    """A bar that shows where somebody may see it.

    Args:
        phase: its title.
        num_steps: steps of the phase.
        first: of which are done.
        is_shown: whether this rank is the one to show it.
    """
    disable = None if is_shown else True
    return Bar(total=num_steps, initial=first, desc=phase, unit=" steps", disable=disable)


def show_step(bar: Bar, values: Mapping[str, float], seconds: float) -> None:
    """Move the bar by one step, with its loss and speed."""
    loss = f"loss {values['loss']:.3f}" if "loss" in values else "skipped"
    bar.set_postfix_str(f"{loss}, {values['num_tokens'] / seconds:,.0f} tokens/s", refresh=False)
    bar.update()
