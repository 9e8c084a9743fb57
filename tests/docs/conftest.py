"""The pages of the documentation for tests, and a shell to follow them in."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

import domainlm

sys.path.insert(0, str(Path(__file__).parent))  # docs_pages and docs_shell
from docs_pages import Page
from docs_shell import Shell

ROOT = Path(__file__).resolve().parents[2]
_CORE = Path(domainlm.__file__).parents[1]
_SLOW_PAGES = {
    "docs/how-to/run-a-study.md",
    "docs/tutorial.md",
    "docs/how-to/write-a-plugin.md",
    "docs/how-to/another-domain.md",
    "docs/how-to/resume-and-share.md",
    "docs/how-to/prepare-a-corpus.md",
    "docs/how-to/bring-your-own-data.md",
    "docs/how-to/start-from-a-model.md",
    "docs/how-to/use-in-transformers.md",
    "docs/how-to/run-on-several-ranks.md",
    "docs/reference/python.md",
}
_PLUGIN, _PLUGIN_SPECS = "domainlm_biomegatron", "biomegatron"
_PAGE_SECONDS = 600  # far more than it takes, for machines with much else to do


@pytest.fixture
def make_shell(tmp_path: Path) -> Callable[..., Shell]:
    """Makes a shell in an empty folder, where `domainlm`, `python` and `pip` are those of this environment.

    What a page installs goes, without network, into a folder of its own.
    """

    def make(**variables: str) -> Shell:
        tools, site, folder = (tmp_path / name for name in ("tools", "site", "work"))
        for path in (tools, site, folder):
            path.mkdir()
        for name, arguments in (("domainlm", " -m domainlm"), ("python", ""), ("pip", " -m pip")):
            tool = tools / name
            tool.write_text(f'#!/bin/sh\nexec "{sys.executable}"{arguments} "$@"\n', encoding="utf-8")
            tool.chmod(0o755)
        path = os.pathsep.join([str(tools), os.environ.get("PATH", os.defpath)])
        importable = filter(None, [str(site), str(_CORE), os.environ.get("PYTHONPATH")])
        offline = {
            "PIP_TARGET": str(site),
            "PIP_UPGRADE": "1",
            "PIP_NO_DEPS": "1",
            "PIP_NO_INDEX": "1",
            "PIP_NO_BUILD_ISOLATION": "0",  # pip's own oddity: 0 means without isolation
            "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        }
        environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("DOMAINLM_", "PIP_"))},
            **offline,
            "PATH": path,
            "PYTHONPATH": os.pathsep.join(importable),
            "PYTHONUNBUFFERED": "1",
            "OMP_NUM_THREADS": "1",
            "NO_COLOR": "1",
            "COLUMNS": "120",
            **variables,
        }
        return Shell(folder, environment)

    return make


@pytest.fixture
def make_page() -> Callable[[str], Page]:
    """Makes a page of a text."""
    return lambda text: Page(ROOT / "docs" / "made-up.md", "made-up.md", text)


@pytest.fixture(scope="session")
def root() -> Path:
    return ROOT


@pytest.fixture(scope="session")
def all_pages() -> list[Page]:
    return _all_pages()


def _all_pages() -> list[Page]:
    paths = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
    return [Page(path, path.relative_to(ROOT).as_posix(), path.read_text(encoding="utf-8")) for path in paths]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Give every page to a test that takes a `page`; to one that also takes a shell, those where something is run."""
    if "page" not in metafunc.fixturenames:
        return
    pages = _all_pages()
    if "make_shell" not in metafunc.fixturenames:
        metafunc.parametrize("page", [pytest.param(page, id=page.name) for page in pages])
        return
    metafunc.parametrize(
        "page",
        [
            pytest.param(page, id=page.name, marks=list(_marks(page)))
            for page in pages
            if any(block.is_run for block in page.blocks)
        ],
    )


def _marks(page: Page) -> Iterator[pytest.MarkDecorator]:
    yield pytest.mark.timeout(_PAGE_SECONDS)
    if page.name in _SLOW_PAGES:
        yield pytest.mark.slow
    if any(block.is_run and f"{_PLUGIN_SPECS}/" in block.text for block in page.blocks):
        is_missing = find_spec(_PLUGIN) is None
        yield pytest.mark.skipif(is_missing, reason=f"the page uses the plugin {_PLUGIN}, which is not installed")
