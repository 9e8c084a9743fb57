from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domainlm.api import ProblemLog, Split, TaskSpec
from domainlm.builtin.formats.conll import read_conll
from domainlm.errors import ModelError
from domainlm.recipe.optimizer_settings import FinetuningOptimizerSettings
from domainlm.recipe.schema import RuntimeSettings
from domainlm.recipe.task_settings import FinetuningSettings
from domainlm.tasks.finetune import finetune
from domainlm.tasks.load import TaggedText, Tagger, load
from domainlm.tasks.token.inference import WordLabels
from domainlm.tasks.token.labels import LabelSet
from domainlm.train.observer import NullObserver

RUNTIME = RuntimeSettings(device="cpu", num_threads=1)
Files = Mapping[Split, tuple[Path, ...]]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory, ship_log: TaskSpec, log_files: Files, start_folder: Path) -> Path:
    work = tmp_path_factory.mktemp("work")
    finetune(
        task=ship_log,
        files={"train": log_files["train"]},
        settings=FinetuningSettings(
            num_epochs=12,
            num_sequences_per_step=8,
            num_sequences_per_micro_batch=8,
            max_tokens=32,
            num_overlap_words=3,
            optimizer=FinetuningOptimizerSettings(learning_rate=4e-3),
        ),
        runtime=RUNTIME,
        seed=3,
        start=start_folder,
        work=work,
        observer=NullObserver(),
    )
    return work / "model"


@pytest.fixture(scope="module")
def tagger(model: Path) -> Tagger:
    loaded = load(model, RUNTIME)
    assert isinstance(loaded, Tagger)
    return loaded


def _found(tagged: TaggedText) -> list[tuple[str, str]]:
    return [(entity.type, entity.text) for entity in tagged.entities]


def _check(tagged: TaggedText, text: str) -> None:
    assert tagged.text == text
    place = 0
    for entity in tagged.entities:
        assert place <= entity.start < entity.end <= len(text)
        assert entity.text == text[entity.start : entity.end]
        assert 0.0 < entity.score <= 1.0
        place = entity.end


def test_mentions_with_their_offsets_in_the_text(tagger: Tagger) -> None:
    text = "  the SS Vega left Oslo on day 9 .\n\n\tno ship left today . the SS Lyra left Kiel on day 12 ."
    (tagged,) = tagger.tag([text])
    _check(tagged, text)
    assert _found(tagged) == [("ship", "SS Vega"), ("place", "Oslo"), ("ship", "SS Lyra"), ("place", "Kiel")]
    assert tagged.entities[0].start == text.index("SS Vega")
    assert tagger.types == ("place", "ship")


def test_labels_are_those_of_the_predictions(tagger: Tagger, model: Path, tmp_path: Path, log_files: Files) -> None:
    """A sentence tagged alone gets the entities that it gets among others, and in the order of the texts."""
    texts = [example.text for example in read_conll(log_files["test"][0], ProblemLog())]
    together = list(tagger.tag(iter(texts)))
    alone = [tagged for text in texts for tagged in tagger.tag([text])]
    assert [each.text for each in together] == texts
    assert [_found(each) for each in together] == [_found(each) for each in alone]
    for one, other in zip(together, alone, strict=True):
        for left, right in zip(one.entities, other.entities, strict=True):
            assert left.score == pytest.approx(right.score, abs=1e-5)


