"""Messages on stderr: what is done, warnings, and with --verbose the details."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable
from typing import Any, TypeVar

import click

from domainlm.api import ProblemLog
from domainlm.cli.state import cli_state

_Function = TypeVar("_Function", bound=Callable[..., Any])

LOGGER_NAME = "domainlm"
_LOG = logging.getLogger(__name__)


class StderrHandler(logging.Handler):
    """Writes plain lines to stderr, above a progress bar where one is shown."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write one message; levels from warning on are named."""
        try:
            line = self.format(record)
            if record.levelno >= logging.WARNING:
                line = f"{record.levelname.lower()}: {line}"
            _write(line)
        except Exception:  # noqa: BLE001 - as every handler of logging: a message must not end the program
            self.handleError(record)


def _write(line: str) -> None:
    tqdm = sys.modules.get("tqdm")
    if tqdm is None:
        click.echo(line, err=True)
    else:
        tqdm.tqdm.write(line, file=sys.stderr)


def set_up_logging() -> None:
    """Show messages of domainlm and its plugins; those of libraries from warnings on."""
    root = logging.getLogger()
    if not any(isinstance(handler, StderrHandler) for handler in root.handlers):
        root.addHandler(StderrHandler())
    logging.getLogger(LOGGER_NAME).setLevel(logging.INFO)


def warn_of_problems(problems: ProblemLog) -> None:
    """Say what a reader skipped or mended: the counts, and the first places of each kind."""
    if not problems.counts:
        return
    _LOG.warning("%s", problems.summary())
    for problem in problems.examples:
        _LOG.warning("%s: %s: %s", problem.where, problem.kind, problem.detail)


def verbosity_options(function: _Function) -> _Function:
    """Add -v and -q to a command; they take effect at once and are not passed on."""
    verbose = click.option(
        "-v", "--verbose", is_flag=True, expose_value=False, callback=_verbose, help="Show details of what is done."
    )
    quiet = click.option(
        "-q", "--quiet", is_flag=True, expose_value=False, callback=_quiet, help="Show warnings and errors only."
    )
    return verbose(quiet(function))


def _verbose(_context: click.Context, _: click.Parameter, given: bool) -> None:
    if given:
        logging.getLogger(LOGGER_NAME).setLevel(logging.DEBUG)


def _quiet(context: click.Context, _: click.Parameter, given: bool) -> None:
    if given:
        logging.getLogger(LOGGER_NAME).setLevel(logging.WARNING)
        cli_state(context).quiet = True
