"""Messages on stderr: how much is shown, and that they stay off stdout."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

Fixture = Callable[..., Any]

_PLUGIN = """
import logging
import click
from domainlm import hookimpl

_LOG = logging.getLogger("domainlm.harbour")

def _report():
    _LOG.debug("depth 3 m")
    _LOG.info("at the quay")
    _LOG.warning("low water")
    logging.getLogger("elsewhere").info("not ours")
    click.echo(click.style("result", fg="red"))

def _with_bar():
    import tqdm
    for _ in tqdm.tqdm(range(1), file=__import__("sys").stderr):
        _LOG.info("under the bar")

@hookimpl
def domainlm_commands():
    return [
        click.Command("report-depth", callback=_report),
        click.Command("bar", callback=_with_bar),
        click.Command("colour", callback=lambda: click.echo(str(click.get_current_context().color))),
    ]
"""


@pytest.mark.parametrize(
    ("options", "shown"),
    [
        ((), "at the quay\nwarning: low water\n"),
        (("-v",), "depth 3 m\nat the quay\nwarning: low water\n"),
        (("--quiet",), "warning: low water\n"),
    ],
)
def test_verbosity(install: Fixture, domainlm_process: Fixture, options: tuple[str, ...], shown: str) -> None:
    install("domainlm-harbour", _PLUGIN)

    ended = domainlm_process(*options, "report-depth")

    assert ended.stderr == shown
    assert ended.stdout == "result\n"


def test_a_message_does_not_break_a_progress_bar(install: Fixture, domainlm_process: Fixture) -> None:
    install("domainlm-harbour", _PLUGIN)

    lines = domainlm_process("bar").stderr.replace("\r", "\n").splitlines()

    assert "under the bar" in [line.strip() for line in lines]


@pytest.mark.parametrize(("value", "colour"), [("1", "False"), ("", "None")])
def test_no_color_is_heeded(install: Fixture, domainlm_process: Fixture, value: str, colour: str) -> None:
    install("domainlm-harbour", _PLUGIN)

    assert domainlm_process("colour", NO_COLOR=value).stdout == f"{colour}\n"