def test_texts_are_read_in_groups(tagger: Tagger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tagger, "num_texts_at_once", 64)
    assert list(tagger.tag([])) == []
    texts = [f"the SS Vega left Oslo on day {number} ." for number in range(3 * tagger.num_texts_at_once // 2)]
    assert [tagged.text for tagged in tagger.tag(texts)] == texts
    taken = 0

    def endless() -> Iterator[str]:
        nonlocal taken
        while True:
            taken += 1
            yield "the SS Vega left Oslo ."

    next(tagger.tag(endless()))
    assert taken <= tagger.num_texts_at_once


@pytest.mark.parametrize(
    "text",
    [
        "",
        " \n\t\u2028 ",
        "🚢",
        "👩‍👩‍👧 in Oslo 🚢🚢",
        "\x00\x01\ufeff\u200b",
        "half of a pair: \ud83d in Oslo",
        "שלום 中文 नमस्ते e\u0301",
        "[MASK] [SEP] [CLS] [PAD]",
        "a" * 50_000,
        "SS Vega " * 6_250,
        "." * 20_000,
        "\n" * 20_000,
    ],
    ids=range(12),
)
def test_any_text_survives(tagger: Tagger, text: str) -> None:
    (tagged,) = tagger.tag([text])
    _check(tagged, text)


def test_entities_at_the_end_of_a_very_long_line_are_found(tagger: Tagger) -> None:
    text = "the SS Vega left Oslo on day 9 , " * 1_500 + "the SS Lyra left Kiel on day 9 ."
    assert len(text) > 49_000
    (tagged,) = tagger.tag([text])
    _check(tagged, text)
    tenths = Counter(10 * each.start // len(text) for each in tagged.entities if each.type == "ship")
    assert min(tenths[tenth] for tenth in range(10)) > 100
    assert tagged.entities[-1].start > text.rindex("the")


@given(st.lists(st.text(st.characters() | st.sampled_from("\n .Oslo")), max_size=4))
@settings(deadline=None, max_examples=60)
def test_any_texts_come_back_with_sound_offsets(tagger: Tagger, texts: list[str]) -> None:
    for text, tagged in zip(texts, tagger.tag(texts), strict=True):
        _check(tagged, text)


def test_a_folder_that_is_no_model(model: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelError):
        load(tmp_path)
    folder = tmp_path / "model"
    shutil.copytree(model, folder)
    config = json.loads((folder / "config.json").read_text()) | {"kind": "tokens"}
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(ModelError, match="does not know") as caught:
        load(folder)
    assert caught.value.nearest == "token"


def test_a_folder_with_another_vocabulary(model: Path, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    shutil.copytree(model, folder)
    (folder / "tokenizer.json").unlink()
    (folder / "vocab.txt").write_text("[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nship\n")
    with pytest.raises(ModelError, match="the vocabulary of another model"):
        load(folder)


@pytest.mark.parametrize(("key", "value"), [("types", None), ("max_tokens", "many"), ("head", {"layers": 3})])
def test_a_config_that_lacks_something(model: Path, tmp_path: Path, key: str, value: object) -> None:
    folder = tmp_path / "model"
    shutil.copytree(model, folder)
    config = json.loads((folder / "config.json").read_text())
    assert key in config
    config[key] = value
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(ModelError, match=r"config\.json"):
        load(folder)


@pytest.mark.parametrize(
    ("decoding", "mentions"), [("viterbi", ["SS Vega"]), ("argmax", ["Vega"]), (None, ["Vega"])], ids=str
)
def test_labels_are_chosen_as_the_folder_says(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, decoding: str | None, mentions: list[str]
) -> None:
    """The likeliest labels are O and I-ship; B-ship and I-ship are likelier together than O and O."""
    folder = tmp_path / "model"
    shutil.copytree(model, folder)
    config = json.loads((folder / "config.json").read_text("utf-8"))
    assert config.pop("decoding") == "viterbi"  # what training chose unless told otherwise
    config |= {} if decoding is None else {"decoding": decoding}
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    tags = LabelSet(tuple(config["types"])).ids
    probabilities = np.full((2, len(tags)), 0.01, dtype=np.float32)
    probabilities[0, [tags["O"], tags["B-ship"]]] = 0.5, 0.4
    probabilities[1, [tags["O"], tags["I-ship"]]] = 0.05, 0.9
    found = WordLabels(probabilities.argmax(axis=1), probabilities)
    monkeypatch.setattr("domainlm.tasks.token.tagger.label_words", lambda *_: found)
    tagger = load(folder, RUNTIME)
    (tagged,) = tagger.tag(["SS Vega"])
    assert [each.text for each in tagged.entities] == mentions


def test_what_is_scored_is_what_iob2_allows_unless_told_otherwise(
    ship_log: TaskSpec, log_files: Files, start_folder: Path, tmp_path: Path
) -> None:
    """A model that has hardly learned says much that IOB2 does not allow; the lenient count takes it for mentions."""

    def num_found(decoding: str) -> list[int]:
        scores = finetune(
            task=ship_log,
            files=log_files,
            settings=FinetuningSettings.model_validate({"num_epochs": 1, "max_tokens": 32, "decoding": decoding}),
            runtime=RUNTIME,
            seed=3,
            start=start_folder,
            work=tmp_path / decoding,
            observer=NullObserver(),
        )
        chosen = [each for each in scores if (each.split, each.metric, each.type) == ("test", "f1", "")]
        return [each.counts["found"] for each in chosen if "IOB2" in each.protocol or "conlleval" in each.protocol]

    lenient, strict = num_found("argmax")
    assert lenient > strict
    lenient, strict = num_found("viterbi")
    assert lenient == strict
