"""Models by their names on the hub."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from start_recipes import MakeSource

from domainlm.errors import FetchError, ModelError, UserError
from domainlm.fetch.hub import hub_folder
from domainlm.interop import importing
from domainlm.interop.importing import import_model

_ASK = """
import sys
from domainlm.errors import UserError
from domainlm.fetch.hub import hub_folder
try:
    print(hub_folder("harbour/pilot", None))
except UserError as error:
    print(f"{type(error).__name__}: {error}")
"""


def test_a_folder_that_is_not_there_is_no_name_of_the_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("my-bert", "a/b/c", str(tmp_path / "nowhere")):
        with pytest.raises(ModelError, match=r"no such file or folder(.|\n)*ORGANISATION/MODEL"):
            import_model(name, tmp_path / "ours")

    def unreachable(name: str, revision: str | None) -> Path:
        raise FetchError("the hub cannot be reached", where=f"hub: {name}", given=revision)

    monkeypatch.setattr(importing, "hub_folder", unreachable)
    with pytest.raises(FetchError, match="pilot: there is no such folder; and on the Hugging Face hub: the hub"):
        import_model("harbour/pilot", tmp_path / "ours")


def test_a_name_of_the_hub_is_found_in_its_cache_offline(make_source: MakeSource, tmp_path: Path) -> None:
    pytest.importorskip("huggingface_hub")
    source, _ = make_source("bert")
    cache = tmp_path / "cache"
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "HF_HUB_CACHE": str(cache)}

    def ask() -> str:
        ended = subprocess.run(
            [sys.executable, "-c", _ASK], env=environment, capture_output=True, text=True, check=True, timeout=50
        )
        return ended.stdout.strip()

    assert ask().startswith("FetchError: hub: harbour/pilot: the hub cannot be reached, and its cache does not hold")
    model, commit = cache / "models--harbour--pilot", "0" * 40
    (model / "refs").mkdir(parents=True)
    (model / "refs" / "main").write_text(commit, encoding="utf-8")
    shutil.copytree(source, model / "snapshots" / commit)
    assert ask() == str(model / "snapshots" / commit)


def test_a_wrong_name_of_the_hub_is_refused() -> None:
    pytest.importorskip("huggingface_hub")
    with pytest.raises(UserError, match="not a name of the hub"):
        hub_folder("a/b/c", None)
