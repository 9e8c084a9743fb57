"""Text to token ids: each side once, also where a run is stopped in between."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from domainlm.api import ProblemLog
from domainlm.errors import DataError
from domainlm.recipe.schema import RuntimeSettings
from domainlm.study.stage import StageContext
from domainlm.study.stages import encode
from domainlm.study.stages.encode import EncodeStage, held_out_tokens, train_tokens
from domainlm.train.observer import NullObserver

ENTRIES = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "the", "ship", "left", ".")


@pytest.fixture
def context(tmp_path: Path) -> StageContext:
    vocabulary, text, folder = tmp_path / "made" / "vocabulary", tmp_path / "corpus" / "text", tmp_path / "work"
    for each in (vocabulary, text, folder):
        each.mkdir(parents=True)
    (vocabulary / "vocab.txt").write_text("".join(f"{entry}\n" for entry in ENTRIES), "utf-8")
    for side in ("train", "held_out"):
        (text / f"{side}.txt").write_text("The ship left.\n\nThe ship.\n", "utf-8")
    inputs = {"corpus": tmp_path / "corpus", "vocabulary": tmp_path / "made"}
    return StageContext(folder, inputs, ProblemLog(), NullObserver())


def test_a_side_that_was_done_is_not_done_again(context: StageContext, monkeypatch: pytest.MonkeyPatch) -> None:
    stage = EncodeStage(label="harbour", inputs={}, runtime=RuntimeSettings())
    done: list[str] = []
    real: Callable[..., Any] = encode.encode_text

    def encode_text(text: Path, *arguments: Any, **named: Any) -> Any:  # noqa: ANN401 - as the one it stands for
        if text.name == "held_out.txt" and "held_out" not in done:
            done.append("held_out")
            raise KeyboardInterrupt
        done.append(text.stem)
        return real(text, *arguments, **named)

    monkeypatch.setattr(encode, "encode_text", encode_text)
    with pytest.raises(KeyboardInterrupt):
        stage.make(context)
    facts = stage.make(context)

    assert done == ["train", "held_out", "held_out"]
    assert facts["train"] == facts["held_out"]
    assert facts["train"]["num_documents"] == 2
    assert [each.name for each in context.folder.iterdir()] == ["tokens"]


def test_a_side_without_text_says_so_where_it_is_read(context: StageContext) -> None:
    (context.inputs["corpus"] / "text" / "train.txt").write_text("", "utf-8")
    EncodeStage(label="harbour", inputs={}, runtime=RuntimeSettings()).make(context)

    assert held_out_tokens(context.folder).with_suffix(".idx").exists()
    with pytest.raises(DataError, match=r"no document of the corpus is left for pretraining(.|\n)*lower its held_out"):
        train_tokens(context.folder)
