"""What a guarded task adds to the identity of a corpus."""

from __future__ import annotations

from pathlib import Path

from domainlm.api import TaskSpec
from domainlm.study.files import FileHashes
from domainlm.study.stages.corpus import GuardedTask
from domainlm.study.stages.sources import InputFile


def test_the_identity_says_how_text_is_read_only_where_that_changes_it(tmp_path: Path) -> None:
    hashes = FileHashes(tmp_path / "hashes.json")
    spec = TaskSpec(name="cook/soups", description="x", kind="token", read=lambda path, problems: iter(()))
    identities = []
    for name, text in [("composed", "caf\u00e9"), ("decomposed", "cafe\u0301"), ("chinese", "\u6c64")]:
        path = tmp_path / f"{name}.txt"
        path.write_text(text, encoding="utf-8")
        files = InputFile.all_of([path], hashes)
        identities.append(GuardedTask(spec=spec, name="soups", files={"train": files, "test": files}).identity())
        identities.append(GuardedTask(spec=spec, name="soups", files={"train": files}).identity())
    assert ["normalised" in identity for identity in identities] == [False, False, True, False, False, False]
    assert ["ideographs" in identity for identity in identities] == [False, False, False, False, True, False]
