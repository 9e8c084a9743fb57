"""BioC in both notations: offsets of passages and sentences, places of a mention, and hostile or damaged files."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from domainlm.api import DataError, Entity, ProblemLog, TokenExample
from domainlm_biomegatron.readers.bioc import read_bioc
from domainlm_biomegatron.readers.pubtator import read_pubtator
from domainlm_biomegatron.sample.writers import write_bc5cdr, write_bioc

TITLE, ABSTRACT = "Aspirin and pain.", "Ibuprofen eases joint and muscle pain. It may hurt."


def _annotation(type_: str, text: str, *places: tuple[int, int]) -> dict[str, Any]:
    locations = [{"offset": offset, "length": length} for offset, length in places]
    return {"id": "1", "infons": {"type": type_}, "text": text, "locations": locations}


DOCUMENT: dict[str, Any] = {
    "id": "12",
    "passages": [
        {"offset": 0, "text": TITLE, "annotations": [_annotation("Chemical", "Aspirin", (0, 7))]},
        {
            "offset": 18,
            "text": ABSTRACT,
            "annotations": [
                _annotation("Chemical", "Ibuprofen", (18, 9)),
                _annotation("Disease", "joint pain", (34, 5), (51, 4)),
            ],
        },
    ],
}


def _xml(document: dict[str, Any]) -> str:
    passages = "".join(
        f"<passage><infon key='section'>x</infon><offset>{passage['offset']}</offset><text>{passage['text']}</text>"
        + "".join(
            f"<annotation id='{each['id']}'><infon key='type'>{each['infons']['type']}</infon>"
            + "".join(f"<location offset='{p['offset']}' length='{p['length']}'/>" for p in each["locations"])
            + f"<text>{each['text']}</text></annotation>"
            for each in passage["annotations"]
        )
        + "</passage>"
        for passage in document["passages"]
    )
    return (
        "<?xml version='1.0' encoding='UTF-8'?><!DOCTYPE collection SYSTEM 'BioC.dtd'><collection><source>x</source>"
        f"<document><id>{document['id']}</id>{passages}</document></collection>"
    )


JSON, XML = json.dumps({"source": "x", "documents": [DOCUMENT]}), _xml(DOCUMENT)
PUBTATOR = f"12|t|{TITLE}\n12|a|{ABSTRACT}\n12\t0\t7\tAspirin\tChemical\tD1\n12\t18\t27\tIbuprofen\tChemical\t-1\n\n"


@pytest.mark.parametrize("content", [JSON, XML, json.dumps([DOCUMENT]), json.dumps({"PubTator3": [DOCUMENT]})])
def test_a_collection(content: str, tmp_path: Path, problems: ProblemLog) -> None:
    path = tmp_path / "train.gz"
    path.write_bytes(gzip.compress(content.encode()))
    title, first, second = read_bioc(path, problems)
    assert (title.id, title.text, title.entities) == ("12:0", TITLE, (Entity(0, 7, "Chemical"),))
    assert first.text == "Ibuprofen eases joint and muscle pain."
    # The fragments "joint" and "pain" are read as "joint and muscle pain", and counted.
    assert first.entities == (Entity(0, 9, "Chemical"), Entity(16, 37, "Disease"))
    assert (second.id, second.text, second.entities) == ("12:2", "It may hurt.", ())
    assert problems.counts == {"discontinuous mention: read as all from its first to its last character": 1}


def test_sentences_have_texts_of_their_own(tmp_path: Path, problems: ProblemLog) -> None:
    sentence = {"offset": 18, "text": ABSTRACT[:38], "annotations": [_annotation("Chemical", "Ibuprofen", (18, 9))]}
    path = tmp_path / "train.json"
    path.write_text(json.dumps({"documents": [{"id": 7, "passages": [{"offset": 18, "sentences": [sentence]}]}]}))
    (example,) = read_bioc(path, problems)
    assert example.id == "7:0"
    assert example.entities == (Entity(0, 9, "Chemical"),)
    assert not problems.counts


def _by_sentences(*annotations: dict[str, Any]) -> list[str]:
    """A passage whose two sentences have the text, with mentions of its own beside them: as JSON, and as XML."""
    cut = ABSTRACT.index(" It may")
    sentences = [
        {"offset": 18, "text": ABSTRACT[:cut], "annotations": [_annotation("Chemical", "Ibuprofen", (18, 9))]},
        {"offset": 19 + cut, "text": ABSTRACT[cut + 1 :], "annotations": []},
    ]
    passage = {"offset": 18, "text": "", "sentences": sentences, "annotations": list(annotations)}
    inner, outer = (_xml({"id": "7", "passages": parts}) for parts in (sentences, [passage]))
    inner = inner[inner.index("<passage>") : inner.rindex("</document>")].replace("passage>", "sentence>")
    return [
        json.dumps({"documents": [{"id": "7", "passages": [passage]}]}),
        outer.replace("</passage>", f"{inner}</passage>"),
        outer.replace("<text></text>", "<text/>").replace("</passage>", f"{inner}</passage>"),
    ]


@pytest.mark.parametrize("form", [0, 1, 2])
def test_a_mention_beside_the_sentences_belongs_to_the_one_that_holds_it(
    form: int, tmp_path: Path, problems: ProblemLog
) -> None:
    again = _annotation("Chemical", "Ibuprofen", (18, 9))
    beside = [again, _annotation("Disease", "pain", (51, 4)), _annotation("Effect", "hurt", (64, 4))]
    path = tmp_path / "train.bioc"
    path.write_text(_by_sentences(*beside, _annotation("Disease", "pain. It", (51, 8)))[form])
    first, second = read_bioc(path, problems)
    assert first.entities == (Entity(0, 9, "Chemical"), Entity(33, 37, "Disease"))
    assert [second.text[each.start : each.end] for each in second.entities] == ["hurt"]
    assert problems.counts == {"mention of a passage in none of its sentences (left out)": 1}


@pytest.mark.parametrize(
    ("annotation", "kind"),
    [
        (_annotation("Chemical", "Aspirin", (1, 7)), "mention text differs"),
        (_annotation("Chemical", "Aspirin", (90, 7)), "mention outside of the text: left out"),
        (_annotation("Chemical", "Aspirin"), "malformed mention"),
        (_annotation("", "Aspirin", (0, 7)), "malformed mention"),
    ],
)
@pytest.mark.parametrize("write", [lambda document: json.dumps({"documents": [document]}), _xml])
def test_a_wrong_mention_costs_itself_alone(
    annotation: dict[str, Any], kind: str, write: Callable[[Any], str], tmp_path: Path, problems: ProblemLog
) -> None:
    right = _annotation("Disease", "pain", (12, 4))
    path = tmp_path / "train.bioc"
    path.write_text(write({"id": "1", "passages": [{"offset": 0, "text": TITLE, "annotations": [annotation, right]}]}))
    (example,) = read_bioc(path, problems)
    assert example.entities == (Entity(12, 16, "Disease"),)
    assert problems.counts == {kind: 1}


def test_entities_of_a_file_are_never_expanded(tmp_path: Path, problems: ProblemLog) -> None:
    path = tmp_path / "train.xml"
    bomb = "<!DOCTYPE collection [<!ENTITY a 'x'><!ENTITY b '&a;&a;&a;&a;'>]>"
    path.write_text(f"{bomb}<collection><document><id>&b;</id></document></collection>")
    with pytest.raises(DataError, match="declares entities of its own"):
        list(read_bioc(path, problems))


@pytest.mark.parametrize(
    "content", ["", "text", "{}", "[]", '{"documents": 1}', "<article/>", "[1", '{"a": {}, "b": 1}']
)
def test_other_files_are_refused(content: str, tmp_path: Path, problems: ProblemLog) -> None:
    path = tmp_path / "train.xml"
    path.write_text(content)
    with pytest.raises(DataError):
        list(read_bioc(path, problems))


SNIPPETS = [
    b"<", b">", b"&", b"&#0;", b"\x00", b"\xff", b"\t", b"\n", b"\xe2\x80\xa8", b" ", b"9" * 5000, b"-1", b"{", b"}",
    b"[", b"]", b'"', b"null", b"\\ud800", b"1e9", b"1.5", b"true", b"<text/>", b"</passage>", b"<location/>",
    b"[" * 3000, b"\xef\xbb\xbf", b"|t|", b"|a|", b"12\t", "\u0663".encode(),
]  # fmt: skip


@st.composite
def damaged(draw: st.DrawFn, content: str) -> bytes:
    text = bytearray(content.encode())
    for _ in range(draw(st.integers(1, 4))):
        place = draw(st.integers(0, len(text)))
        kind = draw(st.sampled_from(["insert", "remove", "overwrite"]))
        piece = draw(st.one_of(st.sampled_from(SNIPPETS), st.binary(min_size=1, max_size=12)))
        text[place : place + (0 if kind == "insert" else len(piece))] = b"" if kind == "remove" else piece
    return bytes(text[: draw(st.one_of(st.none(), st.integers(0, len(text))))])


@settings(max_examples=600, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_damaged_files(data: st.DataObject, tmp_path: Path) -> None:
    """A mention that is kept has the text that the file gives it, unless it is counted as discontinuous."""
    read: Callable[[Path, ProblemLog], Iterator[TokenExample]]
    content, read = data.draw(st.sampled_from([(JSON, read_bioc), (XML, read_bioc), (PUBTATOR, read_pubtator)]))
    damaged_bytes = data.draw(damaged(content))
    path = tmp_path / "a.xml"
    path.write_bytes(damaged_bytes)
    problems = ProblemLog(skip_bad_input=data.draw(st.booleans()))
    found: list[TokenExample] = []
    try:
        found.extend(read(path, problems))
    except DataError as error:
        assert error.where is not None  # noqa: PT017 - any other error fails the test
    for example in found:
        example.text.encode()
        for entity in example.entities:
            assert 0 <= entity.start < entity.end <= len(example.text)
            mention = example.text[entity.start : entity.end]
            assert mention == mention.strip() != ""
            is_joined = problems.counts["discontinuous mention: read as all from its first to its last character"]
            decoded = damaged_bytes.decode(errors="replace")
            assert is_joined or "&" in decoded or "\\" in decoded or mention.split()[0] in decoded


def test_the_same_documents_give_the_same_examples_in_both_formats(tmp_path: Path, problems: ProblemLog) -> None:
    ours = write_bioc(tmp_path / "bioc", 3, 6)
    theirs = write_bc5cdr(tmp_path / "pubtator", 3, 6)
    for split in ("train", "dev", "test"):
        found = list(read_bioc(ours[split][0], problems))
        assert found == list(read_pubtator(theirs[split][0], problems))
        assert sum(len(each.entities) for each in found) > 10
    assert not problems.counts
