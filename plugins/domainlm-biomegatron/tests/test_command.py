from __future__ import annotations

from pathlib import Path

from click.testing import CliRunner

from domainlm.api import UserError
from domainlm_biomegatron.commands import biomegatron


def test_sample_writes_every_format(tmp_path: Path) -> None:
    folder = tmp_path / "sample"
    result = CliRunner().invoke(biomegatron, ["sample", str(folder), "--documents", "4", "--seed", "7"])
    assert result.exit_code == 0, result.output
    assert str(folder / "README.txt") in result.output
    assert sorted(path.name for path in folder.iterdir()) == [
        "README.txt", "bc5cdr", "bioasq", "chemprot", "ncbi-disease", "pmc", "pubmed", "squad",
    ]  # fmt: skip
    assert not list(folder.rglob("*.tmp"))


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    mine = tmp_path / "mine.txt"
    mine.write_text("mine", encoding="utf-8")
    result = CliRunner().invoke(biomegatron, ["sample", str(tmp_path)])
    assert isinstance(result.exception, UserError)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_wrong_numbers_are_refused(tmp_path: Path) -> None:
    result = CliRunner().invoke(biomegatron, ["sample", str(tmp_path / "x"), "--documents", "0"])
    assert result.exit_code == 2
    assert not (tmp_path / "x").exists()
