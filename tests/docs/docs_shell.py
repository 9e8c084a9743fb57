"""Does what stands on a page as a reader would, and compares."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path

from docs_pages import Block, Page, PageError, printed_as_said, stands_in

_COMMAND_SECONDS = 200


@dataclass(frozen=True)
class Shell:
    """Runs commands in one folder, as a reader's shell would."""

    folder: Path
    environment: dict[str, str]

    def run(self, command: str) -> subprocess.CompletedProcess[str]:
        """Run one command; standard error goes where standard output goes."""
        return subprocess.run(
            ["/bin/bash", "-euo", "pipefail", "-c", command],
            cwd=self.folder,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=_COMMAND_SECONDS,
            check=False,
        )

    def follow_page(self, page: Page) -> None:
        """Do what the page says, but for what the default suite leaves out; `PageError` as in `follow`."""
        for is_plain, blocks in groupby(
            (block for block in page.blocks if block.is_run), lambda each: each.is_plain_python
        ):
            if is_plain:
                self.follow(_joined(list(blocks)))
            else:
                for block in blocks:
                    self.follow(block)

    def follow(self, block: Block, *, dry_run: bool = False) -> None:
        """Do what a block says, and compare.

        Raises:
            PageError: it ends or prints otherwise than the page says.
        """
        if block.file is not None:
            path = self.folder / block.file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(block.text.partition("\n")[2], encoding="utf-8")
        for number, step in enumerate(block.steps, start=1):
            command = re.sub(r"\bdomainlm run\b", "domainlm run --dry-run", step.command) if dry_run else step.command
            ended = self.run(command)
            told = f"{block.place}: {command}\nprinted:\n{ended.stdout}"
            allowed = block.exit_codes if number == len(block.steps) else {0}
            code = ended.returncode if ended.returncode >= 0 else 128 - ended.returncode
            if code not in allowed:
                raise PageError(f"exit code {code}: {told}")
            if step.output is not None and not printed_as_said(step.output, ended.stdout):
                raise PageError(f"{told}but the page says:\n{step.output}")
        self._compare_excerpt(block)

    def _compare_excerpt(self, block: Block) -> None:
        name = block.notes.get("excerpt of")
        if name is not None and not stands_in(block.text, (self.folder / name).read_text(encoding="utf-8")):
            raise PageError(f"{block.place}: {name} holds something else:\n{self.run(f'cat {name}').stdout}")


def _joined(blocks: Sequence[Block]) -> Block:
    """Blocks of Python in a row as one, for one interpreter, which takes seconds to import torch.

    None of them sees the names of another, and an error names the line of the page.
    """
    if len(blocks) == 1:
        return blocks[0]
    parts = [
        f"exec(compile({block.text!r}, {block.place!r}, 'exec'), {{'__name__': '__main__'}})\n" for block in blocks
    ]
    return replace(blocks[0], text="".join(parts))
