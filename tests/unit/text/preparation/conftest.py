"""Small corpora to prepare."""

from __future__ import annotations

import gzip
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest

from domainlm.builtin.specs import read_text
from domainlm.text.preparation import blocks
from domainlm.text.preparation.blocks import Shard, group_files
from domainlm.text.preparation.prepare import Preparation, Prepared, finish, prepare_parts
from domainlm.text.preparation.reading import Input

_SOURCE_KEYS = ("skip_bad_input", "max_documents", "read", "spec")


@pytest.fixture
def helpers(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """`preparation_helpers`, which worker processes can import too."""
    monkeypatch.syspath_prepend(Path(__file__).parent)
    return import_module("preparation_helpers")


@pytest.fixture
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Parts of a few documents, groups of one file."""
    monkeypatch.setattr(blocks, "BLOCK_CHARACTERS", 300)
    monkeypatch.setattr(blocks, "GROUP_BYTES", 1)


@pytest.fixture
def write_corpus(tmp_path: Path) -> Callable[[Mapping[str, Sequence[str]]], list[Path]]:
    """Write files of documents, each document given as its text; `.gz` is packed."""

    def write(files: Mapping[str, Sequence[str]]) -> list[Path]:
        paths = []
        for name, documents in files.items():
            content = ("\n\n".join(documents) + "\n").encode()
            path = tmp_path / name
            path.write_bytes(gzip.compress(content, mtime=0) if name.endswith(".gz") else content)
            paths.append(path)
        return paths

    return write


@pytest.fixture
def ships(write_corpus: Callable[..., list[Path]]) -> list[Path]:
    """Three files of short documents, some of them the same as others, in capitals or not."""

    def documents(first: int, last: int) -> Iterator[str]:
        for number in range(first, last):
            yield f"Ship {number} left port on day {number % 7}. It carried {number * 3} barrels.\nIts mast was new."
            if number % 10 == 3:
                yield f"Ship {number - 3} left port on day {(number - 3) % 7}.  It carried {(number - 3) * 3} barrels."
            if number % 5 == 0:
                yield "Nothing to report."

    return write_corpus({"a.txt": [*documents(0, 25)], "b.txt.gz": [*documents(20, 50)], "c.txt": [*documents(50, 60)]})


@pytest.fixture
def preparation_of() -> Callable[..., Preparation]:
    """Make a preparation of text files; keywords are fields of `Preparation` or of its `Input`."""

    def make(paths: Sequence[Path], **changes: object) -> Preparation:
        source = {"read": read_text} | {key: changes.pop(key) for key in _SOURCE_KEYS if key in changes}
        return Preparation(
            source=Input(groups=group_files(paths), **source),
            source_identity={"files": [path.name for path in paths]},
            **{"held_out_share": 0.2, **changes},
        )

    return make


@pytest.fixture
def finish_into() -> Callable[[Preparation, Sequence[Path], Path], Prepared]:
    """Put parts together in a folder."""

    def run(preparation: Preparation, works: Sequence[Path], out: Path) -> Prepared:
        out.mkdir(parents=True, exist_ok=True)
        tokens = None if preparation.encoding is None else out / "tokens"
        return finish(preparation.finishing, works, text=out / "text", tokens=tokens, removed=out / "removed.jsonl")

    return run


@pytest.fixture
def prepare(
    tmp_path: Path, preparation_of: Callable[..., Preparation], finish_into: Callable[..., Prepared]
) -> Callable[..., tuple[Prepared, Path]]:
    """Prepare text files, in shards one after the other; returns what came out and its folder."""

    def run(
        paths: Sequence[Path], name: str = "out", *, shards: int = 1, num_workers: int = 1, **changes: object
    ) -> tuple[Prepared, Path]:
        preparation = preparation_of(paths, **changes)
        works = [tmp_path / name / f"work-{index}" for index in range(1, shards + 1)]
        for index, work in enumerate(works, start=1):
            prepare_parts(preparation, work, num_workers=num_workers, shard=Shard(index, shards))
        return finish_into(preparation, works, tmp_path / name), tmp_path / name

    return run


@pytest.fixture
def files_of() -> Callable[[Path], dict[str, bytes]]:
    """The bytes of all finished files in a folder."""

    def read(out: Path) -> dict[str, bytes]:
        folders = [folder for folder in (out / "text", out / "tokens") if folder.is_dir()]
        paths = [path for folder in folders for path in folder.iterdir()]
        return {path.name: path.read_bytes() for path in [*paths, out / "removed.jsonl"]}

    return read
