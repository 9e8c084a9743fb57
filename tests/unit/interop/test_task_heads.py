"""Task models of package transformers come in with their heads, compute what it computes, and leave as they came."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import torch
from safetensors.torch import load_file

import domainlm
from domainlm.interop.export import export_huggingface
from domainlm.interop.importing import import_model

if TYPE_CHECKING:
    from conftest import Rows

    from domainlm.tasks.load import LoadedModel

    MakeSource = Callable[..., tuple[Path, Any]]

transformers = pytest.importorskip("transformers", reason="parity is checked against package transformers")
KINDS = ("bert", "megatron")
CLASSES = {
    "token": "ForTokenClassification",
    "sequence": "ForSequenceClassification",
    "span": "ForQuestionAnswering",
}
TAGS = ("B-Ship", "O", "I-Place", "B-Place", "I-Ship")
"""In no order that this program would choose."""
TEXTS = [
    "The ship left the harbour",
    "a pilot sailed in oslo, the sea tide lighthouse ships",
    "harbour seaside pilots ship c d unknownword the",
    "ship",
    "",
    "light b a the tide sea pilot left d c, ship sailed in the seaside harbour oslo",
]


def named(*names: str) -> dict[str, dict[Any, Any]]:
    """The settings of a configuration that name labels."""
    return {"id2label": dict(enumerate(names)), "label2id": {name: number for number, name in enumerate(names)}}


SETTINGS: dict[str, dict[str, Any]] = {"token": named(*TAGS), "sequence": named("no", "yes", "maybe"), "span": {}}


def largest(found: torch.Tensor, expected: torch.Tensor) -> float:
    assert found.shape == expected.shape
    assert float(expected.abs().max()) > 0.1
    return float((found - expected).abs().max())


def imported(source: Path, out: Path, no_answer_threshold: float | None = None) -> tuple[LoadedModel, tuple[str, ...]]:
    _, taken = import_model(source, out, no_answer_threshold=no_answer_threshold)
    assert (taken.initialised, taken.unexpected) == ((), ())
    return domainlm.load(out), taken.notes


def head_scores(model: LoadedModel, rows: Rows, task: str) -> torch.Tensor:
    inner: Any = model._model
    states = inner.encoder(*rows.ours)
    return inner.head(states[:, 0]) if task == "sequence" else rows.real(inner.head(states))


def their_scores(theirs: torch.nn.Module, rows: Rows, task: str) -> torch.Tensor:
    found = theirs(**rows.theirs)
    if task == "span":
        return rows.real(torch.stack([found.start_logits, found.end_logits], dim=-1))
    return found.logits if task == "sequence" else rows.real(found.logits)


@pytest.mark.parametrize("task", CLASSES)
@pytest.mark.parametrize("kind", KINDS)
@torch.no_grad()
def test_heads_score_as_the_library_does(
    kind: str, task: str, make_source: MakeSource, rows: Rows, tmp_path: Path
) -> None:
    source, theirs = make_source(kind, CLASSES[task], **SETTINGS[task])
    model, _ = imported(source, tmp_path / "ours")
    assert model.kind == task
    assert largest(head_scores(model, rows, task), their_scores(theirs, rows, task)) <= 1e-5


@pytest.mark.parametrize("task", CLASSES)
@pytest.mark.parametrize("kind", KINDS)
def test_the_way_in_and_out_changes_no_bit(kind: str, task: str, make_source: MakeSource, tmp_path: Path) -> None:
    source, _ = make_source(kind, CLASSES[task], **SETTINGS[task])
    import_model(source, tmp_path / "ours")
    exported = export_huggingface(tmp_path / "ours", tmp_path / "theirs")
    assert exported.notes == ()
    before, after = (json.loads((folder / "config.json").read_text()) for folder in (source, tmp_path / "theirs"))
    assert before["architectures"] == after["architectures"] == [exported.architecture]
    assert before.get("id2label") == after.get("id2label")
    old, new = (load_file(folder / "model.safetensors") for folder in (source, tmp_path / "theirs"))
    assert old.keys() == new.keys()
    assert all(torch.equal(old[name].view(torch.int32), new[name].view(torch.int32)) for name in old)
    import_model(tmp_path / "theirs", tmp_path / "again")
    for name in ("config.json", "model.safetensors", "tokenizer.json"):
        assert (tmp_path / "again" / name).read_bytes() == (tmp_path / "ours" / name).read_bytes()


@pytest.mark.parametrize("labels", [TAGS, ("O", "Ship", "Place")])
@pytest.mark.parametrize("kind", KINDS)
def test_entities_are_those_of_the_librarys_own_pipeline(
    kind: str, labels: tuple[str, ...], make_source: MakeSource, tmp_path: Path
) -> None:
    source, theirs = make_source(kind, "ForTokenClassification", **named(*labels))
    tokenizer = transformers.AutoTokenizer.from_pretrained(source)
    pipeline = transformers.pipeline(
        "token-classification", theirs, tokenizer=tokenizer, aggregation_strategy="first", device="cpu"
    )
    model, notes = imported(source, tmp_path / "ours")
    assert any("no IOB scheme" in note for note in notes) == (labels != TAGS)
    num_found = 0
    for text, tagged in zip(TEXTS, model.tag(TEXTS), strict=True):
        expected = pipeline(text) if text else []
        found = [(each.start, each.end, each.type) for each in tagged.entities]
        assert found == [(each["start"], each["end"], each["entity_group"]) for each in expected]
        scores = [each.score for each in tagged.entities]
        assert scores == pytest.approx([float(each["score"]) for each in expected], abs=1e-5)
        num_found += len(found)
    assert num_found >= 5


@pytest.mark.parametrize("kind", KINDS)
def test_labels_of_texts_are_those_of_the_librarys_own_pipeline(
    kind: str, make_source: MakeSource, tmp_path: Path
) -> None:
    source, theirs = make_source(kind, "ForSequenceClassification", **SETTINGS["sequence"])
    tokenizer = transformers.AutoTokenizer.from_pretrained(source)
    pipeline = transformers.pipeline("text-classification", theirs, tokenizer=tokenizer, top_k=None, device="cpu")
    model, notes = imported(source, tmp_path / "ours")
    assert notes == ("labels texts or pairs of texts: no, yes, maybe",)
    items: list[str | tuple[str, str]] = [*TEXTS[:4], (TEXTS[0], TEXTS[1]), (TEXTS[2], TEXTS[0])]
    shown = [item if isinstance(item, str) else {"text": item[0], "text_pair": item[1]} for item in items]
    for found, item in zip(model.classify(items), shown, strict=True):
        expected = {each["label"]: each["score"] for each in pipeline([item])[0]}
        assert found.probabilities == pytest.approx(expected, abs=1e-5)
        assert found.label == max(expected, key=expected.__getitem__)


@pytest.mark.parametrize("kind", KINDS)
@torch.no_grad()
def test_answers_are_the_best_spans_of_the_librarys_scores(kind: str, make_source: MakeSource, tmp_path: Path) -> None:
    source, theirs = make_source(kind, "ForQuestionAnswering")
    tokenizer = transformers.AutoTokenizer.from_pretrained(source)
    model, notes = imported(source, tmp_path / "ours")
    assert "--no-answer-threshold" in notes[0]
    for question, context in [("the ship?", TEXTS[1]), ("pilot in", TEXTS[2]), ("a b", TEXTS[5])]:
        row = tokenizer(question, context, return_tensors="pt", return_offsets_mapping=True)
        offsets = row.pop("offset_mapping")[0].tolist()
        of_context = [place for place, sequence in enumerate(row.sequence_ids()) if sequence == 1]
        scores = theirs(**row)
        starts, ends = scores.start_logits[0].tolist(), scores.end_logits[0].tolist()
        pairs = [(starts[i] + ends[j], i, j) for i in of_context for j in of_context if i <= j]
        _, first, last = max(pairs)
        found = model.answer(question, context)
        assert found.is_answered
        assert (found.answers[0].start, found.answers[0].end) == (offsets[first][0], offsets[last][1])


@torch.no_grad()
def test_a_threshold_lets_questions_go_unanswered(make_source: MakeSource, tmp_path: Path) -> None:
    source, theirs = make_source("bert", "ForQuestionAnswering")
    row = transformers.AutoTokenizer.from_pretrained(source)("the ship?", TEXTS[1], return_tensors="pt")
    scores = theirs(**row)
    of_context = [place for place, sequence in enumerate(row.sequence_ids()) if sequence == 1]
    starts, ends = scores.start_logits[0].tolist(), scores.end_logits[0].tolist()
    best = max(starts[i] + ends[j] for i in of_context for j in of_context if i <= j)
    margin = starts[0] + ends[0] - best
    for number, threshold in enumerate((margin - 0.01, margin + 0.01)):
        model, _ = imported(source, tmp_path / str(number), no_answer_threshold=threshold)
        assert model.answer("the ship?", TEXTS[1]).is_answered == (threshold > margin)
