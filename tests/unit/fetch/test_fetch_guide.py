"""The plan that docs/how-to/fetch.md shows to authors of plugins does what the page says."""

from __future__ import annotations

import re
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from domainlm.api import CorpusSpec
from domainlm.fetch.client import Client
from domainlm.fetch.plan import choose_files, source_of
from domainlm.fetch.policy import Policy
from domainlm.fetch.selection import Selection

if TYPE_CHECKING:
    from conftest import Web

_PAGE = (Path(__file__).parents[3] / "docs" / "how-to" / "fetch.md").read_text(encoding="utf-8")


def test_the_plan_of_the_page_finds_its_files(web: Web) -> None:
    [code] = re.findall(r"```python\n(.*?)```", _PAGE, re.DOTALL)
    names: dict[str, object] = {}
    exec(compile(code, "fetch.md", "exec"), names)  # noqa: S102 - the page's own example
    spec = names["LOGS"]
    assert isinstance(spec, CorpusSpec)
    web.files["/"] = b'<a href="log1850.txt.gz"><a href="log1851.txt.gz"><a href="log1851.txt.gz.md5">'
    source = source_of(spec.fetch, None, "here")
    with Client(Policy(), threading.Event()) as client:
        chosen = choose_files(source, Selection.parse("1851"), client, web.url)
        [(number, file)] = chosen.numbered
    assert (number, file.name, file.checksum_url) == (1851, "log1851.txt.gz", "./log1851.txt.gz.md5")
