"""The entry point: from arguments to an exit code.

0: done. 2: something the user can mend, or wrong usage. 130: interrupted (Ctrl-C). 143: ended by SIGTERM.
141: whoever read our output went away. 1: a bug of ours or, of `domainlm model compare`, models that differ.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from types import FrameType
from typing import NoReturn

import click

from domainlm.cli.group import PROGRAM, cli
from domainlm.cli.logs import set_up_logging
from domainlm.cli.state import cli_state
from domainlm.errors import TOLD, MachineError, Terminated, UserError, place_error, storage_error
from domainlm.plugin.discovery import CORE
from domainlm.process import launched

EXIT_BUG = 1
EXIT_USER_ERROR = 2
EXIT_INTERRUPTED = 128 + signal.SIGINT
EXIT_TERMINATED = 128 + signal.SIGTERM
EXIT_BROKEN_PIPE = 141  # 128 + SIGPIPE, which signal does not name on every system

COMPLETE_VARIABLE = f"_{PROGRAM.upper()}_COMPLETE"
"""Set by the shell's completion function when it asks for completions."""

_LOG = logging.getLogger(__name__)


def program() -> NoReturn:
    """What the command `domainlm` is: `main`, and the end of the process.

    A rank that was launched with others leaves at once. Threads of torch's process groups may outlive them, and now and
    then one of them aborts a process that is done while its interpreter is torn down.
    """
    code = main()
    if _is_launched():
        with suppress(OSError):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)
    sys.exit(code)


def main(argv: Sequence[str] | None = None) -> int:  # noqa: PLR0911 - one for each exit code
    """Run one command and return the exit code.

    Args:
        argv: the arguments after the program's name; those of the process where None.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    if COMPLETE_VARIABLE in os.environ:
        from domainlm.cli.completion import answer  # imported when a shell asks, since nothing else needs it

        return answer(os.environ[COMPLETE_VARIABLE])
    set_up_logging()
    try:
        with _sigterm_raises():
            code = _call(arguments)
            sys.stdout.flush()
    except Terminated:
        return _say(EXIT_TERMINATED, "terminated; run the same command again to go on")
    except (KeyboardInterrupt, click.Abort):
        return _say(EXIT_INTERRUPTED, "interrupted; run the same command again to go on")
    except click.ClickException as error:
        error.show()
        return EXIT_USER_ERROR
    except UserError as error:
        return _user_error(error)
    except OSError as error:
        return _os_error(error)
    except Exception as error:  # noqa: BLE001 - whatever it is, it is told
        lacking = _device_error(error)
        return _bug(error) if lacking is None else _user_error(lacking)
    return code


def _is_launched() -> bool:
    try:
        return launched() is not None
    except MachineError:  # said already by the command, where it matters to it
        return False


def _call(arguments: list[str]) -> int:
    color = False if os.environ.get("NO_COLOR") else None  # https://no-color.org; None: as the terminal is
    try:
        with cli.make_context(PROGRAM, arguments, color=color) as context:
            try:
                cli.invoke(context)
            except Exception as error:
                _note_plugin(error, context)
                raise
    except click.exceptions.Exit as ended:
        return ended.exit_code
    return 0


def _note_plugin(error: Exception, context: click.Context) -> None:
    """Say in the traceback of a bug which plugin gives the command."""
    if context.invoked_subcommand is None:  # plugins were yet to be loaded
        return
    entry = cli_state(context).all_plugins.commands.get(context.invoked_subcommand)
    if entry is not None and entry.provider.distribution != CORE:
        error.add_note(f"The command {entry.command.name!r} is given by plugin {entry.provider}.")


@contextmanager
def _sigterm_raises() -> Iterator[None]:
    """Raise `Terminated` on SIGTERM; only the main thread may choose what a signal does."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def terminate(_number: int, _frame: FrameType | None) -> None:
        raise Terminated

    before = signal.signal(signal.SIGTERM, terminate)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _say(code: int, message: str) -> int:
    if sys.stderr.isatty():
        click.echo(err=True)  # leave the line of the progress bar and of the terminal's ^C
    click.echo(message, err=True)
    return code


def _user_error(error: UserError) -> int:
    click.echo(f"error: {error}", err=True)
    _LOG.debug("its traceback:", exc_info=error)
    return EXIT_USER_ERROR


def _os_error(error: OSError) -> int:
    if isinstance(error, BrokenPipeError) and _stdout_is_broken():
        return EXIT_BROKEN_PIPE
    translated = storage_error(error) or place_error(error)
    if translated is None:
        return _bug(error)
    translated.__cause__ = error
    return _user_error(translated)


def _stdout_is_broken() -> bool:
    """Whether nobody reads what we print; if so, drop it, or Python would complain when it ends."""
    try:
        sys.stdout.write("\n")
        sys.stdout.flush()
    except BrokenPipeError:
        with suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return True
    return False


def _device_error(error: Exception) -> UserError | None:
    """What a device lacks, wherever that came up: also where nothing is trained."""
    if "torch" not in sys.modules:
        return None
    from domainlm.parallel.device_errors import device_error

    return device_error(error)


def _bug(error: Exception) -> int:
    if TOLD in getattr(error, "__notes__", ()):
        click.echo("".join(traceback.format_exception_only(error)), err=True, nl=False)
    else:
        traceback.print_exception(error)
    click.echo(
        "\nThis is a bug in domainlm or in one of its plugins. Please report it with the lines above and the output of "
        f"`domainlm doctor`{_report_address()}.",
        err=True,
    )
    return EXIT_BUG


def _report_address() -> str:
    """Where the installed distribution takes reports, as its metadata says; empty where it does not."""
    from importlib.metadata import PackageNotFoundError, metadata

    try:
        addresses = metadata(PROGRAM).get_all("Project-URL") or []
    except PackageNotFoundError:
        return ""
    found = [address.partition(",")[2].strip() for address in addresses if address.lower().startswith("issues,")]
    return f" at {found[0]}" if found else ""
