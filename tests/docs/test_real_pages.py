"""What pages say of real data holds where the data is at hand."""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from docs_pages import Page
    from docs_shell import Shell

_NOTES = ("real data", "real data, dry run")


@pytest.mark.real
@pytest.mark.timeout(300)
def test_pages_on_real_data_do_what_they_say(
    all_pages: list[Page], make_shell: Callable[..., Shell], data_dir: Path, root: Path
) -> None:
    if find_spec("domainlm_biomegatron") is None:
        pytest.skip("needs the plugin domainlm-biomegatron")
    shell = make_shell(DOMAINLM_DATA=str(data_dir))
    (shell.folder / "recipes").symlink_to(root / "recipes")
    blocks = [block for page in all_pages for block in page.blocks if any(note in block.notes for note in _NOTES)]

    assert len(blocks) >= 4
    for block in blocks:
        shell.follow(block, dry_run="real data, dry run" in block.notes)
