"""Predictions as PubTator files: what is written is read back, offsets and all."""

from __future__ import annotations

from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from domainlm.api import Entity, ProblemLog
from domainlm_biomegatron.readers.pubtator import read_documents
from domainlm_biomegatron.writing.pubtator import write_pubtator


def test_a_title_an_abstract_and_their_mentions() -> None:
    text = "Aspirin.\nAspirin blocks\nCOX."
    entities = [{"start": 9, "end": 16, "type": "Chemical"}]

    assert "".join(write_pubtator([{"id": 11, "text": text, "entities": entities}])) == (
        "11|t|Aspirin.\n11|a|Aspirin blocks COX.\n11\t9\t16\tAspirin\tChemical\n\n"
    )


@given(st.lists(st.text(max_size=40), min_size=1, max_size=4), st.data())
@settings(deadline=None, max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_is_written_is_read_back(tmp_path: Path, texts: list[str], data: st.DataObject) -> None:
    predictions = []
    for number, text in enumerate(texts, start=1):
        # Readers cut blanks off mentions, and title and abstract are parted by the first line break.
        places = [at for at, letter in enumerate(text) if letter.isalnum()]
        chosen = sorted(data.draw(st.sets(st.sampled_from(places), max_size=3))) if places else []
        entities = [{"start": at, "end": at + 1, "type": "Chemical"} for at in chosen]
        predictions.append({"id": number, "text": text, "entities": entities})
    path = tmp_path / "out.txt"
    path.write_text("".join(write_pubtator(predictions)), encoding="utf-8", newline="")
    problems = ProblemLog()
    documents = list(read_documents(path, problems))

    assert not problems.counts
    assert [document.pmid for document in documents] == [str(each["id"]) for each in predictions]
    for document, each in zip(documents, predictions, strict=True):
        assert document.entities == [Entity(at["start"], at["end"], at["type"]) for at in each["entities"]]
