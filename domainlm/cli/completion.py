"""`domainlm completion`: shell completion, by click's own scripts."""

from __future__ import annotations

import click
from click.shell_completion import ShellComplete, get_completion_class

from domainlm.cli.group import PROGRAM, cli
from domainlm.cli.main import COMPLETE_VARIABLE

_SHELLS = ("bash", "zsh", "fish")


@click.command(short_help="Print the completion script of a shell.")
@click.argument("shell", type=click.Choice(_SHELLS))
def completion(shell: str) -> None:
    """Print the completion script of a shell.

    \b
    bash: domainlm completion bash > ~/.local/share/bash-completion/completions/domainlm
    zsh:  domainlm completion zsh > a file _domainlm in a folder of $fpath
    fish: domainlm completion fish > ~/.config/fish/completions/domainlm.fish
    """  # noqa: D301 - click reads the escape
    click.echo(_completer(shell).source())


def answer(instruction: str) -> int:
    """Answer a shell that asks for completions.

    Args:
        instruction: "SHELL_complete" or "SHELL_source", as the shell's script sets it.

    Returns:
        The exit code: 1 where the instruction is not known, as the scripts expect.
    """
    shell, _, wanted = instruction.partition("_")
    if shell not in _SHELLS or wanted not in ("complete", "source"):
        return 1
    completer = _completer(shell)
    click.echo(completer.complete() if wanted == "complete" else completer.source())
    return 0


def _completer(shell: str) -> ShellComplete:
    found = get_completion_class(shell)
    assert found is not None, shell
    return found(cli, {}, PROGRAM, COMPLETE_VARIABLE)
